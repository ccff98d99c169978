"""A masked language model: some words of a text are hidden, and a Transformer's encoder is to say which they were.

Introduced in chapter 20. Devlin et al. 2019 (arXiv:1810.04805).
"""

import keras
import numpy as np
from keras import ops

from aelib.models.attention import attention_part, dense_part, transformer_block
from aelib.validate import is_count, is_number


def mask_words(tokens, words: int, share: float = 0.15, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the model is shown, which places it is asked about, and the right answers.

    `tokens`: ints in 0…words−1, `(n, length)`; the mask is the token `words`. In each row `share` of the places,
    rounded, at least one, are chosen at random. Of the chosen, 80 % show the mask, 10 % any word, all equally likely,
    and 10 % the right word: a word that is seen may be wrong, so its place needs an answer as well. The same seed
    gives the same choice. Returns `shown`, int32 `(n, length)`, `places` and `answers`, int32 `(n, chosen)`, from left
    to right. Raises `ValueError` for a share that is not between 0 and 1, and for tokens that are none.
    """
    if not is_number(share) or not 0 < share < 1:
        raise ValueError(f"share is {share!r}: expected the share of the words to hide, more than 0 and less than 1")
    tokens = check_tokens(tokens, words)
    rng, (n, length) = np.random.default_rng(seed), tokens.shape
    chosen = max(1, round(share * length))
    places = np.sort(rng.random((n, length)).argsort(axis=1)[:, :chosen], axis=1)
    answers = np.take_along_axis(tokens, places, axis=1)
    dice, others = rng.random(places.shape), rng.integers(words, size=places.shape)
    seen = np.where(dice < 0.8, words, np.where(dice < 0.9, others, answers))
    shown = tokens.copy()
    np.put_along_axis(shown, places, seen.astype("int32"), axis=1)
    return shown, places.astype("int32"), answers


def check_tokens(tokens, words: int) -> np.ndarray:
    """`tokens` as int32 `(n, length)`; `ValueError` unless they are whole numbers in 0…words−1, at least one."""
    tokens = np.asarray(tokens)
    if not is_count(words):
        raise ValueError(f"words is {words!r}: expected how many words the vocabulary has, at least 1")
    if tokens.ndim != 2 or tokens.size == 0 or tokens.dtype.kind not in "iu":
        raise ValueError(
            f"tokens have the shape {tokens.shape} and the type {tokens.dtype}: expected whole numbers, (n, length)"
        )
    if tokens.min() < 0 or tokens.max() >= words:
        raise ValueError(f"tokens lie in [{tokens.min()}, {tokens.max()}]: expected [0, {words - 1}], one per word")
    return tokens.astype("int32")


@keras.saving.register_keras_serializable("aelib")
class TiedEmbedding(keras.layers.Layer):
    """A vector for each token; and, with the same vectors, a score for each word. One layer, called twice.

    `layer(tokens)`: ints `(n, length)` to vectors `(n, length, width)`. `layer(x, decode=True)`: `(…, width)` to
    scores `(…, words)`, the dot product with each word's vector plus its bias. The mask, the last of `words + 1`
    tokens, has a vector and no score. Introduced in chapter 20. Press & Wolf 2017 (arXiv:1608.05859).
    """

    def __init__(self, words: int, width: int, **kwargs):
        super().__init__(**kwargs)
        if not is_count(words) or not is_count(width):
            raise ValueError(f"words is {words!r}, width {width!r}: expected whole numbers, at least 1")
        self.words, self.width = words, width

    def build(self, input_shape):
        normal = keras.initializers.RandomNormal(stddev=0.1)
        self.vectors = self.add_weight((self.words + 1, self.width), normal, name="vectors")
        self.bias = self.add_weight((self.words,), "zeros", name="bias")

    def call(self, x, decode=False):
        if decode:
            return ops.matmul(x, ops.transpose(self.vectors[: self.words])) + self.bias
        return ops.take(self.vectors, x, axis=0)

    def compute_output_spec(self, x, decode=False):
        shape = (*x.shape[:-1], self.words) if decode else (*x.shape, self.width)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "words": self.words, "width": self.width}


@keras.saving.register_keras_serializable("aelib")
class AtPlaces(keras.layers.Layer):
    """The vectors at the places asked about: `(n, length, width)` and ints `(n, asked)` to `(n, asked, width)`.

    Introduced in chapter 20.
    """

    def call(self, x, places):
        here = ops.equal(places[:, :, None], ops.arange(ops.shape(x)[1], dtype=places.dtype))
        return ops.matmul(ops.cast(here, x.dtype), x)

    def compute_output_spec(self, x, places):
        return keras.KerasTensor((*places.shape, x.shape[-1]), dtype=x.dtype)


def masked_language_model(words: int, longest: int, width: int = 64, blocks: int = 1, heads: int = 4) -> keras.Model:
    """From what is shown and the places asked about to scores for each word: `(n, length)`, `(n, asked)` ints to
    `(n, asked, words)`; the softmax of the scores are probabilities.

    `words`: of the vocabulary; the mask is the token `words`. `longest`: length of the longest sequence. `blocks`:
    Transformer blocks, of `heads` heads. Order is known by distances (see `SelfAttention`). The decoder is linear and
    has the embedding's vectors. The layer `code` gives the vectors of the places asked about: after the last attention
    the others are not needed, and computing them would take most of the time.
    """
    shown, places = (
        keras.Input((None,), dtype="int32", name="shown"),
        keras.Input((None,), dtype="int32", name="places"),
    )
    embedding = TiedEmbedding(words, width, name="embedding")
    x = embedding(shown)
    for number in range(1, blocks):
        x = transformer_block(x, heads, f"block_{number}", longest=longest)
    x = attention_part(x, heads, f"block_{blocks}", longest=longest)
    x = dense_part(AtPlaces(name="asked")(x, places), f"block_{blocks}")
    code = keras.layers.LayerNormalization(epsilon=1e-5, name="code")(x)
    return keras.Model([shown, places], embedding(code, decode=True))
