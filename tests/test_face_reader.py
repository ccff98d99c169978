"""The reader of drawn faces: what it reads off unseen ones is what they were drawn from, in every corner."""

import numpy as np
import pytest

from aelib.data import CONTINUOUS, FACE_FACTORS, HAIR_STYLES, draw_faces, make_faces
from aelib.data import cache as data_cache
from aelib.measures import train_face_reader

UNSEEN = make_faces(2000, seed=2)  # the test split of `load("faces")`


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_cache, "CACHE", tmp_path_factory.mktemp("cache"))
        trained = train_face_reader(0)
        again = train_face_reader(0)  # from its file
    np.testing.assert_allclose(trained.read(UNSEEN.images[:50]), again.read(UNSEEN.images[:50]), atol=1e-4)
    return trained


def corners() -> dict[str, np.ndarray]:
    """All faces, those of each hair style, with and without glasses, and the outer turns."""
    turn, glasses, style = UNSEEN.factors[:, [0, 10, 11]].T
    groups = {
        "all": turn == turn,
        "left": turn < -1.2,
        "right": turn > 1.2,
        "bare": glasses == 0,
        "glasses": glasses == 1,
    }
    return groups | {name: style == k for k, name in enumerate(HAIR_STYLES)}


@pytest.mark.parametrize("group", list(corners()))
def test_it_reads_every_factor_of_unseen_faces(reader, group):
    """R² against the variance of all faces, since the turn of those that are turned hardly varies."""
    chosen = corners()[group]
    found, drawn = reader.read(UNSEEN.images[chosen]), UNSEEN.factors[chosen]
    for k, name in enumerate(CONTINUOUS):
        assert 1 - np.mean((found[:, k] - drawn[:, k]) ** 2) / UNSEEN.factors[:, k].var() >= 0.9, name
    for k in (10, 11):
        assert np.mean(found[:, k] == drawn[:, k]) >= 0.97, list(FACE_FACTORS)[k]


def test_what_is_no_face_is_far_from_its_redrawing(reader):
    """The witness: it finds faces that nobody would draw, though their factors are read all the same."""
    real = reader.redrawing_distance(UNSEEN.images[:300])
    upside_down = reader.redrawing_distance(UNSEEN.images[:300, ::-1])
    blended = reader.redrawing_distance((UNSEEN.images[:300] + UNSEEN.images[300:600]) / 2)
    assert np.median(real) < 0.25 * min(np.median(upside_down), np.median(blended))


def test_the_redrawing_is_that_of_the_factors_read(reader):
    few = UNSEEN.images[:5]
    expected = np.square(few - draw_faces(reader.read(few))).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(reader.redrawing_distance(few), expected, rtol=1e-5)
    assert reader.features(few).shape == (5, 128)


def test_other_images_are_refused(reader):
    with pytest.raises(ValueError, match=r"shape \(2, 16, 16, 3\): expected faces of 32×32 in colour"):
        reader.read(make_faces(2, size=16).images)
    with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
        reader.read(2 * UNSEEN.images[:2])
