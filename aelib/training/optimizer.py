"""Start a compiled model anew, without compiling it anew.

Introduced in chapter 03.
"""

import keras
import numpy as np


def restart(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Give a compiled model these weights, and its optimizer an empty memory: the next `fit` starts anew.

    One compiled model trains several times this way, without the second that tracing a new one costs. `weights`: as
    `model.get_weights()` returns them. Introduced in chapter 03.
    """
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        if variable is not model.optimizer.learning_rate:  # a constant rate is a variable, too
            variable.assign(keras.ops.zeros_like(variable))
