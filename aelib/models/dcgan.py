"""Deep convolutional generators and discriminators, after the five guidelines of Radford, Metz & Chintala 2016.

Introduced in chapter 12; with a choice of class in chapter 13. `aelib.models.gan.GAN` trains them.
"""

import keras

from aelib.models.autoencoder import Autoencoder
from aelib.models.conv import crop
from aelib.validate import check_sizes, is_count


def dcgan_generator(
    image_shape,
    noise_size: int = 16,
    filters: tuple[int, ...] = (96, 48, 16),
    *,
    classes: int | None = None,
    kernel_size: int = 4,
) -> keras.Model:
    """Noise `(n, noise_size)` to images in [0, 1]; with `classes`, `[noise, labels]`, labels `(n,)` in 0…classes − 1.

    `image_shape`: `(height, width, channels)`, at least 2 × 2^len(filters) pixels a side; sizes that the doubling
    misses are cropped. `filters`: maps of each size, from the smallest on; each further step doubles height and width.
    The guidelines are those of Radford, Metz & Chintala 2016 (arXiv:1511.06434). Raises `ValueError` for sizes that
    cannot be built, and names those that can.
    """
    sizes = _sizes(image_shape, filters, noise_size, kernel_size)
    x = noise = keras.Input((noise_size,), name="noise")
    label, inputs = None, noise
    if classes is not None:
        label, inputs = _label(classes, noise)
        x = keras.layers.Concatenate()([noise, keras.layers.Embedding(int(classes), noise_size)(label)])
    height, width = sizes[-1]
    x = keras.layers.Dense(height * width * filters[0])(x)  # guideline 3: no hidden layer, the noise becomes maps
    x = keras.layers.Reshape((height, width, filters[0]))(x)
    for count, size in zip([*filters[1:], image_shape[2]], sizes[-2::-1], strict=True):
        x = keras.layers.BatchNormalization()(x)  # guideline 2: before every activation but the output's
        x = keras.layers.Activation("relu")(x)  # guideline 4: ReLU, and at the output tanh
        x = keras.layers.Conv2DTranspose(count, kernel_size, strides=2, padding="same")(x)  # guideline 1: up by strides
        x = crop(x, size)
    x = keras.layers.Activation("tanh")(x)
    x = keras.layers.Rescaling(0.5, 0.5, name="to_0_1")(x)  # outside of the networks images lie in [0, 1]
    return keras.Model(inputs, x, name="generator")


def dcgan_discriminator(
    image_shape, filters: tuple[int, ...] = (16, 48, 96), *, classes: int | None = None, kernel_size: int = 4
) -> keras.Model:
    """Images in [0, 1] to logits `(n, 1)`, above 0 for real; with `classes`, `[images, labels]`, labels `(n,)`.

    `filters`: maps after each step, which halves height and width. The label chooses a direction in the last maps,
    whose share is added to the logit (a projection: Miyato & Koyama 2018, arXiv:1802.05637). Raises `ValueError` as
    `dcgan_generator` does.
    """
    _sizes(image_shape, filters, kernel_size)
    images = keras.Input(image_shape, name="images")
    label, inputs = (None, images) if classes is None else _label(classes, images)
    x = keras.layers.Rescaling(2.0, -1.0, name="to_tanh")(images)  # [0, 1] to tanh's [-1, 1]
    for level, count in enumerate(filters):
        name = None if level else "from_image"
        x = keras.layers.Conv2D(count, kernel_size, strides=2, padding="same", name=name)(x)  # guideline 1
        if level > 0:
            x = keras.layers.BatchNormalization()(x)  # guideline 2: but not where the images come in
        x = keras.layers.Activation("leaky_relu")(x)  # guideline 5
    x = keras.layers.Flatten()(x)
    logit = keras.layers.Dense(1)(x)  # guideline 3: no hidden layer
    if label is not None:
        direction = keras.layers.Embedding(int(classes), x.shape[-1], embeddings_initializer="zeros")(label)
        logit = keras.layers.Add()([logit, keras.layers.Dot(1)([x, direction])])
    return keras.Model(inputs, logit, name="discriminator")


def dcgan_autoencoder(image_shape, code_size: int = 16, **options) -> Autoencoder:
    """An autoencoder whose decoder is a `dcgan_generator` of the same `options`, and its encoder strided convolutions.

    Its codes are normalized over the batch, each to mean 0 and variance 1: about where the noise of a GAN lies. Then
    the decoder's weights can start a generator. Codes: `(n, code_size)`. Introduced in chapter 12. Raises `ValueError`
    for `classes`.
    """
    if options.get("classes") is not None:
        raise ValueError(
            f"classes is {options['classes']}: an autoencoder's decoder takes the code alone, leave it out"
        )
    decoder = dcgan_generator(image_shape, code_size, **options)
    images = keras.Input(image_shape)
    trunk = dcgan_discriminator(image_shape, tuple(reversed(options.get("filters", (96, 48, 16)))))
    x = keras.Model(trunk.input, trunk.layers[-2].output, name="maps")(images)  # all but the logit
    codes = keras.layers.BatchNormalization(center=False, scale=False, momentum=0.9)(keras.layers.Dense(code_size)(x))
    return Autoencoder(keras.Model(images, codes, name="encoder"), decoder)


def _sizes(image_shape, filters, *units) -> list[tuple[int, int]]:
    """Height and width of the maps at each level, from the image's on down; `ValueError` for images too small."""
    check_sizes(image_shape, *filters, *units)
    sizes = [tuple(image_shape[:2])]
    for _ in filters:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    levels, least = len(filters), 2 ** (len(filters) + 1)
    if not filters or min(sizes[0]) < least:
        fewer = "".join(f"; with {n}, from {2 ** (n + 1)}×{2 ** (n + 1)} on" for n in range(levels - 1, 0, -1))
        raise ValueError(
            f"image_shape is {tuple(image_shape)} and filters has {levels} entries: expected at least one; with "
            f"{levels or 1} all sizes from {max(least, 4)}×{max(least, 4)} on can be built{fewer}"
        )
    return sizes


def _label(classes, other):
    if not is_count(classes) or classes < 2:
        raise ValueError(f"classes is {classes!r}: expected the number of classes, at least 2, len(data.class_names)")
    label = keras.Input((), dtype="int32", name="label")
    return label, [other, label]
