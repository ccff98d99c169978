"""The discretized logistic distribution of a grey level, as a loss of decoders.

Introduced in chapter 16c.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("aelib")
def logistic_nats(images, parameters):
    """−log p(x | z) of each image of 256 grey levels, in nats, summed over the pixels: a loss for `compile`.

    `images`: multiples of 1/255 in [0, 1], `(n, height, width, channels)`; `parameters`: the decoder's, with twice as
    many channels: first the means, then the logarithms of the scales, both where images have 0 to 1. Returns `(n,)`.

    A level's probability is that of its interval, half a level to either side, under the logistic distribution; the
    lowest and the highest level get all that lies beyond. So the 256 add up to 1. Scales are kept above e⁻⁷, a quarter
    of a level. Introduced in chapter 16c. Salimans et al. 2017 (arXiv:1701.05517), section 2.1.
    """
    images, parameters = ops.cast(images, "float32"), ops.cast(parameters, "float32")
    mean, log_scale = ops.split(parameters, 2, axis=-1)
    narrow = ops.exp(-ops.clip(log_scale, -7, 7)) / 255  # a level's width, in scales
    above = (255 * (images - mean) + 0.5) * narrow  # the interval's upper end, as a distance from the mean
    below = above - narrow
    under, over = ops.log_sigmoid(above), ops.log_sigmoid(-below)  # log P(x ≤ upper end), log P(x > lower end)
    inside = under + over + ops.log(-ops.expm1(-narrow))  # log(σ(a) − σ(b)), exact also where both are near 0 or 1
    nats = -ops.where(images < 0.5 / 255, under, ops.where(images > 254.5 / 255, over, inside))
    return ops.sum(nats, axis=(1, 2, 3))
