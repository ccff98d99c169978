"""How to compile a model so that it trains fast on a CPU.

Introduced in chapter 04.
"""

import math

import keras

STEPS_PER_EXECUTION = 16  # steps that run in one call from Python

# After how many steps XLA has paid for the seconds that it compiles, by family, on a core with AVX2: docs/SPEED.md.
# Random numbers and sorting are so slow inside XLA that a small step of theirs is slower with it, whatever the number
# of steps; a GAN draws random numbers, too, but its convolutions gain more than they cost.
PAYS_FROM = {
    "dense": 1_000,
    "convolutional": 1_000,
    "recurrent": 400,
    "gan": 400,
    "growing gan": math.inf,
    "random": math.inf,
    "top-k": math.inf,
}


def compile_options(family: str, steps: int) -> dict[str, bool | int]:
    """What to give `compile(…)` beside optimizer and loss: 16 steps per call, and XLA if it pays.

    `family`: what the model is made of: `"dense"`, `"convolutional"`, `"recurrent"`, `"gan"` (a DCGAN),
    `"growing gan"`, `"random"` if a layer draws random numbers at every step (noise, dropout, the sampling of a VAE),
    or `"top-k"` if one keeps the k largest codes. `steps`: how many optimizer steps it will train. XLA makes a step
    faster and takes seconds to compile it: many steps pay for that. On JAX every model is compiled: otherwise a step
    runs operation by operation.
    Raises `ValueError` for another family, and unless `steps` is at least 1.
    """
    if family not in PAYS_FROM or steps < 1:
        raise ValueError(
            f"found family {family!r} and {steps} steps: expected one of {', '.join(map(repr, PAYS_FROM))}, and at "
            "least one step"
        )
    pays = steps >= PAYS_FROM[family] or keras.backend.backend() == "jax"
    return {"jit_compile": pays, "steps_per_execution": STEPS_PER_EXECUTION}
