"""Noise and rounding, the learned density, the model with its loss, and the course's file."""

import subprocess
import sys
import time
import zlib

import keras
import numpy as np
import pytest
from keras import ops

from aelib.measures import CompressedFileError, fingerprint, frequency_tables, read_compressed, write_compressed
from aelib.models import CompressionModel, FactorizedDensity, NoisyRounding

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 8, 6, 1)).astype("float32")


def small_model(trade=0.01):
    picture, code = keras.Input((8, 6, 1)), keras.Input((4, 3, 2))
    encoder = keras.Model(picture, keras.layers.Conv2D(2, 4, strides=2, padding="same")(picture) * 8)
    decoder = keras.Model(code, keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same")(code / 8))
    return CompressionModel(encoder, decoder, trade)


def test_noise_is_even_in_training_and_gone_after_it():
    rounding, codes = NoisyRounding(seed=1), np.full((50_000, 1), 0.3, "float32")
    noise = np.asarray(rounding(codes, training=True)) - codes
    assert abs(noise.mean()) < 0.01 and np.abs(noise).max() <= 0.5 and noise.var() == pytest.approx(1 / 12, rel=0.02)
    np.testing.assert_array_equal(np.asarray(rounding(codes + 3)), 3)


def test_the_probabilities_of_all_whole_numbers_add_up_to_one():
    density = FactorizedDensity(components=4)
    density.build((None, 3))
    density.logits.assign(RNG.normal(size=(3, 4)) / 10)
    density.centres.assign(RNG.normal(size=(3, 4)))
    every = np.tile(np.arange(-400, 401)[:, None], (1, 3)).astype("float32")
    np.testing.assert_allclose((2 ** -np.asarray(density(every))).sum(axis=0), 1, atol=1e-3)


def test_it_learns_the_entropy_of_what_it_sees():
    codes = np.round(RNG.normal(0, [0.3, 4], (4000, 2)))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, FactorizedDensity()(inputs))
    model.compile(keras.optimizers.Adam(0.01), lambda _, bits: ops.mean(bits), jit_compile=False)
    model.fit(codes, codes, epochs=15, batch_size=100, verbose=0)
    for column, bits in zip(codes.T, model.predict(codes, verbose=0).mean(axis=0), strict=True):
        shares = np.unique(column, return_counts=True)[1] / len(column)
        assert bits == pytest.approx(-(shares * np.log2(shares)).sum(), rel=0.02, abs=0.03)


def test_the_loss_is_the_rate_plus_lambda_times_the_distortion_and_saved_models_train_on(tmp_path):
    model = small_model()
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    history = model.fit(IMAGES, IMAGES, epochs=30, batch_size=10, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    model.centre(IMAGES)
    found = model.evaluate(IMAGES, IMAGES, batch_size=40, verbose=0, return_dict=True)
    distortion = np.square(255 * (IMAGES - np.asarray(model(IMAGES)))).mean()
    assert found["distortion"] == pytest.approx(distortion, rel=1e-4)
    assert found["loss"] == pytest.approx(found["rate"] + 0.01 * distortion, rel=1e-4)
    np.testing.assert_allclose(model.decode(model.codes(IMAGES)), np.clip(model(IMAGES), 0, 1), atol=1e-5)
    model.trade = 0.02
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.trade == pytest.approx(0.02)
    np.testing.assert_array_equal(loaded.codes(IMAGES), model.codes(IMAGES))
    assert np.isfinite(loaded.fit(IMAGES, IMAGES, verbose=0).history["loss"]).all()


def test_the_median_is_zero_after_centring():
    model = small_model()
    model.centre(IMAGES)
    exact = model.encoder.predict(IMAGES, verbose=0) - np.asarray(model.medians)
    np.testing.assert_allclose(np.median(exact.reshape(-1, 2), axis=0), 0, atol=1e-5)


@pytest.fixture
def written(tmp_path):
    model = small_model()
    codes = model.codes(IMAGES)
    tables = frequency_tables(codes.reshape(-1, 2))
    path = tmp_path / "pictures.aelc"
    size = write_compressed(path, codes, (8, 6), tables, model)
    assert size == path.stat().st_size
    return path, model, codes


def test_a_file_is_read_in_a_new_process(written, tmp_path):
    path, model, codes = written
    model.save(tmp_path / "model.keras")
    script = """
import sys, zlib
import aelib, keras
from aelib.measures import read_compressed
model = keras.models.load_model(sys.argv[1])
read = read_compressed(sys.argv[2], model)
print(zlib.crc32(read.codes.tobytes()), read.size, model.decode(read.codes).shape)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model.keras"), str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert answer == f"{zlib.crc32(codes.tobytes())} (8, 6) (40, 8, 6, 1)"


def test_no_changed_byte_gives_a_picture(written):
    path, model, _ = written
    good = path.read_bytes()
    for at in range(0, len(good), 3):
        path.write_bytes(good[:at] + bytes([good[at] ^ int(RNG.integers(1, 256))]) + good[at + 1 :])
        with pytest.raises(CompressedFileError):
            read_compressed(path, model)
    for length in (0, 3, 5, 30, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(CompressedFileError):
            read_compressed(path, model)


def test_foreign_files_other_versions_and_other_models_are_told_apart(written):
    path, model, codes = written
    with pytest.raises(CompressedFileError, match=r"was written with the model .* load that model"):
        read_compressed(path, small_model())
    good = path.read_bytes()
    for content, words in (
        (b"\x89PNG\r\n" + good, "begins with"),
        (good[:4] + b"\x07" + good[5:], "version 7: expected 1"),
        (good + b"\0", "damaged or cut short"),
    ):
        path.write_bytes(content)
        with pytest.raises(CompressedFileError, match=words):
            read_compressed(path, model)
    forged = bytearray(good[:-4])  # other numbers, and a checksum that fits
    forged[9] += 1
    path.write_bytes(bytes(forged) + zlib.crc32(bytes(forged)).to_bytes(4, "little"))
    with pytest.raises(CompressedFileError, match="no file that write_compressed wrote"):
        read_compressed(path, model)
    path.unlink()
    with pytest.raises(CompressedFileError, match="cannot be read"):
        read_compressed(path, model)
    copy = small_model()
    copy.set_weights(model.get_weights())
    assert fingerprint(copy) == fingerprint(model)
    assert codes.shape == (40, 4, 3, 2)


def test_a_model_that_was_centred_anew_does_not_read_an_old_file(written):
    path, model, _ = written
    model.centre(IMAGES)
    with pytest.raises(CompressedFileError, match="load that model"):
        read_compressed(path, model)


def test_a_forged_number_of_pictures_is_refused_at_once(written):
    path, model, _ = written
    body = bytearray(path.read_bytes()[:-4])
    body[9:13] = b"\xff" * 4  # four billion pictures
    path.write_bytes(bytes(body) + zlib.crc32(bytes(body)).to_bytes(4, "little"))
    began = time.perf_counter()
    with pytest.raises(CompressedFileError, match="rows of codes need more"):
        read_compressed(path, model)
    assert time.perf_counter() - began < 2


def test_sizes_that_the_decoder_does_not_draw_are_refused(tmp_path):
    model, tables = small_model(), frequency_tables(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"size is \(999, 1\) and the decoder draws \(8, 6\)"):
        write_compressed(tmp_path / "x", np.zeros((1, 4, 3, 2)), (999, 1), tables, model)
    with pytest.raises(ValueError, match=r"codes have the shape \(3, 4, 2\) and the decoder takes \(4, 3, 2\)"):
        write_compressed(tmp_path / "x", np.zeros((1, 3, 4, 2)), (8, 6), tables, model)
    assert not (tmp_path / "x").exists()


def test_codes_of_a_broken_network_are_refused():
    model = small_model()
    model.encoder.set_weights([np.full_like(weight, np.nan) for weight in model.encoder.get_weights()])
    for call in (model.codes, model.centre):
        with pytest.raises(ValueError, match="codes hold 960 values that are NaN or infinite"):
            call(IMAGES)


def test_the_loss_counts_regularizers_and_refuses_sample_weights():
    found = []
    for strength in (0.0, 0.5):
        model = small_model()
        keras.utils.set_random_seed(0)
        model.encoder.set_weights([np.ones_like(weight) for weight in model.encoder.get_weights()])
        model.decoder.set_weights([np.ones_like(weight) for weight in model.decoder.get_weights()])
        model.decoder.layers[-1].kernel.regularizer = keras.regularizers.L2(strength)
        model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
        found.append(model.evaluate(IMAGES, IMAGES, batch_size=40, verbose=0, return_dict=True)["loss"])
    assert found[1] - found[0] == pytest.approx(0.5 * 32, rel=1e-3)  # 32 weights of 1
    with pytest.raises(ValueError, match="found sample weights"):
        model.fit(IMAGES, IMAGES, sample_weight=np.ones(40), verbose=0)


def test_the_farthest_code_is_still_pulled_back():
    codes = np.float32([[-1e4], [1e4]])
    density = FactorizedDensity()
    inputs = keras.Input((1,))
    model = keras.Model(inputs, density(keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(inputs)))
    model.compile(keras.optimizers.SGD(1e-9), lambda _, bits: ops.mean(bits), jit_compile=False)
    before = float(np.asarray(model.layers[1].kernel).item())
    model.fit(codes, codes, epochs=1, verbose=0)
    bits = np.asarray(density(codes))
    assert (bits > 500).all() and float(np.asarray(model.layers[1].kernel).item()) < before


def test_bad_input_is_told_in_one_sentence(tmp_path):
    model = small_model()
    tables = frequency_tables(np.zeros((3, 2)))
    for call, words in (
        (lambda: small_model(trade=0), "trade is 0"),
        (lambda: FactorizedDensity(components=0), "components is 0"),
        (lambda: CompressionModel(model.encoder, model.encoder), "expected the same shape"),
        (
            lambda: write_compressed(tmp_path / "x", np.zeros((2, 4, 3, 2)), (8, 6), tables[:1], model),
            "2 columns and there are 1 tables",
        ),
        (lambda: write_compressed(tmp_path / "x", np.zeros((2, 3, 2)), (8, 6), tables, model), "codes have"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
