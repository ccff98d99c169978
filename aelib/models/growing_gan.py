"""A GAN that grows: it learns small images first, and then larger ones, with the layers that it has and new ones.

Introduced in chapter 14. Karras et al. 2018 (arXiv:1710.10196). `aelib.models.r1_gan.R1GAN` trains each stage.
"""

from collections.abc import Sequence

import keras
from keras import ops

from aelib.models.equalized import GAIN, EqualizedConv2D, EqualizedConv2DTranspose, EqualizedDense
from aelib.models.minibatch import MinibatchStdDev
from aelib.validate import check_sizes, is_number

SMALLEST = 4  # pixels a side at the first stage


@keras.saving.register_keras_serializable("aelib")
class PixelNorm(keras.layers.Layer):
    """Divides the features at each place by the root of their mean square: `(n, …, c)` to `(n, …, c)`.

    After it, the mean square of the features is 1 at every place. Karras et al. 2018, section 4.2.
    """

    def call(self, x):
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("aelib")
class Fade(keras.layers.Layer):
    """`[old, new]`, of one shape, to (1 − α) old + α new. `alpha` is a weight that no optimizer moves; it begins at 0.

    See `set_fade`. Karras et al. 2018, figure 2.
    """

    def build(self, input_shape):
        self.alpha = self.add_weight((), "zeros", trainable=False, name="alpha")

    def call(self, pair):
        old, new = pair
        return (1 - self.alpha) * old + self.alpha * new

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def set_fade(alpha: float, *networks: keras.Model) -> None:
    """Give all `Fade` layers of the networks this α: 0 for what the old layers make alone, 1 for the new ones alone.

    Raises `ValueError` for another α.
    """
    if not is_number(alpha) or not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha!r}: expected a number from 0, the old size alone, to 1, the new size alone")
    for network in networks:
        for layer in network.layers:
            if isinstance(layer, Fade):
                layer.alpha.assign(alpha)


def growing_generator(
    image_shape, noise_size: int = 32, widths: Sequence[int] = (64, 32, 8), *, fade: bool = True
) -> list[keras.Model]:
    """A generator per size, the smallest first, each with the layers of those before it: noise to images in [0, 1].

    `image_shape`: `(height, width, channels)` of the last; before it, sides are halved. `widths`: features of the maps
    of each size. With `fade` each new size has a `Fade` from the enlarged picture of the size before to its own; a
    network that starts at its full size needs none. Raises `ValueError` for sizes that cannot be built.
    """
    sizes = stage_sizes(image_shape, widths, noise_size)
    noise = keras.Input((noise_size,), name="noise")
    x = EqualizedDense(sizes[0][0] * sizes[0][1] * widths[0], gain=GAIN / 4)(PixelNorm()(noise))
    x = PixelNorm()(leaky(keras.layers.Reshape((*sizes[0], widths[0]))(x)))
    stages, picture = [], None
    for level, features in enumerate(widths):
        up = EqualizedConv2DTranspose(features, 4, strides=2) if level else EqualizedConv2D(features, 3)
        x = PixelNorm()(leaky(up(x)))
        before, picture = picture, EqualizedConv2D(image_shape[2], 1, gain=1)(x)
        faded = Fade()([keras.layers.UpSampling2D(2)(before), picture]) if level and fade else picture
        image = keras.layers.Rescaling(0.5, 0.5)(keras.layers.Activation("tanh")(faded))
        stages.append(keras.Model(noise, image, name=f"generator_{level + 1}"))
    return stages


def growing_discriminator(image_shape, widths: Sequence[int] = (64, 32, 8), *, fade: bool = True) -> list[keras.Model]:
    """A discriminator per size, the smallest first, each with the layers of those before it: images to logits `(n, 1)`.

    Arguments as for `growing_generator`. With `fade` the new layers come in as the generator's do: each `Fade` goes
    from the image at half its size, as the stage before saw it, to the new layers' maps.
    """
    sizes = stage_sizes(image_shape, widths)
    halve = keras.layers.AveragePooling2D(2)
    see = [EqualizedConv2D(features, 1) for features in widths]  # an image of each size to its first maps
    down = [None] + [EqualizedConv2D(features, 4, strides=2) for features in widths[:-1]]  # maps to the next smaller
    end = [MinibatchStdDev(), EqualizedConv2D(widths[0], 4, strides=2), leaky, keras.layers.Flatten()]
    end += [EqualizedDense(widths[0]), leaky, EqualizedDense(1, gain=1)]

    def stage(level):
        images = keras.Input((*sizes[level], image_shape[2]))
        centred = keras.layers.Rescaling(2.0, -1.0)(images)
        x = leaky(see[level](centred))
        for size in range(level, 0, -1):
            x = leaky(down[size](x))
            if size == level and fade:
                x = Fade()([leaky(see[size - 1](halve(centred))), x])
        for layer in end:
            x = layer(x)
        return keras.Model(images, x, name=f"discriminator_{level + 1}")

    return [stage(level) for level in range(len(widths))]


def stage_sizes(image_shape, widths: Sequence[int], noise_size: int = 1) -> list[tuple[int, int]]:
    """Height and width of the images of each stage, the smallest first.

    Raises `ValueError` unless both sides can be halved once per stage but the first, down to 4 pixels or more.
    """
    check_sizes(image_shape, *widths, noise_size)
    parts = 2 ** max(0, len(widths) - 1)
    if not widths or any(side % parts or side // parts < SMALLEST for side in image_shape[:2]):
        raise ValueError(
            f"image_shape is {tuple(image_shape)} with {len(widths)} widths: expected at least one width, and sides "
            f"that are multiples of {parts}, at least {SMALLEST * parts}, so that each stage has half the size of the "
            "next; choose fewer or more widths, or resize the images ($AELIB_IMAGE_SIZE for folders)"
        )
    return [tuple(side * 2**level // parts for side in image_shape[:2]) for level in range(len(widths))]


def leaky(x):
    """A leaky ReLU of slope 0.2, as in the paper."""
    return keras.layers.LeakyReLU(negative_slope=0.2)(x)
