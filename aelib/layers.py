"""The custom layers, and a regularizer. Each computes with `keras.ops` and `keras.random` alone, so it runs on every
backend of Keras."""

import math
import numbers

import keras
from keras import ops


@keras.saving.register_keras_serializable("aelib")
class TransposedDense(keras.layers.Layer):
    """A dense layer whose kernel is the transpose of another's: `activation(x Wᵀ + b)`.

    `dense` is the `keras.layers.Dense` that owns W, of shape `(inputs, units)`, and is built already. Maps
    `(…, units)` to `(…, inputs)`; only the bias b, of shape `(inputs,)`, is new
    (none without `use_bias`). Introduced in chapter 01. Tied weights: Vincent et al. 2010 (JMLR 11), section 2.2.
    """

    def __init__(self, dense: keras.layers.Dense, activation=None, use_bias: bool = True, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(dense, keras.layers.Dense) or not dense.built:
            raise ValueError(
                f"TransposedDense ties itself to a Dense layer that is built, found {dense!r}: "
                "call the Dense layer on its input first"
            )
        self.dense = dense
        self.use_bias = use_bias
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        inputs, units = self.dense.kernel.shape
        if input_shape[-1] != units:
            raise ValueError(
                f"the last axis has length {input_shape[-1]}, the kernel of {self.dense.name} makes {units}"
            )
        self.bias = self.add_weight(shape=(inputs,), initializer="zeros", name="bias") if self.use_bias else None

    def call(self, x):
        x = ops.matmul(x, ops.transpose(self.dense.kernel))
        return self.activation(x if self.bias is None else x + self.bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.dense.kernel.shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "dense": keras.saving.serialize_keras_object(self.dense),
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config):
        # `Autoencoder.from_config` puts the encoder's live layer here; a decoder saved alone gets a copy of its own.
        dense = config["dense"]
        if not isinstance(dense, keras.layers.Layer):
            dense = keras.saving.deserialize_keras_object(dense)
        return cls(**{**config, "dense": dense})


@keras.saving.register_keras_serializable("aelib")
class FourierExpansion(keras.layers.Layer):
    """The sines and cosines of a number: `(n, 1)` to `(n, 2J)`, sin(πjz) and cos(πjz) for j = 1…J.

    A linear layer on top of it can draw any curve through any number of points, if J is large enough. Introduced in
    chapter 02, to show what a strong decoder can do with a code of one number.
    """

    def __init__(self, frequencies: int, **kwargs):
        super().__init__(**kwargs)
        if frequencies < 1:
            raise ValueError(f"frequencies is {frequencies}: it must be at least 1")
        self.frequencies = frequencies

    def call(self, z):
        angles = math.pi * z * ops.arange(1, self.frequencies + 1, dtype=z.dtype)
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def get_config(self):
        return {**super().get_config(), "frequencies": self.frequencies}


@keras.saving.register_keras_serializable("aelib")
class MaxPoolWithSwitches(keras.layers.Layer):
    """Max pooling that also says where each maximum stood: `x` to the pair `(pooled, switches)`.

    `pool_size`: the window, in pixels, an int or (height, width); windows do not overlap. `x`:
    `(n, height, width, channels)`, of known height, width and channels. `pooled` is that of
    `keras.layers.MaxPooling2D(pool_size, padding="same")`. `switches`, of x's shape and dtype, is 1 at the maximum of
    each window and channel (of equal ones, at the first in reading order), 0 elsewhere, and carries no gradient.
    `MaxUnpool` takes both. Raises `ValueError` for an impossible `pool_size` or shape. Introduced in chapter 04.
    Zeiler & Fergus 2014 (arXiv:1311.2901), section 2.1; in an autoencoder: Zhao et al. 2015 (arXiv:1506.02351).
    """

    def __init__(self, pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = _window(pool_size)

    def call(self, x):
        self.compute_output_shape(x.shape)  # Keras itself asks for it only where a functional model is built
        height, width, channels = x.shape[1:]
        pooled = self._max(x)
        is_max = ops.equal(x, _spread(pooled, self.pool_size, height, width))
        # Equal maxima are common: after a ReLU whole windows are 0. The first place, of the highest rank, wins.
        rank = ops.cast(is_max, "float32") * self._ranks(height, width, channels)
        switches = ops.equal(rank, _spread(self._max(rank), self.pool_size, height, width))
        return pooled, ops.stop_gradient(ops.cast(switches, x.dtype))

    def _max(self, x):
        # "same" pads with places that never win; its gradient goes to the first maximum too (measured in the tests)
        return ops.max_pool(x, self.pool_size, padding="same", data_format="channels_last")

    def _ranks(self, height, width, channels):
        """(height, width, channels): a window's first place has its number of places, and so down to 1 at its last."""
        (down, across), (top, left) = self.pool_size, _padding(self.pool_size, height, width)
        rows, columns = (ops.arange(height) + top) % down, (ops.arange(width) + left) % across
        ranks = ops.cast(down * across - rows[:, None] * across - columns, "float32")
        # One per channel, although all are equal: TensorFlow broadcasts over the batch alone much faster.
        return ops.repeat(ranks[..., None], channels, axis=-1)

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        if len(shape) != 4 or None in shape[1:]:
            raise ValueError(
                f"{self.name} pools images of a known size, (n, height, width, channels), found the shape {shape}: "
                "give the Input its height, width and channels"
            )
        return _pooled_shape(shape, self.pool_size), shape

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable("aelib")
class MaxUnpool(keras.layers.Layer):
    """Undoes `MaxPoolWithSwitches`: `[pooled, switches]` to an image of the switches' shape.

    Each pooled value goes back to the place where its switch is 1; all other places are 0. `pool_size`: the window of
    the pooling, in pixels, an int or (height, width). `pooled`: `(n, ⌈height/p⌉, ⌈width/q⌉, channels)`; `switches`:
    `(n, height, width, channels)`. The gradient goes to `pooled`, through the switches. Raises `ValueError` if the two
    do not belong together. Introduced in chapter 04. Zeiler & Fergus 2014 (arXiv:1311.2901), section 2.1.
    """

    def __init__(self, pool_size=2, **kwargs):
        super().__init__(**kwargs)
        self.pool_size = _window(pool_size)

    def call(self, inputs):
        self.compute_output_shape(keras.tree.map_structure(lambda x: tuple(x.shape), inputs))
        pooled, switches = inputs
        height, width = switches.shape[1:3]
        return _spread(pooled, self.pool_size, height, width) * ops.stop_gradient(switches)

    def compute_output_shape(self, input_shape):
        shapes = [tuple(shape) if isinstance(shape, (tuple, list)) else shape for shape in input_shape]
        if len(shapes) != 2 or not all(isinstance(shape, tuple) for shape in shapes):
            raise ValueError(
                f"{self.name} takes two inputs, found the shape {input_shape}: call it on [pooled, switches], "
                "the two outputs of MaxPoolWithSwitches"
            )
        pooled, switches = shapes
        if len(switches) != 4 or None in switches[1:]:
            raise ValueError(
                f"the switches have the shape {switches}: expected (n, height, width, channels) of a known size; "
                f"call {self.name} on [pooled, switches], in this order"
            )
        expected = _pooled_shape(switches, self.pool_size)
        # A batch of unknown size matches any other.
        if pooled[1:] != expected[1:] or (None not in (pooled[0], expected[0]) and pooled[0] != expected[0]):
            raise ValueError(
                f"pooled has the shape {pooled}, but switches {switches} with pool_size {self.pool_size} belong to "
                f"{expected}: give both outputs of one MaxPoolWithSwitches, and its pool_size"
            )
        return switches

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}


def _window(pool_size) -> tuple[int, int]:
    """`pool_size` as (height, width); `ValueError` unless it is one or two whole numbers, at least 1."""
    pair = tuple(pool_size) if isinstance(pool_size, (tuple, list)) else (pool_size, pool_size)
    if len(pair) != 2 or not all(isinstance(size, numbers.Integral) and size >= 1 for size in pair):
        raise ValueError(
            f"pool_size is {pool_size!r}: expected a whole number, at least 1, or two of them, (height, width)"
        )
    return int(pair[0]), int(pair[1])


def _pooled_shape(shape, pool_size):
    """Of images `(n, height, width, channels)`: the last window may be cut off, so the sizes round up."""
    n, height, width, channels = shape
    return n, -(-height // pool_size[0]), -(-width // pool_size[1]), channels


def _padding(pool_size, height, width):
    """The rows above and the columns left of the image that "same" adds; the odd one goes below, and right."""
    return (-height % pool_size[0]) // 2, (-width % pool_size[1]) // 2


def _spread(pooled, pool_size, height, width):
    """Each value all over its window, `(n, height, width, channels)`: the windows that stand over the edge are cut."""
    top, left = _padding(pool_size, height, width)
    spread = ops.repeat(ops.repeat(pooled, pool_size[0], axis=1), pool_size[1], axis=2)
    # Not spread[:, top:…, left:…], whose gradient TensorFlow computes six times slower.
    return ops.slice(spread, (0, top, left, 0), (ops.shape(spread)[0], height, width, spread.shape[-1]))


class Corruption(keras.layers.Layer):
    """What the corruptions have in common: random numbers of their own, and an output of the input's shape."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("aelib")
class GaussianCorruption(Corruption):
    """Adds noise from N(0, stddev²) to every value, in training only; otherwise it hands its input on.

    `stddev`: in the units of the input (grey values, of 0 to 1). `clip`: the noisy values are clipped to [0, 1], so
    that they are grey values again. Any shape. `seed`: an int makes the noise the same in every run. Raises
    `ValueError` for an impossible `stddev`. Introduced in chapter 06. Vincent et al. 2008 (ICML), 2010 (JMLR 11).
    """

    def __init__(self, stddev: float, clip: bool = True, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not _is_number(stddev) or stddev < 0:
            raise ValueError(f"stddev is {stddev!r}: expected a finite number, at least 0")
        self.stddev = float(stddev)
        self.clip = clip

    def call(self, x, training=None):
        if not training:
            return x
        noise = keras.random.normal(
            ops.shape(x), stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator
        )
        return ops.clip(x + noise, 0, 1) if self.clip else x + noise

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev, "clip": self.clip}


@keras.saving.register_keras_serializable("aelib")
class DropPixels(Corruption):
    """Sets each value to 0 with probability `rate`, independently, in training only; the rest stays as it is.

    That is the difference from `keras.layers.Dropout`, which scales the rest by 1 / (1 − rate): a denoising
    autoencoder is to fill in what is missing, from pixels that are as bright as ever. `rate`: 0 or more, less than 1.
    Any shape. `seed`: an int makes the noise the same in every run. Raises `ValueError` for an impossible
    `rate`. Introduced in chapter 06. Masking noise: Vincent et al. 2008 (ICML).
    """

    def __init__(self, rate: float, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        if not _is_number(rate) or not 0 <= rate < 1:
            raise ValueError(f"rate is {rate!r}: expected the share of values to drop, at least 0 and less than 1")
        self.rate = float(rate)

    def call(self, x, training=None):
        if not training:
            return x
        # float32 even where the layer computes in less: float16 has no fine enough numbers for the rate to come true
        dropped = keras.random.uniform(ops.shape(x), dtype="float32", seed=self.seed_generator) < self.rate
        return ops.where(dropped, ops.zeros_like(x), x)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable("aelib")
class KSparse(keras.layers.Layer):
    """Keeps the `k` largest values of each row (the last axis) and sets the others to 0, in training and after it.

    `(…, units)` to the same shape. Largest, not largest in size: a kept value may be negative. Of equal values the
    first are kept, so that there are exactly k. The gradient goes to the kept values only. Raises `ValueError` if k
    is not a whole number from 1 to `units`. Introduced in chapter 07. Makhzani & Frey 2013 (arXiv:1312.5663).
    """

    def __init__(self, k: int, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(k, numbers.Integral) or k < 1:
            raise ValueError(f"k is {k!r}: expected a whole number, at least 1")
        self.k = int(k)

    def build(self, input_shape):
        units = input_shape[-1]
        if units is None or units < self.k:
            raise ValueError(f"k is {self.k}, but the last axis has length {units}: choose a k from 1 to that length")

    def call(self, x):
        values, places = ops.top_k(x, self.k)
        threshold, last = values[..., -1:], places[..., -1:]
        # Several values may equal the threshold. `top_k` takes the first of them, the last taken stands at `last`: that
        # saves a running count of the ties, or a one-hot row per kept value (both 1.6 times slower for 25 of 1000).
        tied = ops.logical_and(ops.equal(x, threshold), ops.arange(x.shape[-1]) <= last)
        return ops.where(ops.logical_or(x > threshold, tied), x, ops.zeros_like(x))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable("aelib")
class KLSparsity(keras.regularizers.Regularizer):
    """The penalty `weight · Σⱼ KL(target ‖ qⱼ)`, with qⱼ the mean of activation j over the batch, for sigmoid units.

    KL(p ‖ q) = p log(p/q) + (1−p) log((1−p)/(1−q)), in nats. To be given to a layer as its `activity_regularizer`;
    activations: `(n, units)`, in [0, 1]. `target`: the mean activation wanted, between 0 and 1; `weight`: 0 or more.
    Raises `ValueError` for others. Introduced in chapter 07. Ng 2011, "Sparse autoencoder" (CS294A notes, Stanford).
    """

    def __init__(self, target: float, weight: float):
        if not _is_number(target) or not 0 < target < 1:
            raise ValueError(f"target is {target!r}: expected a mean activation, more than 0 and less than 1")
        if not _is_number(weight) or weight < 0:
            raise ValueError(f"weight is {weight!r}: expected a finite number, at least 0")
        self.target = float(target)
        self.weight = float(weight)

    def __call__(self, activations):
        p, n = self.target, ops.shape(activations)[0]
        q = ops.mean(ops.cast(activations, "float32"), axis=0)  # in half precision, 1 − 1e-6 would be 1
        q = ops.clip(q, 1e-6, 1 - 1e-6)  # a unit that is always off or always on would cost infinitely much
        divergence = p * ops.log(p / q) + (1 - p) * ops.log((1 - p) / (1 - q))
        # Keras divides what an activity regularizer returns by the batch size. A mean over the batch is no sum over
        # it: without the factor n the penalty would be weaker, the larger the batch.
        return self.weight * ops.sum(divergence) * ops.cast(n, "float32")

    def get_config(self):
        return {"target": self.target, "weight": self.weight}


@keras.saving.register_keras_serializable("aelib")
class Sampling(keras.layers.Layer):
    """Draws z = μ + σ ε with ε from N(0, 1), one draw an image, in training and after it: the reparameterization.

    `[mean, log_variance]`, μ and log σ², each `(n, codes)`, to z `(n, codes)`. ε does not depend on the weights, so
    that gradients pass to μ and σ. `seed`: an int makes the draws the same in every run. Introduced in chapter 09.
    Kingma & Welling 2014 (arXiv:1312.6114), section 2.4.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        mean, log_variance = inputs
        epsilon = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * epsilon

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("aelib")
class MinibatchStdDev(keras.layers.Layer):
    """Adds one feature, the same for all samples of a batch: how much the batch varies, `(n, …, c)` to `(n, …, c + 1)`.

    It is the standard deviation over the batch, of each feature at each place, mean over all of them. To a
    discriminator it shows at once that a generator makes always the same. A sample's output thus depends on those
    beside it; of a batch of one it is 0. Introduced in chapter 11. Karras et al. 2018 (arXiv:1710.10196), section 3,
    after the minibatch discrimination of Salimans et al. 2016 (arXiv:1606.03498).
    """

    def call(self, x):
        # in float32, and √(variance + ε): the root's own gradient is infinite where nothing varies
        variance = ops.var(ops.cast(x, "float32"), axis=0)
        deviation = ops.cast(ops.mean(ops.sqrt(variance + 1e-8)), x.dtype)
        return ops.concatenate([x, ops.broadcast_to(deviation, (*ops.shape(x)[:-1], 1))], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)


@keras.saving.register_keras_serializable("aelib")
class Pack(keras.layers.Layer):
    """Puts `m` samples side by side, for a discriminator that judges them together: `(n, …, c)` to `(n/m, …, m c)`.

    Samples that follow one another make a pack; n must be a multiple of m. One sample can hide that it is always the
    same; two beside each other cannot. Raises `ValueError` for an impossible m. Introduced in chapter 11. PacGAN:
    Lin et al. 2018 (arXiv:1712.04086).
    """

    def __init__(self, m: int = 2, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(m, numbers.Integral) or m < 1:
            raise ValueError(f"m is {m!r}: expected how many samples make a pack, a whole number, at least 1")
        self.m = int(m)

    def call(self, x):
        shape = self.compute_output_shape(x.shape)
        x = ops.reshape(x, (-1, self.m, *x.shape[1:]))
        return ops.reshape(ops.moveaxis(x, 1, -2), (-1, *shape[1:]))

    def compute_output_shape(self, input_shape):
        n, *places, features = input_shape
        if n is not None and n % self.m:
            raise ValueError(f"{n} samples do not make packs of {self.m}: choose a batch_size that is a multiple of it")
        return None if n is None else n // self.m, *places, self.m * features

    def get_config(self):
        return {**super().get_config(), "m": self.m}


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)
