"""The latent plane: what stands in the HTML, what is refused, and how it behaves in a browser."""

import base64
import io
import json
import re
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pytest
from in_a_browser import Untrusted, what_a_browser_finds
from IPython.core.formatters import DisplayFormatter

from aelib.figures import latent_plane

ROWS, COLUMNS, HEIGHT, WIDTH = 7, 9, 6, 5
XS, YS = np.linspace(-2, 2, COLUMNS), np.linspace(0, 3, ROWS)
IMAGES = np.random.default_rng(0).random((ROWS, COLUMNS, HEIGHT, WIDTH, 1)).astype("float32")
BYTES = np.rint(IMAGES[..., 0].astype("float64") * 255).astype("uint8")
POINTS, LABELS = np.array([[-2.0, 0.0], [2.0, 3.0], [2.0, 3.0], [9.0, 9.0]]), np.array([0, 1, 1, 0])


def sheet_of(html: str) -> np.ndarray:
    """The picture in the HTML, as bytes."""
    (found,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return np.rint(255 * plt.imread(io.BytesIO(base64.b64decode(found)))).astype("uint8")


def class_of(html: str) -> str:
    return re.match(r'<div class="(aelib-plane-[0-9a-f]{12})"', html)[1]


# ---- what is in it ----


@pytest.mark.parametrize("images", [IMAGES, IMAGES.reshape(-1, HEIGHT, WIDTH, 1)], ids=["rows, columns", "one axis"])
def test_the_sheet_holds_the_images_with_the_largest_y_on_top(images):
    sheet = sheet_of(latent_plane.plane(images, XS, YS).html)
    assert sheet.shape == (ROWS * HEIGHT, COLUMNS * WIDTH)
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, left = (ROWS - 1 - row) * HEIGHT, column * WIDTH
            np.testing.assert_array_equal(sheet[top : top + HEIGHT, left : left + WIDTH], BYTES[row, column])


def test_a_png_is_read_back_exactly():
    picture = np.random.default_rng(1).integers(0, 256, (40, 31)).astype("uint8")
    np.testing.assert_array_equal(np.rint(255 * plt.imread(io.BytesIO(latent_plane._png(picture)))), picture)


def test_the_grid_goes_row_by_row():
    codes = latent_plane.grid([1, 2, 3], [10, 20])
    assert codes.dtype == "float32"
    np.testing.assert_array_equal(codes, [(x, y) for y in (10, 20) for x in (1, 2, 3)])


def test_a_decoder_s_images_come_back_at_their_codes():
    """A "decoder" that writes its codes into the image: the sheet says which codes stand where."""
    xs, ys = np.arange(4) / 5, np.arange(3) / 5
    images = np.tile(latent_plane.grid(xs, ys)[:, None, :, None], (1, 2, 1, 1))  # left pixels: x, right pixels: y
    sheet = sheet_of(latent_plane.plane(images, xs, ys).html)
    np.testing.assert_array_equal(sheet[-1], [0, 0, 51, 0, 102, 0, 153, 0])
    np.testing.assert_array_equal(sheet[0, 1::2], [102] * 4)


def test_the_same_arguments_give_the_same_bytes_and_others_another_class():
    one = latent_plane.plane(IMAGES, XS, YS, title="a", points=POINTS, labels=LABELS)
    assert one == latent_plane.plane(IMAGES.copy(), list(XS), list(YS), title="a", points=POINTS, labels=LABELS)
    others = [
        latent_plane.plane(IMAGES, XS, YS, title="b", points=POINTS, labels=LABELS),
        latent_plane.plane(1 - IMAGES, XS, YS, title="a", points=POINTS, labels=LABELS),
        latent_plane.plane(IMAGES, XS + 1, YS, title="a", points=POINTS, labels=LABELS),
        latent_plane.plane(IMAGES, XS, YS, title="a", points=POINTS[::-1], labels=LABELS),
    ]
    assert len({class_of(view.html) for view in [one, *others]}) == 5


def test_two_views_share_no_name():
    one, two = (latent_plane.plane(IMAGES, XS, YS, title=title).html for title in "ab")
    assert " id=" not in one and "getElementById" not in one
    selectors = [set(re.findall(r"^\.[^\n{]+", html, re.MULTILINE)) for html in (one, two)]
    assert selectors[0] and not selectors[0] & selectors[1]
    assert all(part.strip().startswith("." + class_of(one)) for rule in selectors[0] for part in rule.split(","))


def test_the_html_loads_nothing_and_evaluates_nothing():
    html = latent_plane.plane(IMAGES, XS, YS, points=POINTS, labels=LABELS, title="a").html
    assert not re.search(
        r"https?:|<link|<iframe|<script[^>]|@import|url\(|\beval\(|new Function|import\(|fetch\(", html
    )
    assert re.findall(r'(?:src|href)="([^",]*)', html) == ["data:image/png;base64"]


def test_words_of_the_caller_stay_words():
    nasty = '</script><script>alert("$id")</script> & <b>'
    html = latent_plane.plane(
        IMAGES, XS, YS, title=nasty, xlabel=nasty, points=POINTS, labels=LABELS, class_names=[nasty, "b"]
    )
    html = html.html
    assert html.count("<script>") == html.count("</script>") == 1 and "<b>" not in html
    assert f'<p class="lp-heading" style="font-weight: bold">{nasty}</p>' in unescape(html)
    data = json.loads(re.search(r"const d = (\{.*\});", html)[1])
    assert data["title"] == data["xlabel"] == data["dots"]["names"][0] == nasty


def test_points_are_placed_by_their_codes_and_those_outside_are_counted():
    html = latent_plane.plane(IMAGES, XS, YS, points=POINTS, labels=LABELS, class_names=["zero", "one"]).html
    data = json.loads(re.search(r"const d = (\{.*\});", html)[1])
    x, y = 500 / COLUMNS, 500 / ROWS  # the middle of the first cell, in thousandths
    np.testing.assert_allclose(data["dots"]["x"], [x, 1000 - x, 1000 - x], atol=0.5)
    np.testing.assert_allclose(data["dots"]["y"], [1000 - y, y, y], atol=0.5)
    assert data["dots"]["kind"] == [0, 1, 1] and data["dots"]["names"] == ["zero", "one"] and data["outside"] == 1
    assert data["dots"]["colours"] == ["#1f77b4", "#ff7f0e"]


def test_places_follow_the_codes_where_the_steps_differ():
    axis = np.array([0.0, 1.0, 10.0])  # three cells of the same size
    values = [-0.5, 0, 0.5, 1, 5.5, 10, 14.5]
    np.testing.assert_allclose(latent_plane._place(values, axis), [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert np.isnan(latent_plane._place([-0.51, 14.51], axis)).all()


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (np.linspace(-3, 3, 21)[9:12], ["−0.3", "0.0", "0.3"]),
        ([-0.25, 0, 0.25], ["−0.25", "0.00", "0.25"]),
        ([0, 1e-6], ["0.000000", "0.000001"]),
        ([-2000, 0, 10], ["−2000", "0", "10"]),
    ],
)
def test_codes_are_written_so_that_neighbours_differ(values, texts):
    assert latent_plane._numbers(np.array(values, "float64")) == texts


def test_a_notebook_gets_html_and_a_still_picture():
    view = latent_plane.plane(IMAGES, XS, YS, title="a")
    data, _ = DisplayFormatter().format(view)
    assert data["text/html"] == view.html
    assert data["text/plain"] == "LatentPlane(grid=(7, 9), image_size=(6, 5))"
    still = plt.imread(io.BytesIO(data["image/png"]))
    assert still.ndim == 2 and 200 < min(still.shape) <= max(still.shape) < 600 and len(view.png) < 70_000
    assert view.png != latent_plane.plane(1 - IMAGES, XS, YS, title="a").png


def test_the_still_picture_of_a_large_grid_shows_eleven_images_a_side():
    """Each column of images has its own grey: those of every third column are seen, white paper and lines aside."""
    images = np.broadcast_to(np.linspace(0.2, 0.8, 31)[None, :, None, None, None], (31, 31, 4, 4, 1))
    still = plt.imread(io.BytesIO(latent_plane.plane(images, range(31), range(31)).png))
    greys, counts = np.unique(np.rint(255 * still[still.shape[0] // 2]), return_counts=True)
    seen = greys[(counts > 15) & (greys < 255)]
    np.testing.assert_allclose(seen, np.rint(255 * np.linspace(0.2, 0.8, 11)), atol=1)


# ---- sizes ----


@pytest.mark.parametrize("shape", [(28, 28, 1), (20, 24, 1), (64, 64, 1), (8, 8, 1)])
def test_decoded_images_fit_at_the_advised_number_of_steps(shape):
    side = latent_plane.grid_size(shape)
    assert side % 2 == 1 and 3 <= side <= 31
    axis = np.linspace(-3, 3, side)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    a, b = latent_plane.grid(axis, axis).T[:, :, None, None] / 6
    images = 1 / (1 + np.exp(20 * (np.abs(np.hypot(x - a, y - b) - 0.5) - 0.1)))  # rings, soft as decoded digits
    view = latent_plane.plane(images[..., None], axis, axis, points=np.random.default_rng(0).normal(size=(500, 2)))
    assert len(view.html.encode("utf-8")) <= latent_plane.LIMIT == 250_000


def test_the_advice_for_digits_is_what_the_documentation_says():
    assert latent_plane.grid_size((28, 28, 1)) == 19


def test_noisy_images_are_rounded_until_they_fit():
    """5 × 16 of 32×32 in colour, all noise: too much as bytes, and no more than 4 of 255 off when rounded to 5 bits."""
    noise = np.random.default_rng(0).random((5 * 16, 32, 32, 3))
    view = latent_plane.plane(noise, range(16), range(5))
    shown = sheet_of(view.html).astype("float64")
    exact = np.vstack([np.hstack(row) for row in 255 * noise.reshape(5, 16, 32, 32, 3)[::-1]])
    assert len(view.html.encode("utf-8")) <= latent_plane.LIMIT < 4 / 3 * exact.size
    assert len(np.unique(shown)) == 33 and np.abs(shown - exact).max() <= 4.5


def test_too_much_is_refused_with_the_numbers_and_a_grid_that_fits():
    noise = np.random.default_rng(0).random((21 * 21, 28, 28, 1))
    axis = np.linspace(-3, 3, 21)
    message = r"the view has (\d+) KB with a grid of 21×21 images of 28×28 pixels and 0 points: expected at most 250 KB"
    with pytest.raises(ValueError, match=message) as caught:
        latent_plane.plane(noise, axis, axis)
    advice = re.search(r"about (\d+)×(\d+)", str(caught.value))
    rows, columns = int(advice[1]), int(advice[2])
    latent_plane.plane(noise[: rows * columns], axis[:columns], axis[:rows])


# ---- what is refused ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder_images": IMAGES[:5]}, r"\(5, 9, 6, 5, 1\): expected \(7, 9\)"),
        ({"decoder_images": IMAGES[0]}, r"shape \(9, 6, 5, 1\): expected .*63"),
        ({"decoder_images": np.repeat(IMAGES, 2, -1)}, r"shape \(63, 6, 5, 2\)"),
        ({"decoder_images": 2 * IMAGES}, r"expected \[0, 1\]"),
        ({"decoder_images": np.full_like(IMAGES, np.nan)}, "1890 values"),
        ({"xs": XS[::-1]}, r"xs .*numbers that increase"),
        ({"ys": [1.0]}, r"ys have the shape \(1,\)"),
        ({"ys": YS[:, None]}, r"ys have the shape \(7, 1\)"),
        ({"ys": [0, 1, np.nan, 3, 4, 5, 6]}, "ys hold 1 values"),
        ({"points": POINTS.T}, r"points have the shape \(2, 4\)"),
        ({"points": np.full((4, 2), np.inf)}, "points hold"),
        (
            {"points": POINTS, "labels": [0, 1]},
            r"\(2,\) for 4 points",
        ),
        ({"points": POINTS, "labels": LABELS + 0.5}, "labels are float64"),
        ({"points": POINTS, "labels": LABELS - 1}, "labels are int64, -1 to 0"),
        ({"points": POINTS, "labels": LABELS, "class_names": ["a"]}, "for 1 class names"),
        ({"labels": LABELS}, "found 4 labels and no points"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        latent_plane.plane(**{"decoder_images": IMAGES, "xs": XS, "ys": YS, **change})
    assert "\n" not in str(caught.value)


# ---- in a browser ----


# Sends real events to the views, and writes what they show then into the page, which the browser prints.
DRIVER = """
<script>
window.addEventListener("load", () => {  // nothing here waits: the browser prints the page once this has run
  const rgba = canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
  const view = name => {
    const root = document.getElementById(name).firstElementChild, plane = root.querySelector(".lp-plane");
    const canvas = root.querySelector(".lp-shown canvas");
    const shows = () => ({
      says: root.querySelector(".lp-says").textContent,
      pixels: rgba(canvas).filter((_, i) => i % 4 == 0),
      label: canvas.getAttribute("aria-label"),
      cell: ["left", "bottom"].map(side => parseFloat(root.querySelector(".lp-cell").style[side])),
    });
    const point = (type, x, y, pointerType) => {
      const box = plane.getBoundingClientRect();
      plane.dispatchEvent(new PointerEvent(type, { bubbles: true, cancelable: true, pointerType, isPrimary: true,
        clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
      return shows();
    };
    const press = (key, more) => {
      const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
      let heard = false;
      const hear = () => { heard = true; };
      document.addEventListener("keydown", hear);
      plane.dispatchEvent(event);
      document.removeEventListener("keydown", hear);
      return { ...shows(), prevented: event.defaultPrevented, heard };
    };
    return { root, plane, shows, point, press };
  };
  const one = view("one"), twin = view("twin"), dots = view("dots"), found = {};
  found.globals = Object.getOwnPropertyNames(window).filter(name => !window.atFirst.has(name));
  found.start = one.shows();
  found.mouse = one.point("pointermove", 7.5 / 9, 5.5 / 7, "mouse");
  found.right = one.press("ArrowRight");
  found.clamped = one.press("ArrowRight");
  found.up = one.press("ArrowUp", { shiftKey: true });
  found.left = one.press("ArrowLeft", { shiftKey: true });
  found.down = one.press("ArrowDown");
  found.ctrl = one.press("ArrowDown", { ctrlKey: true });
  found.tab = one.press("Tab");
  found.letter = one.press("d");
  found.home = one.press("Home");
  found.finger = one.point("pointerdown", 0.01, 0.99, "touch");
  found.focused = document.activeElement === one.plane;
  found.drag = one.point("pointermove", 1.5, -0.5, "touch");
  found.twin = twin.shows();
  found.outlines = ["blur", "focus"].map(what => {
    twin.plane[what]();
    return getComputedStyle(twin.plane).outlineWidth;
  });
  const style = getComputedStyle(one.plane), card = getComputedStyle(one.root);
  found.style = [style.touchAction, card.backgroundColor, card.color];
  found.aria = ["tabindex", "role", "aria-label"].map(name => one.plane.getAttribute(name));
  found.live = one.root.querySelector("[aria-live]").textContent;
  found.narrow = [dots.root.scrollWidth, dots.root.clientWidth];
  found.note = dots.root.querySelector(".lp-note").textContent;
  const ink = rgba(dots.root.querySelector(".lp-dots"));
  found.ink = ink.filter((value, i) => i % 4 == 3 && value > 0).length / (ink.length / 4);
  const still = document.querySelector("#untrusted img");
  found.still = [still.naturalWidth, still.naturalHeight, still.checkVisibility(), still.getBoundingClientRect().width];
  found.stillText = document.getElementById("untrusted").innerText;
  const resources = performance.getEntriesByType("resource").map(entry => entry.name);
  found.loaded = resources.filter(name => !name.startsWith("data:"));
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """What the views show in headless Chromium: `one` is used, its `twin` is not, and one stands without scripts."""
    folder = tmp_path_factory.mktemp("browser")
    one = latent_plane.plane(IMAGES, XS, YS, title="</script> & one", xlabel="<x>").html
    dots = latent_plane.plane(IMAGES, XS, YS, points=POINTS, labels=LABELS, class_names=["zero", "one"]).html
    page = (
        '<!DOCTYPE html><html><meta charset="utf-8"><body style="background: #111; color: #eee">'
        "<script>atFirst = null; atFirst = new Set(Object.getOwnPropertyNames(window));</script>"
        f'<div id="one">{one}</div><div id="twin">{one}</div><div id="dots" style="width: 320px">{dots}</div>'
        f'<div id="untrusted">{"".join(Untrusted(one).kept)}</div><pre id="found"></pre>{DRIVER}</body></html>'
    )
    return what_a_browser_finds(page, folder)


def assert_shows(state: dict, column: int, row: int) -> None:
    """The image is that of the cell, byte for byte, and the codes and the frame are its own."""
    np.testing.assert_array_equal(np.reshape(state["pixels"], (HEIGHT, WIDTH)), BYTES[row, column])
    codes = [f"<x> = {XS[column]:.1f}", f"code 2 = {YS[row]:.1f}"]
    codes = [code.replace("-", "−") for code in codes]
    assert state["says"] == "\n".join(codes)
    assert state["label"] == "image decoded from " + ", ".join(codes)
    np.testing.assert_allclose(state["cell"], [100 * column / COLUMNS, 100 * row / ROWS], atol=0.01)


@pytest.mark.parametrize(
    ("action", "column", "row"),
    [
        ("start", 4, 3),
        ("mouse", 7, 1),
        ("right", 8, 1),
        ("clamped", 8, 1),
        ("up", 8, 6),
        ("left", 3, 6),
        ("down", 3, 5),
        ("home", 4, 3),
        ("finger", 0, 0),
        ("drag", 8, 6),
        ("twin", 4, 3),
    ],
)
def test_the_image_and_the_codes_are_those_of_the_nearest_cell(found, action, column, row):
    assert_shows(found[action], column, row)


def test_keys_that_move_stay_here_and_others_go_on(found):
    for action in ("right", "clamped", "up", "left", "down", "home"):
        assert found[action]["prevented"] and not found[action]["heard"], action
    for action in ("ctrl", "tab"):
        assert not found[action]["prevented"] and found[action]["heard"], action
        assert_shows(found[action], 3, 5)
    assert not found["letter"]["heard"]  # Jupyter's command mode cuts a cell at two of them


def test_the_plane_takes_the_focus_and_shows_it(found):
    assert found["focused"]
    assert found["outlines"] == ["1px", "4px"]
    tabindex, role, label = found["aria"]
    assert (tabindex, role) == ("0", "application") and label.startswith("</script> & one. The arrow keys")
    assert found["live"] == found["drag"]["says"]


def test_it_has_its_own_colours_on_a_dark_page_and_keeps_touches(found):
    assert found["style"] == ["none", "rgb(255, 255, 255)", "rgb(34, 34, 34)"]


def test_it_fits_a_narrow_page(found):
    assert found["narrow"][0] <= found["narrow"][1] <= 320


def test_points_are_drawn_and_those_outside_are_named(found):
    assert 0.001 < found["ink"] < 0.2
    assert found["note"].endswith("nearest of 7 × 9 codes. 1 of 4 points lie outside.")


def test_it_leaves_no_globals_and_loads_nothing(found):
    assert found["globals"] == [] and found["loaded"] == []


def test_without_scripts_the_images_stand_still_with_their_codes(found):
    assert found["still"] == [COLUMNS * WIDTH, ROWS * HEIGHT, True, COLUMNS * WIDTH]
    assert "7 × 9 images, decoded on a grid of codes: <x> grows from −2.0 (left) to 2.0 (right)" in found["stillText"]
    assert "trust the notebook" in found["stillText"] and "const d" not in found["stillText"]


def test_a_saved_page_holds_the_view(tmp_path):
    view = latent_plane.plane(IMAGES, XS, YS)
    view.save(tmp_path / "plane.html")
    text = (tmp_path / "plane.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>") and view.html in text
