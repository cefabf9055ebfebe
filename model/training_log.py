"""The rows of a training run: JSON lines, one a step; and how they are read again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mrfashion.artefacts import canonical_json, write_atomic
from mrfashion.errors import InputRefused

Row = dict[str, Any]  # `stage` and `step`, the number of steps done, beside its own values


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add rows; they are on the disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(canonical_json(row) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Row]:
    """All whole rows; a torn last line, of a run killed as it wrote, is left out."""
    if not path.exists():
        return []
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    return [_row(path, number, line) for number, line in enumerate(lines, 1)]


def cut(path: Path, stage: int, step: int) -> None:
    """Keep the rows up to a step: those behind a checkpoint are made again."""
    rows = [row for row in read(path) if (row["stage"], row["step"]) <= (stage, step)]
    if path.exists():
        write_atomic(path, "".join(canonical_json(row) + "\n" for row in rows))


def series(rows: Sequence[Row], name: str, stage: int) -> tuple[list[int], list[float]]:
    """Steps and values of a stage, where there is a value."""
    found = [row for row in rows if row["stage"] == stage and row.get(name) is not None]
    return [row["step"] for row in found], [row[name] for row in found]


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
        if isinstance(row["stage"], int) and isinstance(row["step"], int):
            return dict(row)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputRefused(
        f"{path}:{number} is no row of a training log; allowed: one JSON object a line with stage "
        "and step. The file was edited: restore it, or move it away"
    )
