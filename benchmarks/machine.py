"""The machine that a benchmark ran on: what it is, and how many floating-point operations a second it can do."""

import contextlib
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import tensorflow as tf

SIDE = 2048


@dataclass(frozen=True)
class Machine:
    """`gigaflops`: the measured rate of float32 matrix products, in 10⁹ operations a second."""

    processor: str
    cores: int
    gigaflops: float
    python: str
    tensorflow: str
    keras: str

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.gigaflops:.0f} GFLOP/s in float32 matrix products; "
            f"Python {self.python}, TensorFlow {self.tensorflow}, Keras {self.keras}"
        )


def describe() -> dict:
    """This machine, as it goes into a result."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = platform.python_version(), tf.__version__, keras.__version__
    return asdict(Machine(_processor(), cores, matrix_product_rate(), *versions))


def matrix_product_rate(dtype: str = "float32", repeats: int = 10) -> float:
    """Operations a second, in 10⁹, of a product of two matrices 2048 × 2048: the best of `repeats`, after a first one.

    The best, because whatever else runs on the machine can only slow it down.
    """
    a, b = (tf.cast(tf.random.stateless_normal((SIDE, SIDE), (i, 0)), dtype) for i in (0, 1))
    product = tf.function(lambda a, b: tf.reduce_sum(tf.cast(tf.matmul(a, b), "float32")))
    product(a, b).numpy()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        product(a, b).numpy()
        seconds.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(seconds) / 1e9


@contextlib.contextmanager
def mixed_if_faster():
    """A policy of mixed precision for the models built inside, if this machine multiplies bfloat16 faster."""
    before = keras.config.dtype_policy()
    faster = matrix_product_rate("bfloat16") > 1.2 * matrix_product_rate()
    keras.config.set_dtype_policy("mixed_bfloat16" if faster else "float32")
    try:
        yield keras.config.dtype_policy().name
    finally:
        keras.config.set_dtype_policy(before)


def _processor() -> str:
    """Its name, if the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
