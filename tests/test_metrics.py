"""Metrics against NumPy and scikit-learn, and what they refuse."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio
from sklearn.datasets import make_blobs

from aelib.measures import (
    captured_variance,
    fit_pca,
    linear_probe_error,
    nearest_neighbour_error,
    pca_reconstruct,
    psnr,
    squared_error,
)
from aelib.validate import check_images

IMAGES = np.random.default_rng(0).random((40, 4, 5, 1)).astype("float32")


def test_squared_error_sums_over_pixels_and_averages_over_images():
    shifted = IMAGES + np.float32(0.5)  # a linear model's output may leave [0, 1]
    assert squared_error(IMAGES, shifted) == pytest.approx(20 * 0.25, rel=1e-5)
    assert squared_error(IMAGES, IMAGES) == 0
    doubled = np.concatenate([IMAGES, IMAGES]), np.concatenate([shifted, shifted])
    assert squared_error(*doubled) == pytest.approx(20 * 0.25, rel=1e-5)


def test_psnr_is_the_mean_of_the_images_own():
    noisy = IMAGES + np.random.default_rng(1).normal(0, 0.3, IMAGES.shape)
    expected = [peak_signal_noise_ratio(a, np.clip(b, 0, 1), data_range=1) for a, b in zip(IMAGES, noisy, strict=True)]
    assert psnr(IMAGES, noisy) == pytest.approx(np.mean(expected), rel=1e-6)
    assert psnr(np.zeros((2, 3, 3, 1)), np.full((2, 3, 3, 1), 0.1)) == pytest.approx(20)  # 10 · log₁₀(1 / 0.1²)
    assert psnr(IMAGES, IMAGES) == pytest.approx(100)
    with pytest.raises(ValueError, match=r"\(40, 4, 5, 1\), .*\(39, 4, 5, 1\)"):
        psnr(IMAGES, IMAGES[1:])
    with pytest.raises(ValueError, match=r"NaN"):
        psnr(IMAGES, np.full_like(IMAGES, np.nan))


def test_pca_is_the_eigendecomposition_of_the_covariance():
    flat = IMAGES.reshape(40, -1).astype("float64")
    mean = flat.mean(axis=0)
    values, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean) / 40)
    for k in (1, 5, 20):
        rebuilt = pca_reconstruct(fit_pca(IMAGES, k), IMAGES)
        plane = vectors[:, -k:]
        np.testing.assert_allclose(rebuilt.reshape(40, -1), (flat - mean) @ plane @ plane.T + mean, atol=1e-5)
        assert squared_error(IMAGES, rebuilt) == pytest.approx(values[:-k].sum(), abs=1e-6)


@pytest.mark.parametrize(("images", "code_size"), [(40, 3), (40, 30), (1100, 200)])
def test_pca_of_larger_images_is_as_exact_by_each_solver(images, code_size):
    x = np.random.default_rng(2).random((images, 19, 19, 3)).astype("float32")  # 1,083 values
    kept = np.linalg.svd(x.reshape(images, -1).astype("float64") - x.mean(axis=0).ravel(), compute_uv=False)
    rebuilt = pca_reconstruct(fit_pca(x, code_size), x)
    assert squared_error(x, rebuilt) == pytest.approx(np.square(kept[code_size:]).sum() / images, rel=1e-4)


@pytest.mark.parametrize("size", [0, 21, -1])
def test_pca_refuses_impossible_sizes(size):
    with pytest.raises(ValueError, match=r"40 images of 20 pixels allow 1 to 20"):
        fit_pca(IMAGES, size)


def test_captured_variance():
    pca = fit_pca(IMAGES, 6)
    plane = pca.components_.T
    assert captured_variance(plane, IMAGES) == pytest.approx(pca.explained_variance_ratio_.sum(), rel=1e-5)
    mixing = np.random.default_rng(1).normal(size=(6, 6))
    assert captured_variance(plane @ mixing, IMAGES) == pytest.approx(captured_variance(plane, IMAGES), rel=1e-5)
    assert captured_variance(np.eye(20), IMAGES) == pytest.approx(1)


def test_nearest_neighbour_error():
    codes, labels = np.array([[0.0], [1.0], [5.0]]), np.array([0, 1, 1])
    assert nearest_neighbour_error(codes, labels, np.array([[0.2], [0.9], [4.0], [0.4]]), np.array([0, 1, 0, 1])) == 0.5


def test_a_ratio_of_two_errors_may_have_nothing_below_its_line():
    """On easy images both errors are 0: a chapter goes on, with NaN in a claim that was made for other images."""
    codes, labels = np.array([[0.0], [1.0], [5.0], [6.0]]), np.array([0, 0, 1, 1])
    for error in (nearest_neighbour_error, linear_probe_error):
        nothing = error(codes, labels, codes, labels)
        assert isinstance(nothing, float) and nothing == 0
        with np.errstate(invalid="ignore"):
            assert np.isnan(nothing / nothing)


def test_linear_probe_is_blind_to_scale_and_rotation():
    x, y = make_blobs(300, n_features=4, centers=3, cluster_std=6.0, random_state=0)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    error = linear_probe_error(x[:200], y[:200], x[200:], y[200:])
    assert 0 < error < 0.6
    for other in (1000 * x, x + 50, (x + 50) @ turn, np.hstack([x, np.zeros((300, 3))])):
        assert linear_probe_error(other[:200], y[:200], other[200:], y[200:]) == pytest.approx(error, abs=0.011)


def test_linear_probe_finds_a_linear_rule_and_not_a_random_one():
    x = np.random.default_rng(0).normal(size=(600, 5))
    labels = (x[:, 0] > 0).astype(int)
    assert linear_probe_error(x[:400], labels[:400], x[400:], labels[400:]) < 0.05
    noise = np.random.default_rng(1).integers(0, 2, 600)
    assert linear_probe_error(x[:400], noise[:400], x[400:], noise[400:]) > 0.35


def spoiled(value):
    images = IMAGES.copy()
    images[3, 1, 2, 0] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (spoiled(np.nan), "hold 1 values"),
        (spoiled(np.inf), "hold 1 values"),
        (spoiled(-0.1), r"expected \[0, 1\]"),
        (255 * IMAGES, r"expected \[0, 1\]"),
        (IMAGES[..., 0], r"shape \(40, 4, 5\)"),
        (IMAGES[:0], "with n at least 1"),
        (np.full((1, 2, 2, 1), "x"), "values of type"),
    ],
)
def test_images_outside_their_form_are_refused(images, message):
    for metric in (check_images, lambda x: squared_error(x, x), lambda x: fit_pca(x, 1)):
        with pytest.raises(ValueError, match=message):
            metric(images)


def test_reconstructions_must_be_finite_and_of_the_same_shape():
    with pytest.raises(ValueError, match=r"reconstructions hold 1 values"):
        squared_error(IMAGES, spoiled(np.nan))
    with pytest.raises(ValueError, match=r"\(40, 4, 5, 1\), .*\(1, 4, 5, 1\)"):
        squared_error(IMAGES, IMAGES[:1])


def test_codes_and_labels_must_be_as_many():
    for metric in (nearest_neighbour_error, linear_probe_error):
        with pytest.raises(ValueError, match=r"found 3 codes and 2 labels"):
            metric(np.zeros((3, 2)), np.zeros(2), np.zeros((3, 2)), np.zeros(3))
        with pytest.raises(ValueError, match=r"codes hold 6 values that are NaN"):
            metric(np.full((3, 2), np.nan), np.arange(3), np.zeros((3, 2)), np.arange(3))
