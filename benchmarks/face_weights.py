"""How the two shipped generators of chapter 15 are trained and measured; `benchmarks.weights` calls it."""

import keras
import numpy as np

from aelib.data import batches, load, make_faces
from aelib.measures import band_distances, frechet_distance, train_face_reader
from aelib.models import R1GAN, growing_discriminator, noise_maps, synthesize
from aelib.training import compile_options

STEPS, BATCH, RATE, GAMMA = 16_000, 16, 0.02, 0.5
LESSONS, LESSONS_SEED = 30_000, 3_000  # faces, drawn with a seed that no split of the data set has
SEEN_WIDTHS = (64, 32, 16)  # of the discriminator
AVERAGE = 0.998  # the average remembers about 500 steps
DATA = f"{LESSONS:,} faces of 32×32, make_faces({LESSONS}, seed={LESSONS_SEED})"


def train(generator: keras.Model, steps: int, batch: int) -> None:
    """Train a `style_generator` against a discriminator that is not kept."""
    faces = make_faces(LESSONS, LESSONS_SEED).images
    gan = R1GAN(generator, growing_discriminator(faces.shape[1:], SEEN_WIDTHS, fade=False)[-1], gamma=GAMMA)
    rates = [keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.05) for _ in range(2)]
    average = keras.optimizers.Adam(rates[0], beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=AVERAGE)
    other = keras.optimizers.Adam(rates[1], beta_1=0.0, beta_2=0.99)
    gan.compile(average, other, **compile_options("growing gan", steps))
    lessons = batches(faces, batch).repeat()
    gan.fit(lessons, steps_per_epoch=steps, verbose=0)  # when it ends, Keras gives the generator its average


def measure(generator) -> dict[str, float | list[float]]:
    """What a card says of 1,000 pictures, against 1,000 test faces.

    `frechet`: on the features of the reader; `bands`: coarse, middle and fine, of the pictures themselves;
    `redrawing`: median squared distance from the face drawn again. The reader is trained where it is used, so that
    the first and the last differ a little from machine to machine; the bands do not.
    """
    data, reader = load("faces"), train_face_reader(0)
    z = np.random.default_rng(0).normal(size=(1000, generator.input_shape[-1])).astype("float32")
    images = synthesize(generator, generator.get_layer("mapping").predict(z, verbose=0), noise_maps(generator, 1000))
    real = data.x_test[:1000]
    return {
        "frechet": float(frechet_distance(reader.features(images), reader.features(real))),
        "bands": [float(value) for value in band_distances(images, real)],
        "redrawing": float(np.median(reader.redrawing_distance(images))),
    }
