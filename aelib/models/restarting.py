"""An optimizer as it was before its first step, so that a compiled model can train anew.

Introduced in chapter 03.
"""

from collections.abc import Sequence

import keras


def reset_optimizer(optimizer: keras.optimizers.Optimizer, trainable_variables: Sequence[keras.Variable]) -> None:
    """Give every variable of `optimizer` its initial value; the next step is its first. The learning rate stays.

    `trainable_variables`: the weights that it was built for. An optimizer that has not been built yet has nothing to
    forget. Not every state starts at zero (Adagrad's sums and a loss scale do not), so the values are those of a new
    optimizer of the same configuration. Raises `ValueError` if the weights are not those it was built for.
    """
    if not optimizer.built:
        return
    new = type(optimizer).from_config(optimizer.get_config())
    new.build(list(trainable_variables))
    if [tuple(variable.shape) for variable in new.variables] != [tuple(old.shape) for old in optimizer.variables]:
        raise ValueError(
            f"{optimizer.name} was built for other weights than the {len(trainable_variables)} that are trainable now: "
            "compile the model again after layers have been frozen or freed"
        )
    for variable, initial in zip(optimizer.variables, new.variables, strict=True):
        variable.assign(initial)
