"""Super-resolution: what the network keeps of its input, the GAN's step against NumPy, saving, errors."""

import keras
import numpy as np
import pytest

from aelib.data import batches, enlarge, shrink
from aelib.models import SRGAN, growing_discriminator, super_resolution_network
from aelib.training import averaged, seed_everything

IMAGES = np.random.default_rng(0).random((8, 16, 16, 3)).astype("float32")
SMALL = shrink(IMAGES, 4)


def enlarger(shape=(4, 4, 3), widths=(6, 5, 4), trained=True):
    """A small network; `trained`: with other weights than those with which it adds nothing."""
    network = super_resolution_network(shape, widths, blocks=2)
    if trained:
        rng = np.random.default_rng(1)
        network.set_weights([0.3 * rng.normal(size=w.shape).astype("float32") for w in network.get_weights()])
    return network


def srgan(generator=None, adversarial=0.1, **options):
    critic = growing_discriminator((16, 16, 3), (6, 5, 4), fade=False)[-1]
    return SRGAN(generator or enlarger(), critic, adversarial=adversarial, **options)


def compiled(gan, generator_optimizer=None, **options):
    adam = keras.optimizers.Adam
    gan.compile(generator_optimizer or adam(0.01), adam(0.01), jit_compile=False, **options)
    return gan


# ---- the network ----


@pytest.mark.parametrize(("shape", "widths"), [((4, 4, 3), (6, 5, 4)), ((7, 5, 1), (6, 5)), ((4, 4, 3), (5, 4, 3, 2))])
def test_it_doubles_the_sides_for_each_width_but_the_first_and_keeps_every_squares_mean(shape, widths):
    factor = 2 ** (len(widths) - 1)
    small = np.random.default_rng(0).random((3, *shape)).astype("float32")
    large = np.asarray(enlarger(shape, widths)(small))
    assert large.shape == (3, factor * shape[0], factor * shape[1], shape[2])
    np.testing.assert_allclose(shrink(large, factor), small, atol=1e-4)
    assert np.abs(large - enlarge(small, factor)).mean() > 0.01  # it adds something


def test_untrained_it_shows_each_pixel_as_a_square():
    np.testing.assert_allclose(enlarger(trained=False)(SMALL), enlarge(SMALL, 4), atol=1e-6)


def test_on_squared_error_it_learns_what_the_squares_do_not_show():
    seed_everything(0)
    ramp = np.linspace(0, 1, 16, dtype="float32")[None, :, None, None]  # 0 to 1 from top to bottom, times a brightness
    images = np.random.default_rng(0).uniform(0.3, 1, (64, 1, 1, 1)).astype("float32") * np.broadcast_to(
        ramp, (64, 16, 16, 1)
    )
    network = enlarger((4, 4, 1), trained=False)
    network.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    before = network.evaluate(shrink(images, 4), images, verbose=0)
    network.fit(shrink(images, 4), images, batch_size=16, epochs=30, verbose=0)
    assert network.evaluate(shrink(images, 4), images, verbose=0) < 0.2 * before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((4, 4, 2),), "expected \\(height, width, 1 or 3\\)"),
        (((4, 4),), "expected \\(height, width, 1 or 3\\)"),
        (((4, 4, 3), (8, 0)), "a whole number of units, at least 1"),
        (((4, 4, 3), (8,)), r"widths is \(8,\) .*one width for the small size and one for each doubling"),
        (((4, 4, 3), (8, 8), 0), "blocks 0: .*at least one block"),
        (((4, 4, 3), (8, 8), 1.5), "blocks 1.5: .*at least one block"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        super_resolution_network(*arguments)


# ---- the GAN ----


def test_a_step_of_the_generator_goes_down_squared_error_and_cross_entropy():
    gan = compiled(srgan(adversarial=0.3), keras.optimizers.SGD(0.1))
    before, weights = gan.generator.get_weights(), gan.generator.trainable_variables
    made = np.asarray(gan.generator(SMALL, training=True))
    logits = np.asarray(gan.discriminator(made, training=True), "float64")
    expected = np.square(made - IMAGES).mean(dtype="float64") + 0.3 * np.log1p(np.exp(-logits)).mean()
    gan.enlarging_step(IMAGES, [SMALL])
    assert float(gan.generator_loss.result()) == pytest.approx(expected, rel=1e-4)
    # Along the step, the loss falls as its slope says: SGD's step is 0.1 times the gradient.
    moved = sum(np.square((b - np.asarray(w)) / 0.1).sum() for b, w in zip(before, weights, strict=True))
    step = 1e-3 / np.sqrt(moved)
    gan.generator.set_weights([b + step * (np.asarray(w) - b) / 0.1 for b, w in zip(before, weights, strict=True)])
    gan.generator_loss.reset_state()
    gan.enlarging_step(IMAGES, [SMALL])
    assert expected - float(gan.generator_loss.result()) == pytest.approx(step * moved, rel=0.1)


def test_without_the_discriminators_verdict_it_is_the_network_on_squared_error():
    alone, gan = enlarger(), compiled(srgan(enlarger(), adversarial=0))
    alone.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    alone.fit(SMALL, IMAGES, batch_size=4, epochs=2, shuffle=False, verbose=0)
    gan.fit(IMAGES, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(alone.get_weights(), gan.generator.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_discriminator_learns_to_tell_pictures_from_enlarged_ones():
    seed_everything(0)
    gan = compiled(srgan(enlarger(trained=False), adversarial=0))
    gan.generator_optimizer.learning_rate = 0.0
    accuracy = gan.fit(np.tile(IMAGES, (8, 1, 1, 1)), batch_size=8, epochs=10, verbose=0).history["accuracy"]
    assert accuracy[-1] > 0.9


def test_a_trained_one_still_keeps_its_input_and_calls_its_average():
    adam = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    gan = compiled(srgan(every=2), adam, steps_per_execution=2)
    history = gan.fit(batches(IMAGES, 4), epochs=4, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    np.testing.assert_allclose(shrink(np.asarray(gan(SMALL)), 4), SMALL, atol=1e-4)
    assert np.asarray(averaged(gan)(SMALL)).shape == IMAGES.shape


def test_it_saves_loads_and_trains_on_alike(tmp_path):
    gan = compiled(srgan(gamma=0.3, every=2))
    gan.fit(IMAGES, batch_size=4, verbose=0)
    gan.save(tmp_path / "srgan.keras")
    loaded = keras.models.load_model(tmp_path / "srgan.keras")
    np.testing.assert_array_equal(gan(SMALL), loaded(SMALL))
    np.testing.assert_array_equal(gan.discriminator(IMAGES), loaded.discriminator(IMAGES))
    assert (loaded.adversarial, loaded.gamma, loaded.every) == (0.1, 0.3, 2)
    for model in (gan, loaded):
        model.fit(IMAGES, batch_size=4, shuffle=False, verbose=0)
    for one, other in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("adversarial", [-0.1, float("nan"), "much", None])
def test_an_impossible_weight_of_the_verdict_is_refused(adversarial):
    with pytest.raises(ValueError, match=r"adversarial is .*a finite number, at least 0"):
        srgan(adversarial=adversarial)


@pytest.mark.parametrize("option", [{"replay": 8}, {"minimax": True}])
def test_options_that_an_enlarging_gan_does_not_have_are_refused(option):
    with pytest.raises(ValueError, match=f"{next(iter(option))} is .*leave it out"):
        srgan(**option)


def test_networks_and_pictures_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"makes samples of the shape \(8, 8, 3\), .*takes \(16, 16, 3\)"):
        srgan(enlarger((2, 2, 3)))
    smaller = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.AveragePooling2D(2)])
    with pytest.raises(ValueError, match=r"found a generator from .* to .*: expected one that enlarges both sides"):
        srgan(smaller)
    uneven = keras.Sequential([keras.Input((8, 4, 3)), keras.layers.UpSampling2D((2, 4))])
    with pytest.raises(ValueError, match=r"found a generator from .* to .*: expected one that enlarges both sides"):
        srgan(uneven)
    gan = compiled(srgan())
    with pytest.raises(ValueError, match=r"x has samples of the shape \(4, 4, 3\), but the generator makes"):
        gan.fit(SMALL, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="found labels"):
        gan.fit(IMAGES, np.zeros(8), batch_size=4, verbose=0)
