"""How the shipped network of chapter 21 is trained and measured; `benchmarks.weights` calls it."""

import keras
import numpy as np

from aelib.data import draw_speakers, draw_speech, even_speakers, log_mel, shift_voice
from aelib.measures import mel_cepstral_distortion
from aelib.training import one_cycle

SPEAKERS, EACH, EPOCHS, BATCH, RATE = 1000, 10, 60, 16, 0.006
PITCH, FORMANTS = 1.8, 1.25  # the largest factors by which the words are moved, up or down
STEPS = EPOCHS * SPEAKERS * EACH // BATCH
LESSONS_SEED = 3_000  # no seed that a chapter draws its speakers with
DATA = f"{SPEAKERS:,} speakers, {EACH} utterances each, draw_speech(draw_speakers({SPEAKERS}, s), {EACH}, s), s = 3,000"


def train(model: keras.Model, steps: int, batch: int) -> None:
    """Train a `voice_autoencoder`: pitch and formants of the words are moved, by factors drawn for each utterance.

    The voice is that of another utterance of the same speaker, another one in each epoch.
    """
    mels = draw_speech(draw_speakers(SPEAKERS, LESSONS_SEED), EACH, LESSONS_SEED).mels
    places, rng = np.arange(len(mels)), np.random.default_rng(LESSONS_SEED)
    model.compile(keras.optimizers.Adam(one_cycle(RATE, steps)), "mae", jit_compile=False, steps_per_execution=25)
    in_epoch = len(mels) // batch
    for epoch in range(-(-steps // in_epoch)):
        other = places // EACH * EACH + (places + 1 + epoch % (EACH - 1)) % EACH
        pitch, formants = (np.exp(rng.uniform(-1, 1, len(mels)) * np.log(most)) for most in (PITCH, FORMANTS))
        moved = shift_voice(mels, pitch, formants)
        left = min(in_epoch, steps - epoch * in_epoch) * batch
        model.fit([moved[:left], mels[other][:left]], mels[:left], batch_size=batch, verbose=0)


def measure(model: keras.Model) -> dict[str, float]:
    """What a card says, in decibels: conversions between twenty speakers that it never heard, against the truth.

    `converted`: ten utterances of each in the voice of the next speaker; `itself`: in the own voice, against
    the utterance.
    """
    speech = draw_speech(even_speakers(20), 10, LESSONS_SEED + 1)
    target = (speech.who + 1) % 20
    voice = np.roll(speech.mels, -10, axis=0)
    truth = log_mel(speech.waves(np.arange(200), target))
    converted, itself = (model.predict([speech.mels, x], verbose=0) for x in (voice, speech.mels))
    return {
        "converted": mel_cepstral_distortion(converted, truth),
        "itself": mel_cepstral_distortion(itself, speech.mels),
    }
