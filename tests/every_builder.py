"""Every kind of autoencoder that a chapter builds, small: for tests that go through them all, on any backend."""

import keras
import numpy as np

from aelib.models import (
    Autoencoder,
    FourierExpansion,
    GaussianCorruption,
    KLSparsity,
    MaskingNoise,
    conv_autoencoder,
    hide_patches,
    linear_autoencoder,
    mask_words,
    masked_autoencoder,
    masked_language_model,
    sparse_autoencoder,
    stacked_autoencoder,
)

SHAPE = (6, 5, 1)
IMAGES = np.random.default_rng(0).random((12, *SHAPE)).astype("float32")
MEAN = IMAGES.mean(axis=0)
# Every kind of model that a chapter builds.
BUILDERS = {
    "linear": lambda: linear_autoencoder(SHAPE, 3, mean=MEAN),
    "linear tied": lambda: linear_autoencoder(SHAPE, 3, mean=MEAN, tied=True),
    "linear uncentred": lambda: linear_autoencoder(SHAPE, 3),
    "overcomplete": lambda: linear_autoencoder(SHAPE, 40, mean=MEAN, tied=True),
    "deep linear": lambda: stacked_autoencoder(SHAPE, (9, 7), 3, activation=None, output_activation=None, mean=MEAN),
    "sigmoid": lambda: stacked_autoencoder(SHAPE, (9,), 4, activation="sigmoid", code_activation="sigmoid"),
    "stacked": lambda: stacked_autoencoder(SHAPE, (9, 7), 3, activation="silu", mean=MEAN),
    "stacked tied": lambda: stacked_autoencoder(SHAPE, (9, 7), 3, mean=MEAN, tied=True),
    "written out": lambda: Autoencoder(  # as chapters 02 and 02b do, without a builder
        keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(1, "tanh", trainable=False)]),
        keras.Sequential(
            [keras.Input((1,)), FourierExpansion(16), keras.layers.Dense(30), keras.layers.Reshape(SHAPE)]
        ),
    ),
    "sparse none": lambda: sparse_autoencoder(SHAPE, 8, mean=MEAN),
    "sparse L1": lambda: sparse_autoencoder(SHAPE, 8, activity_regularizer=keras.regularizers.L1(1e-3), mean=MEAN),
    "sparse KL": lambda: sparse_autoencoder(SHAPE, 8, activity_regularizer=KLSparsity(0.1, 1e-2), mean=MEAN),
    "k-sparse": lambda: sparse_autoencoder(SHAPE, 8, code_activation=None, k=3, mean=MEAN),
    "k-sparse tied": lambda: sparse_autoencoder(SHAPE, 8, code_activation=None, k=3, tied=True),
    "Gaussian noise": lambda: stacked_autoencoder(SHAPE, (9,), 3, mean=MEAN, corruption=GaussianCorruption(0.5)),
    "dropped pixels": lambda: stacked_autoencoder(SHAPE, (9,), 3, mean=MEAN, corruption=MaskingNoise(0.5)),
    "dropped pixels tied": lambda: stacked_autoencoder(SHAPE, (9,), 3, tied=True, corruption=MaskingNoise(0.5, seed=3)),
    "conv transposed": lambda: conv_autoencoder(SHAPE, (3, 4), 5, mean=MEAN),
    "conv repeat": lambda: conv_autoencoder(SHAPE, (3, 4), 5, up="repeat", hidden=(6,), mean=MEAN),
    "conv switches": lambda: conv_autoencoder(SHAPE, (3, 4), 5, up="switches", mean=MEAN),
    "conv strided": lambda: conv_autoencoder(SHAPE, (3, 4), 5, pooling=False, mean=MEAN),
    "conv noise": lambda: conv_autoencoder(SHAPE, (3,), 5, mean=MEAN, corruption=GaussianCorruption(0.5)),
    "conv switches dropped": lambda: conv_autoencoder(SHAPE, (3,), 5, up="switches", corruption=MaskingNoise(0.5)),
}


def outputs(model):
    """Of the whole, of the decoder on the encoder's codes, and the codes; with switches, these after the codes."""
    codes = model.encoder(IMAGES)
    return [np.asarray(part) for part in (model(IMAGES), model.decoder(codes), *keras.tree.flatten(codes))]


# A model of texts, not of images: what it is shown, the places that it is asked about, and the answers.
SHOWN, PLACES, ANSWERS = mask_words(np.random.default_rng(0).integers(9, size=(12, 7)), 9)


def language_model():
    """A masked language model of nine words."""
    return masked_language_model(9, 7, width=8, blocks=1, heads=2)


# A model of patches: rows of values, the places that are seen, those that are asked about, and what stands there.
PATCHES = np.random.default_rng(0).random((12, 6, 5)).astype("float32")
SEEN, HIDDEN = hide_patches(12, 6, 0.5)
BEHIND = np.take_along_axis(PATCHES, HIDDEN[:, :, None], axis=1)


def patches_model():
    """A masked autoencoder of six patches."""
    return masked_autoencoder(6, 5, 3, 3, width=16)
