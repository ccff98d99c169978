"""What tests of layers share: a model with the layer in it, saved, loaded, and trained on."""

import keras
import numpy as np


def dense_model(*layers) -> keras.Model:
    """`(n, 7, 5, 2)` to what the layers make of flat images."""
    inputs = keras.Input((7, 5, 2))
    return keras.Model(inputs, keras.Sequential([keras.layers.Flatten(), *layers])(inputs))


def assert_loads_with_equal_outputs_and_trains(model: keras.Model, folder) -> None:
    """After training, `model`, of images `(n, 7, 5, 2)`, loads with equal outputs and penalties, and trains on."""
    x = np.random.default_rng(0).random((9, 7, 5, 2)).astype("float32")
    model.compile("adam", "mse", jit_compile=False)
    targets = [np.zeros(output.shape, "float32") for output in keras.tree.flatten(model(x))]
    model.fit(x, targets, batch_size=4, verbose=0)  # batches of 4, 4 and 1
    model.save(folder / "model.keras")
    loaded = keras.models.load_model(folder / "model.keras")
    outputs, copies = (keras.tree.flatten(m(x)) for m in (model, loaded))
    for output, copy in zip(outputs, copies, strict=True):
        np.testing.assert_array_equal(output, copy)
    np.testing.assert_array_equal(np.asarray(model.losses), np.asarray(loaded.losses))
    assert np.isfinite(loaded.fit(x, targets, batch_size=4, verbose=0).history["loss"]).all()
