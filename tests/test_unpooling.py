"""Pooling with switches and unpooling: against plain loops in NumPy, finite differences, saving and loading."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_that_are_saved import assert_loads_with_equal_outputs_and_trains

from aelib.models import MaxPoolWithSwitches, MaxUnpool

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


@pytest.mark.parametrize(("size", "pool_size"), POOLS)
def test_pooling_and_unpooling_are_the_loops(size, pool_size):
    for ties, sign in ((False, 0), (True, 0), (False, -1), (True, -1), (True, 1)):
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


def test_pooling_the_unpooled_gives_the_pooled_again():
    for size, pool_size in POOLS:
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
@pytest.mark.parametrize(("size", "pool_size"), POOLS[1::2])
def test_gradient_of_pooled_goes_to_the_first_maximum(size, pool_size, compiled):
    x = images(size, ties=True)
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


@pytest.mark.parametrize(("size", "pool_size"), POOLS[1::2])
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
def test_impossible_pool_sizes_are_refused(layer):
    for pool_size in (0, -2, 2.0, 1.5, "2", None, (2, 0), (2, 2, 2), (2,), (2, 2.5)):
        with pytest.raises(ValueError, match=r"pool_size is "):
            layer(pool_size)


def test_pooling_refuses_images_of_unknown_size():
    for shape in ((None, None, 1), (28, None, 1), (28, 28), (28,), (2, 28, 28, 1)):
        with pytest.raises(ValueError, match=r"images of a known size"):
            MaxPoolWithSwitches(2)(keras.Input(shape))


def test_pooling_refuses_a_flat_batch_after_the_first_call():
    layer = MaxPoolWithSwitches(2)
    layer(np.zeros((2, 4, 4, 1), "float32"))
    with pytest.raises(ValueError, match=r"found the shape \(2, 16\)"):
        layer(np.zeros((2, 16), "float32"))


@pytest.mark.parametrize(
    ("pooled", "switches", "message"),
    [
        ((2, 4, 4, 3), (2, 5, 7, 3), r", 4, 4, 3\).* belong to .*, 3, 4, 3\)"),
        ((2, 3, 4, 1), (2, 5, 7, 3), r"pool_size \(2, 2\)"),
        ((2, 5, 7, 3), (2, 3, 4, 3), r"both outputs of one"),  # the wrong order
        ((2, 36), (2, 5, 7, 3), r"pooled has the shape .*36\)"),
        ((2, 3, 4, 3), (2, 105), r"the switches have the shape .*105\)"),
        ((2, 3, 4, 3), None, r"takes two inputs"),
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
    with pytest.raises(ValueError, match=r"\(4, 2, 2, 1\), .* belong to \(1, 2, 2, 1\)"):
        MaxUnpool(2)([pooled, switches])
    with pytest.raises(ValueError, match=r"takes two inputs"):
        MaxUnpool(2)([pooled, switches, switches])


def pooling_model(pool_size):
    x = inputs = keras.Input((7, 5, 2))
    x = keras.layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    pooled, switches = MaxPoolWithSwitches(pool_size)(x)
    x = MaxUnpool(pool_size)([keras.layers.Conv2D(3, 1)(pooled), switches])
    return keras.Model(inputs, [keras.layers.Conv2D(2, 3, padding="same")(x), pooled, switches])


def test_saved_models_load_with_equal_outputs_and_train(tmp_path):
    assert_loads_with_equal_outputs_and_trains(pooling_model((3, 2)), tmp_path)


def test_pooling_names_its_strides(monkeypatch):
    """On JAX, Keras 3.15 cannot derive them from the window; on TensorFlow it makes no difference."""
    seen, max_pool = [], keras.ops.max_pool

    def watched(x, pool_size, strides=None, **options):
        seen.append(strides)
        return max_pool(x, pool_size, strides, **options)

    monkeypatch.setattr(keras.ops, "max_pool", watched)
    MaxPoolWithSwitches((2, 3))(np.zeros((1, 4, 6, 1), "float32"))
    assert seen == [(2, 3)] * 2
