"""The board as CSV, long form: one line an entrant, metric, region and stratum, full precision."""

from __future__ import annotations

import csv
import io

from leaderboard.board import Board

FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "section",
    "entrant",
    "kind",
    "metric",
    "region",
    "stratum",
    "unit",
    "better",
    "value",
    "low",
    "high",
    "level",
    "interval",
    "groups",
    "clips",
    "frames",
    "capped",
    "best",
    "note",
    "metric_id",
    "task_hash",
)
Value = str | int | float | None


def render(board: Board) -> str:
    """The whole board; what was not measured has no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in _lines(board):
        writer.writerow([safe(line[name]) for name in COLUMNS])
    return text.getvalue()


def safe(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula gets an apostrophe; numbers stay numbers."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _lines(board: Board) -> list[dict[str, Value]]:
    return [
        {
            "section": section.name,
            "entrant": row.entrant,
            "kind": row.kind,
            "metric": column.metric,
            "region": column.region,
            "stratum": cell.stratum,
            "unit": column.unit,
            "better": "higher" if column.higher_is_better else "lower",
            "value": cell.value,
            "low": cell.low,
            "high": cell.high,
            "level": board.level,
            "interval": cell.method,
            "groups": cell.groups,
            "clips": cell.clips,
            "frames": cell.frames,
            "capped": cell.capped,
            "best": int(cell.best),
            "note": cell.note,
            "metric_id": cell.metric_id,
            "task_hash": board.task_hash,
        }
        for section in board.sections
        for row in section.rows
        for cell in row.cells
        for column in (board.column(cell.metric_id),)
    ]
