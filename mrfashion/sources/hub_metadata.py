"""The `metadata.{csv,jsonl,parquet}` of a VideoFolder: rows about the files beside and below it."""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mrfashion.errors import ItemError, UnsafePath
from mrfashion.executors import HERE, Executor, Value
from mrfashion.sources.apart import value_of
from mrfashion.sources.hub_repository import Repository
from mrfashion.sources.hub_shard import Entry, dropped
from mrfashion.sources.notes import NAMES, Note, note_of, plain_text
from mrfashion.sources.source import failed

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
BROKEN = (csv.Error, pa.ArrowException, OSError, ValueError, MemoryError)
MAX_BYTES = 256 << 20  # millions of rows
MAX_LINE = 1 << 20
FILE_NAME = "file_name"  # or <something>_file_name, where a row is about several videos
Row = dict[str, Any] | str  # or what is wrong with it


@dataclass(frozen=True)
class Metadata:
    """Notes by file, and what could not be read."""

    notes: dict[str, Note] = field(default_factory=dict)
    faults: list[Entry] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # folders whose table breaks off

    @classmethod
    def read(
        cls, repository: Repository, files: Sequence[str], executor: Executor = HERE
    ) -> Metadata:
        """All tables of a dataset; a bad row is a fault and the next is read.

        The executor reads what may crash.
        """
        metadata, known = cls(), set(files)
        for file in files:
            if posixpath.basename(file) in METADATA:
                name = plain_text(f"{repository.name}/{file}")
                try:
                    rows = _rows(repository.fetch(file), executor)
                    metadata._read_table(rows, file, name, known)
                except UnsafePath:
                    metadata._break(file, dropped(name, "links out of its folder", ""))
                except ItemError as error:
                    metadata._break(file, failed(name, error))
        return metadata

    def note(self, file: str) -> Note:
        """What is known of a video."""
        return self.notes.get(file, Note())

    def unsure(self, file: str) -> bool:
        """Whether a table that may speak of this file could not be read to its end."""
        return any(not folder or file.startswith(f"{folder}/") for folder in self.broken)

    def _break(self, file: str, fault: Entry) -> None:
        self.faults.append(fault)
        self.broken.add(posixpath.dirname(file))

    def _read_table(
        self, rows: Iterator[tuple[int, Row]], file: str, name: str, known: set[str]
    ) -> None:
        try:
            for number, row in rows:
                why = row if isinstance(row, str) else self._note_row(row, file, known)
                if why:
                    self.faults.append(dropped(f"{name}:{number}", "bad metadata row", why))
        except BROKEN as error:
            raise ItemError("source.metadata", f"it cannot be read to its end: {error}") from None

    def _note_row(self, row: dict[str, Any], file: str, known: set[str]) -> str:
        """Take a row in => what is wrong with it, if anything."""
        columns = [name for name in row if str(name).endswith(FILE_NAME)]
        names = [row[name] for name in columns if isinstance(row[name], str) and row[name]]
        if not names:
            return f"no {FILE_NAME}"
        wrong = []
        for name in names:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
            if name.startswith("/") or target.startswith(".."):
                wrong.append(f"{name!r} leaves the folder")
            elif target not in known:
                wrong.append(f"{name!r} is not in the dataset")
            elif target in self.notes:
                wrong.append(f"{name!r} is named twice; the first row counts")
            else:
                self.notes[target] = note_of(row)
        return plain_text("; ".join(wrong))


def _rows(path: Path, executor: Executor) -> Iterator[tuple[int, Row]]:
    if path.stat().st_size > MAX_BYTES:
        text = f"{path.stat().st_size} bytes of metadata; allowed: {MAX_BYTES}"
        raise ItemError("source.metadata", text)
    if path.suffix != ".parquet":
        return (_csv if path.suffix == ".csv" else _jsonl)(path)
    return enumerate(value_of(executor, _parquet, path)["rows"], 1)


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            whole = None not in row and None not in row.values()
            yield reader.line_num, row if whole else "its cells are not as many as the columns"


def _jsonl(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise ValueError(f"line {number} is longer than {MAX_LINE} bytes")
            if line.strip():
                yield number, _object(line)


def _object(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    return row if isinstance(row, dict) else "no JSON object"


def _parquet(path: Path) -> Value:
    try:
        file = pq.ParquetFile(path)
        fields = [f for f in file.schema_arrow if f.name in NAMES or f.name.endswith(FILE_NAME)]
        names = [field.name for field in fields if plain(field)]
        return {"rows": file.read(names, use_threads=False).to_pylist()}
    except BROKEN as error:
        raise ItemError("source.metadata", f"it cannot be read: {error}") from None


def plain(column: pa.Field) -> bool:
    """Whether a column holds texts or whole numbers: no other type can trip up who reads it."""
    kind = column.type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    )
