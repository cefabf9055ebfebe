"""The board as Markdown, for a README or a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from benchmark.clip_scores import ALL
from leaderboard import set_wording
from leaderboard.board import Board, Cell, Column, Row, SetEntry, SetPair, SetTable
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
SET_HEADS = ("Metric ↓", "Entrant", "Distance", "Videos", "Groups", "Floor (videos)")
PAIR_HEADS = ("Metric", "Pair", "Difference", "Videos", "Groups", "Holm p", "Verdict")
BLOCK = re.compile(r"^([#+=-])")


def render(board: Board) -> str:
    """The whole board."""
    parts = [f"# {escape(board.title)}", escape(result_text(board)), legend(board)]
    for stratum in board.strata:
        parts.append(f"## {STRATUM_TITLES[stratum]}")
        for columns in board.tables:
            parts += [f"### {table_title(columns)}", table(board, columns, stratum)]
    parts += _sets(board)
    if board.unmeasured or set_wording.not_measured(board):
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


def _sets(board: Board) -> list[str]:
    """Metrics of sets: who lies how far from the targets, and pairs."""
    parts = []
    for status in set_wording.statuses(board):
        tables = set_wording.tables_of(board, status)
        entries = [_entry(table, entry) for table in tables for entry in table.entries]
        pairs = [_pair(board, table, pair) for table in tables for pair in table.pairs]
        parts += [f"## {set_wording.TITLES[status]}", _lines(SET_HEADS, entries)]
        parts += [_lines(PAIR_HEADS, pairs)] if pairs else []
    return [*parts, set_wording.legend(board)] if parts else []


def _lines(heads: Sequence[str], rows: Sequence[list[str]]) -> str:
    return "\n".join(map(_line, [list(heads), ["---"] * len(heads), *rows]))


def _entry(table: SetTable, entry: SetEntry) -> list[str]:
    value = set_wording.value_text(table, entry)
    value = f"**{value}**" if entry.best else value
    counts = [str(entry.videos), str(entry.groups), set_wording.floor_text(table, entry)]
    return [table.title, escape(entry.entrant), value + _between(table, entry), *counts]


def _pair(board: Board, table: SetTable, pair: SetPair) -> list[str]:
    value = set_wording.value_text(table, pair) + _between(table, pair)
    names = f"{escape(pair.entrant)} less {escape(pair.against)}"
    counts = [str(pair.videos), str(pair.groups), set_wording.p_text(pair)]
    return [table.title, names, value, *counts, escape(set_wording.verdict(board, pair))]


def _between(table: SetTable, found: SetEntry | SetPair) -> str:
    text = set_wording.interval_text(table, found)
    return f" [{escape(text) if found.low is None else text}]" if text else ""


def _unmeasured(board: Board) -> list[str]:
    of_clips = [
        f"- {escape(u.title)}, {REGION_TITLES[u.region].lower()}: {escape(u.note)}"
        for u in board.unmeasured
    ]
    of_sets = set_wording.not_measured(board).items()
    return of_clips + [f"- {', '.join(titles)}, sets: {escape(why)}" for why, titles in of_sets]


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
