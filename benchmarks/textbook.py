"""The textbook's networks and settings, written out in plain Keras 3.

After A. Géron, Hands-On Machine Learning (3rd edition, O'Reilly 2022), chapter 17: the layers, Nadam or RMSprop with
their default rates, batches of 32 (of 128 for the VAE), the number of epochs. Nothing is taken from `aelib`. Each
function returns a compiled model; `families.py` has batch sizes and epochs. An autoencoder is
`Sequential([encoder, decoder])`.
"""

import keras
from keras import layers, ops


def _compiled(encoder: list, decoder: list, input_shape=(28, 28), corruption=()) -> keras.Model:
    """Encoder and decoder, each a list of layers, as one model with Nadam and the mean squared error."""
    encoder = keras.Sequential([keras.Input(input_shape), *corruption, *encoder], name="encoder")
    decoder = keras.Sequential([keras.Input(encoder.output_shape[1:]), *decoder], name="decoder")
    model = keras.Sequential([encoder, decoder])
    model.compile(loss="mse", optimizer="nadam")
    return model


def _to_pixels(*hidden: int) -> list:
    return [*(layers.Dense(units, "relu") for units in hidden), layers.Dense(28 * 28), layers.Reshape((28, 28))]


def stacked() -> keras.Model:
    """784-100-30-100-784, ReLU, also at the code."""
    return _compiled([layers.Flatten(), layers.Dense(100, "relu"), layers.Dense(30, "relu")], _to_pixels(100))


class Transposed(layers.Layer):
    """A dense layer that uses another's kernel, transposed, and has a bias of its own."""

    def __init__(self, dense, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.activation = dense, keras.activations.get(activation)

    def build(self, input_shape):
        self.biases = self.add_weight(name="bias", shape=(self.dense.kernel.shape[0],), initializer="zeros")

    def call(self, inputs):
        return self.activation(ops.matmul(inputs, ops.transpose(self.dense.kernel)) + self.biases)


def tied() -> keras.Model:
    """The stacked one with tied kernels."""
    first, second = layers.Dense(100, "relu"), layers.Dense(30, "relu")
    decoder = [Transposed(second, "relu"), Transposed(first), layers.Reshape((28, 28))]
    return _compiled([layers.Flatten(), first, second], decoder)


def convolutional() -> keras.Model:
    """16, 32 and 64 maps, max-pooled, the mean of each of 30 maps as the code; transposed convolutions up."""
    encoder = [layers.Reshape((28, 28, 1))]
    for filters in (16, 32, 64):
        encoder += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPool2D(2)]
    encoder += [layers.Conv2D(30, 3, padding="same", activation="relu"), layers.GlobalAvgPool2D()]
    decoder = [
        layers.Dense(3 * 3 * 16),
        layers.Reshape((3, 3, 16)),
        layers.Conv2DTranspose(32, 3, strides=2, activation="relu"),
        layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
        layers.Reshape((28, 28)),
    ]
    return _compiled(encoder, decoder)


def recurrent() -> keras.Model:
    """Rows as steps: LSTMs of 100 and 30 units, `RepeatVector`, an LSTM of 100."""
    decoder = [layers.RepeatVector(28), layers.LSTM(100, return_sequences=True), layers.Dense(28)]
    return _compiled([layers.LSTM(100, return_sequences=True), layers.LSTM(30)], decoder)


def denoising() -> keras.Model:
    """The stacked one behind a Dropout of one half."""
    encoder = [layers.Flatten(), layers.Dropout(0.5), layers.Dense(100, "relu"), layers.Dense(30, "relu")]
    return _compiled(encoder, _to_pixels(100))


L1_WEIGHT = 1e-4
KL_TARGET, KL_WEIGHT = 0.1, 5e-3


def sparse_l1() -> keras.Model:
    """784-100-300-100-784 with sigmoids at the code and an L1 penalty on them."""
    code = [layers.Dense(300, "sigmoid"), layers.ActivityRegularization(l1=L1_WEIGHT)]
    return _compiled([layers.Flatten(), layers.Dense(100, "relu"), *code], _to_pixels(100))


class KLDivergence(keras.regularizers.Regularizer):
    """KL from the target to the mean activities of the batch. (Keras divides what it returns by the batch size.)"""

    def __call__(self, inputs):
        mean = ops.mean(inputs, axis=0)
        target = ops.full_like(mean, KL_TARGET)
        divergence = keras.losses.kl_divergence
        return KL_WEIGHT * (divergence(target, mean) + divergence(1 - target, 1 - mean))


def sparse_kl() -> keras.Model:
    """The same with a penalty on the mean activities."""
    code = layers.Dense(300, "sigmoid", activity_regularizer=KLDivergence())
    return _compiled([layers.Flatten(), layers.Dense(100, "relu"), code], _to_pixels(100))


class DrawCodes(layers.Layer):
    """Draws from the posterior, and adds its divergence from the prior, per pixel, to the loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs):
        mean, log_var = inputs
        divergence = -0.5 * ops.sum(1 + log_var - ops.exp(log_var) - ops.square(mean), axis=-1)
        self.add_loss(ops.mean(divergence) / 784.0)
        return mean + ops.exp(log_var / 2) * keras.random.normal(ops.shape(mean), seed=self.seed_generator)


def variational() -> keras.Model:
    """784-150-100-10-100-150-784 with the mean squared error for the reconstruction."""
    images = keras.Input((28, 28))
    x = layers.Flatten()(images)
    for units in (150, 100):
        x = layers.Dense(units, "relu")(x)
    codes = DrawCodes()([layers.Dense(10)(x), layers.Dense(10)(x)])
    encoder = keras.Model(images, codes, name="encoder")
    decoder = keras.Sequential([keras.Input((10,)), *_to_pixels(100, 150)], name="decoder")
    model = keras.Model(images, decoder(encoder(images)))
    model.compile(loss="mse", optimizer="nadam")
    return model


def gan_networks() -> tuple[keras.Model, keras.Model]:
    """The DCGAN's generator, to images in [0, 1], and its discriminator, to logits. Noise: 100 numbers."""
    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 128),
            layers.Reshape((7, 7, 128)),
            layers.BatchNormalization(),
            layers.Conv2DTranspose(64, 5, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh"),
            layers.Rescaling(0.5, 0.5),
        ]
    )
    discriminator = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(2.0, -1.0)])
    for filters in (64, 128):
        discriminator.add(layers.Conv2D(filters, 5, strides=2, padding="same", activation=layers.LeakyReLU(0.2)))
        discriminator.add(layers.Dropout(0.4))
    discriminator.add(layers.Flatten())
    discriminator.add(layers.Dense(1))
    return generator, discriminator
