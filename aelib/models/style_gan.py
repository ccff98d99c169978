"""A generator whose layers are steered by a style, each size by its own: StyleGAN.

Introduced in chapter 15. Karras et al. 2019 (arXiv:1812.04948): mapping network, learned constant, styles, noise
inputs, mixing regularization, truncation. Karras et al. 2020 (arXiv:1912.04958), section 2.2: the style acts in the
convolution itself, because normalizing each map of each image by its own mean and deviation, as in 2019, throws away
how large the maps are beside each other, which the generator works around by blobs in its maps.
`aelib.models.growing_gan.growing_discriminator` and `aelib.models.r1_gan.R1GAN` are its counterpart and its training.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from aelib.models.equalized import EqualizedConv2D, EqualizedDense
from aelib.models.growing_gan import PixelNorm, leaky, stage_sizes
from aelib.validate import is_count, is_number


@keras.saving.register_keras_serializable("aelib")
class ModulatedConv2D(EqualizedConv2D):
    """`[maps (n, height, width, c), style (n, c)]` to `(n, height, width, filters)`: each image has kernels of its own.

    The style multiplies what each input channel contributes. Then, with `demodulate`, each image's kernels are divided
    by the root of the sum of their squares, and multiplied by `gain`: of independent inputs with deviation 1, every
    output has the deviation `gain`, whatever the style. Scaling inputs and outputs gives the same as a kernel per
    image, and needs no grouped convolution. Karras et al. 2020 (arXiv:1912.04958), equations 1 and 3.
    """

    def __init__(self, filters: int, kernel_size, *, demodulate: bool = True, **options):
        super().__init__(filters, kernel_size, **options)
        self.demodulate, self.input_spec = demodulate, None  # Keras's own convolution takes one input

    def build(self, input_shape):
        maps, style = input_shape
        if maps[-1] != style[-1]:
            raise ValueError(f"a style of {style[-1]} numbers for {maps[-1]} maps: expected one number for each map")
        super().build(maps)
        self.input_spec = None

    def call(self, inputs):
        maps, style = inputs
        out = self.convolution_op(maps * style[:, None, None, :], self.kernel)  # with the kernel times its scale
        if self.demodulate:
            power = ops.square(style) @ ops.sum(ops.square(self.scale * self.kernel), axis=(0, 1))
            out *= self.gain * ops.rsqrt(power + 1e-8)[:, None, None, :]
        return out + self.bias

    def compute_output_shape(self, input_shape):
        maps = input_shape if isinstance(input_shape[-1], int) else input_shape[0]  # Keras's own `build` asks with maps
        return super().compute_output_shape(maps)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "demodulate": self.demodulate}


@keras.saving.register_keras_serializable("aelib")
class SlowDense(EqualizedDense):
    """An `EqualizedDense` that learns `speed` times as fast: `(n, inputs)` to `(n, units)`.

    Its weights are drawn 1 / `speed` times as large and used `speed` times as large, and so is its bias: Adam's steps
    are a share of the weights that is `speed` times the usual one. Karras et al. 2019 (arXiv:1812.04948), appendix C,
    do so with the mapping network. Raises `ValueError` unless `speed` is above 0.
    """

    def __init__(self, units: int, *, speed: float = 0.01, **options):
        if not is_number(speed) or speed <= 0:
            raise ValueError(f"speed is {speed!r}: expected a number above 0; 1 learns as fast as other layers")
        super().__init__(units, **({"kernel_initializer": keras.initializers.RandomNormal(0.0, 1 / speed)} | options))
        self.speed = float(speed)

    @property
    def scale(self) -> float:
        """What the weights are multiplied by: speed × gain / √fan-in."""
        return self.speed * super().scale

    def call(self, x):
        return self.activation(ops.matmul(x, self.scale * self.kernel) + self.speed * self.bias)

    def get_config(self):
        return {**super().get_config(), "speed": self.speed}


@keras.saving.register_keras_serializable("aelib")
class LearnedConstant(keras.layers.Layer):
    """Anything `(n, …)` to n copies of the same maps, `(n, height, width, features)`, which are weights."""

    def __init__(self, shape: Sequence[int], **options):
        super().__init__(**options)
        self.shape = tuple(shape)

    def build(self, input_shape):
        self.maps = self.add_weight(self.shape, keras.initializers.RandomNormal(0.0, 1.0), name="maps")

    def call(self, x):
        return ops.broadcast_to(self.maps, (ops.shape(x)[0], *self.shape))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.shape)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable("aelib")
class AddNoise(keras.layers.Layer):
    """`[maps (n, height, width, c), noise (n, height, width, 1)]` to the maps, with the noise times a weight for each.

    The weights begin at 0.
    """

    def build(self, input_shape):
        self.strength = self.add_weight((input_shape[0][-1],), "zeros", name="strength")

    def call(self, inputs):
        maps, noise = inputs
        return maps + self.strength * noise

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable("aelib")
class NoiseMaps(keras.layers.Layer):
    """Anything `(n, …)` to a list of standard normal noise, `(n, height, width, 1)` for each of the sizes."""

    def __init__(self, sizes: Sequence[Sequence[int]], **options):
        super().__init__(**options)
        self.sizes = [tuple(size) for size in sizes]
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, x):
        n = ops.shape(x)[0]
        return [keras.random.normal((n, *size, 1), seed=self.seed_generator) for size in self.sizes]

    def compute_output_shape(self, input_shape):
        return [(input_shape[0], *size, 1) for size in self.sizes]

    def get_config(self):
        return {**super().get_config(), "sizes": self.sizes}


@keras.saving.register_keras_serializable("aelib")
class Styles(keras.layers.Layer):
    """w, `(n, size)`, to the styles of all levels, `(n, levels, size)`: the same w for each.

    While training, a share `mixing` of the images takes the levels from a random one on from the image beside it in
    the batch, so that levels do not rely on each other (mixing regularization, Karras et al. 2019, section 3.1).
    Raises `ValueError` unless `mixing` lies in [0, 1].
    """

    def __init__(self, levels: int, mixing: float = 0.5, **options):
        super().__init__(**options)
        if not is_number(mixing) or not 0 <= mixing <= 1:
            raise ValueError(f"mixing is {mixing!r}: expected which share of the images gets two styles, from 0 to 1")
        self.levels, self.mixing = levels, mixing
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, w, training=None):
        styles = ops.repeat(w[:, None], self.levels, axis=1)
        if not training or not self.mixing or self.levels == 1:
            return styles
        n = ops.shape(w)[0]
        start = keras.random.randint((n, 1), 1, self.levels, seed=self.seed_generator)
        mixed = keras.random.uniform((n, 1), seed=self.seed_generator) < self.mixing
        other = ops.logical_and(mixed, ops.arange(self.levels)[None] >= start)
        return ops.where(other[:, :, None], ops.roll(styles, 1, axis=0), styles)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.levels, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "mixing": self.mixing}


def style_generator(
    image_shape, noise_size: int = 32, widths: Sequence[int] = (64, 64, 32, 16), *, depth: int = 2, mixing: float = 0.5
) -> keras.Model:
    """Noise z, `(n, noise_size)`, to images in [0, 1], through a mapping network and a level per size of maps.

    `widths`: features of the maps of each level; from one level to the next, sides double up to those of
    `image_shape`. `depth`: layers of the mapping network; with 0, the styles are z itself, normalized. Its three parts
    are `get_layer("mapping")`, z to w; `get_layer("styles")`, w to one for each level; and `get_layer("synthesis")`,
    `[styles, noise, …]` to images. Raises `ValueError` for sizes that cannot be built.
    """
    sizes = stage_sizes(image_shape, widths, noise_size)
    z = keras.Input((noise_size,), name="z")
    w = mapping_network(noise_size, depth)(z)
    styles = Styles(len(widths), mixing, name="styles")(w)
    noise = NoiseMaps(sizes, name="noise")(z)
    return keras.Model(z, synthesis_network(image_shape, noise_size, widths)([styles, *noise]), name="style_generator")


def mapping_network(size: int, depth: int = 2) -> keras.Model:
    """z, `(n, size)`, to w, `(n, size)`: z divided by the root of its mean square, then `depth` layers of `size` units.

    Raises `ValueError` for an impossible depth.
    """
    if depth != 0 and not is_count(depth):
        raise ValueError(f"depth is {depth!r}: expected how many layers the mapping network has, 0 for none")
    z = keras.Input((size,))
    w = PixelNorm()(z)
    for _ in range(depth):
        w = leaky(SlowDense(size)(w))
    return keras.Model(z, w, name="mapping")


def synthesis_network(image_shape, style_size: int = 32, widths: Sequence[int] = (64, 64, 32, 16)) -> keras.Model:
    """`[styles (n, levels, style_size), noise of each level (n, height, width, 1)]` to images in [0, 1].

    It begins with a constant. Each level makes maps of its size, steered by its style; the last also makes the picture.
    """
    sizes = stage_sizes(image_shape, widths, style_size)
    styles = keras.Input((len(widths), style_size), name="styles")
    noise = [keras.Input((*size, 1)) for size in sizes]
    x = LearnedConstant((*sizes[0], widths[0]))(styles)
    for level, features in enumerate(widths):
        x = keras.layers.UpSampling2D(2)(x) if level else x
        x = ModulatedConv2D(features, 3)([x, style_of(styles, level, x.shape[-1])])
        x = leaky(AddNoise()([x, noise[level]]))
    to_colours = ModulatedConv2D(image_shape[2], 1, demodulate=False, gain=1)
    picture = to_colours([x, style_of(styles, len(widths) - 1, x.shape[-1])])
    image = keras.layers.Rescaling(0.5, 0.5)(keras.layers.Activation("tanh")(picture))
    return keras.Model([styles, *noise], image, name="synthesis")


def style_of(styles, level: int, features: int):
    """What a level's style multiplies each of its maps by: a learned linear function, near 1 at the start."""
    return EqualizedDense(features, gain=1, bias_initializer="ones")(styles[:, level])


def mean_style(generator: keras.Model, n: int = 10_000, seed: int = 0) -> np.ndarray:
    """The mean of w over `n` random z, `(size,)`."""
    z = np.random.default_rng(seed).normal(size=(n, generator.input_shape[-1])).astype("float32")
    return np.asarray(generator.get_layer("mapping")(z)).mean(axis=0)


def truncate(styles, mean, psi: float) -> np.ndarray:
    """Styles `(…, size)` drawn nearer to the mean style `(size,)`: mean + ψ (styles − mean).

    ψ = 1 leaves them as they are, ψ = 0 gives the mean to all. Karras et al. 2019 (arXiv:1812.04948), appendix B.
    Raises `ValueError` for a ψ below 0 and for a mean of another size.
    """
    styles, mean = np.asarray(styles), np.asarray(mean)
    if not is_number(psi) or psi < 0:
        raise ValueError(f"psi is {psi!r}: expected at least 0, the mean style; 1 leaves all styles as they are")
    if mean.shape != styles.shape[-1:]:
        raise ValueError(f"the mean has the shape {mean.shape}, the styles {styles.shape}: expected (size,), (…, size)")
    return mean + np.float32(psi) * (styles - mean)


def mix_styles(coarse, fine, level: int) -> np.ndarray:
    """Styles `(n, levels, size)` of the one, but from `level` on those of the other: 0 takes all, `levels` none.

    Raises `ValueError` for styles of different shapes, and for a level that is not there.
    """
    coarse, fine = np.asarray(coarse), np.asarray(fine)
    if coarse.shape != fine.shape or coarse.ndim != 3:
        raise ValueError(f"styles of the shapes {coarse.shape} and {fine.shape}: expected one shape, (n, levels, size)")
    levels = coarse.shape[1]
    if level not in range(levels + 1):
        raise ValueError(f"level is {level!r}: expected a whole number from 0, all, to {levels}, none")
    return np.concatenate([coarse[:, :level], fine[:, level:]], axis=1)


def noise_maps(generator: keras.Model, n: int, seed: int = 0) -> list[np.ndarray]:
    """Standard normal noise for the synthesis network: `(n, height, width, 1)` for each level. One seed, one noise."""
    rng = np.random.default_rng(seed)
    shapes = [shape[1:] for shape in generator.get_layer("synthesis").input_shape[1:]]
    return [rng.normal(size=(n, *shape)).astype("float32") for shape in shapes]


def synthesize(generator: keras.Model, styles, noise: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Images `(n, height, width, channels)` from styles `(n, levels, size)`, or `(n, size)`, one for all levels.

    `noise`: as `noise_maps` gives it; without, there is none, which is its mean. Raises `ValueError` for styles of
    other shapes.
    """
    styles = np.asarray(styles, "float32")
    synthesis = generator.get_layer("synthesis")
    (_, levels, size), *shapes = synthesis.input_shape
    if styles.ndim == 2:
        styles = np.repeat(styles[:, None], levels, axis=1)
    if styles.shape[1:] != (levels, size):
        raise ValueError(f"styles have the shape {styles.shape}: expected (n, {size}) or (n, {levels}, {size})")
    if noise is None:
        noise = [np.zeros((len(styles), *shape[1:]), "float32") for shape in shapes]
    return synthesis.predict([styles, *noise], batch_size=500, verbose=0)
