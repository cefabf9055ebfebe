"""Histograms of a dataset as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mrfashion.describe_facts import Distribution
from mrfashion.figures import GRID, STYLE, printable, write_svg
from mrfashion.pages import remove_others

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "plots"
COLOUR = "#0b5394"
VIEW_EDGES = (-135, -45, 45, 135)
VIEW_NAMES = {-157.5: "back", -90: "left", 0: "front", 90: "right", 157.5: "back"}


def draw_distributions(distributions: tuple[Distribution, ...], out: Path) -> tuple[str, ...]:
    """Write a histogram of each below `out` => their paths, in order."""
    import matplotlib as mpl

    paths = []
    with mpl.rc_context(STYLE):
        for number, distribution in enumerate(distributions, 1):
            paths.append(f"{FOLDER}/distribution-{number:02d}.svg")
            write_svg(out / paths[-1], _figure(distribution))
    remove_others(out / FOLDER, {Path(path).name for path in paths}, ".svg")
    return tuple(paths)


def _figure(distribution: Distribution) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(3.6, 2.0), layout="constrained")
    axis = figure.subplots()
    axis.set_title(printable(distribution.title))
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    bars = distribution.bars
    if all(low == high for low, high, _ in bars):
        axis.bar(range(len(bars)), [n for *_, n in bars], width=0.6, color=COLOUR)
        axis.set_xticks(range(len(bars)), [f"{low:.4g}" for low, *_ in bars])
        spare = max(0.8, 2.5 - len(bars) / 2)  # a single bar does not fill the panel
        axis.set_xlim(-spare, len(bars) - 1 + spare)
    else:
        lows = [low for low, *_ in bars]
        widths = [high - low for low, high, _ in bars]
        axis.bar(lows, [n for *_, n in bars], widths, align="edge", color=COLOUR, edgecolor="white")
    if distribution.key == "yaw_deg":
        _mark_views(axis)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure


def _mark_views(axis: Axes) -> None:
    axis.set_xlim(-180, 180)
    axis.set_xticks([-180, -135, -45, 45, 135, 180])
    top = axis.get_ylim()[1] * 1.15
    axis.set_ylim(0, top)
    for edge in VIEW_EDGES:
        axis.axvline(edge, color="#888888", linewidth=0.8, linestyle="--")
    for at, name in VIEW_NAMES.items():
        axis.text(at, top, name, ha="center", va="top", fontsize=7, color="#444444")
