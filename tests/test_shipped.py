"""Networks that come with the course: they load, are those of their cards, and do what the cards say."""

import json

import numpy as np
import pytest

from aelib.models import load_shipped, shipped, shipped_card, shipped_names, style_generator
from benchmarks import face_weights, voice_weights, weights, word_weights

NAMES = shipped_names()
LIMIT = 2_000_000  # bytes, all together


def test_every_recipe_has_a_card_and_weights_and_all_are_small():
    assert sorted(weights.RECIPES) == NAMES
    files = [path for path in shipped.FOLDER.iterdir() if path.suffix in (".npz", ".json")]
    assert len(files) == 2 * len(NAMES)
    assert sum(path.stat().st_size for path in files) < LIMIT


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_how_its_network_came_about(name):
    told = shipped_card(name)
    recipe = weights.RECIPES[name]
    assert (told["builder"], told["arguments"]) == (recipe.builder, recipe.arguments)
    assert told["command"] == f"python course.py weights {name}"
    lessons = recipe.module()
    assert (told["steps"], told["batch"], told["data"]) == (lessons.STEPS, lessons.BATCH, lessons.DATA)
    assert 0 < told["seconds"] <= 20 * 60
    assert {"commit", "data", "date", "machine", "sha256", "numbers"} <= set(told)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("style_faces")])
def test_a_shipped_generator_gives_the_numbers_of_its_card(name):
    found, told = face_weights.measure(load_shipped(name)), shipped_card(name)["numbers"]
    np.testing.assert_allclose(found["bands"], told["bands"], rtol=0.02)
    # the reader that these two go through is trained anew on each machine
    assert found["frechet"] == pytest.approx(told["frechet"], rel=0.4)
    assert found["redrawing"] == pytest.approx(told["redrawing"], rel=0.2)


def test_the_shipped_voices_give_the_numbers_of_their_card():
    found, told = voice_weights.measure(load_shipped("voices")), shipped_card("voices")["numbers"]
    assert found == pytest.approx(told, rel=0.01)
    assert found["converted"] < 8


def test_the_shipped_words_give_the_numbers_of_their_card():
    told = shipped_card("words")
    words, pieces = word_weights.lessons()
    found = word_weights.measure(load_shipped("words"))
    if tuple(told["words"].split()) == words:  # the same docstrings: other versions of the packages have others
        assert found == pytest.approx(told["numbers"], rel=0.01)
        assert pieces["train"].shape[0] > 25_000
    assert found["loss"] < 4.5 and found["top_1"] > 0.25


def test_the_card_of_the_words_has_a_vocabulary_and_a_curve_that_falls():
    told = shipped_card("words")
    assert len(set(told["words"].split())) == told["arguments"]["words"]
    assert [int(step) for step in told["curve"]] == list(word_weights.LOOKS)
    losses = list(told["curve"].values())
    assert losses[-1] == min(losses) < 4 < losses[0]


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"no network is called 'faces': the course comes with style_faces, .*voices"):
        load_shipped("faces")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    arguments = {"image_shape": [16, 16, 3], "noise_size": 5, "widths": [4, 3]}
    network = style_generator(**arguments)
    shipped.halve_precision(network)
    shipped.keep_shipped("small", network, {"builder": "style_generator", "arguments": arguments})
    return network


def test_what_is_kept_comes_back(kept):
    loaded = load_shipped("small")
    for before, after in zip(kept.trainable_variables, loaded.trainable_variables, strict=True):
        np.testing.assert_array_equal(before, after)
    assert shipped_names() == ["small"]


def test_a_file_that_is_not_the_card_s_is_refused(kept):
    path = shipped.FOLDER / "small.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=r"small.npz is not the one that its card describes: .*course.py weights small"
    ):
        load_shipped("small")
    path.unlink()
    with pytest.raises(ValueError, match=r"small.npz is missing"):
        load_shipped("small")


def test_training_keeps_a_network_with_its_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(face_weights, "measure", lambda generator: {"weights": len(generator.trainable_variables)})
    assert weights.main(["style_faces", "--here", "--steps", "2"]) == 0
    told = json.loads((tmp_path / "style_faces.json").read_text("utf-8"))
    assert told["numbers"]["weights"] == len(load_shipped("style_faces").trainable_variables)
    assert told["steps"] == 2
    assert "style_faces: " in capsys.readouterr().out


def test_a_converter_of_voices_is_trained_for_as_many_steps_as_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    monkeypatch.setattr(voice_weights, "SPEAKERS", 4)  # 40 utterances, two steps an epoch
    seen = []
    monkeypatch.setattr(voice_weights, "measure", lambda model: {"steps": seen.append(model) or 3})
    assert weights.main(["voices", "--here", "--steps", "3"]) == 0
    assert int(seen[0].optimizer.iterations) == 3
    assert json.loads((tmp_path / "voices.json").read_text("utf-8"))["steps"] == 3
    mels = np.random.default_rng(0).normal(size=(2, 64, 64)).astype("float32")
    np.testing.assert_allclose(load_shipped("voices")([mels, mels]), seen[0]([mels, mels]), atol=1e-4)


@pytest.mark.parametrize(("arguments", "message"), [(["faces"], "no network is called"), (["--steps", "0"], "0 steps")])
def test_what_cannot_be_trained_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        weights.main(arguments)
    assert message in capsys.readouterr().err
