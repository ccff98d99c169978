"""How the shipped network of chapter 20c is trained and measured; `benchmarks.weights` calls it."""

from functools import cache

import keras
import numpy as np
from keras import ops

from aelib.data import file_parts, load_docstrings, token_pieces, token_words
from aelib.measures import BlankScores, blank_scores
from aelib.models import mask_words
from aelib.training import one_cycle

WORDS, LENGTH, SHARE, BATCH, RATE = 3000, 32, 0.15, 64, 0.008
STEPS = 12_500
LESSONS_SEED = 3_000  # no seed that a chapter hides words with
DATA = f"load_docstrings(), the files of parts 2 to 9 (file_parts): pieces of {LENGTH} words, {SHARE:.0%} hidden anew"
STEPS_A_LOOK = 20
LOOKS = (20, 40, 60, 80, 100, 140, 200, 280, 400, 560, 800, 1120, 1600, 2260, 3200, 4520, 6400, 9040, STEPS)  # steps


@cache
def lessons() -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The vocabulary, and pieces of texts: of files to learn from, of those for validation, and of those for tests."""
    texts = load_docstrings()
    documents = np.array(texts.x_train + texts.x_valid + texts.x_test, dtype=object)
    parts = file_parts(np.concatenate([texts.source_train, texts.source_valid, texts.source_test]))
    words = token_words(list(documents[parts > 1]), WORDS)
    chosen = {"train": parts > 1, "valid": parts == 1, "test": parts == 0}
    return words, {name: token_pieces(list(documents[those]), words, LENGTH)[0] for name, those in chosen.items()}


def train(model: keras.Model, steps: int, batch: int) -> dict:
    """Train a `masked_language_model`: in each epoch other words are hidden, and the pieces come in another order.

    Returns what the card says besides: the words in the order of their tokens, and the loss on a thousand blanks of
    files for validation, by the number of steps.
    """
    words, pieces = lessons()
    rng, blanks, curve = np.random.default_rng(LESSONS_SEED), single_blanks(pieces["valid"][:1000]), {}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = keras.optimizers.Adam(one_cycle(RATE, steps, warm_up=0.1), beta_2=0.98)
    model.compile(adam, loss, jit_compile=True, steps_per_execution=STEPS_A_LOOK)

    def look(batch, logs=None) -> None:
        if int(adam.iterations) in LOOKS:
            curve[int(adam.iterations)] = round(scores(model, *blanks).loss, 3)

    in_epoch = len(pieces["train"]) // batch // STEPS_A_LOOK * STEPS_A_LOOK
    for epoch in range(-(-steps // in_epoch)):
        order = rng.permutation(len(pieces["train"]))[: min(in_epoch, steps - epoch * in_epoch) * batch]
        shown, places, answers = mask_words(pieces["train"][order], WORDS, SHARE, LESSONS_SEED + epoch)
        watch = [keras.callbacks.LambdaCallback(on_train_batch_end=look)]
        model.fit([shown, places], answers, batch_size=batch, shuffle=False, verbose=0, callbacks=watch)
    return {"curve": curve, "words": " ".join(words)}


def single_blanks(pieces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One blank in each piece, at a word that is known: what is shown, the places `(n, 1)`, the answers `(n,)`."""
    rng = np.random.default_rng(LESSONS_SEED)
    places = np.where(pieces > 0, rng.random(pieces.shape), 0).argmax(axis=1)[:, None].astype("int32")
    shown = pieces.copy()
    np.put_along_axis(shown, places, WORDS, axis=1)
    return shown, places, np.take_along_axis(pieces, places, axis=1)[:, 0]


def scores(model: keras.Model, shown, places, answers) -> BlankScores:
    """How well the model fills such blanks."""
    guesses = model.predict([shown, places], batch_size=500, verbose=0)
    return blank_scores(ops.convert_to_numpy(ops.softmax(guesses))[:, 0], answers)


def measure(model: keras.Model) -> dict[str, float]:
    """What a card says: one blank in each piece of files that it never saw, at a word that it knows."""
    found = scores(model, *single_blanks(lessons()[1]["test"]))
    return {key: round(value, 4) for key, value in found._asdict().items()}
