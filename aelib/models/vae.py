"""Variational autoencoders: the draw, the two parts of the loss, the model, and the control of chapter 09.

All of it computes with `keras.ops` and `keras.random` alone. Introduced in chapter 09.
"""

import math
import numbers

import keras
import numpy as np
from keras import ops

from aelib.models.autoencoder import Autoencoder, init_output_bias
from aelib.models.parts import MadeOfParts
from aelib.validate import check_finite, check_sizes, flat_mean


@keras.saving.register_keras_serializable("aelib")
class Sampling(keras.layers.Layer):
    """Draws z = μ + σ ε with ε from N(0, 1), one draw per image, in training and after it: the reparameterization.

    `[mean, log_variance]`, μ and log σ², each `(n, codes)`, to z `(n, codes)`. ε does not depend on the weights, so
    that gradients pass to μ and σ. `seed`: an int makes the draws the same in every run. Introduced in chapter 09.
    Kingma & Welling 2014 (arXiv:1312.6114), section 2.4.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        mean, log_variance = inputs
        epsilon = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * epsilon

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def kl_to_prior(mean, log_variance):
    """KL(N(μ, σ²) ‖ N(0, 1)) of each code, in nats: ½ (μ² + σ² − log σ² − 1).

    `mean`, `log_variance`: μ and log σ², `(n, codes)`; the result has their shape. Its sum over the codes is the
    divergence of the whole posterior, because its codes are independent. Kingma & Welling 2014 (arXiv:1312.6114),
    appendix B.
    """
    mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1)


@keras.saving.register_keras_serializable("aelib")
def bernoulli_nats(images, probabilities):
    """−log p(x | z) of each image, in nats, *summed* over the pixels: a loss for `compile`.

    `images`: 0 or 1, or grey values that stand for the probability of a 1 (the loss is then the mean over such
    draws); `probabilities`: the decoder's; both `(n, height, width, channels)`. Returns `(n,)`.

    In float32 the sigmoid of 20 is 1, and its gradient 0. So where the last layer of the decoder is
    `Activation("sigmoid")`, as in `stacked_vae`, the nats are computed from its logits: exact, and with a gradient
    however sure the decoder is. Other probabilities are clipped to 1e-6 and 1 − 1e-6: beyond, the gradient is 0.
    """
    logits = getattr(probabilities, "_keras_logits", None)  # Keras's sigmoid leaves them there for Keras's own losses
    images = ops.cast(images, "float32")
    if logits is not None:
        nats = ops.binary_crossentropy(images, ops.cast(logits, "float32"), from_logits=True)
    else:  # clipped in float32: in half precision 1 − 1e-6 would be 1, whose log-odds are infinite
        nats = ops.binary_crossentropy(images, ops.clip(ops.cast(probabilities, "float32"), 1e-6, 1 - 1e-6))
    return ops.sum(nats, axis=(1, 2, 3))


@keras.saving.register_keras_serializable("aelib")
class VAE(MadeOfParts, keras.Model):
    """`encoder`: images to `[mean, log_variance]`, each `(n, codes)`; `decoder`: codes to images; both `keras.Model`s.

    Called on images, it draws one code for each and decodes it. In `fit` and `evaluate` it adds `beta` times the KL
    divergence from the prior, summed over the codes, mean over the images, to the loss. With `bernoulli_nats` as the
    loss in `compile`, the `loss` that `fit` reports is −ELBO in nats per image (for `beta` 1), and `kl` is its second
    part, before `beta`. A sample weight weighs both parts. `beta` can be assigned between runs. Kingma & Welling 2014
    (arXiv:1312.6114); `beta`: Higgins et al. 2017 (ICLR). Raises `ValueError` for a negative beta, and for an encoder
    and a decoder that do not belong together.
    """

    parts = ("encoder", "decoder")

    def __init__(self, encoder: keras.Model, decoder: keras.Model, beta: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        sizes = [tuple(output.shape[1:]) for output in encoder.outputs]
        if sizes != [tuple(decoder.input_shape[1:])] * 2:
            raise ValueError(
                f"the encoder gives {sizes} and the decoder takes {tuple(decoder.input_shape[1:])}: "
                "expected a mean and a log-variance, each as long as the code"
            )
        self.encoder, self.decoder = encoder, decoder
        self.sampling = Sampling()
        self.kl = keras.metrics.Mean(name="kl")
        self._nats = None  # of the last batch, between `call` and `compute_loss`
        # A variable: another beta needs no new graph.
        self._beta = self.add_weight(name="beta", shape=(), initializer="zeros", trainable=False)
        self.beta = beta
        self.build(encoder.input_shape)

    @property
    def beta(self) -> float:
        """The weight of the KL divergence; 1 is the VAE."""
        return float(self._beta)

    @beta.setter
    def beta(self, beta: float) -> None:
        """Another weight, also between two calls of `fit`. Raises `ValueError` unless it is finite and at least 0."""
        if not isinstance(beta, numbers.Real) or not math.isfinite(beta) or beta < 0:
            raise ValueError(f"beta is {beta!r}: expected a finite number, at least 0 (1 is the VAE)")
        self._beta.assign(beta)

    def build(self, input_shape):
        self.built = True  # encoder and decoder are built by their builders

    def call(self, inputs, training=None):
        mean, log_variance = self.encoder(inputs, training=training)
        self._nats = ops.sum(kl_to_prior(mean, log_variance), axis=1)  # (n,), for `compute_loss`
        return self.decoder(self.sampling([mean, log_variance]), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss given to `compile`, plus beta · KL: Keras calls this in each step, after the model."""
        nats, self._nats = self._nats, None
        if sample_weight is not None:
            nats *= ops.reshape(ops.cast(sample_weight, nats.dtype), (-1,))
        self.kl.update_state(nats)
        return super().compute_loss(x, y, y_pred, sample_weight, training) + self._beta * ops.mean(nats)

    def draw_posterior(self, images, seed: int | np.random.Generator = 0) -> np.ndarray:
        """A code per image, drawn from q(z | x): images `(n, height, width, channels)` to `(n, codes)`.

        `seed`: an int, which gives the same draws every time, or a generator, which goes on.
        """
        mean, log_variance = self.encoder.predict(images, batch_size=1000, verbose=0)
        return mean + np.exp(log_variance / 2) * np.random.default_rng(seed).standard_normal(mean.shape)

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


def stacked_vae(
    input_shape, hidden: tuple[int, ...], code_size: int, *, beta: float = 1.0, activation="silu", mean=None
) -> VAE:
    """Dense layers down to μ and log σ² of each code and, mirrored, up again. Introduced in chapter 09.

    `input_shape`: `(height, width, channels)`. `hidden`: units of the encoder's hidden layers; the decoder has the same
    in reverse. Encoder: images to `[mean, log_variance]`, each `(n, code_size)`. Decoder: codes to the probability that
    a pixel is white. `mean`: the mean training image, with which the untrained network answers. `beta`: see `VAE`.
    Raises `ValueError` for impossible sizes.
    """
    check_sizes(input_shape, code_size, *hidden)
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Flatten()(x)
    for units in hidden:
        x = keras.layers.Dense(units, activation, kernel_initializer="he_normal")(x)
    mean_of = keras.layers.Dense(code_size, name="mean")
    # σ starts at 1: each image's codes move away from the prior only as far as that pays.
    log_variance_of = keras.layers.Dense(code_size, kernel_initializer="zeros", name="log_variance")
    encoder = keras.Model(inputs, [mean_of(x), log_variance_of(x)], name="encoder")

    x = codes = keras.Input((code_size,))
    for units in reversed(hidden):
        x = keras.layers.Dense(units, activation, kernel_initializer="he_normal")(x)
    pixels = keras.layers.Dense(math.prod(input_shape), name="pixels")
    x = keras.layers.Reshape(input_shape)(pixels(x))
    decoder = keras.Model(codes, keras.layers.Activation("sigmoid")(x), name="decoder")  # last: see `bernoulli_nats`
    if mean is not None:
        init_output_bias(pixels, flat_mean(mean, input_shape), "sigmoid")
    return VAE(encoder, decoder, beta)


def as_vae(autoencoder: Autoencoder, codes, stddev: float) -> VAE:
    """An autoencoder of one code vector, read as a VAE: the control of chapter 09. Nothing is trained.

    The codes are turned and scaled so that the Gaussian fitted to `codes`, `(n, code size)`, becomes the prior
    N(0, I); every q(z|x) gets the same standard deviation, `stddev`, in these units. Reconstructions from the mean are
    the autoencoder's own. Raises `ValueError` unless stddev is more than 0 and codes outnumber their size, and for
    codes that have no density: one that is the same for all images, or follows from the others.
    """
    codes = check_finite(codes, "codes").astype("float64")
    if not stddev > 0 or codes.ndim != 2 or codes.shape[0] <= codes.shape[1]:
        raise ValueError(f"stddev {stddev}, codes {codes.shape}: expected stddev > 0, and (n, size) with n > size")
    centre, root = codes.mean(axis=0), _root_of_covariance(codes)
    size = len(centre)
    inputs, prior = keras.Input(autoencoder.encoder.input_shape[1:]), keras.Input((size,))
    whiten, unwhiten = keras.layers.Dense(size, name="mean"), keras.layers.Dense(size, name="unwhiten")
    width = keras.layers.Dense(size, kernel_initializer="zeros", name="log_variance")
    code = autoencoder.encoder(inputs)
    encoder = keras.Model(inputs, [whiten(code), width(code)], name="encoder")
    decoder = keras.Model(prior, autoencoder.decoder(unwhiten(prior)), name="decoder")
    inverse = np.linalg.inv(root).T
    whiten.set_weights([inverse, -centre @ inverse])
    unwhiten.set_weights([root.T, centre])
    width.bias.assign(np.full(size, 2 * np.log(stddev)))
    return VAE(encoder, decoder)


def _root_of_covariance(codes) -> np.ndarray:
    """L with L Lᵀ the covariance of the codes; `ValueError` if that is singular, with the codes that make it so."""
    dead = np.flatnonzero(codes.std(axis=0) <= 1e-6 * np.abs(codes).max())
    if len(dead):
        raise ValueError(
            f"codes {', '.join(map(str, dead))} of {codes.shape[1]} are the same for all images: their Gaussian has no "
            "width; train the autoencoder again, or give it a smaller code"
        )
    covariance = np.cov(codes.T).reshape(2 * codes.shape[1:])
    if np.linalg.matrix_rank(np.corrcoef(codes.T).reshape(covariance.shape), tol=1e-6) < len(covariance):
        raise ValueError(
            f"one of the {codes.shape[1]} codes is a linear function of the others: their Gaussian has no width in "
            "some direction; give the autoencoder a smaller code"
        )
    return np.linalg.cholesky(covariance)
