"""Masks: whole blocks, the share that was asked for, and clear errors."""

import numpy as np
import pytest

from aelib.data import block_masks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(28, 28, 1), (22, 25, 3)])
def test_blocks_are_hidden_as_a_whole_in_the_share_asked_for(shape):
    masks = block_masks(2_000, shape, RNG, block=4, hidden=0.3)
    assert masks.shape == (2_000, *shape[:2], 1)
    assert masks.dtype == "float32"
    assert set(np.unique(masks)) == {0, 1}
    for row in range(0, shape[0], 4):
        for column in range(0, shape[1], 4):
            square = masks[:, row : row + 4, column : column + 4, 0]
            assert (square == square[:, :1, :1]).all()
    deviation = np.sqrt(0.3 * 0.7 / masks[:, ::4, ::4].size)
    assert abs((masks[:, ::4, ::4] == 0).mean() - 0.3) < 5 * deviation


def test_nothing_or_everything_can_be_hidden():
    assert block_masks(3, (5, 6, 1), RNG, hidden=0).all()
    assert not block_masks(3, (5, 6, 1), RNG, hidden=1).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": 0}, "count is 0"),
        ({"block": 0}, "block 0"),
        ({"hidden": 1.5}, "hidden is 1.5: expected a probability"),
    ],
)
def test_bad_input_is_told_in_one_sentence(change, words):
    with pytest.raises(ValueError, match=words):
        block_masks(**{"count": 2, "image_shape": (8, 8, 1), "rng": RNG} | change)
