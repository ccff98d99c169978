"""A masked autoencoder of pictures: most patches are hidden, and are to be guessed from those that are seen.

Introduced in chapter 20b. He et al. 2022 (arXiv:2111.06377).
"""

import keras
import numpy as np
from keras import ops

from aelib.models.attention import Positions, attention_part, dense_part, transformer_block
from aelib.models.masked_lm import AtPlaces
from aelib.validate import check_finite, is_count, is_number


def patch_size(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of a patch, in pixels: of each side the divisor nearest to a quarter of it, the smaller of two.

    `image_shape`: `(height, width, channels)`; 28×28 has patches of 7×7. Raises `ValueError` for a side that no number
    from 2 up to its half divides. Introduced in chapter 20b.
    """
    found = []
    for side in image_shape[:2]:
        divisors = [size for size in range(2, side // 2 + 1) if side % size == 0]
        if not divisors:
            raise ValueError(
                f"the pictures have {image_shape[0]}×{image_shape[1]} pixels, and {side} cannot be cut into equal "
                "patches: resize or pad them, so that a number from 2 up to its half divides each side"
            )
        found.append(min(divisors, key=lambda size, side=side: abs(size - side / 4)))
    return tuple(found)


def to_patches(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cuts pictures into patches, each a row: `(n, height, width, channels)` to `(n, patches, values)`.

    `size`: height and width of a patch, in pixels. The patches follow each other line by line, and so do the pixels in
    each. Raises `ValueError` for patches that do not divide the picture. Introduced in chapter 20b.
    """
    images = check_finite(images, "images")
    if images.ndim != 4:
        raise ValueError(f"images have the shape {images.shape}: expected (n, height, width, channels)")
    n, channels, (down, across) = len(images), images.shape[3], patch_grid(images.shape[1:], size)
    cut = images.reshape(n, down, size[0], across, size[1], channels).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(n, down * across, size[0] * size[1] * channels)


def from_patches(rows: np.ndarray, size: tuple[int, int], image_shape: tuple[int, int, int]) -> np.ndarray:
    """Puts the patches together again: `(n, patches, values)` to `(n, height, width, channels)`; undoes `to_patches`.

    Raises `ValueError` for patches that do not divide the picture, and for another number or size of rows.
    """
    (down, across), channels, rows = patch_grid(image_shape, size), image_shape[2], np.asarray(rows)
    expected = down * across, size[0] * size[1] * channels
    if rows.ndim != 3 or rows.shape[1:] != expected:
        raise ValueError(f"the patches have the shape {rows.shape}: expected (n, {expected[0]}, {expected[1]})")
    put = rows.reshape(len(rows), down, across, *size, channels).transpose(0, 1, 3, 2, 4, 5)
    return put.reshape(len(rows), *image_shape)


def patch_grid(image_shape: tuple[int, int, int], size: tuple[int, int]) -> tuple[int, int]:
    """How many patches lie below each other, and how many side by side; `ValueError` unless they divide the picture."""
    if len(size) != 2 or not all(map(is_count, size)) or any(s % p for s, p in zip(image_shape[:2], size, strict=True)):
        raise ValueError(
            f"patches of {'×'.join(map(str, size))} pixels do not divide pictures of {image_shape[0]}×{image_shape[1]} "
            "pixels: take a height and a width that do (patch_size finds them)"
        )
    return image_shape[0] // size[0], image_shape[1] // size[1]


def hide_patches(n: int, patches: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Which patches of each of `n` pictures are seen and which are hidden, by chance: int32 `(n, seen)`, `(n, hidden)`.

    `share` of the `patches` is hidden, rounded, but at least one is hidden and one seen. The same seed gives the same
    choice. Raises `ValueError` for a share that is not between 0 and 1, and for fewer than two patches.
    """
    if not is_number(share) or not 0 < share < 1:
        raise ValueError(f"share is {share!r}: expected the share of the patches to hide, more than 0 and less than 1")
    if not is_count(n) or not is_count(patches) or patches < 2:
        raise ValueError(f"found {n!r} pictures of {patches!r} patches: expected at least one picture of two patches")
    hidden = min(max(1, round(share * patches)), patches - 1)
    order = np.random.default_rng(seed).random((n, patches)).argsort(axis=1).astype("int32")
    return np.sort(order[:, hidden:], axis=1), np.sort(order[:, :hidden], axis=1)


def all_patches(n: int, patches: int) -> np.ndarray:
    """The places of all patches, for each of `n` pictures: int32 `(n, patches)`."""
    return np.tile(np.arange(patches, dtype="int32"), (n, 1))


@keras.saving.register_keras_serializable("aelib")
class FillIn(keras.layers.Layer):
    """Puts codes back to their places, and one learned vector, the mask token, to all other places.

    Codes `(n, seen, width)` and their places, ints `(n, seen)`, to `(n, patches, width)`. Introduced in chapter 20b.
    He et al. 2022 (arXiv:2111.06377).
    """

    def __init__(self, patches: int, **kwargs):
        super().__init__(**kwargs)
        if not is_count(patches):
            raise ValueError(f"patches is {patches!r}: expected how many places there are, at least 1")
        self.patches = patches

    def build(self, codes_shape, places_shape):
        normal = keras.initializers.RandomNormal(stddev=0.1)
        self.token = self.add_weight((codes_shape[-1],), normal, name="token")

    def call(self, codes, places):
        here = ops.equal(places[:, None, :], ops.arange(self.patches, dtype=places.dtype)[:, None])
        here = ops.cast(here, codes.dtype)  # (n, patches, seen): 1 where the code belongs, else 0
        return ops.matmul(here, codes) + (1 - ops.sum(here, axis=2, keepdims=True)) * self.token

    def compute_output_spec(self, codes, places):
        return keras.KerasTensor((codes.shape[0], self.patches, codes.shape[-1]), dtype=codes.dtype)

    def get_config(self):
        return {**super().get_config(), "patches": self.patches}


def patch_encoder(patches: int, values: int, width: int = 64, blocks: int = 1, heads: int = 4) -> keras.Model:
    """From the patches of pictures and the places of those that may be seen to a code for each of these.

    `(n, patches, values)` and ints `(n, seen)` to `(n, seen, width)`. Each place has a learned vector, ten times as
    long at first as those of words in chapter 20. The other patches get no further than the first dense layer.
    """
    rows, seen = keras.Input((patches, values)), keras.Input((None,), dtype="int32")
    where = Positions(patches, name="where")
    x = keras.layers.Dense(width, name="embed")(keras.layers.Rescaling(4.0)(rows))  # grey values are small numbers
    x = AtPlaces(name="only_seen")(where(x), seen)
    for number in range(1, blocks + 1):
        x = transformer_block(x, heads, f"block_{number}")
    where.vectors.assign(10 * where.vectors)
    code = keras.layers.LayerNormalization(epsilon=1e-5, name="code")(x)
    return keras.Model([rows, seen], code, name="encoder")


def patch_decoder(patches: int, values: int, code_size: int, width: int = 48, heads: int = 4) -> keras.Model:
    """From the codes of the seen patches to the patches that are asked about: one block, narrower than the encoder.

    `(n, seen, code_size)`, ints `(n, seen)` and `(n, asked)` to `(n, asked, values)`. Each place has a learned vector,
    and each head a number for each distance along the row of patches (`longest` of `SelfAttention`).
    """
    codes, seen, asked = keras.Input((None, code_size)), *(keras.Input((None,), dtype="int32") for _ in range(2))
    where = Positions(patches, name="where")
    x = where(FillIn(patches, name="fill_in")(keras.layers.Dense(width, name="narrow")(codes), seen))
    x = attention_part(x, heads, "block", longest=patches)
    x = dense_part(AtPlaces(name="only_asked")(x, asked), "block")
    where.vectors.assign(10 * where.vectors)
    x = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    return keras.Model([codes, seen, asked], keras.layers.Dense(values, name="pixels")(x), name="decoder")


def masked_autoencoder(
    patches: int, values: int, seen: int, asked: int, width: int = 64, blocks: int = 1
) -> keras.Model:
    """From patches, the places that are seen and those asked about, to what stands at the latter.

    `(n, patches, values)`, ints `(n, seen)` and `(n, asked)` to `(n, asked, values)`. `seen`, `asked`: how many; fixed
    numbers train faster than open ones. Its layers `encoder` and `decoder` are models, for any numbers of places. With
    all places seen and asked about it is a plain autoencoder, or a denoising one. Introduced in chapter 20b.
    """
    rows = keras.Input((patches, values), name="patches")
    places = [keras.Input((count,), dtype="int32", name=name) for name, count in (("seen", seen), ("asked", asked))]
    encoder = patch_encoder(patches, values, width, blocks)
    decoder = patch_decoder(patches, values, width, 3 * width // 4)
    return keras.Model([rows, *places], decoder([encoder([rows, places[0]]), *places]))
