"""Listeners: they find what is there, and nothing where there is nothing."""

import keras
import numpy as np
import pytest

from aelib.measures import heard, listener, train_listener

RNG = np.random.default_rng(0)
WHO = RNG.integers(3, size=240)
SAID = RNG.integers(4, size=(240, 2))


def codes(noise=0.3):
    """A speaker's channel is raised at all frames, a syllable's for half of the time."""
    x = noise * RNG.normal(size=(240, 16, 7))
    x[np.arange(240), :, WHO] += 1
    for half in range(2):
        x[np.arange(240), 8 * half : 8 * half + 8, 3 + SAID[:, half]] += 1
    return x.astype("float32")


def test_speakers_and_syllables_are_found_where_they_are():
    keras.utils.set_random_seed(0)
    x = codes()
    assert heard(train_listener(x[:160], WHO[:160]), x[160:], WHO[160:]) > 0.95
    assert heard(train_listener(x[:160], SAID[:160]), x[160:], SAID[160:]) > 0.9


def test_nothing_is_found_in_noise():
    keras.utils.set_random_seed(0)
    x = RNG.normal(size=(240, 16, 7)).astype("float32")
    assert heard(train_listener(x[:160], WHO[:160], epochs=3), x[160:], WHO[160:]) < 0.6


def test_what_is_heard_is_a_share_of_right_names():
    model = listener(16, 7, classes=4, words=2)
    model.get_layer("scale").adapt(codes())
    x, named = codes(), None
    named = model.predict(x, verbose=0).argmax(axis=-1)
    assert heard(model, x, named) == 1
    named[:60, 0] = (named[:60, 0] + 1) % 4  # an eighth of all
    assert heard(model, x, named) == pytest.approx(1 - 60 / 480)
    np.testing.assert_allclose(np.asarray(model(x)).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (WHO[:-1], r"labels \(239,\)"),
        (WHO.astype("float32"), "float32"),
        (np.zeros(240, int), "at least two classes"),
        (WHO - 1, "go from -1 to 1"),
    ],
)
def test_impossible_labels_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        train_listener(codes(), labels)
