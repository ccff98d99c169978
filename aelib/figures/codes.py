"""Codes of two numbers as a map.

Introduced in chapter 02.
"""

import matplotlib.pyplot as plt
import numpy as np

from aelib.figures.style import MARKERS
from aelib.validate import check_finite


def code_map(axis, codes, labels, class_names, title: str = "") -> None:
    """Codes `(n, 2)` as a scatter, a colour and a marker for each class, named at the class's median.

    The frame holds the central 97 % of either code and a margin: a few far codes would squeeze all others together.
    """
    codes = check_finite(codes, "codes")
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(f"codes have the shape {codes.shape} for {len(labels)} labels: expected (n, 2) and n labels")
    colours = plt.get_cmap("tab10")
    for k in range(len(class_names)):
        own = codes[np.asarray(labels) == k]
        if len(own):
            axis.scatter(
                *own.T,
                s=16,
                color=colours(k % 10),
                marker=MARKERS[(k + k // 10) % len(MARKERS)],
                alpha=0.7,
                linewidths=0,
            )
    for k, name in enumerate(class_names):
        own = codes[np.asarray(labels) == k]
        if len(own):
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": colours(k % 10), "alpha": 0.9}
            axis.text(*np.median(own, axis=0), name, ha="center", va="center", fontsize=10, weight="bold", bbox=box)
    (left, bottom), (right, top) = np.percentile(codes, (1.5, 98.5), axis=0)
    wide, high = 0.08 * (right - left) or 1.0, 0.08 * (top - bottom) or 1.0
    axis.set(xlim=(left - wide, right + wide), ylim=(bottom - high, top + high))
    axis.set(title=title, xlabel="code 1", ylabel="code 2")
