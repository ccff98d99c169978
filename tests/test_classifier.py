"""The classifier of samples: the Fréchet distance against closed forms, shares against a count, and its cache."""

import keras
import numpy as np
import pytest
from scipy.linalg import sqrtm

from aelib.data import Dataset
from aelib.data import cache as data_cache
from aelib.measures import Classifier, frechet_distance, frechet_floor, sample_quality, train_classifier
from aelib.measures import classifier as module

RNG = np.random.default_rng(0)


def bars(n, seed):
    """Images of 8×10 with a bright bar: standing (class 0), lying (1) or none but a corner (2)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.uniform(0, 0.1, (n, 8, 10, 1)).astype("float32")
    for image, label in zip(images, labels, strict=True):
        place = rng.integers(2, 6)
        if label == 0:
            image[:, place] = 0.9
        elif label == 1:
            image[place] = 0.9
        else:
            image[:3, :3] = 0.9
    return images, labels.astype("int64")


@pytest.fixture
def data():
    splits = [part for seed, n in enumerate((240, 30, 30)) for part in bars(n, seed)]
    return Dataset("bars", *splits, ("standing", "lying", "corner"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(data_cache, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(module, "budget", lambda images, batch, shown: (6, 6 * -(-images // batch)))


# ---- the Fréchet distance ----


def exact(mean, covariance, n=400):
    """Features whose sample mean and covariance are exactly these."""
    d = len(mean)
    raw = np.random.default_rng(3).normal(size=(n, d))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False).reshape(d, d))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_one_dimension_is_the_closed_form():
    """(μ₁ − μ₂)² + (σ₁ − σ₂)²."""
    a, b = exact(np.array([1.0]), np.array([[4.0]])), exact(np.array([-2.0]), np.array([[0.25]]))
    assert frechet_distance(a, b) == pytest.approx(9 + 1.5**2)


def test_frechet_distance_of_commuting_covariances_is_a_sum_over_axes():
    a = exact(np.zeros(3), np.diag([1.0, 4.0, 9.0]))
    b = exact(np.array([1.0, 0.0, 2.0]), np.diag([4.0, 4.0, 1.0]))
    assert frechet_distance(a, b) == pytest.approx(5 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2)


def test_frechet_distance_against_a_general_square_root():
    mix = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
    cov_a, cov_b = (m @ m.T + 0.1 * np.eye(4) for m in mix)
    mean = RNG.normal(size=4)
    expected = mean @ mean + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    a, b = exact(np.zeros(4), cov_a), exact(mean, cov_b)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_fewer_images_than_features_is_that_of_more():
    """Thirty more features that are always 0 change nothing, but the matrix whose eigenvalues are taken."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(20, 6)), rng.normal(1, 2, size=(25, 6))
    wide_a, wide_b = (np.pad(features, ((0, 0), (0, 30))) for features in (a, b))
    assert frechet_distance(wide_a, wide_b) == pytest.approx(frechet_distance(a, b), rel=1e-6)
    assert frechet_distance(wide_a, wide_a) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_to_itself_is_zero_also_if_a_feature_is_constant():
    a = np.hstack([RNG.normal(size=(50, 3)), np.zeros((50, 2))])
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, a + 2) == pytest.approx(5 * 4, rel=1e-6)


def test_impossible_features_are_refused():
    good = RNG.normal(size=(5, 3))
    for other in (good[:, :2], good[:1], good[0]):
        with pytest.raises(ValueError, match=r"expected \(n, d\) twice, n at least 2"):
            frechet_distance(good, other)
    with pytest.raises(ValueError, match=r"NaN"):
        frechet_distance(good, np.full((5, 3), np.nan))


# ---- what is said of samples ----


def test_quality_is_counted():
    """A classifier that reads the class off the first pixel: 0.95 and 0.5 are probabilities of class 1 of two."""
    inputs = keras.Input((2, 2, 1))
    first = keras.layers.Flatten()(inputs)[:, :1]
    features = keras.layers.Flatten()(inputs)
    classifier = Classifier(keras.Model(inputs, [features, keras.ops.concatenate([1 - first, first], axis=1)]), 1.0)
    samples = RNG.random((5, 2, 2, 1)).astype("float32")
    samples[:, 0, 0, 0] = [0.95, 0.99, 0.6, 0.05, 0.2]
    quality = sample_quality(classifier, samples, samples[::-1])
    np.testing.assert_allclose(quality.coverage, [2 / 5, 3 / 5])
    assert quality.confidence == pytest.approx(np.mean([0.95, 0.99, 0.6, 0.95, 0.8]))
    assert quality.sure == pytest.approx(3 / 5)
    assert quality.frechet == pytest.approx(0, abs=1e-6)  # the same images in another order
    assert sample_quality(classifier, samples[:3], samples).frechet > 0.01
    with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
        sample_quality(classifier, samples + 1, samples)


# ---- the classifier and its cache ----


def untrained(data) -> keras.Model:
    """A network of the classifier's form, small."""
    h = inputs = keras.Input(data.image_shape)
    features = keras.layers.Dense(4, "relu")(keras.layers.Flatten()(h))
    return keras.Model(inputs, [features, keras.layers.Dense(len(data.class_names), "softmax")(features)])


def test_it_learns_doubts_what_is_no_image_of_the_set_and_is_kept(data, cache, short):
    classifier = train_classifier(data)
    assert classifier.accuracy >= 0.9
    noise = RNG.random((60, 8, 10, 1)).astype("float32")
    real, strange = (sample_quality(classifier, images, data.x_test) for images in (data.x_test, noise))
    assert real.confidence > strange.confidence + 0.2
    assert frechet_floor(classifier, data.x_test) >= 0
    (file,) = cache.iterdir()
    before = file.read_bytes()
    again = train_classifier(data)
    assert file.read_bytes() == before and again.accuracy == classifier.accuracy
    for a, b in zip(classifier.predict(data.x_test), again.predict(data.x_test), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_trained_or_read_the_random_numbers_go_on_alike(data, cache, short):
    def after():
        train_classifier(data, seed=3)
        return np.random.random(), float(keras.random.normal((), seed=keras.random.SeedGenerator()))

    assert after() == after()


def test_each_data_set_and_seed_has_a_file_of_its_own(data, cache, short):
    train_classifier(data)
    train_classifier(data, seed=1)
    other = Dataset("bars", data.x_train[::-1], *list(vars(data).values())[2:])
    train_classifier(other)
    assert len(list(cache.iterdir())) == 3


def test_a_damaged_file_is_trained_anew(data, cache, monkeypatch):
    """Cut short, or with one byte flipped: in a member (its checksum is wrong) or in the directory at the file's end.

    There a flipped bit also means: another version of zip, a password, a compression that is none, no such member.
    """
    trained = []
    monkeypatch.setattr(module, "_train", lambda data: trained.append(1) or untrained(data))
    train_classifier(data)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    directory = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1)  # its second entry: config.json
    damaged = [b"no model", whole[:2000]]
    for place in (len(whole) // 2, *(directory + field for field in (6, 8, 10, 46)), len(whole) - 5):
        damaged.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    assert train_classifier(data).network and len(trained) == 1  # the whole file is read
    for count, content in enumerate(damaged, start=2):
        file.write_bytes(content)
        train_classifier(data)
        assert len(trained) == count and list(cache.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_no_error(data, tmp_path, monkeypatch, short):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(data_cache, "CACHE", tmp_path / "file" / "cache")
    assert train_classifier(data).accuracy > 0.5
