"""The style explorer: its network against Keras, what stands in the HTML, what is refused, and a browser."""

import base64
import io
import json
import random
import re
import shutil
import subprocess
from html import escape, unescape

import keras
import numpy as np
import pytest
from in_a_browser import Untrusted, what_a_browser_finds
from IPython.core.formatters import DisplayFormatter
from PIL import Image

from aelib.figures import explorer, style_explorer
from aelib.models import load_shipped, style_generator, synthesize

SIZE = 6
TITLE = "Two directions"
VALUES = np.array([[0.0, 0.0], [2.0, -1.0], [-0.7, 1.9]])  # of the two sliders
REACHED = np.linspace(-2, 2, 3)  # of the still pictures


def made_generator(image_shape, widths) -> keras.Model:
    """With weights that one byte holds exactly: multiples of a 127th of the largest. No bias is 0, nor is the noise."""
    rng = np.random.default_rng(0)
    generator = style_generator(image_shape, SIZE, widths)
    for weights in generator.get_layer("synthesis").trainable_variables:
        values = rng.normal(size=weights.shape)
        if weights.name == "kernel":
            values = rng.integers(-127, 128, weights.shape)
            values[(0,) * (values.ndim - 1)] = 127  # in each output channel
            values = values / 100
        weights.assign(values)
    return generator


GENERATORS = {
    "grey, 8×16": made_generator((8, 16, 1), (5, 4)),
    "colour, 16×16": made_generator((16, 16, 3), (5, 4, 3)),
    "one level": made_generator((4, 6, 3), (7,)),
}
GREY = GENERATORS["grey, 8×16"]
START = np.random.default_rng(1).normal(size=(2, SIZE)).astype("float32")
WAYS = {"smile": np.random.default_rng(2).normal(size=SIZE), "turn": np.linspace(-1, 1, SIZE)}


def data_of(html: str) -> dict:
    return json.loads(re.search(r"const d = (\{.*\});", html)[1])


def class_of(html: str) -> str:
    return re.match(r'<div class="(aelib-explorer-[0-9a-f]{12})"', html)[1]


def in_node(html: str, face: int, values) -> np.ndarray:
    """The pictures that the script computes for a face and rows of the sliders' values."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: `apt-get install nodejs` runs these tests")
    script = re.search(r"<script>\n(.*)</script>", html, re.DOTALL)[1]
    text = (
        f"const picture = {script}\nconst all = {np.asarray(values).tolist()}.map(values => picture({face}, values));"
    )
    text += "console.log(JSON.stringify(all.map(({ maps, ...size }) => ({ ...size, maps: [...maps] }))));"
    done = subprocess.run([node, "-"], input=text, capture_output=True, text=True, encoding="utf-8", check=True)
    found = json.loads(done.stdout)
    return np.stack([np.reshape(each["maps"], (each["height"], each["width"], -1)) for each in found])


def in_numpy(html: str, face: int, values) -> np.ndarray:
    """The same as `in_node`, by other means: kernels multiplied out, pictures shifted instead of looked up."""
    d = data_of(html)
    read = {key: np.frombuffer(base64.b64decode(d[key]), "int8" if key == "bytes" else "<f4") for key in KEYS}
    ways = read["directions"].reshape(-1, d["levels"], d["size"])
    w = read["start"].reshape(-1, d["levels"], d["size"])[face] + np.tensordot(np.asarray(values), ways, 1)

    def take(key, *shape):
        part, read[key] = np.split(read[key], [np.prod(shape)])
        return part.reshape(shape).astype("float64")

    maps = take("numbers", d["height"], d["width"], d["layers"][0]["inputs"])[None].repeat(len(w), axis=0)
    for layer in d["layers"]:
        side, inputs, outputs = layer["side"], layer["inputs"], layer["outputs"]
        to_style = take("numbers", inputs) * take("bytes", d["size"], inputs)
        style = w[:, layer["level"]] @ to_style + take("numbers", inputs)
        kernel = take("numbers", outputs) * take("bytes", side, side, inputs, outputs)
        kernels = kernel * style[:, None, None, :, None]
        if layer["gain"]:
            kernels *= layer["gain"] / np.sqrt(np.square(kernels).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
        maps = maps.repeat(1 + layer["up"], axis=1).repeat(1 + layer["up"], axis=2)
        edge, (_, height, width, _) = side // 2, maps.shape
        padded = np.pad(maps, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        maps = take("numbers", outputs) + sum(
            np.einsum("nyxi,nio->nyxo", padded[:, y : y + height, x : x + width], kernels[:, y, x])
            for y in range(side)
            for x in range(side)
        )
        maps = np.where(maps < 0, 0.2 * maps, maps) if layer["gain"] else maps
    assert not read["bytes"].size and not read["numbers"].size
    return 0.5 * np.tanh(maps) + 0.5


KEYS = ("bytes", "numbers", "start", "directions")


# ---- the network ----


@pytest.mark.parametrize("computed", [in_node, in_numpy])
@pytest.mark.parametrize("kind", GENERATORS)
def test_the_page_computes_what_keras_does(kind, computed):
    """Rounding changes nothing here: what is left is the precision of 32-bit numbers."""
    generator = GENERATORS[kind]
    levels = generator.get_layer("synthesis").input_shape[0][1]
    ways = WAYS | {"turn": np.arange(levels)[:, None] * WAYS["turn"]}  # none at the first level
    html = explorer(generator, START, ways).html
    w = START[1] + np.tensordot(VALUES, np.stack([np.tile(ways["smile"], (levels, 1)), ways["turn"]]), 1)
    exact = synthesize(generator, w)
    assert exact.std(axis=0).mean() > 0.01  # the sliders matter
    np.testing.assert_allclose(computed(html, 1, VALUES), exact, atol=2e-5)


@pytest.fixture(scope="module")
def shipped() -> tuple[str, np.ndarray, np.ndarray]:
    """A view of the shipped faces, values of its 12 sliders, and what Keras makes of the second face with them."""
    faces = load_shipped("style_faces")
    rng = np.random.default_rng(0)
    start = faces.get_layer("mapping").predict(rng.normal(size=(2, 32)), verbose=0)
    ways = {f"direction {k}": way for k, way in enumerate(0.3 * rng.normal(size=(12, 32)))}
    values = rng.uniform(-2, 2, (8, 12))
    exact = synthesize(faces, start[1] + values @ np.stack([*ways.values()]))
    return explorer(faces, start, ways).html, values, exact


@pytest.mark.parametrize("computed", [in_node, in_numpy])
def test_shipped_faces_differ_by_what_bytes_round_away(shipped, computed):
    """Measured: 1.3 of 255 levels (root mean square), 21 at most. It is what the rounding takes away: with weights of
    7 and of 6 bits it was 2.8 and 5.2, and what Node and NumPy make of the same bytes is equal to 1e-5."""
    html, values, exact = shipped
    off = 255 * np.abs(computed(html, 1, values) - exact)
    assert 0.3 < np.sqrt(np.square(off).mean()) < 2 and off.max() < 40


def test_shipped_faces_with_twelve_directions_fit(shipped):
    assert len(shipped[0].encode("utf-8")) <= style_explorer.LIMIT == 250_000


# ---- what is in the page ----


@pytest.fixture(scope="module")
def view() -> style_explorer.StyleExplorer:
    return explorer(GREY, START, WAYS, title=TITLE)


def stills_of(html: str) -> list[np.ndarray]:
    found = [base64.b64decode(text) for text in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]
    return [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int) for png in found]


@pytest.mark.parametrize(("kind", "off"), [("grey, 8×16", 0.51), ("colour, 16×16", 16)])
def test_the_still_pictures_are_those_of_the_first_face(kind, off):
    """Grey ones exactly; those in colour have 256 colours a row."""
    generator = GENERATORS[kind]
    rows = stills_of(explorer(generator, START, WAYS).html)
    assert len(rows) == 2
    for row, way in zip(rows, WAYS.values(), strict=True):
        exact = 255 * np.hstack(synthesize(generator, START[0] + REACHED[:, None] * way))
        assert np.abs(row - exact).max() <= off


def test_the_first_twelve_directions_have_still_pictures():
    ways = {f"number {k}": way for k, way in enumerate(np.eye(14, SIZE))}
    view = explorer(GREY, START, ways)
    assert len(stills_of(view.html)) == 12 and len(data_of(view.html)["names"]) == len(view.directions) == 14


def test_the_same_arguments_give_the_same_bytes_and_others_another_class(view):
    each_level = np.repeat(START[:, None], 2, axis=1).tolist()
    assert view == explorer(GREY, each_level, {name: [*way] for name, way in WAYS.items()}, title=TITLE)
    others = [
        explorer(GREY, START, WAYS, title="b"),
        explorer(GREY, START[:1], WAYS, title=TITLE),
        explorer(GREY, START, WAYS, title=TITLE, reach=3),
        explorer(GENERATORS["colour, 16×16"], START, WAYS, title=TITLE),
    ]
    assert len({class_of(each.html) for each in [view, *others]}) == 5


def test_random_numbers_drawn_afterwards_are_the_same():
    keras.utils.set_random_seed(0)
    before = random.getstate(), np.random.get_state()[1].tolist()
    explorer(GREY, START, WAYS)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_two_views_share_no_name(view):
    one, two = view.html, explorer(GREY, START, WAYS, title="b").html
    assert " id=" not in one and "getElementById" not in one
    selectors = [set(re.findall(r"^\.[^\n{]+", html, re.MULTILINE)) for html in (one, two)]
    assert selectors[0] and not selectors[0] & selectors[1]
    assert all(part.strip().startswith("." + class_of(one)) for rule in selectors[0] for part in rule.split(","))


def test_the_html_loads_nothing_and_evaluates_nothing(view):
    assert not re.search(
        r"https?:|<link|<iframe|<script[^>]|@import|url\(|\beval\(|new Function|import\(|fetch\(|innerHTML",
        view.html,
    )
    assert set(re.findall(r'(?:src|href)="([^",]*)', view.html)) == {"data:image/png;base64"}


def test_words_of_the_caller_stay_words():
    nasty = '</script><script>alert("$id")</script> & <b> $\\no$'
    view = explorer(GREY, START, {nasty: WAYS["smile"]}, title=nasty)
    assert view.html.count("<script>") == view.html.count("</script>") == 1 and "<b>" not in view.html
    assert f'<p class="se-heading" style="font-weight: bold">{nasty}</p>' in unescape(view.html)
    assert f'<img alt="{escape(nasty)}"' in view.html
    assert data_of(view.html)["names"] == [nasty] and view.directions == (nasty,)


def test_a_notebook_gets_html_and_a_picture_with_a_text(view, tmp_path):
    data, metadata = DisplayFormatter().format(view)
    assert data["text/html"] == view.html
    assert data["text/plain"] == "StyleExplorer(directions=('smile', 'turn'), image_size=(8, 16))"
    assert metadata["image/png"]["alt"] == (
        "Two directions. One generated face. In each row one direction is added to its w, −2 (left) to 2 (right) "
        "times. Rows from the top: smile, turn."
    )
    with Image.open(io.BytesIO(data["image/png"])) as still:
        assert 100 < min(still.size) <= max(still.size) < 700
    assert explorer(GENERATORS["one level"], START, WAYS).image_size == (4, 6, 3)
    view.save(tmp_path / "explorer.html")
    text = (tmp_path / "explorer.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>") and view.html in text


# ---- what is refused ----


def changed(**replaced) -> keras.Model:
    """A generator whose synthesis network has layers with other settings."""
    made = keras.models.clone_model(GREY.get_layer("synthesis"), clone_function=lambda layer: settings(layer, replaced))
    inputs = [keras.Input(shape[1:]) for shape in made.input_shape]
    return keras.Model(inputs, made(inputs))


def settings(layer, replaced):
    config = layer.get_config()
    return type(layer).from_config(config | {key: value for key, value in replaced.items() if key in config})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator": "faces"}, "'faces' has no synthesis network: expected a generator that .*style_generator built"),
        ({"generator": GREY.get_layer("synthesis")}, "no synthesis network"),
        ({"generator": changed(negative_slope=0.3)}, "other pictures than its layers should"),
        ({"generator": changed(interpolation="bilinear")}, "other pictures than its layers should"),
        ({"generator": changed(kernel_size=(5, 5))}, "built in another way"),
        ({"start": START[0]}, r"start has the shape \(6,\): expected the w of at least one face, \(faces, 6\)"),
        ({"start": START[:0]}, r"start has the shape \(0, 2, 6\)"),
        ({"start": START[:, :5]}, r"start has the shape \(2, 2, 5\)"),
        ({"start": np.full_like(START, np.nan)}, "start hold 12 values"),
        ({"directions": {}}, "directions are empty: expected at least one, {'its name': a vector of 6 numbers}"),
        ({"directions": START}, "directions are of type ndarray: expected"),
        ({"directions": {"smile": START[0, :5]}}, r"'smile' has the shape \(5,\): expected \(6,\) or \(2, 6\)"),
        ({"directions": {"smile": np.ones((3, SIZE))}}, r"'smile' has the shape \(3, 6\)"),
        ({"directions": {"smile": [np.inf] * SIZE}}, "numbers of direction 'smile' hold 6 values"),
        ({"reach": 0}, "reach is 0: expected a number above 0"),
        ({"reach": float("inf")}, "reach is inf"),
        ({"reach": "2"}, "reach is '2'"),
        (
            {"start": np.zeros((5000, SIZE))},
            r"the view has \d{3} KB, with [\d,]+ weights, 2 directions and 5000 faces: expected at most 250 KB; give",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        explorer(**{"generator": GREY, "start": START, "directions": WAYS, **change})
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused():
    generator = made_generator((4, 6, 3), (7,))
    generator.get_layer("synthesis").trainable_variables[-1].assign([np.nan] * 3)
    with pytest.raises(ValueError, match="the generator's weights hold 3 values that are NaN"):
        explorer(generator, START, WAYS)


# ---- in a browser ----

# Frames of the screen are counted, and drawn when the driver says so: nothing waits.
BEFORE = """<script>
window.frames_ = [];
window.requestAnimationFrame = draw => window.frames_.push(draw);
window.atFirst = null;
window.atFirst = new Set(Object.getOwnPropertyNames(window));
</script>"""
DRIVER = """<script>
window.addEventListener("load", () => {
  const flush = () => { const all = frames_.splice(0); all.forEach(draw => draw()); return all.length; };
  const view = name => {
    const root = document.getElementById(name).firstElementChild, canvas = root.querySelector("canvas");
    const sliders = [...root.querySelectorAll("input[type=range]")], buttons = [...root.querySelectorAll("button")];
    const shows = () => ({
      frames: flush(),
      pixels: [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data],
      says: root.querySelector("[role=status]").textContent,
      label: canvas.getAttribute("aria-label"),
      values: sliders.map(slider => slider.getAttribute("aria-valuetext")),
    });
    const move = (...steps) => {
      steps.forEach((step, k) => {
        sliders[k].value = step;
        sliders[k].dispatchEvent(new Event("input", { bubbles: true }));
      });
      return shows();
    };
    const click = text => { buttons.find(each => each.textContent === text).click(); return shows(); };
    const press = (key, more) => {
      const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
      let heard = false;
      const hear = () => { heard = true; };
      document.addEventListener("keydown", hear);
      sliders[0].dispatchEvent(event);
      document.removeEventListener("keydown", hear);
      return [heard, event.defaultPrevented];
    };
    return { root, canvas, sliders, buttons, shows, move, click, press };
  };
  const found = {}, one = view("one"), twin = view("twin"), colour = view("colour");
  found.globals = Object.getOwnPropertyNames(window).filter(name => !window.atFirst.has(name));
  flush();
  found.start = one.shows();
  found.moved = one.move(20, -10);
  found.another = one.click("Another face");
  found.round = one.click("Another face");
  found.reset = one.click("Reset");
  found.twin = twin.shows();
  found.colour = colour.move(-7, 19);
  found.random = colour.click("Random").values;
  found.kept = ["d", "ArrowRight", "Home", "Enter", " "].map(key => one.press(key));
  found.given = [one.press("Tab"), one.press("Escape"), one.press("s", { ctrlKey: true })];
  found.names = one.sliders.map(slider => [slider.closest("label").innerText, slider.getAttribute("aria-label")]);
  found.range = ["min", "max", "step"].map(name => one.sliders[0][name]);
  found.buttons = [one, colour].map(each => each.buttons.map(button => button.textContent));
  found.zoom = [one.canvas.getBoundingClientRect().width, getComputedStyle(one.canvas).imageRendering];
  found.narrow = [colour.root.scrollWidth, colour.root.clientWidth];
  found.still = [...document.querySelectorAll("img")].map(image => [image.checkVisibility(), image.naturalWidth]);
  found.text = document.getElementById("untrusted").innerText;
  const resources = performance.getEntriesByType("resource").map(entry => entry.name);
  found.loaded = resources.filter(name => !name.startsWith("data:"));
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""
NASTY = {"<b>smile</b>": WAYS["smile"], "turn": WAYS["turn"]}


@pytest.fixture(scope="module")
def views() -> dict[str, str]:
    """Views in HTML: one that is used in the page, and one in colour, with one face."""
    one = explorer(GREY, START, NASTY, title="</script> & one").html
    return {"one": one, "colour": explorer(GENERATORS["colour, 16×16"], START[:1], WAYS).html}


@pytest.fixture(scope="module")
def found(tmp_path_factory, views) -> dict:
    """What the views show in headless Chromium: `one` is used, its `twin` is not, and one stands without scripts."""
    folder = tmp_path_factory.mktemp("browser")
    page = (
        f'<!DOCTYPE html><html><meta charset="utf-8"><body style="background: #111; color: #eee">{BEFORE}'
        f'<div id="one">{views["one"]}</div><div id="twin">{views["one"]}</div>'
        f'<div id="colour" style="width: 320px">{views["colour"]}</div>'
        f'<div id="untrusted">{"".join(Untrusted(views["one"]).kept)}</div><pre id="found"></pre>{DRIVER}</body></html>'
    )
    return what_a_browser_finds(page, folder)


@pytest.mark.parametrize(
    ("view", "action", "face", "steps"),
    [
        ("one", "start", 0, [0, 0]),
        ("one", "moved", 0, [20, -10]),
        ("one", "another", 1, [20, -10]),
        ("one", "round", 0, [20, -10]),
        ("one", "reset", 0, [0, 0]),
        ("one", "twin", 0, [0, 0]),
        ("colour", "colour", 0, [-7, 19]),
    ],
)
def test_the_picture_is_that_of_the_face_and_the_sliders(found, views, view, action, face, steps):
    state, values = found[action], np.array(steps) / 10
    exact = in_numpy(views[view], face, [values])[0]
    exact = exact.repeat(3 // exact.shape[2], axis=2).reshape(-1, 3)  # grey: the same three times
    shown = np.reshape(state["pixels"], (-1, 4))
    assert (shown[:, 3] == 255).all() and np.abs(shown[:, :3] - 255 * exact).max() < 0.51
    texts = [f"{value:g}".replace("-", "−") for value in values]
    assert state["values"] == texts and state["says"] == f"face {face + 1} of {2 if view == 'one' else 1}"
    names = NASTY if view == "one" else WAYS
    moved = ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    assert state["label"] == f"generated {state['says']}: {moved}"


def test_two_sliders_that_move_at_once_are_drawn_once(found):
    assert found["moved"]["frames"] == 1 and found["twin"]["frames"] == 0


def test_keys_stay_here_and_do_what_the_browser_lets_them_do(found):
    assert found["kept"] == [[False, False]] * 5  # Jupyter's command mode cuts a cell at two d
    assert found["given"] == [[True, False]] * 3


def test_sliders_and_buttons_have_names(found):
    assert [name for _, name in found["names"]] == [*NASTY]
    assert all(text.startswith(name) for text, name in found["names"])
    assert found["range"] == ["-20", "20", "1"]
    assert found["buttons"] == [["Another face", "Reset", "Random"], ["Reset", "Random"]]
    assert len(found["random"]) == 2


def test_it_is_large_with_sharp_pixels_and_fits_a_narrow_page(found):
    assert found["zoom"] == [224, "pixelated"]
    assert found["narrow"][0] <= found["narrow"][1] <= 320


def test_it_leaves_no_globals_and_loads_nothing(found):
    assert found["globals"] == [] and found["loaded"] == []


def test_without_scripts_still_pictures_stand_beside_their_names(found):
    assert found["still"] == [[False, 48]] * 4 + [[False, 48]] * 2 + [[True, 48]] * 2
    assert "−2 (left) to 2 (right) times. To move the sliders, let this page run its scripts" in found["text"]
    assert all(name in found["text"] for name in NASTY) and "const d" not in found["text"]
