"""The board as Markdown, for a README or a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from benchmark.clip_scores import ALL
from leaderboard.board import Board, Cell, Column, Row
from leaderboard.wording import (
    REGION_TITLES,
    STRATUM_TITLES,
    column_title,
    direction,
    interval_text,
    result_text,
    table_title,
    value_text,
)

INLINE = re.compile(r"([\\`*_\[\]|~])")
BLOCK = re.compile(r"^([#+=-])")


def render(board: Board) -> str:
    """The whole board."""
    parts = [f"# {escape(board.title)}", escape(result_text(board)), legend(board)]
    for stratum in board.strata:
        parts.append(f"## {STRATUM_TITLES[stratum]}")
        for columns in board.tables:
            parts += [f"### {table_title(columns)}", table(board, columns, stratum)]
    if board.unmeasured:
        parts += ["## Not measured", "\n".join(_unmeasured(board))]
    if board.missing:
        lines = [
            f"- {escape(m.entrant)}, {escape(m.sample_id)}: {escape(m.reason)}"
            for m in board.missing
        ]
        parts += ["## Clips without a score", "\n".join(lines)]
    parts.append(f"Task `{board.task_hash}`.")
    return "\n\n".join(parts) + "\n"


def table(board: Board, columns: Sequence[Column], stratum: str = ALL) -> str:
    """One table: a row an entrant, a column a metric."""
    heads = ["Entrant", *(_head(column, stratum) for column in columns), "Clips", "Missing"]
    lines = [_line(heads), _line(["---", *["---:"] * (len(heads) - 1)])]
    for section in board.sections:
        if len(board.sections) > 1:
            lines.append(_line([f"*{section.name}*", *[""] * (len(heads) - 1)]))
        lines += [_line(_row(columns, row, stratum)) for row in section.rows]
    return "\n".join(lines)


def _unmeasured(board: Board) -> list[str]:
    return [
        f"- {escape(u.title)}, {REGION_TITLES[u.region].lower()}: {escape(u.note)}"
        for u in board.unmeasured
    ]


def legend(board: Board) -> str:
    """What the numbers and marks mean."""
    level = f"{board.level:.0%}".replace("%", " %")
    return (
        f"Mean over garment groups, with its {level} interval in brackets. Bold: the best of its "
        f"section and all that a paired difference does not tell apart from it. {board.clips} "
        f"clips of {board.groups} garment groups."
    )


def escape(text: str) -> str:
    """A name as text: no markup, no HTML, no line breaks or control characters."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    inline = INLINE.sub(r"\\\1", printable)
    return html.escape(BLOCK.sub(r"\\\1", inline), quote=False)


def _head(column: Column, stratum: str) -> str:
    return f"{column_title(column)} {direction(column, stratum)}"


def _row(columns: Sequence[Column], row: Row, stratum: str) -> list[str]:
    cells = [row.cell(column.metric_id, stratum) for column in columns]
    texts = [_cell(cell, column) for cell, column in zip(cells, columns, strict=True)]
    return [escape(row.entrant), *texts, str(max(c.clips for c in cells)), str(row.missing)]


def _cell(cell: Cell, column: Column) -> str:
    text = value_text(cell, column)
    text = f"**{text}**" if cell.best else text
    return f"{text} [{interval_text(cell, column)}]" if cell.low is not None else text


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
