"""Drawings by matplotlib as SVG inside the page: text stays text, colours are those of the page, light or dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from markupsafe import Markup

from sezoo.base.figure_files import svg_of
from sezoo.base.foreign_text import to_one_line, use_plain_labels
from sezoo.report.blocks import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "INK", "MUTED", "RULE", "Drawing", "colour_of", "drawing", "legend", "remove_frame", "style_of"]

INK, MUTED, RULE, PAPER = "#101214", "#5f6771", "#d9dde2", "#fdfdfe"
COLOURS = {
    "noisy": "#767e88",
    "float": "#1f5fbe",
    "int8": "#c2531e",
    "patches": "#957202",
    "board": "#a12f7d",
    "stream": "#0c7483",
    "tflm": "#6a4fb0",
    "clean": "#2b794a",
    "good": "#2b794b",
    "bad": "#b3261f",
    "accent": "#1f5fbf",
}
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"} | {
    colour: name for name, colour in COLOURS.items()
}
"""What the page calls the colours that are drawn with here; each is written once above, so that it names one."""

DOTS_AN_INCH = 72
FONT_SIZE = 11


class Drawing:
    """A drawing in the making.

    Attributes
    ----------
    alt : what there is to see, in words; whoever draws sets it.
    picture : is there when it is done.
    """

    def __init__(self, axes: Axes, title: str):
        self.axes, self.alt = axes, title
        self.picture: Picture | None = None


@contextmanager
def drawing(name: str, title: str, caption: str = "", *, width: int = 330, height: int = 220) -> Iterator[Drawing]:
    """Yield axes to draw on.

    Parameters
    ----------
    name : unlike that of any other drawing of the page.
    width, height : in CSS pixels, which text is not scaled against.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure  # not pyplot: no display is needed, and no state is kept

    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.size": FONT_SIZE,
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "grid.color": RULE,
        "axes.unicode_minus": True,
        "axes.formatter.useoffset": False,
    }
    with mpl.rc_context(settings), use_plain_labels():
        figure = Figure(figsize=(width / DOTS_AN_INCH, height / DOTS_AN_INCH), dpi=DOTS_AN_INCH, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        axes.patch.set_visible(False)
        made = Drawing(axes, title)
        yield made
        svg = _adapt_for_page(svg_of(figure), made.alt, width, height)
    made.picture = Picture(svg, title, caption, wide=width > 400)


def remove_frame(ax: Axes, grid: str = "both") -> None:
    """Axes with as few lines as say something."""
    ax.grid(axis=grid, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=3, width=0.8, labelsize=FONT_SIZE - 1)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_linewidth(0.8)


def colour_of(version: str) -> str:
    """The colour of a version, by its name: "int8_board" has the board's."""
    model, _, way = version.partition("_")
    return COLOURS.get(way, COLOURS.get(model, COLOURS["accent"]))


def style_of(version: str) -> str:
    """The line of a version: dashed for a float model as a device runs it, whose colour is that of the int8 model."""
    model, _, way = version.partition("_")
    return "--" if model == "float" and way else "-"


def legend(ax: Axes, *, columns: int = 2) -> None:
    """A legend above the axes, where it hides nothing, in the order of its rows; none where nothing has a label."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        by_columns = [index for column in range(columns) for index in range(column, len(handles), columns)]
        ax.legend(
            [handles[index] for index in by_columns], [labels[index] for index in by_columns],
            ncols=columns, loc="lower left", bbox_to_anchor=(0, 1.01), borderaxespad=0, columnspacing=1.2,
            frameon=False, fontsize=FONT_SIZE - 1, labelcolor=INK, handlelength=1.4, borderpad=0,
        )  # fmt: skip


def _adapt_for_page(svg: str, alt: str, width: int, height: int) -> Markup:
    """Without what a file needs and a page does not; colours become the page's variables."""
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r"<svg[^>]*>", "", body, count=1)
    body = re.sub(r"#[0-9a-f]{6}\b", _variable, body)
    body = re.sub(r"font(?:-family)?: ?[^;\"]*'[^;\"]*(?=[;\"])", _without_family, body)
    body = re.sub(r"\s*<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\n\s*", "\n", body)
    head = Markup('<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{alt}">').format(
        w=width, h=height, alt=to_one_line(alt)
    )
    return head + Markup(body)  # matplotlib has escaped the texts in it


def _variable(found: re.Match[str]) -> str:
    name = VARIABLES.get(found[0])
    return f"var(--{name})" if name else found[0]


def _without_family(found: re.Match[str]) -> str:
    """Replace a font by its size, so that the page's font family applies."""
    size = re.search(r"([\d.]+)px", found[0])
    return f"font-size: {size[1]}px" if size else "font-family: inherit"
