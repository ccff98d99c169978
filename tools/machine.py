"""What the machine has: cores, memory, a processor's name, and the rate of its matrix products.

Standard library only; the rate alone is NumPy's, measured in a process of its own.
"""

import math
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

# One thread per process. Read when NumPy or TensorFlow are imported: set them before.
ONE_THREAD = dict.fromkeys(
    (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
WORKER_BYTES = 2 * 2**30  # what a notebook may take


def cores() -> int:
    """The processor cores that this process may use: its affinity, and the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = re.match(r"(\d+) (\d+)", _text("/sys/fs/cgroup/cpu.max"))  # or "max 100000"
    return max(1, min(allowed, int(quota[1]) // int(quota[2]))) if quota else allowed


def memory() -> int | None:
    """Bytes that processes may still take (where only the whole memory is known, that); None if neither is known."""
    found = [int(kib) * 1024 for kib in re.findall(r"^MemAvailable:\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)]
    if not found and (total := _windows_memory() if sys.platform == "win32" else _unix_memory()):
        found = [total]
    limits = (_text("/sys/fs/cgroup/memory.max"), _text("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    return min(found + [int(limit) for limit in limits if limit.isdecimal()], default=None)


def workers() -> int:
    """How many notebooks run at a time: as many as cores, as far as memory allows, at least one."""
    available = memory()
    return cores() if available is None else max(1, min(cores(), available // WORKER_BYTES))


def processor() -> str:
    """The processor's model, in plain words."""
    name = ""
    if sys.platform == "darwin":
        asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        name = asked.stdout
    elif sys.platform == "win32":
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            name = winreg.QueryValueEx(key, "ProcessorNameString")[0]
    elif found := re.search(r"^model name\s*:(.*)$", _text("/proc/cpuinfo"), re.MULTILINE):
        name = found[1]
    name = re.sub(r"\((?:R|TM)\)|\bCPU\b|\bProcessor\b|@.*$", " ", name, flags=re.IGNORECASE)
    return " ".join(name.split()) or platform.processor() or platform.machine()


def gflops() -> float:
    """Billions of operations a second in float32 matrix products on all cores.

    It is measured in a process of its own, because the caller may have been held to one thread. Measure it before
    other work starts.
    """
    env = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    done = subprocess.run([sys.executable, __file__], env=env, capture_output=True, text=True, check=True)
    return round(float(done.stdout), 1)


def _rate(size: int = 1500, seconds: float = 1.0) -> float:
    """The best of several products of two square matrices; one takes 2 size³ operations."""
    import numpy as np

    matrix = np.ones((size, size), "float32")
    best, count, started = math.inf, 0, time.perf_counter()
    while count < 5 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        matrix @ matrix
        best, count = min(best, time.perf_counter() - before), count + 1
    return 2e-9 * size**3 / best


def _text(path: str) -> str:
    """A file's text; nothing where there is no such file."""
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return ""


def _unix_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _windows_memory() -> int | None:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "available", "page_total", "page", "virtual_total", "virtual", "extended")
        ]

    status = Status(length=ctypes.sizeof(Status))
    return status.available if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else None


if __name__ == "__main__":
    print(_rate())
