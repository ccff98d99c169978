"""Learning curves as axes: loss and validation loss against the epoch.

Introduced in chapter 01.
"""

from matplotlib.ticker import LogLocator


def draw_curves(axis, curves: dict[str, tuple[list[float], list[float]]], *, ylabel: str = "loss") -> None:
    """Loss (solid) and validation loss (dashed) against the epoch, on a logarithmic scale, the last values written.

    `curves`: `"loss"` and, if there is one, `"val_loss"` to (epochs, values).
    """
    for (name, (epochs, values)), style in zip(curves.items(), ("o-", "s--"), strict=False):
        label = {"loss": "training", "val_loss": "validation"}.get(name, name)
        axis.plot(epochs, values, style, ms=3, label=f"{label}: {values[-1]:.3g}")
    axis.set(xlabel="epoch", ylabel=ylabel)
    if curves:
        axis.set_yscale("log")
        for which in (axis.yaxis.set_major_locator, axis.yaxis.set_minor_locator):
            which(LogLocator(subs=(1, 2, 3, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
        axis.legend()
    axis.xaxis.get_major_locator().set_params(integer=True)
