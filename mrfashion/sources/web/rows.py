"""Lists of addresses: CSV, JSON lines or Parquet, one row an item, checked cell by cell.

A row that is wrong becomes a BadRow with its line and column, and the rest goes on; a list whose
columns are wrong, or that is no list at all, is refused whole.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrfashion.errors import InputRefused, UnknownNameError

MOST_BYTES = 256 << 20  # of a list: a million rows of addresses
LONGEST_CELL = 4096  # characters
LONGEST_ID = 200
SPELLINGS = {"license": "licence"}
IDS = ("id", "product_id")  # they become parts of ids of the dataset


@dataclass(frozen=True)
class Columns:
    """What a list may hold; a row lacks what it leaves empty, and none of `needed`."""

    needed: tuple[str, ...]
    allowed: tuple[str, ...]  # beside those


@dataclass(frozen=True)
class Row:
    """A good row: its line (or row) number, from 1, and its cells that are not empty."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why."""

    number: int
    why: str


def read_rows(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    """Rows of a list in order; InputRefused where it is none, or its columns are not allowed."""
    readers: dict[str, Callable[[Path], Iterator[tuple[int, Any]]]] = {
        ".csv": _csv,
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    if path.suffix.lower() not in readers:
        raise InputRefused(
            f"{path} is no list by its name: got {path.suffix!r}; allowed: {', '.join(readers)}"
        )
    if not path.is_file():
        raise InputRefused(f"{path} does not exist; name a list of addresses")
    if path.stat().st_size > MOST_BYTES:
        raise InputRefused(f"{path} is longer than {MOST_BYTES} bytes; split it")
    for number, cells in readers[path.suffix.lower()](path):
        yield _checked(path, number, cells, columns)


def _csv(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        reader = csv.reader(file, strict=True)
        header = next(_lines(reader), (1, []))[1]
        if not header or isinstance(header, str) or len(set(header)) < len(header):
            raise InputRefused(f"{path}: line 1 is no header of different columns: {header}")
        for number, cells in _lines(reader):
            if isinstance(cells, list) and len(cells) == len(header):
                yield number, dict(zip(header, cells, strict=True))
            elif isinstance(cells, list) and cells:
                yield number, f"{len(cells)} cells; the header has {len(header)}"
            elif cells:
                yield number, cells


def _lines(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """(line, cells), or what is wrong with a line: the ones after it are read on."""
    while True:
        try:
            cells: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = f"no CSV: {error}"
        yield reader.line_num, cells


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, f"no JSON: {error}"


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for cells in batch.to_pylist():
                    number += 1
                    yield number, cells
    except (pa.ArrowException, OSError) as error:
        raise InputRefused(f"{path} is no whole Parquet file: {error}") from None


def _checked(path: Path, number: int, cells: Any, columns: Columns) -> Row | BadRow:
    if not isinstance(cells, dict):
        why = cells if isinstance(cells, str) else f"got {type(cells).__name__}; an object needed"
        return BadRow(number, why)
    known = (*columns.needed, *columns.allowed)
    for name in cells:
        if SPELLINGS.get(name, name) not in known:
            where = f"{path}, row {number}"
            raise InputRefused(f"{where}: {UnknownNameError('column', str(name)[:80], known)}")
    good: dict[str, str] = {}
    for spelled, value in cells.items():
        cell, name = _text(value), SPELLINGS.get(str(spelled), str(spelled))
        if why := _wrong(name, cell) or ("told twice" if cell and name in good else ""):
            return BadRow(number, f"column {name}: {why}")
        if cell:
            good[name] = cell
    missing = [name for name in columns.needed if name not in good]
    if missing:
        return BadRow(number, f"column {missing[0]}: empty; needed")
    return Row(number, good)


def _text(value: Any) -> str | None:
    """A cell as text; None where it is of a kind that no cell may be."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return str(value) if type(value) is int else None


def _wrong(name: str, cell: str | None) -> str:
    if cell is None:
        return "neither text nor a whole number"
    if len(cell) > (longest := LONGEST_ID if name in IDS else LONGEST_CELL):
        return f"{len(cell)} characters; allowed: {longest}"
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", cell):
        return "control characters, or no UTF-8"
    if name in IDS and (cell.startswith("/") or {"..", "."} & set(re.split(r"[/\\]", cell))):
        return f"{cell!r} is a path that leaves its folder"
    return ""


def unique(rows: Sequence[Row | BadRow], name: str) -> Iterator[Row | BadRow]:
    """The same rows; of those alike in a column, the later ones are bad."""
    first: dict[str, int] = {}
    for row in rows:
        value = row.cells.get(name) if isinstance(row, Row) else None
        if value is None or (number := first.setdefault(value, row.number)) == row.number:
            yield row
        else:
            yield BadRow(row.number, f"column {name}: listed twice; first in row {number}")
