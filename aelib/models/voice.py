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


def content_encoder(frames: int, bands: int, channels: int = 8, width: int = 128, normalize: bool = True):
    """Log-mel spectrograms `(n, frames, bands)` to what is said, `(n, frames / 4, channels)`.

    Three convolutions over time, of five frames, two with stride 2. With `normalize` each is followed by instance
    normalization. `frames` is a multiple of 4.
    """
    mels = keras.Input((frames, bands))
    x = keras.layers.Rescaling(1 / SPREAD, -MIDDLE / SPREAD)(mels)
    for number, stride in enumerate((1, 2, 2)):
        x = keras.layers.Conv1D(width, 5, stride, "same", kernel_initializer="he_normal", name=f"conv_{number}")(x)
        x = InstanceNormalization(name=f"norm_{number}")(x) if normalize else x
        x = keras.layers.Activation("relu")(x)
    return keras.Model(mels, keras.layers.Conv1D(channels, 1, name="code")(x), name="content")


def speaker_encoder(frames: int, bands: int, size: int = 32, width: int = 128):
    """Log-mel spectrograms `(n, frames, bands)` to who speaks, `(n, size)`: convolutions, then a mean over time."""
    mels = keras.Input((frames, bands))
    x = keras.layers.Rescaling(1 / SPREAD, -MIDDLE / SPREAD)(mels)
    for stride in (1, 2, 2):
        x = keras.layers.Conv1D(width, 5, stride, "same", activation="relu", kernel_initializer="he_normal")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(mels, keras.layers.Dense(size, name="code")(x), name="speaker")


def voice_decoder(frames: int, bands: int, channels: int = 8, size: int = 32, width: int = 128):
    """What is said, `(n, frames / 4, channels)`, and who speaks, `(n, size)`, to log-mel `(n, frames, bands)`."""
    content, speaker = keras.Input((frames // STRIDE, channels)), keras.Input((size,))
    x = keras.layers.Conv1D(width, 5, padding="same", kernel_initializer="he_normal")(content)
    for number in range(3):
        if number:
            x = keras.layers.UpSampling1D(2)(x)
            x = keras.layers.Conv1D(width, 5, padding="same", kernel_initializer="he_normal")(x)
        x = AdaptiveInstanceNormalization(name=f"adaptive_{number}")([x, speaker])
        x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv1D(bands, 5, padding="same")(x)
    return keras.Model([content, speaker], keras.layers.Rescaling(SPREAD, MIDDLE)(x), name="decoder")


def voice_autoencoder(
    frames: int, bands: int, channels: int = 8, size: int = 32, width: int = 128, normalize: bool = True
) -> keras.Model:
    """What the first spectrogram says, in the voice of the second: two times `(n, frames, bands)` to one.

    Trained with an utterance as the first, *another* of the same speaker as the second, and the first again as the
    target (the paper takes the same one twice), by the mean absolute error; asked with two speakers, it converts. Its
    layers `content`, `speaker` and `decoder` are models. `normalize`: instance normalization in the content encoder.
    Raises `ValueError` unless the frames are a multiple of 4, and for sizes below 1.
    """
    if not all(map(is_count, (frames, bands, channels, size, width))) or frames % STRIDE:
        raise ValueError(
            f"frames is {frames!r}, bands {bands!r}, channels {channels!r}, size {size!r}, width {width!r}: expected "
            f"whole numbers, at least 1, and frames that are a multiple of {STRIDE}"
        )
    words, voice = keras.Input((frames, bands), name="words"), keras.Input((frames, bands), name="voice")
    content = content_encoder(frames, bands, channels, width, normalize)
    decoder = voice_decoder(frames, bands, channels, size, width)
    return keras.Model([words, voice], decoder([content(words), speaker_encoder(frames, bands, size, width)(voice)]))
