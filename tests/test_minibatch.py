"""Layers that see a batch as a whole: minibatch statistics and packs, against NumPy, saving and loading."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from models_that_are_saved import assert_loads_with_equal_outputs_and_trains, dense_model

from aelib.models import MinibatchStdDev, Pack


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


def test_what_makes_no_packs_is_refused():
    for m in (0, -1, 1.5, "2", None):
        with pytest.raises(ValueError, match=r"m is "):
            Pack(m)
    with pytest.raises(ValueError, match=r"5 samples do not make packs of 2"):
        Pack(2)(np.zeros((5, 3), "float32"))


@pytest.mark.parametrize("layer", [MinibatchStdDev(), Pack(1)])
def test_saved_models_load_with_equal_outputs_and_train(layer, tmp_path):
    assert_loads_with_equal_outputs_and_trains(dense_model(layer, keras.layers.Dense(6)), tmp_path)
