"""Drawings by matplotlib, on a page and on paper.

On a page text and lines take the page's colour through `currentColor` and an arm's colour comes as a CSS variable, so
that one drawing serves light and dark: stand-in colours are drawn, and replaced once the drawing is text. On paper, a
file of its own, the colours are those of a light page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from outcross.report.charts import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#010203"  # stands for the page's colour until the drawing is text
_BLACK = "#1b1f24"
_DPI = 150


class Paint(NamedTuple):
    """The colours of a drawing: of text and lines, and of a cell."""

    ink: str
    of: Callable[[Look], str]


PAGE = Paint(_INK, lambda look: _stand_in(look.cell))
PAPER = Paint(_BLACK, lambda look: look.light)
Draw = Callable[[Paint], "Figure"]


def _stand_in(cell: int) -> str:
    """A colour that stands for the CSS variable of a cell until the drawing is text."""
    return f"#{0x020000 + cell:06x}"


def _style(paint: Paint) -> Any:
    colours = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), paint.ink
    )
    return {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": "outcross",
        "font.size": 9,
        "axes.linewidth": 0.5,
        "xtick.major.size": 2,
        "ytick.major.size": 2,
        **colours,
    }


def on_page(draw: Draw, looks: Sequence[Look]) -> str:
    """The drawing as an element for a page: no size of its own, colours of the page."""
    from matplotlib import rc_context

    with rc_context(_style(PAGE)):
        figure = draw(PAGE)
        text = _saved(figure, "svg", transparent=True).decode()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    for look in looks:
        text = text.replace(_stand_in(look.cell), look.colour)
    head, rest = text.split(">", 1)
    wide = 72 * figure.get_figwidth()
    size = f' aria-hidden="true" style="min-width: {1.15 * wide:.0f}px; max-width: {1.4 * wide:.0f}px">'
    return re.sub(r' (width|height)="[^"]*"', "", head) + size + rest


def on_paper(draw: Draw) -> dict[str, bytes]:
    """The drawing as files, by suffix: PNG and SVG on white."""
    from matplotlib import rc_context

    with rc_context(_style(PAPER)):
        figure = draw(PAPER)
        return {suffix: _saved(figure, suffix, facecolor="white", dpi=_DPI) for suffix in ("png", "svg")}


def _saved(figure: Figure, suffix: str, **how: Any) -> bytes:
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that its own font lacks: the page's font draws the text
        figure.savefig(out, format=suffix, metadata=metadata, **how)
    return out.getvalue()


def short(label: str) -> str:
    """A label that fits above a row of pictures, with nothing in it that does not print."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in label)
    return plain if len(plain) <= 80 else f"{plain[:77]}..."
