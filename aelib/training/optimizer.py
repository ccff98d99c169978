"""Start a compiled model anew, without compiling it anew.

Introduced in chapter 03.
"""

import keras
import numpy as np

from aelib.models.restarting import reset_optimizer


def restart(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Give a compiled model these weights, and its optimizer its initial state: the next `fit` starts anew.

    One compiled model trains several times this way, without the second that tracing a new one costs. `weights`: as
    `model.get_weights()` returns them. Introduced in chapter 03.
    """
    model.set_weights(weights)
    reset_optimizer(model.optimizer, model.trainable_variables)
