"""Max pooling that remembers where the maximum stood, and its reverse.

Introduced in chapter 04.
"""

import numbers

import keras
from keras import ops


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
        # The strides are named: on JAX, Keras 3.15 cannot derive them from the window.
        return ops.max_pool(x, self.pool_size, self.pool_size, padding="same", data_format="channels_last")

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
