"""Everything but GANs on Keras's JAX backend, in a process of its own, and models that cross from one to the other."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from every_builder import (
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

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
TESTS = Path(__file__).parent
# One with each layer of the course's own, and each way of tying layers.
KINDS = ("linear tied", "stacked", "written out", "sparse KL", "k-sparse tied", "dropped pixels", "conv switches")


def test_models_build_fit_save_and_load_on_jax_and_across_backends(tmp_path):
    for kind in KINDS:
        model = BUILDERS[kind]()
        model.save(tmp_path / f"{kind}.keras")
        np.savez(tmp_path / f"{kind}.npz", *outputs(model))
    words = language_model()
    words.save(tmp_path / "words.keras")
    np.savez(tmp_path / "words.npz", words([SHOWN, PLACES]))
    patches = patches_model()
    patches.save(tmp_path / "patches.keras")
    np.savez(tmp_path / "patches.npz", patches([PATCHES, SEEN, HIDDEN]))
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))
    script = [sys.executable, str(TESTS / "on_jax.py"), str(tmp_path)]
    run = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.endswith("all is well\n")
    for kind in KINDS:
        expected = np.load(tmp_path / f"jax {kind}.npz")
        loaded = keras.models.load_model(tmp_path / f"jax {kind}.keras")
        for output, key in zip(outputs(loaded), expected, strict=True):
            np.testing.assert_allclose(output, expected[key], atol=1e-4, err_msg=kind)
        loaded.compile("adam", "mse", jit_compile=False)
        assert np.isfinite(loaded.fit(IMAGES, IMAGES, verbose=0).history["loss"]).all(), kind
    words = keras.models.load_model(tmp_path / "jax words.keras")
    np.testing.assert_allclose(words([SHOWN, PLACES]), np.load(tmp_path / "jax words.npz")["arr_0"], atol=1e-4)
    words.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    assert np.isfinite(words.fit([SHOWN, PLACES], ANSWERS, verbose=0).history["loss"]).all()
    patches = keras.models.load_model(tmp_path / "jax patches.keras")
    expected = np.load(tmp_path / "jax patches.npz")["arr_0"]
    np.testing.assert_allclose(patches([PATCHES, SEEN, HIDDEN]), expected, atol=1e-4)
    patches.compile("adam", "mse", jit_compile=False)
    assert np.isfinite(patches.fit([PATCHES, SEEN, HIDDEN], BEHIND, verbose=0).history["loss"]).all()
