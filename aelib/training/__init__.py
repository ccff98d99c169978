"""Training: what every run shares: seed, schedule, compilation, learning curve."""

from aelib.lazy import exports

_EXPORTS = {
    "seed_everything": "seed",
    "one_cycle": "schedule",
    "budget": "schedule",
    "compile_options": "compiling",
    "restart": "optimizer",
    "LearningCurve": "learning_curve",
    "averaged": "snapshots",
    "Snapshots": "snapshots",
    "FadeIn": "fading",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = exports(__name__, _EXPORTS)
