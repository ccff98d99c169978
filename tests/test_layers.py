"""Pooling with switches, corruption and sparsity: against plain loops in NumPy, and through saving and loading."""

import itertools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from aelib.models import (
    GaussianCorruption,
    KLSparsity,
    KSparse,
    MaskingNoise,
    MaxPoolWithSwitches,
    MaxUnpool,
    MinibatchStdDev,
    Pack,
)

# (height, width), pool_size: windows that fit, that stand over one edge or both, and larger ones than the image.
POOLS = [
    ((4, 6), 2),
    ((5, 7), 2),
    ((7, 7), 3),
    ((8, 8), 3),
    ((6, 9), (2, 3)),
    ((5, 8), (3, 2)),
    ((7, 5), (1, 4)),
    ((3, 4), 5),
    ((4, 3), 1),
]


def images(size, *, ties: bool, sign: int = 0, n=3, channels=2):
    """(n, height, width, channels), with few different values if `ties`; all of one `sign` if it is not 0."""
    rng = np.random.default_rng(0)
    shape = (n, *size, channels)
    x = rng.integers(-2, 3, shape) if ties else rng.normal(size=shape)
    return (sign * (np.abs(x) + 1) if sign else x).astype("float32")


def windows(size, pool_size):
    """For each window its row and column, and the places that it holds, row by row."""
    pool = (pool_size, pool_size) if isinstance(pool_size, int) else pool_size
    starts = []
    for length, step in zip(size, pool, strict=True):
        count = int(np.ceil(length / step))
        before = (count * step - length) // 2
        starts.append([i * step - before for i in range(count)])
    for (i, top), (j, left) in itertools.product(enumerate(starts[0]), enumerate(starts[1])):
        rows = [r for r in range(top, top + pool[0]) if 0 <= r < size[0]]
        columns = [c for c in range(left, left + pool[1]) if 0 <= c < size[1]]
        yield i, j, list(itertools.product(rows, columns))


def pool_by_hand(x, pool_size):
    """Maxima and switches, one window, image and channel at a time."""
    n, height, width, channels = x.shape
    found = list(windows((height, width), pool_size))
    pooled = np.zeros((n, found[-1][0] + 1, found[-1][1] + 1, channels), x.dtype)
    switches = np.zeros_like(x)
    for image, channel, (i, j, places) in itertools.product(range(n), range(channels), found):
        best = places[0]
        for row, column in places[1:]:
            if x[image, row, column, channel] > x[image, best[0], best[1], channel]:
                best = (row, column)
        pooled[image, i, j, channel] = x[image, best[0], best[1], channel]
        switches[image, best[0], best[1], channel] = 1
    return pooled, switches


def unpool_by_hand(pooled, switches, pool_size):
    unpooled = np.zeros_like(switches)
    for i, j, places in windows(switches.shape[1:3], pool_size):
        for row, column in places:
            unpooled[:, row, column] = np.where(switches[:, row, column] == 1, pooled[:, i, j], 0)
    return unpooled


def arrays(tensors):
    return [np.asarray(tensor) for tensor in tensors]


@pytest.mark.parametrize(("ties", "sign"), [(False, 0), (True, 0), (False, -1), (True, -1), (True, 1)])
@pytest.mark.parametrize(("size", "pool_size"), POOLS)
def test_pooling_and_unpooling_are_the_loops(size, pool_size, ties, sign):
    x = images(size, ties=ties, sign=sign)
    pooled, switches = arrays(MaxPoolWithSwitches(pool_size)(x))
    expected, expected_switches = pool_by_hand(x, pool_size)
    np.testing.assert_array_equal(pooled, expected)
    np.testing.assert_array_equal(pooled, keras.layers.MaxPooling2D(pool_size, padding="same")(x))
    np.testing.assert_array_equal(switches, expected_switches)
    assert switches.dtype == x.dtype
    unpooled = np.asarray(MaxUnpool(pool_size)([pooled, switches]))
    np.testing.assert_array_equal(unpooled, unpool_by_hand(pooled, switches, pool_size))
    np.testing.assert_array_equal(unpooled, x * switches)  # the maxima, back in their places


def test_ones_of_the_switches_and_ties_by_example():
    x = np.array([[0, 0, 1, 2], [0, 0, 2, 2]], "float32")[None, :, :, None]
    pooled, switches = arrays(MaxPoolWithSwitches(2)(x))
    assert pooled[0, :, :, 0].tolist() == [[0, 2]]
    assert switches[0, :, :, 0].tolist() == [[1, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize(("size", "pool_size"), POOLS)
def test_each_window_and_channel_has_one_switch(size, pool_size):
    for x in (images(size, ties=True), np.zeros((2, *size, 3), "float32")):
        _, switches = arrays(MaxPoolWithSwitches(pool_size)(x))
        for _, _, places in windows(size, pool_size):
            np.testing.assert_array_equal(sum(switches[:, row, column] for row, column in places), 1)


@pytest.mark.parametrize(("size", "pool_size"), POOLS)
def test_pooling_the_unpooled_gives_the_pooled_again(size, pool_size):
    x = images(size, ties=True, sign=1)  # were maxima negative, the zeros around them would win
    pooled, switches = MaxPoolWithSwitches(pool_size)(x)
    again, switches_again = MaxPoolWithSwitches(pool_size)(MaxUnpool(pool_size)([pooled, switches]))
    np.testing.assert_array_equal(pooled, again)
    np.testing.assert_array_equal(switches, switches_again)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_pooling_in_half_precision_has_one_switch_even_in_a_large_window(dtype):
    x = np.zeros((1, 28, 28, 2), "float32")  # 784 places of equal value: more ranks than bfloat16 has whole numbers
    pooled, switches = MaxPoolWithSwitches(28, dtype=dtype)(x)
    assert keras.backend.standardize_dtype(switches.dtype) == keras.backend.standardize_dtype(pooled.dtype) == dtype
    assert np.argwhere(np.asarray(switches, "float32")).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("size", "pool_size"), POOLS)
def test_gradient_of_pooled_goes_to_the_first_maximum(size, pool_size, ties, compiled):
    x = images(size, ties=ties)
    layer = MaxPoolWithSwitches(pool_size)
    _, expected_switches = pool_by_hand(x, pool_size)

    @tf.function(reduce_retracing=True) if compiled else lambda function: function
    def gradients(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            pooled, switches = layer(x)
            weighted = tf.reduce_sum(pooled * tf.reshape(tf.range(tf.size(pooled), dtype="float32"), tf.shape(pooled)))
        assert tape.gradient(switches, x) is None
        return pooled, tape.gradient(weighted, x)

    pooled, gradient = arrays(gradients(tf.constant(x)))
    upstream = np.arange(pooled.size, dtype="float32").reshape(pooled.shape)
    np.testing.assert_array_equal(gradient, unpool_by_hand(upstream, expected_switches, pool_size))


def test_gradient_of_pooled_against_finite_differences():
    x = images((5, 7), ties=False, n=1, channels=1)
    layer = MaxPoolWithSwitches(2)
    with tf.GradientTape() as tape:
        tape.watch(inputs := tf.constant(x))
        loss = tf.reduce_sum(layer(inputs)[0] ** 2)
    gradient = np.asarray(tape.gradient(loss, inputs))
    step = 1e-3
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        slope = sum(sign * np.sum(pool_by_hand(y.astype("float64"), 2)[0] ** 2) for y, sign in ((up, 1), (down, -1)))
        assert gradient[place] == pytest.approx(slope / (2 * step), rel=1e-2, abs=1e-2)


@pytest.mark.parametrize(("size", "pool_size"), POOLS)
def test_gradient_of_unpooling_is_gathered_through_the_switches(size, pool_size):
    pooled, switches = map(tf.constant, pool_by_hand(images(size, ties=True), pool_size))
    upstream = np.random.default_rng(1).normal(size=switches.shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch([pooled, switches])
        loss = tf.reduce_sum(MaxUnpool(pool_size)([pooled, switches]) * upstream)
    gradient, none = tape.gradient(loss, [pooled, switches])
    assert none is None
    for i, j, places in windows(size, pool_size):
        expected = sum(upstream[:, row, column] * np.asarray(switches)[:, row, column] for row, column in places)
        np.testing.assert_allclose(gradient[:, i, j], expected, rtol=1e-6)


def test_pooling_and_unpooling_shapes_in_a_functional_model():
    x = keras.Input((5, 7, 3))
    pooled, switches = MaxPoolWithSwitches((2, 3))(x)
    assert pooled.shape == (None, 3, 3, 3) and switches.shape == (None, 5, 7, 3)
    assert MaxUnpool((2, 3))([pooled, switches]).shape == (None, 5, 7, 3)


@pytest.mark.parametrize("layer", [MaxPoolWithSwitches, MaxUnpool])
@pytest.mark.parametrize("pool_size", [0, -2, 2.0, 1.5, "2", None, (2, 0), (2, 2, 2), (2,), (2, 2.5)])
def test_impossible_pool_sizes_are_refused(layer, pool_size):
    with pytest.raises(ValueError, match=r"pool_size is .*: expected a whole number, at least 1, or two of them"):
        layer(pool_size)


@pytest.mark.parametrize("shape", [(None, None, 1), (28, None, 1), (28, 28), (28,), (2, 28, 28, 1)])
def test_pooling_refuses_images_of_unknown_size(shape):
    with pytest.raises(ValueError, match=r"pools images of a known size, \(n, height, width, channels\), found"):
        MaxPoolWithSwitches(2)(keras.Input(shape))


def test_pooling_refuses_a_flat_batch_after_the_first_call():
    layer = MaxPoolWithSwitches(2)
    layer(np.zeros((2, 4, 4, 1), "float32"))
    with pytest.raises(ValueError, match=r"found the shape \(2, 16\): give the Input its height"):
        layer(np.zeros((2, 16), "float32"))


@pytest.mark.parametrize(
    ("pooled", "switches", "message"),
    [
        ((2, 4, 4, 3), (2, 5, 7, 3), r"pooled has the shape .*, 4, 4, 3\), but .* belong to .*, 3, 4, 3\)"),
        ((2, 3, 4, 1), (2, 5, 7, 3), r"pool_size \(2, 2\) belong to"),
        ((2, 5, 7, 3), (2, 3, 4, 3), r"give both outputs of one MaxPoolWithSwitches"),  # the wrong order
        ((2, 36), (2, 5, 7, 3), r"pooled has the shape .*36\)"),
        ((2, 3, 4, 3), (2, 105), r"the switches have the shape .*105\): expected \(n, height, width, channels\)"),
        ((2, 3, 4, 3), None, r"takes two inputs, found the shape .*: call it on \[pooled, switches\]"),
    ],
)
def test_unpooling_refuses_what_does_not_belong_together(pooled, switches, message):
    shapes = [shape for shape in (pooled, switches) if shape]
    for make in (lambda shape: np.zeros(shape, "float32"), lambda shape: keras.Input(shape[1:])):
        inputs = [make(shape) for shape in shapes]
        with pytest.raises(ValueError, match=message):
            MaxUnpool(2)(inputs)
        if len(inputs) == 1:
            with pytest.raises(ValueError, match=message):
                MaxUnpool(2)(inputs[0])


def test_unpooling_refuses_other_batches_and_a_third_input():
    pooled, switches = np.zeros((4, 2, 2, 1), "float32"), np.zeros((1, 4, 4, 1), "float32")
    with pytest.raises(ValueError, match=r"pooled has the shape \(4, 2, 2, 1\), .* belong to \(1, 2, 2, 1\)"):
        MaxUnpool(2)([pooled, switches])
    with pytest.raises(ValueError, match=r"takes two inputs"):
        MaxUnpool(2)([pooled, switches, switches])


GREYS = np.random.default_rng(0).random((40, 20, 25, 1)).astype("float32")  # 20,000 values: standard errors are small


@pytest.mark.parametrize("make", [lambda: GaussianCorruption(0.5), lambda: MaskingNoise(0.5)])
def test_corruption_is_the_identity_outside_training(make):
    for x in (GREYS, GREYS * 3 - 1):  # nor are values clipped then
        np.testing.assert_array_equal(make()(x), x)
        np.testing.assert_array_equal(make()(x, training=False), x)
        inputs = keras.Input(x.shape[1:])
        np.testing.assert_array_equal(keras.Model(inputs, make()(inputs)).predict(x, verbose=0), x)
    assert not np.array_equal(make()(GREYS, training=True), GREYS)


@pytest.mark.parametrize("stddev", [0.1, 0.5, 2.0])
def test_gaussian_noise_has_the_mean_and_the_deviation(stddev):
    noise = np.asarray(GaussianCorruption(stddev, clip=False, seed=1)(GREYS, training=True)) - GREYS
    assert abs(noise.mean()) < 5 * stddev / np.sqrt(noise.size)
    assert abs(noise.std() - stddev) < 5 * stddev / np.sqrt(2 * noise.size)
    assert abs(np.corrcoef(noise.ravel(), GREYS.ravel())[0, 1]) < 5 / np.sqrt(noise.size)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 5 / np.sqrt(noise[0].size)  # not one for all


def test_gaussian_noise_is_clipped_to_grey_values():
    unclipped = np.asarray(GaussianCorruption(0.5, clip=False, seed=3)(GREYS, training=True))
    clipped = np.asarray(GaussianCorruption(0.5, seed=3)(GREYS, training=True))
    assert unclipped.min() < 0 and unclipped.max() > 1
    np.testing.assert_array_equal(clipped, np.clip(unclipped, 0, 1))
    np.testing.assert_array_equal(GaussianCorruption(0)(GREYS, training=True), GREYS)


@pytest.mark.parametrize("rate", [0, 0.25, 0.9])
def test_dropped_share_is_the_rate_and_the_rest_is_unchanged(rate):
    x = GREYS + 1  # no value is 0 before
    corrupted = np.asarray(MaskingNoise(rate, seed=1)(x, training=True))
    dropped = corrupted == 0
    np.testing.assert_array_equal(corrupted, np.where(dropped, 0, x))
    assert abs(dropped.mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / x.size)
    per_image = dropped.mean(axis=(1, 2, 3))  # independent: the shares of the images scatter as a binomial's do
    assert abs(per_image.std() - np.sqrt(rate * (1 - rate) / 500)) <= 5 * np.sqrt(rate * (1 - rate) / 500 / 80)


def test_dropped_share_is_the_rate_in_half_precision():
    x = np.ones((200_000,), "float32")
    for rate in (0.001, 0.999):
        share = np.mean(np.asarray(MaskingNoise(rate, seed=1, dtype="bfloat16")(x, training=True), "float32") == 0)
        assert abs(share - rate) <= 5 * np.sqrt(rate * (1 - rate) / x.size)


def test_dropout_scales_what_it_keeps_and_drop_pixels_does_not():
    x, rate = GREYS + 1, 0.25
    kept = np.asarray(keras.layers.Dropout(rate, seed=1)(x, training=True)) / x
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - rate), rtol=1e-6)
    kept = np.asarray(MaskingNoise(rate, seed=1)(x, training=True)) / x
    np.testing.assert_array_equal(kept[kept != 0], 1)


@pytest.mark.parametrize(
    "make", [lambda seed: GaussianCorruption(0.3, seed=seed), lambda seed: MaskingNoise(0.3, seed)]
)
def test_same_seed_same_noise(make):
    layer = make(7)
    first, second = (np.asarray(layer(GREYS, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)  # new noise for each batch
    np.testing.assert_array_equal(make(7)(GREYS, training=True), first)
    np.testing.assert_array_equal(type(layer).from_config(layer.get_config())(GREYS, training=True), first)
    assert not np.array_equal(make(8)(GREYS, training=True), first)
    keras.utils.set_random_seed(5)
    third = np.asarray(make(None)(GREYS, training=True))
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(make(None)(GREYS, training=True), third)


@pytest.mark.parametrize("stddev", [-0.1, float("nan"), float("inf"), "0.5", None])
def test_impossible_stddev_is_refused(stddev):
    with pytest.raises(ValueError, match=r"stddev is .*: expected a finite number, at least 0"):
        GaussianCorruption(stddev)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan"), "0.5", None])
def test_impossible_rate_is_refused(rate):
    with pytest.raises(ValueError, match=r"rate is .*: expected the share of values to drop, at least 0 and less than"):
        MaskingNoise(rate)


def k_largest_by_hand(x, k):
    kept = np.zeros_like(x)
    for place in np.ndindex(*x.shape[:-1]):
        order = sorted(range(x.shape[-1]), key=lambda unit: (-x[place][unit], unit))
        for unit in order[:k]:
            kept[place][unit] = x[place][unit]
    return kept


ROWS = {
    "normal": np.random.default_rng(0).normal(size=(30, 17)),
    "ties": np.random.default_rng(0).integers(-2, 3, (30, 17)),
    "negative": -np.random.default_rng(0).integers(1, 4, (30, 17)),
    "equal": np.ones((3, 17)),
    "after a ReLU": np.maximum(np.random.default_rng(0).normal(size=(30, 17)), 0),
    "three axes": np.random.default_rng(0).integers(-2, 3, (3, 4, 9)),
    "one axis": np.random.default_rng(0).integers(-2, 3, (9,)),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("k", [1, 2, 5, 9])
@pytest.mark.parametrize("rows", ROWS)
def test_k_sparse_is_the_loop(rows, k, compiled):
    x = ROWS[rows].astype("float32")
    layer = KSparse(k)
    call = tf.function(layer, jit_compile=True) if compiled else layer
    expected = k_largest_by_hand(x, k)
    for training in (False, True):
        np.testing.assert_array_equal(call(x, training=training), expected)


def test_k_sparse_of_all_units_is_the_identity():
    np.testing.assert_array_equal(KSparse(17)(ROWS["ties"]), ROWS["ties"])


@pytest.mark.parametrize("rows", ROWS)
def test_k_sparse_keeps_exactly_k_and_passes_the_gradient_there_only(rows):
    x = tf.constant(ROWS[rows].astype("float32"))
    upstream = 1 + np.random.default_rng(1).random(x.shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(KSparse(4)(x) * upstream)
    gradient = np.asarray(tape.gradient(loss, x))
    np.testing.assert_array_equal(np.sum(gradient != 0, axis=-1), 4)  # exactly four, also where kept values are 0
    places = np.argsort(-np.asarray(x), axis=-1, kind="stable")[..., :4]
    kept = np.any(places[..., None] == np.arange(x.shape[-1]), axis=-2)
    np.testing.assert_array_equal(gradient, np.where(kept, upstream, 0))


@pytest.mark.parametrize("k", [0, -1, 2.0, 2.5, "3", None])
def test_impossible_k_is_refused(k):
    with pytest.raises(ValueError, match=r"k is .*: expected a whole number, at least 1"):
        KSparse(k)


def test_more_kept_than_there_are_units_is_refused():
    for x in (keras.Input((5,)), np.zeros((2, 5), "float32")):
        with pytest.raises(ValueError, match=r"k is 12, but the last axis has length 5: choose a k from 1"):
            KSparse(12)(x)
    with pytest.raises(ValueError, match=r"k is 2, but the last axis has length None"):
        KSparse(2)(keras.Input((4, None)))


X = np.random.default_rng(2).normal(size=(32, 6)).astype("float32")


def sparse_model(target=0.1, weight=0.7):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    code = keras.layers.Dense(5, "sigmoid", activity_regularizer=KLSparsity(target, weight))
    return keras.Model(inputs, code(inputs))


@pytest.mark.parametrize("target", [0.05, 0.5, 0.9])
def test_kl_sparsity_is_the_divergence(target):
    model = sparse_model(target, weight=0.7)
    means = np.asarray(model(X), "float64").mean(axis=0)
    (loss,) = model.losses
    expected = 0.7 * sum(scipy.stats.entropy([target, 1 - target], [q, 1 - q]) for q in means)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    terms = scipy.special.rel_entr(target, means) + scipy.special.rel_entr(1 - target, 1 - means)
    assert float(loss) == pytest.approx(0.7 * terms.sum(), rel=1e-4)


def test_keras_divides_what_an_activity_regularizer_returns_by_the_batch_size():
    """`KLSparsity` and chapter 07 build on it; Keras before 3.14 did not (keras#22018)."""
    for regularizer in (keras.regularizers.L1(0.5), lambda activations: keras.ops.sum(activations) / 2):
        layer = keras.layers.Dense(4, "sigmoid", activity_regularizer=regularizer)
        losses = []
        for batch in (X[:10], np.tile(X[:10], (2, 1))):
            layer(batch)
            losses.append(float(layer.losses[0]))
        sums = np.asarray(layer(X[:10])).sum(axis=1)
        assert losses == pytest.approx([0.5 * sums.mean()] * 2, rel=1e-5)


def test_kl_sparsity_means_the_same_at_any_batch_size():
    model = sparse_model()
    kernel = model.layers[-1].kernel
    found = []
    for batch in (X, np.tile(X, (8, 1))):
        with tf.GradientTape() as tape:
            model(batch)
            (loss,) = model.losses
        found.append((float(loss), np.asarray(tape.gradient(loss, kernel.value))))
    (loss, gradient), (loss_tiled, gradient_tiled) = found
    assert loss_tiled == pytest.approx(loss, rel=1e-5) and loss > 0
    np.testing.assert_allclose(gradient_tiled, gradient, rtol=1e-4, atol=1e-6 * np.abs(gradient).max())
    assert np.abs(gradient).min() > 0


def test_kl_sparsity_in_fit_and_evaluate_is_the_formula():
    model = sparse_model(weight=3.0)
    model.compile(keras.optimizers.SGD(0.0), loss=None, jit_compile=False)  # a step leaves the weights as they are
    means = np.asarray(model(X), "float64").mean(axis=0)
    expected = 3.0 * sum(scipy.stats.entropy([0.1, 0.9], [q, 1 - q]) for q in means)
    for batch in (X, np.tile(X, (8, 1))):
        assert model.evaluate(batch, batch_size=len(batch), verbose=0) == pytest.approx(expected, rel=1e-4)
        assert model.train_on_batch(batch) == pytest.approx(expected, rel=1e-4)


def test_kl_sparsity_gradient_against_finite_differences():
    model = sparse_model()
    kernel, bias = (w.astype("float64") for w in model.get_weights())

    def penalty(kernel):
        q = np.mean(1 / (1 + np.exp(-(X.astype("float64") @ kernel + bias))), axis=0)
        return 0.7 * np.sum(scipy.special.rel_entr(0.1, q) + scipy.special.rel_entr(0.9, 1 - q))

    with tf.GradientTape() as tape:
        model(X)
        (loss,) = model.losses
    gradient = np.asarray(tape.gradient(loss, model.layers[-1].kernel.value))
    for place in np.ndindex(*kernel.shape):
        step = np.zeros_like(kernel)
        step[place] = 1e-5
        slope = (penalty(kernel + step) - penalty(kernel - step)) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_kl_sparsity_at_the_target_is_zero_and_at_the_ends_finite():
    penalty = KLSparsity(0.25, 2)
    assert float(penalty(np.full((8, 3), 0.25, "float32"))) == pytest.approx(0, abs=1e-5)
    assert float(KLSparsity(0.25, 0)(np.zeros((8, 3), "float32"))) == 0
    for value, dtype in itertools.product((0, 1), ("float16", "float32")):
        p, q = 0.25, 1e-6 if value == 0 else 1 - 1e-6
        expected = 8 * 2 * 3 * scipy.stats.entropy([p, 1 - p], [q, 1 - q])  # 8: Keras will divide by the batch
        assert float(penalty(np.full((8, 3), value, dtype))) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("target", [0, 1, -0.1, 1.5, float("nan"), "0.1", None])
def test_impossible_target_is_refused(target):
    with pytest.raises(ValueError, match=r"target is .*: expected a mean activation, more than 0 and less than 1"):
        KLSparsity(target, 1)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1", None])
def test_impossible_weight_is_refused(weight):
    with pytest.raises(ValueError, match=r"weight is .*: expected a finite number, at least 0"):
        KLSparsity(0.1, weight)


def test_kl_sparsity_config_makes_an_equal_one():
    penalty = KLSparsity(0.1, 3)
    assert penalty.get_config() == {"target": 0.1, "weight": 3.0}
    copy = keras.regularizers.get(keras.saving.serialize_keras_object(penalty))
    assert isinstance(copy, KLSparsity) and copy.get_config() == penalty.get_config()


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 5, 3), (2, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_minibatch_statistics_are_one_feature_the_same_for_all(shape, dtype):
    x = (3 + np.random.default_rng(0).normal(size=shape)).astype(dtype)
    layer = MinibatchStdDev(dtype=dtype)
    y = np.asarray(layer(x))
    assert y.shape == (*shape[:-1], shape[-1] + 1) == layer.compute_output_shape(shape) and y.dtype == dtype
    np.testing.assert_array_equal(y[..., :-1], x)
    deviations = [np.std(column, dtype="float64") for column in x.reshape(len(x), -1).T]
    np.testing.assert_allclose(y[..., -1], np.mean(deviations), rtol=1e-3)


def test_minibatch_statistics_of_equal_samples_are_zero_and_have_a_finite_gradient():
    for n in (1, 4):
        x = tf.Variable(np.full((n, 3), 2.0, "float32"))
        with tf.GradientTape() as tape:
            y = MinibatchStdDev()(x)
        assert float(tf.reduce_max(y[:, -1])) == pytest.approx(0, abs=2e-4)
        assert np.isfinite(tape.gradient(y, x)).all()


@pytest.mark.parametrize("shape", [(6, 2), (6, 4, 5, 3)])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_packing_puts_samples_side_by_side(shape, m):
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    packs = np.asarray(Pack(m)(x))
    expected = [np.concatenate(x[i : i + m], axis=-1) for i in range(0, 6, m)]
    np.testing.assert_array_equal(packs, expected)
    assert Pack(m).compute_output_shape((None, *shape[1:])) == (None, *packs.shape[1:])
    inputs = keras.Input(shape[1:])
    np.testing.assert_array_equal(keras.Model(inputs, Pack(m)(inputs)).predict(x, verbose=0), packs)


@pytest.mark.parametrize("m", [0, -1, 1.5, "2", None])
def test_impossible_packs_are_refused(m):
    with pytest.raises(ValueError, match=r"m is .*: expected how many samples make a pack"):
        Pack(m)


def test_samples_that_make_no_whole_packs_are_refused():
    with pytest.raises(ValueError, match=r"5 samples do not make packs of 2: choose a batch_size that is a multiple"):
        Pack(2)(np.zeros((5, 3), "float32"))


def pooling_model(pool_size):
    x = inputs = keras.Input((7, 5, 2))
    x = keras.layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    pooled, switches = MaxPoolWithSwitches(pool_size)(x)
    x = MaxUnpool(pool_size)([keras.layers.Conv2D(3, 1)(pooled), switches])
    return keras.Model(inputs, [keras.layers.Conv2D(2, 3, padding="same")(x), pooled, switches])


def dense_model(*layers):
    inputs = keras.Input((7, 5, 2))
    return keras.Model(inputs, keras.Sequential([keras.layers.Flatten(), *layers])(inputs))


@pytest.mark.parametrize(
    "build",
    [
        lambda: pooling_model(2),
        lambda: pooling_model((3, 2)),
        lambda: dense_model(GaussianCorruption(0.3, clip=False, seed=4), keras.layers.Dense(6)),
        lambda: dense_model(MaskingNoise(0.3, seed=4), keras.layers.Dense(6)),
        lambda: dense_model(keras.layers.Dense(6), KSparse(2)),
        lambda: dense_model(keras.layers.Dense(6, "sigmoid", activity_regularizer=KLSparsity(0.1, 2))),
        lambda: dense_model(MinibatchStdDev(), keras.layers.Dense(6)),
        lambda: dense_model(Pack(1), keras.layers.Dense(6)),
    ],
    ids=["pooling", "pooling rectangles", "Gaussian", "drop", "k-sparse", "KL", "statistics", "pack"],
)
def test_saved_models_load_with_equal_outputs_and_train(build, tmp_path):
    model = build()
    x = np.random.default_rng(0).random((9, 7, 5, 2)).astype("float32")
    model.compile("adam", "mse", jit_compile=False)
    targets = [np.zeros(output.shape, "float32") for output in keras.tree.flatten(model(x))]
    model.fit(x, targets, batch_size=4, verbose=0)  # batches of 4, 4 and 1
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    outputs, copies = (keras.tree.flatten(m(x)) for m in (model, loaded))
    for output, copy in zip(outputs, copies, strict=True):
        np.testing.assert_array_equal(output, copy)
    np.testing.assert_array_equal(arrays(model.losses), arrays(loaded.losses))
    assert np.isfinite(loaded.fit(x, targets, batch_size=4, verbose=0).history["loss"]).all()
