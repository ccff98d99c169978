"""Learning curves as axes: loss and validation loss against the epoch.

Introduced in chapter 01.
"""

from matplotlib.ticker import LogLocator


def draw_curves(axis, curves: dict[str, tuple[list[float], list[float]]], *, ylabel: str = "loss") -> None:
    """Losses against the epoch, one solid and one dashed, on a logarithmic scale; name and last value at their ends.

    `curves`: a name as in Keras's logs (`"loss"`, `"val_loss"`; `"generator_loss"`, `"discriminator_loss"`) to
    (epochs, values). A loss that is not above 0 everywhere makes the scale linear.
    """
    beside = axis.get_yaxis_transform()  # x as a share of the axes' width, y as the data's
    top = max(curves, key=lambda name: curves[name][1][-1], default=None)
    for (name, (epochs, values)), style in zip(curves.items(), ("o-", "s--"), strict=False):
        (line,) = axis.plot(epochs, values, style, ms=3)
        text, place = f"{curve_name(name)}:\n{values[-1]:.3g}", (1, values[-1])
        # Of two, the upper label ends and the lower one begins at its line, so that they never meet.
        where = "center" if len(curves) == 1 else "bottom" if name == top else "top"
        label = {"color": line.get_color(), "va": where, "fontsize": 9}
        axis.annotate(text, place, (5, 0), xycoords=beside, textcoords="offset points", **label)
    axis.set(xlabel="epoch", ylabel=ylabel)
    if any(value <= 0 for _, values in curves.values() for value in values):
        axis.set_yscale("linear")
    elif curves:
        axis.set_yscale("log")
        shown = [value for _, values in curves.values() for value in values if value > 0]
        subs = (1, 2, 3, 5) if max(shown, default=1) <= 100 * min(shown, default=1) else (1,)  # a wide range: decades
        for which in (axis.yaxis.set_major_locator, axis.yaxis.set_minor_locator):
            which(LogLocator(subs=subs))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("")
    axis.xaxis.get_major_locator().set_params(integer=True)


def curve_name(log: str) -> str:
    """What a loss of Keras's logs is called in a figure: `"val_loss"` is the validation's, `"loss"` the training's."""
    return {"loss": "training", "val_loss": "validation"}.get(log, log.removesuffix("_loss"))
