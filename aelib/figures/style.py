"""The course's one style: colours that people with any kind of colour vision tell apart, no frames, a light grid.

Introduced in chapter 00.
"""

import matplotlib.pyplot as plt
from matplotlib import cycler

# Okabe & Ito 2008: eight colours that people with any kind of colour vision tell apart, in an order of our own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vP*X<>"


def use_style() -> None:
    """Set the course's style for all figures that follow."""
    plt.rcParams.update(
        {
            "figure.dpi": 80,
            "figure.facecolor": "white",  # opaque: legible on a dark page
            "savefig.facecolor": "white",
            "savefig.transparent": False,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.grid": True,
            "grid.alpha": 0.25,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
            "legend.frameon": False,
        }
    )


def bare(axis) -> None:
    """No ticks, frame or grid: a picture, not a plot."""
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
