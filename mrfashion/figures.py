"""How our plots look, and how they reach the disk: SVG, the same bytes for the same values."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrfashion.artefacts import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE: Any = {  # matplotlib types each key by itself
    "svg.hashsalt": "mrfashion",  # else element ids are random
    "svg.fonttype": "path",
    "text.parse_math": False,  # a name may hold dollar signs
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
}
GRID = "#dddddd"


def write_svg(path: Path, figure: Figure) -> None:
    """Write a figure without a clock in it; draw it under `matplotlib.rc_context(STYLE)`."""
    data = io.BytesIO()
    figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None})
    write_atomic(path, data.getvalue())


def printable(name: str, characters: int = 28) -> str:
    """A name that cannot widen or break a picture; the tables have it whole."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= characters else text[: characters - 1] + "…"
