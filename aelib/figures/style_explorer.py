"""A generated face with a slider for each direction in w: the generator itself runs in the page, without a server.

Introduced in chapter 15c. `explorer(generator, w[:8], {"smile": direction})` as a cell's last line shows the view: in
Jupyter, in the saved notebook and on a static page. The weights stand in the HTML, rounded to one byte each. Where
scripts do not run (a notebook that is not trusted), the same HTML shows still pictures; where HTML is not shown, there
is a PNG.
"""

import base64
import hashlib
import html
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template

import keras
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from aelib.figures.latent_plane import LIMIT
from aelib.models.equalized import EqualizedDense
from aelib.models.style_gan import LearnedConstant, ModulatedConv2D, synthesis_network, synthesize
from aelib.validate import check_finite, is_number

ROWS, COLUMNS = 12, 3  # of the still pictures: at most so many directions, and so many values of each
PALETTES = (256, 128, 64)  # how many colours a row of them has: as many as there is room for
STEPS = 20  # of a slider, to each side of 0
# As with the latent plane, what needs the script is made by the script: Jupyter takes it out, with style and ids, of a
# notebook that is not trusted, and leaves the still pictures. The class is a digest of the content.
_FOLDER = resources.files("aelib.figures")
VIEW = (_FOLDER / "style_explorer.html").read_text("utf-8")
SCRIPT = (_FOLDER / "style_explorer.js").read_text("utf-8")
SIDE = 224  # pixels of the longer side of the picture on the page, at most


@dataclass(frozen=True)
class StyleExplorer:
    """What `explorer` returns. Jupyter shows `html`; `png` stands in where HTML is not shown. From chapter 15c."""

    html: str = field(repr=False)  # an HTML fragment of at most 250 KB
    png: bytes = field(repr=False)  # still pictures
    directions: tuple[str, ...]  # their names
    image_size: tuple[int, ...]  # height, width in pixels; in colour, and 3
    alt: str = field(repr=False)  # a sentence for those who do not see the PNG

    def _repr_html_(self) -> str:
        return self.html

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.png, {"alt": self.alt}

    def save(self, path: str | Path) -> None:
        """Write the view as a page of its own, which any browser opens without a network."""
        head = (
            '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        )
        Path(path).write_text(f"{head}\n<title>Style explorer</title>\n<body>\n{self.html}\n</body></html>\n", "utf-8")


def explorer(
    generator: keras.Model, start, directions: Mapping[str, object], *, reach: float = 2.0, title: str = ""
) -> StyleExplorer:
    """A view of a face whose w is moved by a slider for each direction: synthesis(start + Σ value · direction).

    The picture is computed in the page, by the generator's own layers. Introduced in chapter 15c.

    `generator`: as `aelib.models.style_generator` builds it; of its parts only the synthesis network is used, with
    noise 0, its mean. `start`: the w of at least one face, `(faces, size)`, the same for all levels, or `(faces,
    levels, size)`; a button goes to the next. `directions`: name to vector, `(size,)`, the same for all levels, or
    `(levels, size)`, which may be 0 at some. `reach`: sliders go from −reach to reach.

    Each weight is rounded to a multiple of a 127th of the largest one of its output channel, so the pictures differ a
    little from those of `synthesize`. The HTML loads nothing and depends on the arguments alone. It may have 250 KB (1
    KB: 1,000 bytes): 4/3 bytes a weight, and still pictures of the first face, with 3 values of at most 12 directions.
    Each row of these has at most 256 colours; where the HTML would have more than 250 KB, 128 or 64. Raises
    `ValueError` if it still has more, for a generator with another synthesis network, wrong shapes, NaN or infinity, no
    direction, and a reach that is not above 0.
    """
    network = _check_network(generator)
    _, levels, size = network.input_shape[0]
    if not is_number(reach) or reach <= 0:
        raise ValueError(f"reach is {reach!r}: expected a number above 0, how far the sliders go to both sides")
    faces = _check_faces(start, levels, size)
    ways = _check_directions(directions, levels, size)
    names, words = tuple(ways), {"title": title, "reach": _number(reach)}
    moved = np.stack([faces[0] + value * way for way in [*ways.values()][:ROWS] for value in _values(reach)])
    images = np.rint(255 * synthesize(generator, moved)).astype("uint8")
    images = images.reshape(-1, COLUMNS, *_size_of(network))  # (directions, values, height, width), in colour with 3
    data = {"names": names, "reach": float(reach), "steps": STEPS, "faces": len(faces), "levels": levels, "size": size}
    data |= {"start": _as_text(faces, "<f4"), "directions": _as_text([*ways.values()], "<f4"), **_weights(network)}
    for colours in PALETTES:
        text = _page(images, data, words, colours)
        if len(text.encode("utf-8")) <= LIMIT:
            break
    _check_size(len(text.encode("utf-8")), network, len(names), len(faces))
    return StyleExplorer(text, _still(images, names, reach, title), names, _size_of(network), _alt(names, words))


# ---- what comes in ----


def _check_network(generator) -> keras.Model:
    """The synthesis network, built anew, with the generator's weights: it gives the same pictures, or it is refused."""
    expected = "expected a generator that aelib.models.style_generator built"
    if not isinstance(generator, keras.Model) or "synthesis" not in [layer.name for layer in generator.layers]:
        raise ValueError(f"the generator {generator!r} has no synthesis network: {expected}")
    given = generator.get_layer("synthesis")
    for weights in given.get_weights():
        check_finite(weights, "the generator's weights")
    state = random.getstate()  # new layers draw weights: what a notebook draws after this stays as it would have been
    try:
        widths = [layer.filters for layer in given.layers if isinstance(layer, ModulatedConv2D) and layer.demodulate]
        network = synthesis_network(given.output_shape[1:], given.input_shape[0][-1], widths)
        network.set_weights(given.get_weights())
        inputs = [keras.random.normal((1, *shape[1:]), seed=place) for place, shape in enumerate(network.input_shape)]
        same = np.allclose(network(inputs), given(inputs), atol=1e-4)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"the generator's part 'synthesis' is built in another way: {expected}") from error
    finally:
        random.setstate(state)
    if not same:
        raise ValueError(f"the generator's part 'synthesis' gives other pictures than its layers should: {expected}")
    return network


def _check_faces(start, levels: int, size: int) -> np.ndarray:
    """`(faces, levels, size)`."""
    start = check_finite(start, "start").astype("float32")
    if start.ndim == 2:
        start = np.repeat(start[:, None], levels, axis=1)
    if start.ndim != 3 or len(start) == 0 or start.shape[1:] != (levels, size):
        raise ValueError(
            f"start has the shape {start.shape}: expected the w of at least one face, (faces, {size}), or (faces, "
            f"{levels}, {size}): w[:8]"
        )
    return start


def _check_directions(directions, levels: int, size: int) -> dict[str, np.ndarray]:
    """Name to `(levels, size)`."""
    if not isinstance(directions, Mapping) or not directions:
        found = "empty" if isinstance(directions, Mapping) else f"of type {type(directions).__name__}"
        raise ValueError(f"directions are {found}: expected at least one, {{'its name': a vector of {size} numbers}}")
    checked = {}
    for name, way in directions.items():
        way = check_finite(way, f"the numbers of direction {name!r}").astype("float32")
        if way.shape not in ((size,), (levels, size)):
            raise ValueError(f"direction {name!r} has the shape {way.shape}: expected ({size},) or ({levels}, {size})")
        checked[str(name)] = np.broadcast_to(way, (levels, size))
    return checked


def _size_of(network: keras.Model) -> tuple[int, ...]:
    """`(height, width)` of grey pictures, `(height, width, 3)` of those in colour."""
    shape = network.output_shape[1:]
    return shape[:2] if shape[2] == 1 else shape


def _check_size(size: int, network: keras.Model, directions: int, faces: int) -> None:
    if size <= LIMIT:
        return
    raise ValueError(
        f"the view has {size / 1000:.0f} KB, with {network.count_params():,} weights, {directions} directions and "
        f"{faces} faces: expected at most {LIMIT // 1000} KB; give fewer directions or faces, or a generator with "
        "smaller widths"
    )


# ---- what goes out ----


def _weights(network: keras.Model) -> dict:
    """What the script reads: the layers in order, all weights as bytes, and the scales, biases and constant."""
    constant = next(layer for layer in network.layers if isinstance(layer, LearnedConstant))
    convolutions = [layer for layer in network.layers if isinstance(layer, ModulatedConv2D)]  # one follows the other
    makes = {id(layer.output): layer for layer in network.layers if isinstance(layer, EqualizedDense)}
    layers, whole, real = [], [], [np.asarray(constant.maps)]
    for place, convolution in enumerate(convolutions):
        side, _, inputs, outputs = convolution.kernel.shape
        colours = not convolution.demodulate  # the last layer: as large as the one before, with the same style
        layers.append({"level": place - colours, "up": int(place > 0 and not colours), "side": side})
        layers[-1] |= {"inputs": inputs, "outputs": outputs, "gain": 0 if colours else convolution.gain}
        for layer in (makes[id(convolution.input[1])], convolution):  # what makes the style, then what it steers
            rounded, scale = _rounded(layer.scale * np.asarray(layer.kernel))
            whole.append(rounded)
            real += [scale, np.asarray(layer.bias)]
    bytes_, numbers = (np.concatenate([part.ravel() for part in parts]) for parts in (whole, real))
    height, width, _ = constant.shape
    sizes = {"height": height, "width": width, "layers": layers}
    return sizes | {"bytes": _as_text(bytes_, "int8"), "numbers": _as_text(numbers, "<f4")}


def _rounded(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights `(…, outputs)` as whole numbers from −127 to 127, and what to multiply them by, `(outputs,)`."""
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    scale = np.where(largest > 0, largest, 1) / 127
    return np.rint(kernel / scale).astype("int8"), scale.astype("float32")


def _page(images: np.ndarray, data: dict, words: dict[str, str], colours: int) -> str:
    """The HTML, with the blanks filled in. The still pictures have at most so many colours a row."""
    height, width = images.shape[2:4]
    look = f"width: {2 * COLUMNS * width}px; max-width: 70%; image-rendering: pixelated"
    rows = []
    for name, row in zip(map(html.escape, data["names"]), images, strict=False):  # not all directions have a row
        address = f"data:image/png;base64,{_as_text(_png(np.hstack(row), colours))}"
        rows.append(f'<div><img alt="{name}" src="{address}" style="{look}"> {name}</div>')
    parts = {
        "title": html.escape(words["title"]),
        "zoom": str(max(1, SIDE // max(height, width)) * width),
        "still": html.escape(_sentence(words)),
        "rows": "\n".join(rows),
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    digest = hashlib.sha256("\0".join(parts.values()).encode("utf-8")).hexdigest()[:12]
    return Template(VIEW.replace("$script", SCRIPT)).substitute(parts, id=f"aelib-explorer-{digest}")


def _sentence(words: dict[str, str]) -> str:
    reach = words["reach"]
    return f"One generated face. In each row one direction is added to its w, −{reach} (left) to {reach} (right) times."


def _alt(names: tuple[str, ...], words: dict[str, str]) -> str:
    rows = f"Rows from the top: {', '.join(names[:ROWS])}."
    return " ".join(" ".join([words["title"] and words["title"] + ".", _sentence(words), rows]).split())


def _values(reach: float) -> np.ndarray:
    return np.linspace(-reach, reach, COLUMNS)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _as_text(numbers, kind: str = "uint8") -> str:
    """Numbers of this kind, or bytes, in base64."""
    content = numbers if isinstance(numbers, bytes) else np.asarray(numbers, kind).tobytes()
    return base64.b64encode(content).decode("ascii")


def _png(picture: np.ndarray, colours: int) -> bytes:
    """Bytes `(height, width)` as a PNG of grey, exactly; `(height, width, 3)` as one of at most so many colours."""
    buffer, image = io.BytesIO(), Image.fromarray(picture)
    if picture.ndim == 3:
        image = image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _still(images: np.ndarray, names: tuple[str, ...], reach: float, title: str) -> bytes:
    """A PNG of the still pictures, with the names of the directions and their values."""
    rows, columns, height, width = images.shape[:4]
    inches = 0.6 / max(height, width)  # a pixel of a picture
    figure = Figure((columns * width * inches + 1.8, rows * height * inches + 0.8), dpi=80, layout="constrained")
    axis = figure.subplots()
    axis.imshow(np.vstack([np.hstack(row) for row in images]), cmap="gray", vmin=0, vmax=255)
    axis.set_xticks([(k + 0.5) * width - 0.5 for k in range(columns)], [_number(value) for value in _values(reach)])
    axis.set_yticks([(k + 0.5) * height - 0.5 for k in range(rows)], names[:rows], parse_math=False)
    axis.set_title(title, parse_math=False)
    axis.set(xlabel="times the direction, added to w")
    axis.grid(False)
    axis.tick_params(length=0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return _png(np.asarray(canvas.buffer_rgba())[:, :, :3], 256)
