"""Sparsity: the k largest against a loop, the KL penalty against SciPy, finite differences and any batch size."""

import itertools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from models_that_are_saved import assert_loads_with_equal_outputs_and_trains, dense_model

from aelib.models import KLSparsity, KSparse


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


@pytest.mark.parametrize("rows", ROWS)
def test_k_sparse_is_the_loop(rows):
    x = ROWS[rows].astype("float32")
    for k in (1, 2, 5, 9):
        for training in (False, True):
            np.testing.assert_array_equal(KSparse(k)(x, training=training), k_largest_by_hand(x, k))
    compiled = tf.function(KSparse(5), jit_compile=True)
    np.testing.assert_array_equal(compiled(x), k_largest_by_hand(x, 5))


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


def test_impossible_k_is_refused():
    for k in (0, -1, 2.0, 2.5, "3", None):
        with pytest.raises(ValueError, match=r"k is .*: expected a whole number"):
            KSparse(k)
    for x in (keras.Input((5,)), np.zeros((2, 5), "float32")):
        with pytest.raises(ValueError, match=r"k is 12, .* length 5"):
            KSparse(12)(x)
    with pytest.raises(ValueError, match=r"k is 2, .* length None"):
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


def test_impossible_penalties_are_refused():
    for target in (0, 1, -0.1, 1.5, float("nan"), "0.1", None):
        with pytest.raises(ValueError, match=r"target is "):
            KLSparsity(target, 1)
    for weight in (-1, float("nan"), float("inf"), "1", None):
        with pytest.raises(ValueError, match=r"weight is "):
            KLSparsity(0.1, weight)


def test_kl_sparsity_config_makes_an_equal_one():
    penalty = KLSparsity(0.1, 3)
    assert penalty.get_config() == {"target": 0.1, "weight": 3.0}
    copy = keras.regularizers.get(keras.saving.serialize_keras_object(penalty))
    assert isinstance(copy, KLSparsity) and copy.get_config() == penalty.get_config()


@pytest.mark.parametrize(
    "layers",
    [
        (keras.layers.Dense(6), KSparse(2)),
        (keras.layers.Dense(6, "sigmoid", activity_regularizer=KLSparsity(0.1, 2)),),
    ],
    ids=["k-sparse", "KL"],
)
def test_saved_models_load_with_equal_outputs_and_train(layers, tmp_path):
    assert_loads_with_equal_outputs_and_trains(dense_model(*layers), tmp_path)
