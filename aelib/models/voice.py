"""A voice in two codes, what is said and who says it: convolutions over time, with and without a speaker's statistics.

After Chou, Yeh & Lee 2019 (arXiv:1904.05742). Introduced in chapter 21.
"""

import keras
from keras import ops

from aelib.validate import is_count

STRIDE = 4  # frames to a content code
MIDDLE, SPREAD = -5.0, 2.0  # about the mean and the deviation of log-mel spectrograms
TINY = 1e-5


@keras.saving.register_keras_serializable("aelib")
class InstanceNormalization(keras.layers.Layer):
    """Each channel of each sequence to mean 0 and variance 1 over time: `(n, frames, channels)` to the same shape.

    Nothing is learned, no scale and no shift: what is the same at all frames, as much of a voice is, is gone. Ulyanov
    et al. 2016 (arXiv:1607.08022). Introduced in chapter 21.
    """

    def call(self, x):
        mean, variance = ops.moments(x, axes=[1], keepdims=True)
        return (x - mean) / ops.sqrt(variance + TINY)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("aelib")
class AdaptiveInstanceNormalization(keras.layers.Layer):
    """Instance normalization, then a scale and a shift for each channel that a speaker's code gives.

    `layer([x, speaker])`: `(n, frames, channels)` and `(n, size)` to `(n, frames, channels)`. Both are affine in the
    code; the scale is 1 plus its part. Huang & Belongie 2017 (arXiv:1703.06868). Introduced in chapter 21.
    """

    def build(self, input_shape):
        (*_, channels), (*_, size) = input_shape
        self.kernel = self.add_weight((size, 2 * channels), "glorot_uniform", name="kernel")
        self.bias = self.add_weight((2 * channels,), "zeros", name="bias")

    def call(self, inputs):
        x, speaker = inputs
        scale, shift = ops.split((ops.matmul(speaker, self.kernel) + self.bias)[:, None], 2, axis=-1)
        mean, variance = ops.moments(x, axes=[1], keepdims=True)
        return (1 + scale) * (x - mean) / ops.sqrt(variance + TINY) + shift

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def content_encoder(frames: int, bands: int, channels: int = 8, normalize: bool = True, noise: float = 0.0):
    """Log-mel spectrograms `(n, frames, bands)` to what is said, `(n, frames / 4, channels)`.

    Three convolutions over time: of four frames with stride 4, then of three codes. With `normalize` each is followed
    by instance normalization. `frames` is a multiple of 4. `noise`: the deviation of normal noise that is added to the
    code in training; the code is then normalized, too, so that it cannot grow to drown the noise out.
    """
    mels = keras.Input((frames, bands))
    x = keras.layers.Rescaling(1 / SPREAD, -MIDDLE / SPREAD)(mels)
    for number, (size, stride) in enumerate(((STRIDE, STRIDE), (3, 1), (3, 1))):
        x = keras.layers.Conv1D(96, size, stride, "same", kernel_initializer="he_normal", name=f"conv_{number}")(x)
        x = InstanceNormalization(name=f"norm_{number}")(x) if normalize else x
        x = keras.layers.Activation("silu")(x)
    x = keras.layers.Dense(channels, name="code")(x)
    x = keras.layers.GaussianNoise(noise)(InstanceNormalization(name="scale")(x)) if noise else x
    return keras.Model(mels, x, name="content")


def speaker_encoder(frames: int, bands: int, size: int = 32):
    """Log-mel spectrograms `(n, frames, bands)` to who speaks, `(n, size)`: a convolution, then a mean over time."""
    mels = keras.Input((frames, bands))
    x = keras.layers.Rescaling(1 / SPREAD, -MIDDLE / SPREAD)(mels)
    x = keras.layers.Conv1D(64, STRIDE, STRIDE, activation="silu", kernel_initializer="he_normal")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(mels, keras.layers.Dense(size, name="code")(x), name="speaker")


def voice_decoder(frames: int, bands: int, channels: int = 8, size: int = 32):
    """What is said, `(n, frames / 4, channels)`, and who speaks, `(n, size)`, to log-mel `(n, frames, bands)`."""
    content, speaker = keras.Input((frames // STRIDE, channels)), keras.Input((size,))
    x = content
    for number in range(2):
        x = keras.layers.Conv1D(256, 3, padding="same", kernel_initializer="he_normal")(x)
        x = AdaptiveInstanceNormalization(name=f"adaptive_{number}")([x, speaker])
        x = keras.layers.Activation("silu")(x)
    x = keras.layers.Reshape((frames, bands))(keras.layers.Dense(STRIDE * bands)(x))  # each code gives four frames
    return keras.Model([content, speaker], keras.layers.Rescaling(SPREAD, MIDDLE)(x), name="decoder")


def voice_autoencoder(
    frames: int, bands: int, channels: int = 8, size: int = 32, normalize: bool = True, noise: float = 0.0
) -> keras.Model:
    """What the first spectrogram says, in the voice of the second: two times `(n, frames, bands)` to one.

    Trained with an utterance as the first, *another* of the same speaker as the second, and the first again as the
    target (the paper takes the same one twice), by the mean absolute error; asked with two speakers, it converts. Its
    layers `content`, `speaker` and `decoder` are models. `normalize`, `noise`: see `content_encoder`. Raises
    `ValueError` unless the frames are a multiple of 4, for sizes below 1 and noise below 0.
    """
    if not all(map(is_count, (frames, bands, channels, size))) or frames % STRIDE or not noise >= 0:
        raise ValueError(
            f"frames is {frames!r}, bands {bands!r}, channels {channels!r}, size {size!r}, noise "
            f"{noise!r}: expected whole numbers, at least 1, frames that are a multiple of {STRIDE}, and noise ≥ 0"
        )
    words, voice = keras.Input((frames, bands), name="words"), keras.Input((frames, bands), name="voice")
    content = content_encoder(frames, bands, channels, normalize, noise)
    decoder = voice_decoder(frames, bands, channels, size)
    return keras.Model([words, voice], decoder([content(words), speaker_encoder(frames, bands, size)(voice)]))
