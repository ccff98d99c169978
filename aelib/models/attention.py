"""Attention written out, and the Transformer's block: what an encoder of words or of patches is made of.

Introduced in chapter 20. Vaswani et al. 2017 (arXiv:1706.03762).
"""

import keras
import numpy as np
from keras import ops

from aelib.validate import is_count

HIDDEN = -1e9  # a score that the softmax turns into an attention of 0


@keras.saving.register_keras_serializable("aelib")
class SelfAttention(keras.layers.Layer):
    """Each place of a sequence gathers values from the places that it attends to, in several heads at once.

    Maps `(n, places, width)` to the same shape. Every head has its share of the width, `size = width / heads`: the
    columns of `query`, `key` and `value`, each `(width, width)`, and the rows of `output`, `(width, width)`, that
    belong to it are in the order of the heads. `left`, `right`: how many places to its left and to its right a place
    may attend to, itself always; None: all. `left=None, right=0` is the causal attention of a language model.
    `longest`: how many places the longest sequence has. Each head then learns a number for each distance between two
    places, 0 at first, and adds it to their score (Raffel et al. 2020, arXiv:1910.10683, section 2.1; there, near
    distances only have a number of their own). None: the attention does not know the order of the places. The other
    weights are those of `keras.layers.MultiHeadAttention`, in its order, with two axes instead of three. Raises
    `ValueError` unless the heads share the width evenly, and for sequences of more places. Introduced in chapter 20.
    """

    def __init__(
        self,
        heads: int,
        left: int | None = None,
        right: int | None = None,
        longest: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_longest(longest, or_none=True)
        if not is_count(heads) or any(
            reach is not None and reach != 0 and not is_count(reach) for reach in (left, right)
        ):
            raise ValueError(
                f"heads is {heads!r}, left {left!r}, right {right!r}: expected at least one head, and 0 places or more "
                "on each side, or None for all"
            )
        self.heads, self.left, self.right, self.longest = heads, left, right, longest

    def build(self, input_shape):
        width = input_shape[-1]
        if width % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {width}: take a number that divides it")
        for name in ("query", "key", "value", "output"):
            setattr(self, f"{name}_kernel", self.add_weight((width, width), "glorot_uniform", name=f"{name}_kernel"))
            setattr(self, f"{name}_bias", self.add_weight((width,), "zeros", name=f"{name}_bias"))
        if self.longest is not None:
            self.distances = self.add_weight((self.heads, 2 * self.longest - 1), "zeros", name="distances")

    def call(self, x):
        together = ops.reshape(ops.transpose(self.gather(x), (0, 2, 1, 3)), ops.shape(x))  # the heads side by side
        return ops.matmul(together, self.output_kernel) + self.output_bias

    def gather(self, x):
        """What each head brings to each place, `(n, heads, places, size)`: the mean of the values, by attention."""
        return ops.matmul(self.attention(x), self.split(ops.matmul(x, self.value_kernel) + self.value_bias))

    def attention(self, x):
        """How much each place attends to each other one, `(n, heads, places, places)`: every row's sum is 1."""
        query = self.split(ops.matmul(x, self.query_kernel) + self.query_bias)  # what a place looks for
        key = self.split(ops.matmul(x, self.key_kernel) + self.key_bias)  # what a place offers to be found by
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / query.shape[-1] ** 0.5
        return ops.softmax(scores + self.by_distance(x) + self.out_of_reach(ops.shape(x)[1]))

    def split(self, x):
        """`(n, places, width)` to `(n, heads, places, size)`: each head has columns of its own."""
        n, places, width = ops.shape(x)
        return ops.transpose(ops.reshape(x, (n, places, self.heads, width // self.heads)), (0, 2, 1, 3))

    def by_distance(self, x):
        """What each head adds to the score of two places for their distance: `(heads, places, places)`, or 0."""
        if self.longest is None:
            return 0.0
        _check_places(x.shape[1], self.longest)
        place = ops.arange(ops.shape(x)[1])
        return ops.take(self.distances, place[None] - place[:, None] + self.longest - 1, axis=1)

    def out_of_reach(self, places):
        """0 where a place (row) may attend to another one (column), and −10⁹ where not: `(places, places)`."""
        if self.left is None and self.right is None:
            return 0.0
        offset = ops.arange(places)[None] - ops.arange(places)[:, None]
        left = offset < -self.left if self.left is not None else offset < -places
        right = offset > self.right if self.right is not None else offset > places
        return HIDDEN * ops.cast(ops.logical_or(left, right), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        reach = {"left": self.left, "right": self.right, "longest": self.longest}
        return {**super().get_config(), "heads": self.heads, **reach}


@keras.saving.register_keras_serializable("aelib")
class Positions(keras.layers.Layer):
    """Adds to each place a vector that is learned for it: attention alone does not know the order of the places.

    Maps `(n, places, width)` to the same shape; `longest`: the number of vectors. Raises `ValueError` for a sequence
    of more places. Introduced in chapter 20. Devlin et al. 2019 (arXiv:1810.04805).
    """

    def __init__(self, longest: int, **kwargs):
        super().__init__(**kwargs)
        _check_longest(longest)
        self.longest = longest

    def build(self, input_shape):
        normal = keras.initializers.RandomNormal(stddev=0.1)
        self.vectors = self.add_weight((self.longest, input_shape[-1]), normal, name="vectors")

    def call(self, x):
        _check_places(x.shape[1], self.longest)
        return x + self.vectors[: ops.shape(x)[1]]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "longest": self.longest}


def transformer_block(x, heads: int, name: str, **reach):
    """Attention, then a dense network for each place; each adds to what comes in. `(n, places, width)` to the same.

    Layers of the model, named `{name}_attention` and so on; `reach`: `left`, `right` and `longest` of `SelfAttention`.
    Both parts see their input normalized to mean 0 and variance 1 at each place (layer normalization before each part,
    Xiong et al. 2020, arXiv:2002.04745). Introduced in chapter 20.
    """
    return dense_part(attention_part(x, heads, name, **reach), name)


def attention_part(x, heads: int, name: str, **reach):
    """The first half of a block: what attention brings to each place is added to what is there."""
    seen = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_attention_norm")(x)
    return keras.layers.Add()([x, SelfAttention(heads, name=f"{name}_attention", **reach)(seen)])


def dense_part(x, name: str):
    """The second half: at each place alone, a dense network with a hidden layer four times as wide."""
    seen = keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_dense_norm")(x)
    seen = keras.layers.Dense(4 * x.shape[-1], "relu", name=f"{name}_hidden")(seen)
    return keras.layers.Add()([x, keras.layers.Dense(x.shape[-1], name=f"{name}_dense")(seen)])


def replace_head(layer: SelfAttention, head: int, by) -> None:
    """Let a head bring the same to every place, `by`, `(size,)`: its rows of the output become part of the bias.

    With the mean over data of what the head brings, `mean of layer.gather(x)`, this is *mean ablation*. Raises
    `ValueError` for a head that is not there and another shape. Introduced in chapter 20.
    """
    kernel, bias = (ops.convert_to_numpy(w).copy() for w in (layer.output_kernel, layer.output_bias))
    size, by = len(kernel) // layer.heads, np.asarray(by)
    if head not in range(layer.heads) or by.shape != (size,):
        raise ValueError(
            f"head {head!r} is to bring numbers of the shape {by.shape}: expected one of {layer.heads} heads, counted "
            f"from 0, and {size} numbers"
        )
    rows = slice(head * size, (head + 1) * size)
    layer.output_bias.assign(bias + by @ kernel[rows])
    kernel[rows] = 0
    layer.output_kernel.assign(kernel)


def _check_longest(longest, or_none: bool = False) -> None:
    if not (is_count(longest) or (or_none and longest is None)):
        raise ValueError(f"longest is {longest!r}: expected the places of the longest sequence, at least 1")


def _check_places(places: int | None, longest: int) -> None:
    if places is not None and places > longest:
        raise ValueError(
            f"the sequences have {places} places, the model has positions for {longest}: cut them into pieces"
        )
