"""The map of the course: its chapters, and which builds on which.

Introduced in chapter 00.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt

from aelib.data.folder import REPOSITORY

NOTEBOOKS = REPOSITORY / "notebooks"


@dataclass(frozen=True)
class Chapter:
    """A chapter's place on the map: `after` names the chapter it builds on, `adds` what it adds to that one."""

    number: str
    title: str
    adds: str
    after: str | None
    place: tuple[float, float]  # column and row, rows count downwards

    @property
    def present(self) -> bool:
        """Whether the chapter's notebook is there."""
        return any(NOTEBOOKS.glob(f"{self.number}_*.ipynb"))


CHAPTERS = (
    Chapter("01", "Linear", "copy through a\nnarrow layer", None, (0, 2)),
    Chapter("02", "Stacked", "depth and a\nnonlinearity", "01", (1.2, 2)),
    Chapter("02b", "Low errors", "what they do not tell", "02", (0, 3)),
    Chapter("03", "Layer by layer", "one layer at a time", "02", (0.3, 0.2)),
    Chapter("04", "Convolutional", "neighbouring pixels", "02", (1.5, 0.2)),
    Chapter("05", "Recurrent", "order in time", "02", (2.7, 0.2)),
    Chapter("06", "Denoising", "noise on the input", "02", (0.6, 3.8)),
    Chapter("07", "Sparse", "few active units", "02", (1.8, 3.8)),
    Chapter("08", "Sampling", "the decoder alone", "02", (2.5, 2)),
    Chapter("09", "Variational", "a prior on the code", "08", (3.8, 1.2)),
    Chapter("10", "beta-VAE", "pressure on the code", "09", (5.1, 1.2)),
    Chapter("11", "GAN", "a critic for\nthe decoder", "08", (3.8, 2.8)),
    Chapter("12", "DCGAN", "convolutions", "11", (5.1, 2.8)),
    Chapter("13", "Conditional", "a choice of class", "12", (5.1, 4)),
    Chapter("14", "Growing", "small pictures first", "12", (6.5, 2.8)),
    Chapter("14b", "Its devices", "one left out at a time", "14", (6.5, 4)),
    Chapter("15", "StyleGAN", "a style for each size", "14", (6.5, 1.2)),
    Chapter("15b", "Styles", "what each controls", "15", (5.1, 0.1)),
    Chapter("15c", "Editing", "directions, an encoder", "15", (6.6, 0.1)),
    Chapter("15d", "Super-resolution", "from 8×8 to 32×32", "15", (8.0, 1.2)),
    Chapter("16", "Strangers", "what does not belong", "02", (3.1, 4)),
    Chapter("16b", "One digit", "hide half, rebuild it", "16", (3.3, 5)),
    Chapter("16c", "Likelihood", "is it low for strangers?", "16", (4.8, 5)),
    Chapter("17", "Search", "what counts as alike", "06", (0.6, 5)),
    Chapter("17b", "Bits", "codes as addresses", "17", (0, 6)),
    Chapter("17c", "Clusters", "groups without labels", "17", (1.35, 6)),
    Chapter("18", "Texts", "ten numbers for a text", "17", (2.85, 6)),
    Chapter("19", "Compression", "bits, and a file", "09", (5.1, 2.0)),
    Chapter("19b", "Photographs", "against JPEG", "19", (8.0, 2.0)),
    Chapter("20", "BERT", "blanks to fill in", "06", (1.95, 5)),
    Chapter("20b", "Patches", "most of them hidden", "20", (4.4, 6)),
    Chapter("20c", "Real text", "docstrings, word vectors", "20", (2.05, 7)),
    Chapter("21", "Voices", "who speaks, and what", "06", (6.4, 5)),
    Chapter("21b", "Two codes", "what separates them", "21", (6.4, 6)),
    Chapter("21c", "Speakers", "how many to hear", "21", (7.9, 5.5)),
)


def draw_map() -> plt.Figure:
    """The chapters as boxes, an arrow from each to those that build on it; chapters to come have dashed outlines."""
    figure, axis = plt.subplots(figsize=(13, 7.1), gridspec_kw={"left": 0.01, "right": 0.99})
    boxes = {}
    for chapter in CHAPTERS:
        edge, fill = ("C0", "#DCEBF5") if chapter.present else ("0.6", "white")
        style = {"boxstyle": "round,pad=0.45", "fc": fill, "ec": edge, "ls": "-" if chapter.present else "--"}
        text = f"$\\bf{{{chapter.number}}}$ {chapter.title}\n+ {chapter.adds}"
        node = axis.text(*chapter.place, text, ha="center", va="center", fontsize=9.5, bbox=style)
        boxes[chapter.number] = node.get_bbox_patch()
    for chapter in CHAPTERS:
        if chapter.after:
            ends = {"patchA": boxes[chapter.after], "patchB": boxes[chapter.number]}
            start = next(other.place for other in CHAPTERS if other.number == chapter.after)
            axis.annotate("", chapter.place, start, arrowprops={"arrowstyle": "-|>", "color": "0.5", **ends})
    axis.set(xlim=(-0.65, 8.6), ylim=(7.4, -0.4))
    axis.axis("off")
    axis.set_title("Each chapter adds one thing (+) to the one its arrow comes from")
    return figure
