"""Part 11: does a mapping network make w less entangled, and what does mixing regularization do? Five runs of each."""

from dataclasses import dataclass

import keras
import numpy as np

from aelib.data import batches, load, make_faces
from aelib.measures import frechet_distance, linear_readability, path_length, train_face_reader
from aelib.models import (
    R1GAN,
    growing_discriminator,
    mix_styles,
    noise_maps,
    style_generator,
    synthesize,
)
from aelib.training import compile_options, seed_everything

from .report import table

TITLE = "StyleGAN: w and z, with and without mixing"
STEPS, BATCH, RATE, GAMMA, AVERAGE = 2_500, 16, 0.02, 0.5, 0.998  # as the shipped networks, for fewer steps
SEEDS = (0, 1, 2, 3, 4)
SIZE, LEVELS = 32, 4  # of z and w; sizes of maps
DRAWN = 5_000  # faces of a generator that are looked at
STEP = 0.05  # of the way between two codes, for path lengths


@dataclass(frozen=True)
class Variant:
    """`depth`: layers of the mapping network. `mixing`: share of the pictures that are trained with two styles."""

    name: str
    depth: int
    mixing: float


VARIANTS = (
    Variant("mapping", 2, 0.5),
    Variant("mapping, no mixing", 2, 0.0),
    Variant("no mapping", 0, 0.5),
)


def train(variant: Variant, seed: int, steps: int = STEPS) -> keras.Model:
    """A generator, as the shipped ones are trained."""
    keras.backend.clear_session()
    seed_everything(seed)
    faces = make_faces(30_000, 3_000).images
    generator = style_generator(faces.shape[1:], SIZE, depth=variant.depth, mixing=variant.mixing)
    gan = R1GAN(generator, growing_discriminator(faces.shape[1:], (64, 32, 16), fade=False)[-1], gamma=GAMMA)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.05)
    average = keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=AVERAGE)
    other = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.05), 0.0, 0.99)
    gan.compile(average, other, **compile_options("growing gan", steps))
    gan.fit(batches(faces, BATCH).repeat(), steps_per_epoch=steps, verbose=0)  # ends with the average
    return generator


def measure(generator: keras.Model, reader, real: np.ndarray, n: int = DRAWN) -> dict[str, float]:
    """Quality; path lengths and linear readability of w and of z; how far mixtures are from their redrawing.

    Path lengths: as chapter 15b has them, between the same ends in z and in w. Without a mapping network w is z,
    normalized.
    """
    rng = np.random.default_rng(0)
    to_w = generator.get_layer("mapping")
    z, other = rng.normal(size=(2, n, generator.input_shape[-1])).astype("float32")
    places, noise = rng.random(n), noise_maps(generator, n)
    w, w_other = (to_w.predict(code, verbose=0) for code in (z, other))
    images, found = synthesize(generator, w, noise), {}
    row = {"frechet": frechet_distance(reader.features(images[: len(real)]), reader.features(real))}
    each, each_other = (np.repeat(codes[:, None], LEVELS, axis=1) for codes in (w, w_other))
    for level in range(LEVELS):
        styles = each.copy()
        styles[:, level] = each_other[:, level]
        found[f"redrawing_{level}"] = synthesize(generator, styles, noise)
    found |= {"redrawing": images, "redrawing_mixed": synthesize(generator, mix_styles(each, each_other, 2), noise)}
    row |= {name: float(np.median(reader.redrawing_distance(pictures))) for name, pictures in found.items()}
    factors, cut = reader.read(images), n * 4 // 5
    for space, code in (("w", w), ("z", z / np.linalg.norm(z, axis=1, keepdims=True))):
        scores = linear_readability(code[:cut], factors[:cut], code[cut:], factors[cut:])
        row[f"r2_{space}"], row[f"classes_{space}"] = float(scores[:10].mean()), float(scores[10:].mean())
    for space, ends in (("w", (w, w_other)), ("z", (z, other))):
        for features, look in (("pixels", lambda pictures: pictures), ("reader", reader.features)):

            def draw(codes, space=space, look=look):
                return look(synthesize(generator, codes if space == "w" else to_w.predict(codes, verbose=0), noise))

            lengths = path_length(draw, *ends, places, spherical=space == "z", step=STEP)
            row[f"path_{features}_{space}"] = float(lengths.mean())
    return row


def run(say, quick: bool = False, variants=VARIANTS, seeds=SEEDS, steps: int = STEPS) -> dict:
    """Five seeds of each variant, on test faces. Nothing was chosen: all take the rate of the shipped networks."""
    data, reader, rows = load("faces"), train_face_reader(0), []
    for seed in seeds:
        for variant in variants:
            generator = train(variant, seed, steps)
            rows.append({"variant": variant.name, "seed": seed} | measure(generator, reader, data.x_test))
            say(str(rows[-1]))
    redrawing = float(np.median(reader.redrawing_distance(data.x_test)))
    floor = frechet_distance(reader.features(data.x_train[:2000]), reader.features(data.x_test))
    return {"rows": rows, "steps": steps, "redrawing": redrawing, "floor": floor}


def report(result: dict) -> str:
    """Two tables: quality and mixtures; w and z."""
    names = dict.fromkeys(row["variant"] for row in result["rows"])

    def cells(name: str, *keys: str) -> list[str]:
        chosen = [row for row in result["rows"] if row["variant"] == name]
        found = [[row[key] for row in chosen] for key in keys]
        places = [2 if np.mean(values) < 10 else 1 if np.mean(values) < 100 else 0 for values in found]
        return [f"{np.mean(v):.{d}f} ± {np.std(v, ddof=1):.{d}f}" for v, d in zip(found, places, strict=True)]

    one = ["frechet", "redrawing", "redrawing_mixed", *(f"redrawing_{level}" for level in range(LEVELS))]
    head = ["", "Fréchet distance", "a face", "mixed at 16×16", *(f"{4 * 2**k}×{4 * 2**k} exchanged" for k in range(4))]
    quality = table(head, [[name, *cells(name, *one)] for name in names])
    spaces = [(name, space) for name in names for space in (("z",) if name == "no mapping" else ("w", "z"))]
    two = ["r2_{}", "classes_{}", "path_pixels_{}", "path_reader_{}"]
    rows = [[f"{s}, {name}", *cells(name, *(key.format(s) for key in two))] for name, s in spaces]
    codes = table(["", "mean R²", "glasses, hair", "path length, pixels", "path length, reader"], rows)
    return (
        f"Faces of 32×32, {result['steps']:,} steps of {BATCH}, mean and standard deviation of "
        f"{len({row['seed'] for row in result['rows']})} runs with different seeds, on test faces. All take the rate "
        "that was chosen for the shipped networks. First the Fréchet distance on the reader's features (real training "
        f"faces: {result['floor']:.2f}), and the median squared distance of a picture from its redrawing (test faces: "
        f"{result['redrawing']:.1f}): of faces, and of mixtures of two, whose styles of 16×16 and 32×32, or of one "
        f"size, are exchanged.\n\n{quality}\n\nThen how well linear models read the factors off a code (ten continuous "
        "factors: mean R² on unseen faces; glasses and hair style: mean share read correctly), and the path length "
        f"(steps of {STEP:g} of the way; the same ends in z and in w).\n\n{codes}"
    )
