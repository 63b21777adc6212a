"""Write matplotlib figures as PNG and SVG, rendering each once: `Figure.savefig` renders constrained layouts twice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from sezoo.base.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["svg_of", "write_png"]


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def svg_of(figure: Figure) -> str:
    """Return a figure as SVG, without a date or a program's name."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return text.getvalue()
