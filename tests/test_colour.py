"""Images in colour through builders, corruptions, measures and figures: against one channel at a time, and NumPy."""

import base64
import io
import re

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import median_filter
from skimage.metrics import peak_signal_noise_ratio
from sklearn.decomposition import PCA

from aelib import figures, measures
from aelib.data import Dataset, cache, rows_as_steps
from aelib.models import (
    GAN,
    GaussianCorruption,
    MaskingNoise,
    bernoulli_nats,
    conv_autoencoder,
    dcgan_autoencoder,
    dcgan_discriminator,
    dcgan_generator,
    leave_out,
    linear_autoencoder,
    sparse_autoencoder,
    stacked_autoencoder,
    stacked_vae,
)
from aelib.validate import check_grey

SHAPE = (10, 9, 3)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, *SHAPE)).astype("float32")
OTHERS = RNG.random((12, *SHAPE)).astype("float32")
MEAN = np.broadcast_to(np.float32([0.8, 0.5, 0.1]), SHAPE)  # orange
BUILDERS = {
    "linear": lambda: linear_autoencoder(SHAPE, 3, mean=MEAN),
    "linear tied": lambda: linear_autoencoder(SHAPE, 3, mean=MEAN, tied=True),
    "stacked": lambda: stacked_autoencoder(SHAPE, (9,), 3, mean=MEAN),
    "stacked tied": lambda: stacked_autoencoder(SHAPE, (9,), 3, mean=MEAN, tied=True),
    "denoising": lambda: conv_autoencoder(SHAPE, (4,), 3, mean=MEAN, corruption=GaussianCorruption(0.3)),
    "dropped pixels": lambda: stacked_autoencoder(SHAPE, (9,), 3, mean=MEAN, corruption=MaskingNoise(0.3)),
    "sparse": lambda: sparse_autoencoder(SHAPE, 20, k=3, code_activation=None, mean=MEAN),
    "conv transposed": lambda: conv_autoencoder(SHAPE, (4, 5), 3, mean=MEAN),
    "conv repeat": lambda: conv_autoencoder(SHAPE, (4, 5), 3, up="repeat", mean=MEAN),
    "conv switches": lambda: conv_autoencoder(SHAPE, (4, 5), 3, up="switches", mean=MEAN),
    "conv strided": lambda: conv_autoencoder(SHAPE, (4, 5), 3, pooling=False, mean=MEAN),
    "VAE": lambda: stacked_vae(SHAPE, (9,), 3, mean=MEAN),
    "DCGAN's decoder": lambda: dcgan_autoencoder(SHAPE, 3, filters=(5, 4)),
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_every_builder_takes_and_gives_colours_and_survives_a_file(kind, tmp_path):
    model = BUILDERS[kind]()
    if kind == "VAE":
        rebuild = lambda m: np.asarray(m.decoder(m.encoder(IMAGES)[0]))  # noqa: E731
    else:
        rebuild = lambda m: np.asarray(m(IMAGES))  # noqa: E731
    model.compile("adam", "mse", jit_compile=False)
    model.fit(IMAGES, IMAGES, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    assert rebuild(model).shape == IMAGES.shape
    np.testing.assert_allclose(rebuild(keras.models.load_model(tmp_path / "model.keras")), rebuild(model), atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if "DCGAN" not in kind])
def test_an_untrained_network_answers_a_code_of_zeros_with_the_mean_colours(kind):
    decoder = BUILDERS[kind]().decoder
    zeros = [np.zeros((1, *each.shape[1:]), "float32") for each in decoder.inputs]
    np.testing.assert_allclose(np.asarray(decoder(zeros if len(zeros) > 1 else zeros[0]))[0], MEAN, atol=1e-5)


def test_a_grey_mean_is_no_mean_of_colours():
    with pytest.raises(ValueError, match=r"mean has the shape \(10, 9\).*\(10, 9, 3\)"):
        stacked_autoencoder(SHAPE, (9,), 3, mean=np.zeros((10, 9)))


def test_a_dcgan_of_colours_trains_also_with_classes():
    for classes in (None, 3):
        networks = (
            dcgan_generator(SHAPE, 3, (6, 4), classes=classes),
            dcgan_discriminator(SHAPE, (4, 6), classes=classes),
        )
        gan = GAN(*networks)
        gan.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), jit_compile=False)
        gan.fit(IMAGES, None if classes is None else np.arange(12) % 3, batch_size=6, verbose=0)
        noise = np.zeros((2, 3), "float32")
        made = np.asarray(gan(noise if classes is None else [noise, np.array([0, 2])]))
        assert made.shape == (2, *SHAPE) and made.min() >= 0 and made.max() <= 1


@pytest.mark.parametrize("shape", [SHAPE, (10, 9, 1)])
def test_normalization_everywhere_follows_the_layer_that_reads_the_image(shape):
    usual = dcgan_discriminator(shape, (3, 6))  # its second convolution reads three maps, as many as there are colours
    everywhere = leave_out(usual, "its place")
    count = lambda network: sum(  # noqa: E731
        isinstance(inner, keras.layers.BatchNormalization)
        for layer in network.layers
        for inner in getattr(layer, "layers", [layer])
    )
    assert count(everywhere) == count(usual) + 1
    assert everywhere(np.zeros((2, *shape), "float32")).shape == (2, 1)


def test_a_dropped_pixel_is_dropped_in_all_its_channels():
    kept = np.asarray(MaskingNoise(0.5, seed=1)(np.ones((20, *SHAPE), "float32"), training=True))
    assert (kept == kept[..., :1]).all() and 0.4 < kept.mean() < 0.6
    flat = np.asarray(MaskingNoise(0.5, seed=1)(np.ones((20, 30), "float32"), training=True))
    assert 0.3 < flat.mean() < 0.7 and np.ptp(flat, axis=1).min() == 1  # of a row of numbers, each by itself


def test_noise_differs_between_channels():
    noisy = np.asarray(GaussianCorruption(0.1, clip=False, seed=1)(np.zeros((50, *SHAPE), "float32"), training=True))
    assert np.abs(np.corrcoef(noisy.reshape(-1, 3).T) - np.eye(3)).max() < 0.05


# ---- measures ----


@pytest.mark.parametrize("measure", [measures.squared_error, lambda a, _: measures.gradient_energy(a)])
def test_errors_and_energies_are_sums_over_the_channels(measure):
    channels = [measure(IMAGES[..., k : k + 1], OTHERS[..., k : k + 1]) for k in range(3)]
    assert measure(IMAGES, OTHERS) == pytest.approx(sum(channels), rel=1e-5)


def test_psnr_of_colours_is_that_of_scikit_image():
    expected = np.mean([peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(IMAGES, OTHERS, strict=True)])
    assert measures.psnr(IMAGES, OTHERS) == pytest.approx(expected, rel=1e-5)


def test_pca_takes_all_channels_at_once():
    flat = IMAGES.reshape(12, -1)
    plane = PCA(4, svd_solver="full").fit(flat)
    expected = plane.inverse_transform(plane.transform(flat)).reshape(IMAGES.shape)
    np.testing.assert_allclose(measures.pca_reconstruct(measures.fit_pca(IMAGES, 4), IMAGES), expected, atol=1e-4)


def test_a_filter_is_applied_to_each_channel_by_itself():
    filtered = measures.TunedFilter(lambda picture: median_filter(picture, size=3))(IMAGES)
    np.testing.assert_array_equal(filtered, median_filter(IMAGES, size=(1, 3, 3, 1)))


def test_nats_are_summed_over_the_channels():
    images, chances = np.rint(IMAGES), np.clip(OTHERS, 0.01, 0.99)
    expected = -(images * np.log(chances) + (1 - images) * np.log(1 - chances)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(np.asarray(bernoulli_nats(images, chances)), expected, rtol=1e-4)


def test_the_judge_tells_classes_that_differ_in_colour_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    labels = np.arange(240) % 3
    x = 0.2 * np.random.default_rng(1).random((240, 10, 9, 3), "float32")
    x += 0.7 * np.eye(3, dtype="float32")[labels][:, None, None]
    parts = [part for i, j in ((0, 160), (160, 200), (200, 240)) for part in (x[i:j], labels[i:j])]
    judge = measures.train_classifier(Dataset("paints", *parts, ("red", "green", "blue")))
    assert judge.accuracy > 0.95
    assert measures.sample_quality(judge, x[:100], x[100:200]).frechet >= 0


# ---- what is about grey levels, or no image ----


def test_what_is_about_grey_levels_says_so():
    for refuse in (rows_as_steps, check_grey):
        with pytest.raises(ValueError, match=r"images have 3 channels, and this is about grey levels.*keepdims=True"):
            refuse(IMAGES)


@pytest.mark.parametrize("channels", [2, 4])
def test_other_numbers_of_channels_are_refused(channels):
    with pytest.raises(ValueError, match=rf"\(3, 4, 5, {channels}\): expected .* 1 channel \(grey\) or 3 \(colour\)"):
        measures.gradient_energy(np.zeros((3, 4, 5, channels)))


# ---- figures ----


def test_rows_show_the_colours():
    (axis,) = figures.image_rows({"a": IMAGES[:3], "b": OTHERS[:3]}).axes
    shown = np.asarray(axis.images[0].get_array())
    assert shown.shape == (2 * 12, 3 * 11, 3)
    np.testing.assert_array_equal(shown[1:11, 1:10], IMAGES[0])
    np.testing.assert_array_equal(shown[13:23, 23:32], OTHERS[2])
    assert (shown[0] == 0.5).all()


def test_signed_colours_are_grey_at_zero():
    figure = figures.signed_images({"a": np.stack([np.zeros((4, 5, 3)), np.broadcast_to([2.0, 0, -1.0], (4, 5, 3))])})
    still, coloured = (np.asarray(axis.images[0].get_array()) for axis in figure.axes)
    assert (still == 0.5).all()
    np.testing.assert_allclose(coloured[0, 0], [1, 0.5, 0.25])


def test_thumbnails_show_the_colours():
    _, axis = plt.subplots()
    figures.thumbnails(axis, RNG.random((12, 2)), IMAGES, apart=0)
    (first, *_) = (artist.offsetbox for artist in axis.artists)
    np.testing.assert_array_equal(first.get_data(), IMAGES[0])


def test_the_latent_plane_shows_the_colours():
    images = np.rint(255 * RNG.random((3, 4, *SHAPE))) / 255
    view = figures.plane(images, np.arange(4), np.arange(3), points=np.zeros((1, 2)))
    (sheet,) = re.findall(r'src="data:image/png;base64,([^"]+)"', view.html)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))))
    assert picture.shape == (3 * 10, 4 * 9, 3)
    np.testing.assert_array_equal(picture[-10:, :9], np.rint(255 * images[0, 0]))  # the lowest row of the plane
    assert "invert" not in view.html and "opacity(.3)" in view.html
    assert "invert(1)" in figures.plane(images[..., :1], np.arange(4), np.arange(3)).html
    still = np.asarray(Image.open(io.BytesIO(view.png)))
    assert still.shape[2] == 3 and np.ptp(still, axis=2).max() > 50
    assert view.image_size == (10, 9, 3)


def test_a_plane_of_colours_has_room_for_fewer_images():
    assert figures.grid_size((28, 28, 3)) < figures.grid_size((28, 28, 1)) == figures.grid_size((28, 28)) == 19
