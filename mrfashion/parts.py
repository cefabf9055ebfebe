"""A table of big rows in several files, `FOLDER/part-000.parquet` and on, read row by row."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Generic

from mrfashion.errors import SchemaError
from mrfashion.schema import Record, Row, Table, TableFile

ROWS_A_PART = 256  # keypoints: about 10 MB, and a footer that is read in a few milliseconds


def write_parts(table: Table[Row], folder: Path, rows: Iterable[Row], **metadata: object) -> None:
    """Write rows of a streamed table, at most ROWS_A_PART a file; each file is atomic.

    They must come in the table's order (ValueError). No rows are one empty file.
    """
    rest = table.in_order(rows)
    for number in count():
        first = list(islice(rest, 1))
        if first or not number:
            part = chain(first, islice(rest, ROWS_A_PART - 1))
            table.write(folder / f"part-{number:03d}.parquet", part, **metadata)
        else:
            break
    for stale in part_paths(folder)[number:]:
        stale.unlink()


def part_paths(folder: Path) -> list[Path]:
    """The files of a table, in order."""
    return sorted(folder.glob("part-*.parquet"), key=lambda path: (len(path.name), path.name))


class Parts(Generic[Row]):
    """Rows of a streamed table by key, the first column it is sorted by, in whichever file.

    A file is opened once a thread, and its keys are read once. Can be pickled and forked.
    """

    def __init__(self, table: Table[Row], folder: Path) -> None:
        self.table, self.folder = table, folder
        self._own = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.table, self.folder)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def values(self, key: str, *names: str) -> Record:
        """These columns of the row of a key; KeyError where there is none."""
        path, index = self._places[key]
        return self._file(path).values(index, *names)

    @cached_property
    def _places(self) -> dict[str, tuple[Path, int]]:
        """Key => the file and the row group it lies in."""
        paths = part_paths(self.folder)
        if not paths:
            raise SchemaError(f"{self.folder} holds no part-*.parquet; run the step that writes it")
        key = self.table.sort[0]
        found = [
            (value, (path, index))
            for path in paths
            for index, value in enumerate(self._file(path).column(key))
        ]
        if len(places := dict(found)) < len(found):
            raise SchemaError(f"{self.folder}: a {key} is there twice; redo the step")
        return places

    def _file(self, path: Path) -> TableFile[Row]:
        files: dict[Path, TableFile[Row]] = self._own.__dict__.setdefault("files", {})
        if path not in files:
            files[path] = self.table.open(path)
        return files[path]
