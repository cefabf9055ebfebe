"""Interval plots as SVG, the same bytes for the same board."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.clip_scores import ALL
from leaderboard.board import COPIES, Board, Cell, Column, Plot
from leaderboard.wording import REGION_TITLES, STRATUM_TITLES, column_title, direction_words
from mrfashion.figures import GRID, STYLE, printable, write_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "plots"
METHOD_COLOUR, COPY_COLOUR = "#0b5394", "#a64d00"  # apart in lightness and by marker too
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")


def draw_plots(board: Board, out: Path) -> tuple[Plot, ...]:
    """Write the plots of a board below `out`."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        plots = [_save(_intervals(board), out, "intervals.svg", *_interval_words(board))]
        if len(board.strata) > 1:
            plots.append(_save(_views(board), out, "views.svg", *_view_words(board)))
    return tuple(plots)


def _save(figure: Figure, out: Path, name: str, caption: str, alt: str) -> Plot:
    write_svg(out / FOLDER / name, figure)
    return Plot(f"{FOLDER}/{name}", caption, alt)


def _interval_words(board: Board) -> tuple[str, str]:
    level = f"{board.level:.0%}".replace("%", " %")
    caption = (
        f"All frames: mean over garment groups and {level} interval, a panel a metric. "
        "Circles are methods, squares copy per frame. The arrow points to better."
    )
    return caption, f"{caption} The numbers are those of the table above."


def _view_words(board: Board) -> tuple[str, str]:
    column = board.column(board.headline)
    where = REGION_TITLES[column.region].lower()
    caption = (
        f"{column.title}, {where}, by the view of the target frame: mean over garment groups and "
        f"interval; {direction_words(column)}."
    )
    return caption, f"{caption} The numbers are those of the tables by view."


def _intervals(board: Board) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    groups = [tuple(c for c in columns if _measured(board, c)) for columns in board.tables]
    groups = [columns for columns in groups if columns]
    wide = max(map(len, groups), default=1)
    rows = [(row, s.name == COPIES) for s in board.sections for row in s.rows]
    height = max(1, len(groups)) * (0.9 + 0.32 * len(rows))
    layout = ConstrainedLayoutEngine(h_pad=0.08, hspace=0.08)
    figure = Figure(figsize=(1.9 + 2.7 * wide, height), layout=layout)
    axes = figure.subplots(max(1, len(groups)), wide, squeeze=False, sharey=True)
    for line, panels in zip(axes, groups, strict=False):
        for index, axis in enumerate(line):
            if index >= len(panels):
                axis.set_visible(False)
                continue
            cells = [(row.cell(panels[index].metric_id, ALL), copy) for row, copy in rows]
            _panel(axis, panels[index], cells)
        line[0].set_yticks(range(len(rows)), [printable(row.entrant) for row, _ in rows])
        line[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _panel(axis: Axes, column: Column, cells: Sequence[tuple[Cell, bool]]) -> None:
    better = "→" if column.higher_is_better else "←"
    axis.set_title(f"{REGION_TITLES[column.region]}: {column_title(column)} {better}")
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.tick_params(axis="y", length=0)
    axis.locator_params(axis="x", nbins=5)
    for y, (cell, copy) in enumerate(cells):
        colour, marker = (COPY_COLOUR, "s") if copy else (METHOD_COLOUR, "o")
        _dot(axis, cell, y, colour, marker, upright=False)


def _views(board: Board) -> Figure:
    from matplotlib.figure import Figure

    column = board.column(board.headline)
    strata = [s for s in board.strata if s != ALL]
    rows = [row for section in board.sections for row in section.rows]
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    axis = figure.subplots()
    spread = 0.7 / max(1, len(rows))
    for index, row in enumerate(rows):
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        shift = (index - (len(rows) - 1) / 2) * spread
        for x, stratum in enumerate(strata):
            _dot(axis, row.cell(column.metric_id, stratum), x + shift, colour, marker, upright=True)
        axis.plot([], [], color=colour, marker=marker, linestyle="", label=printable(row.entrant))
    axis.set_xticks(range(len(strata)), [STRATUM_TITLES[s] for s in strata])
    axis.set_xlim(-0.5, len(strata) - 0.5)
    axis.set_ylabel(f"{REGION_TITLES[column.region]}: {column_title(column)}")
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    axis.tick_params(axis="x", length=0)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _dot(axis: Axes, cell: Cell, at: float, colour: str, marker: str, *, upright: bool) -> None:
    if cell.value is None:
        return
    if cell.low is not None and cell.high is not None:
        ends, same = (cell.low, cell.high), (at, at)
        axis.plot(*((same, ends) if upright else (ends, same)), color=colour, linewidth=2)
    point = (at, cell.value) if upright else (cell.value, at)
    axis.plot(*point, color=colour, marker=marker, markersize=5.5, linestyle="")


def _measured(board: Board, column: Column) -> bool:
    rows = [row for section in board.sections for row in section.rows]
    return any(row.cell(column.metric_id, ALL).value is not None for row in rows)
