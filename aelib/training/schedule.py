"""How long to train, and at which learning rate.

Introduced in chapter 01.
"""

import math

import keras


def one_cycle(peak: float, steps: int, warm_up: float = 0.3) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning rate that climbs to `peak` during the first `warm_up` of the steps, then falls along a cosine to 0.

    `steps`: optimizer steps in all, `epochs × ceil(images / batch_size)`. After Smith & Topin 2018 (arXiv:1708.07120),
    with Keras's `CosineDecay` (Loshchilov & Hutter 2017, arXiv:1608.03983).
    """
    if peak <= 0 or steps < 1 or not 0 <= warm_up < 1:
        raise ValueError(
            f"peak {peak}, steps {steps}, warm_up {warm_up}: expected peak > 0, steps ≥ 1, 0 ≤ warm_up < 1"
        )
    climb = max(1, round(warm_up * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 25, warmup_target=peak, warmup_steps=climb, decay_steps=max(1, steps - climb)
    )


def budget(images: int, batch_size: int, shown: int) -> tuple[int, int]:
    """Epochs and optimizer steps that show a network about `shown` images, `images` an epoch; one epoch at least."""
    if min(images, batch_size, shown) < 1:
        raise ValueError(f"images {images}, batch_size {batch_size}, shown {shown}: each must be at least 1")
    epochs = max(1, round(shown / images))
    return epochs, epochs * math.ceil(images / batch_size)
