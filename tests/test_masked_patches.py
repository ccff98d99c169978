"""Patches and back, what is hidden, an encoder that sees nothing of it, and the model as it is saved."""

import keras
import numpy as np
import pytest

from aelib.models import (
    FillIn,
    all_patches,
    from_patches,
    hide_patches,
    masked_autoencoder,
    patch_encoder,
    patch_grid,
    patch_size,
    to_patches,
)

RNG = np.random.default_rng(0)
PICTURES = RNG.random((6, 6, 8, 3)).astype("float32")


def test_a_row_is_a_patch_and_the_rows_give_the_picture_back():
    rows = to_patches(PICTURES, (3, 4))
    assert rows.shape == (6, 4, 36)
    np.testing.assert_array_equal(rows[2, 1], PICTURES[2, :3, 4:].ravel())
    np.testing.assert_array_equal(rows[2, 2], PICTURES[2, 3:, :4].ravel())
    np.testing.assert_array_equal(from_patches(rows, (3, 4), PICTURES.shape[1:]), PICTURES)


@pytest.mark.parametrize(
    ("sides", "size"), [((28, 28), (7, 7)), ((22, 24), (2, 6)), ((32, 9), (8, 3)), ((4, 4), (2, 2))]
)
def test_patch_size_is_a_divisor_near_a_quarter(sides, size):
    assert patch_size((*sides, 1)) == size
    assert patch_grid((*sides, 1), size) == (sides[0] // size[0], sides[1] // size[1])


def test_a_side_without_divisors_and_patches_that_do_not_divide_are_named():
    with pytest.raises(ValueError, match=r"29×28 pixels, and 29 cannot be cut"):
        patch_size((29, 28, 1))
    for size in ((5, 4), (3, 0), (3, 2.0), (3,)):
        with pytest.raises(ValueError, match=r"do not divide pictures of 6×8 pixels: take"):
            to_patches(PICTURES, size)
    with pytest.raises(ValueError, match=r"shape \(6, 6, 8\): expected"):
        to_patches(PICTURES[..., 0], (3, 4))
    with pytest.raises(ValueError, match=r"shape \(6, 3, 36\): expected \(n, 4, 36\)"):
        from_patches(to_patches(PICTURES, (3, 4))[:, 1:], (3, 4), PICTURES.shape[1:])


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_each_patch_is_seen_or_hidden(share):
    seen, hidden = hide_patches(500, 16, share, seed=3)
    assert hidden.shape[1] == min(15, max(1, round(16 * share))) and seen.dtype == hidden.dtype == "int32"
    np.testing.assert_array_equal(np.sort(np.concatenate([seen, hidden], axis=1), axis=1), all_patches(500, 16))
    np.testing.assert_array_equal(hide_patches(500, 16, share, seed=3)[1], hidden)
    counts = np.bincount(hidden.ravel(), minlength=16) / 500  # each place equally often, within five deviations
    q = hidden.shape[1] / 16
    assert np.abs(counts - q).max() < 5 * np.sqrt(q * (1 - q) / 500)


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, float("nan"), "half", None])
def test_a_share_outside_0_and_1_is_named(share):
    with pytest.raises(ValueError, match=r"share is .*: expected the share of the patches to hide"):
        hide_patches(3, 16, share)


def test_one_patch_cannot_be_hidden_and_seen():
    with pytest.raises(ValueError, match=r"1 patches: expected at least one picture of two"):
        hide_patches(3, 1, 0.5)
    with pytest.raises(ValueError, match=r"patches is 0: expected"):
        FillIn(0)


def test_fill_in_puts_codes_to_their_places_and_the_token_elsewhere():
    layer, codes = FillIn(5), RNG.normal(size=(2, 2, 3)).astype("float32")
    places = np.array([[0, 3], [4, 1]], "int32")
    filled = np.asarray(layer(codes, places))
    expected = np.tile(np.asarray(layer.token), (2, 5, 1))
    for picture, row in enumerate(places):
        expected[picture, row] = codes[picture]
    np.testing.assert_allclose(filled, expected, atol=1e-6)


def test_the_encoder_sees_nothing_of_hidden_patches_and_knows_where_the_others_are():
    encoder, rows = patch_encoder(4, 36, width=16), to_patches(PICTURES, (3, 4))
    seen, hidden = hide_patches(6, 4, 0.5, seed=1)
    codes, changed = np.asarray(encoder([rows, seen])), rows.copy()
    np.put_along_axis(changed, hidden[:, :, None], 9.0, axis=1)
    np.testing.assert_array_equal(np.asarray(encoder([changed, seen])), codes)
    np.testing.assert_allclose(np.asarray(encoder([rows, seen[:, ::-1]])), codes[:, ::-1], atol=1e-5)  # as a set
    alike = np.tile(rows[:, :1], (1, 4, 1))  # the same patch at every place
    assert np.abs(np.diff(np.asarray(encoder([alike, all_patches(6, 4)])), axis=1)).max() > 0.01


def test_it_learns_saves_loads_and_trains_on(tmp_path):
    rows = to_patches(PICTURES, (3, 4))
    seen, hidden = hide_patches(6, 4, 0.5)
    answers = np.take_along_axis(rows, hidden[:, :, None], axis=1)
    model = masked_autoencoder(4, 36, seen.shape[1], hidden.shape[1], width=16)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    losses = model.fit([rows, seen, hidden], answers, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    model.save(tmp_path / "patches.keras")
    loaded = keras.models.load_model(tmp_path / "patches.keras")
    np.testing.assert_allclose(loaded([rows, seen, hidden]), model([rows, seen, hidden]), atol=1e-6)
    whole = [part.get_layer("encoder")([rows, all_patches(6, 4)]) for part in (model, loaded)]
    np.testing.assert_allclose(*whole, atol=1e-6)
    assert np.isfinite(loaded.fit([rows, seen, hidden], answers, verbose=0).history["loss"]).all()
