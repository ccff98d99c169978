"""Bounds of the likelihood of images under a VAE, in nats.

Introduced in chapter 09.
"""

import numpy as np
from scipy.special import logsumexp

from aelib.models.vae import VAE, bernoulli_nats
from aelib.validate import check_finite


def log_importance_weights(vae: VAE, images, samples: int, seed: int = 0, *, nats=bernoulli_nats) -> np.ndarray:
    """log p(x | z) + log p(z) − log q(z | x) for `samples` draws of z from q(z | x) per image: `(samples, n)`, in nats.

    `images`: of 0 and 1, `(n, height, width, channels)`; raises `ValueError` for grey ones, whose likelihood is no
    probability. With another loss `nats` of the VAE, the images that it is made for, which are not checked.
    `importance_weighted_bound` makes a bound of them; the mean of all is the ELBO.
    """
    images = np.asarray(images, "float32")
    if nats is bernoulli_nats and not np.isin(images, (0, 1)).all():
        raise ValueError(
            "images hold values other than 0 and 1: the bound is one of binary images, binarise them first"
        )
    if samples < 1:
        raise ValueError(f"samples is {samples}: expected at least 1")
    mean, log_variance = vae.encoder.predict(images, batch_size=1000, verbose=0)
    rng = np.random.default_rng(seed)
    weights = []
    for _ in range(samples):
        epsilon = rng.standard_normal(mean.shape).astype("float32")
        z = mean + np.exp(0.5 * log_variance) * epsilon
        # log N(z; 0, 1) − log N(z; μ, σ²): the constants ½ log 2π cancel
        ratio = 0.5 * (np.square(epsilon) + log_variance - np.square(z)).sum(axis=1)
        distortion = np.concatenate(
            [nats(images[i : i + 1000], vae.decoder(z[i : i + 1000])) for i in range(0, len(z), 1000)]
        )
        weights.append(ratio - distortion)
    return np.stack(weights)


def importance_weighted_bound(log_weights) -> np.ndarray:
    """log of the mean of `samples` importance weights, of each image: a lower bound of log p(x), `(n,)`, in nats.

    `log_weights`: log p(x, z) − log q(z|x) of draws z from q(z|x), `(samples, n)`. With one sample its mean is the
    ELBO; with more it comes closer to log p(x) (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519). Raises
    `ValueError` for NaN or another shape. Introduced in chapter 09.
    """
    log_weights = check_finite(log_weights, "log weights").astype("float64")
    if log_weights.ndim != 2 or log_weights.size == 0:
        raise ValueError(f"log weights have the shape {log_weights.shape}: expected (samples, n), each at least 1")
    return logsumexp(log_weights, axis=0) - np.log(len(log_weights))
