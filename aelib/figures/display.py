"""Figures with alternative text: a sentence for readers who do not see the picture.

Introduced in chapter 00.
"""

import io

import matplotlib.pyplot as plt
from IPython.display import Image, display
from matplotlib.figure import Figure


def show(figure: Figure, alt: str) -> None:
    """Show a figure as a PNG with `alt`, a sentence that says what is to be seen, in its output's metadata.

    The background is opaque and white, so that a dark page leaves the labels legible. The figure is closed: the end of
    the cell does not show it a second time. Raises `ValueError` without a text.
    """
    display(picture(figure, alt))
    plt.close(figure)


def picture(figure: Figure, alt: str) -> Image:
    """The figure as a PNG that carries its alternative text; see `show`."""
    if not alt.strip():
        raise ValueError("alt is empty: expected a sentence that says what the figure shows")
    buffer = io.BytesIO()
    figure.patch.set_alpha(1)  # a style may have made it transparent
    figure.savefig(buffer, format="png", facecolor="white", transparent=False)
    return Image(buffer.getvalue(), alt=" ".join(alt.split()))
