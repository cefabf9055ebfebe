"""The board as CSV, long form: one line an entrant, metric, region and stratum, full precision.

Metrics of sets follow: an entrant against its targets, then a pair a line, `against` the other one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from benchmark.clip_scores import ALL
from leaderboard.board import Board, SetEntry, SetPair, SetTable

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
    "against",
    "holm_p",
    "floor",
    "floor_clips",
)
JACKKNIFE = "jackknife"  # the interval of set metrics
Value = str | int | float | None


def render(board: Board) -> str:
    """The whole board; what was not measured has no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in [*_lines(board), *_of_sets(board)]:
        writer.writerow([safe(line.get(name)) for name in COLUMNS])
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


def _of_sets(board: Board) -> Iterator[dict[str, Value]]:
    for table in board.sets:
        for entry in table.entries:
            yield _shared(board, table, entry) | {
                "section": entry.section,
                "best": int(entry.best),
                "floor": entry.floor,
                "floor_clips": entry.floor_videos,
            }
        for pair in table.pairs:
            yield _shared(board, table, pair) | {"against": pair.against, "holm_p": pair.p}


def _shared(board: Board, table: SetTable, found: SetEntry | SetPair) -> dict[str, Value]:
    return {
        "entrant": found.entrant,
        "metric": table.metric,
        "region": "whole",
        "stratum": ALL,
        "better": "lower",
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "level": board.level,
        "interval": None if found.low is None else JACKKNIFE,
        "groups": found.groups,
        "clips": found.videos,
        "note": found.note,
        "metric_id": table.metric_id,
        "task_hash": board.task_hash,
    }
