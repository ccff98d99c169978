"""Run by test_jax.py in a process of its own, with KERAS_BACKEND=jax: `python on_jax.py FOLDER`.

FOLDER holds models saved with TensorFlow, and their outputs; models saved with JAX, and theirs, are put beside them.
"""

import sys
from pathlib import Path

import aelib

data = aelib.start("02")
assert "tensorflow" not in sys.modules, "import and start have loaded TensorFlow"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from every_builder import (  # noqa: E402
    ANSWERS,
    BEHIND,
    BUILDERS,
    HIDDEN,
    IMAGES,
    PATCHES,
    PLACES,
    SEEN,
    SHOWN,
    language_model,
    outputs,
    patches_model,
)
from test_jax import KINDS  # noqa: E402

from aelib import measures  # noqa: E402
from aelib.models import bernoulli_nats, recurrent_autoencoder, stacked_vae  # noqa: E402
from aelib.training import compile_options, restart, seed_everything  # noqa: E402

folder = Path(sys.argv[1])
assert keras.backend.backend() == "jax"

for kind in KINDS:
    build = BUILDERS[kind]
    expected = np.load(folder / f"{kind}.npz")
    loaded = keras.models.load_model(folder / f"{kind}.keras")
    for output, key in zip(outputs(loaded), expected, strict=True):
        np.testing.assert_allclose(output, expected[key], atol=1e-4, err_msg=kind)
    model = build()
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    losses = model.fit(IMAGES, IMAGES, epochs=2, batch_size=6, verbose=0).history["loss"]
    assert np.isfinite(losses).all(), kind
    model.save(folder / f"jax {kind}.keras")
    np.savez(folder / f"jax {kind}.npz", *outputs(model))

loaded = keras.models.load_model(folder / "words.keras")
np.testing.assert_allclose(np.asarray(loaded([SHOWN, PLACES])), np.load(folder / "words.npz")["arr_0"], atol=1e-4)
words = language_model()
words.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
losses = words.fit([SHOWN, PLACES], ANSWERS, epochs=20, verbose=0).history["loss"]
assert losses[-1] < losses[0]
words.save(folder / "jax words.keras")
np.savez(folder / "jax words.npz", np.asarray(words([SHOWN, PLACES])))

loaded, asked = keras.models.load_model(folder / "patches.keras"), [PATCHES, SEEN, HIDDEN]
np.testing.assert_allclose(np.asarray(loaded(asked)), np.load(folder / "patches.npz")["arr_0"], atol=1e-4)
patches = patches_model()
patches.compile(keras.optimizers.Adam(0.01), "mse", **compile_options("dense", 20))
losses = patches.fit(asked, BEHIND, epochs=20, verbose=0).history["loss"]
assert losses[-1] < losses[0]
patches.save(folder / "jax patches.keras")
np.savez(folder / "jax patches.npz", np.asarray(patches(asked)))

vae = stacked_vae(IMAGES.shape[1:], (9,), 3)
vae.compile(keras.optimizers.Adam(0.01), bernoulli_nats, **compile_options("random", 40))
history = vae.fit(IMAGES, IMAGES, epochs=40, batch_size=12, verbose=0).history
assert history["loss"][-1] < history["loss"][0] and np.isfinite(history["kl"]).all()
assert vae.draw_posterior(IMAGES).shape == (12, 3)

series = np.sin(np.linspace(0, 6, 12 * 10)).reshape(12, 10, 1).astype("float32")
recurrent = recurrent_autoencoder((10, 1), 8, 2, output_activation=None)
recurrent.compile(keras.optimizers.Adam(0.01), "mse", **compile_options("recurrent", 20))
losses = recurrent.fit(series, series, epochs=20, batch_size=12, verbose=0).history["loss"]
assert losses[-1] < losses[0]

drawn = []
for _ in range(2):
    seed_everything(3)
    drawn.append(BUILDERS["stacked"]().get_weights()[0])
np.testing.assert_array_equal(*drawn)

model = BUILDERS["stacked"]()
initial = model.get_weights()
model.compile(keras.optimizers.Adam(0.01), "mse", **compile_options("dense", 32))
first = model.fit(IMAGES, IMAGES, epochs=40, batch_size=12, shuffle=False, verbose=0).history["loss"]
assert first[-1] < 0.7 * first[0]
restart(model, initial)
again = model.fit(IMAGES, IMAGES, epochs=40, batch_size=12, shuffle=False, verbose=0).history["loss"]
np.testing.assert_allclose(again, first, rtol=1e-4)
error = measures.squared_error(IMAGES, np.asarray(model(IMAGES)))
np.testing.assert_allclose(error, IMAGES[0].size * model.evaluate(IMAGES, IMAGES, verbose=0), rtol=1e-4)

assert "tensorflow" not in sys.modules, "training, saving or loading has loaded TensorFlow"
try:
    from aelib.models import GAN  # noqa: F401
except ImportError as error:
    assert "found 'jax': unset KERAS_BACKEND" in str(error), error
else:
    raise AssertionError("a GAN on JAX was not refused")
print("all is well")
