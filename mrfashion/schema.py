"""Tables on disk: one frozen dataclass a row, from which the Parquet schema is derived.

Raising a table's version needs a migration from the last one, in the table's `migrations`, and
keeps the example file of the old version in `tests/historic/`, which a test loads.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mrfashion.artefacts import atomic_path
from mrfashion.errors import SchemaError

Row = TypeVar("Row")
# One row as Parquet holds it: a tuple is a list, a dictionary a list of {"name", "value"}.
Record = dict[str, Any]
ARROW = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.large_binary(),
}
METADATA_KEY = b"mrfashion"
ROWS_A_GROUP = 512  # of a table of small rows: what is in memory while it is written in order
# A dictionary and statistics for a single row are longer than the row's small columns.
SINGLE_ROWS: dict[str, Any] = {"use_dictionary": False, "write_statistics": False}


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A table: its name, version, row type and the columns that order it."""

    name: str
    version: int
    row: type[Row]
    sort: tuple[str, ...]
    streamed: bool = False  # a row group a row: random access, and one row in memory
    # Old version => what turns its record into one of the next version.
    migrations: Mapping[int, Callable[[Record], Record]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        oldest = self.version - len(self.migrations)
        if sorted(self.migrations) != list(range(oldest, self.version)):
            raise ValueError(f"table {self.name}: a migration to {self.version} is missing")

    def arrow_schema(self) -> pa.Schema:
        """Parquet schema derived from the row's annotations."""
        hints = typing.get_type_hints(self.row)
        return pa.schema([_arrow_field(f.name, hints[f.name]) for f in _fields(self.row)])

    def write(self, path: Path, rows: Iterable[Row], **metadata: object) -> None:
        """Write sorted rows atomically; equal rows and metadata give equal bytes.

        `metadata` (plain JSON values: input hash, config hash, ...) goes into the file's header.
        Tables of big rows take them one at a time and need them in order (ValueError).
        """
        in_order = self.in_order(rows) if self.streamed else iter(sorted(rows, key=self.place))
        self._write(path, in_order, metadata)

    def write_in_order(self, path: Path, rows: Iterable[Row], **metadata: object) -> None:
        """As `write`, of rows that come in order (ValueError), few of them in memory at a time."""
        self._write(path, self.in_order(rows), metadata)

    def _write(self, path: Path, rows: Iterator[Row], metadata: dict[str, object]) -> None:
        header = {"table": self.name, "schema_version": self.version, **metadata}
        schema = self.arrow_schema().with_metadata(
            {METADATA_KEY: json.dumps(header, sort_keys=True).encode()}
        )
        options = SINGLE_ROWS if self.streamed else {}
        names = [field.name for field in _fields(self.row)]
        with (
            atomic_path(path) as temporary,
            pq.ParquetWriter(temporary, schema, compression="zstd", **options) as writer,
        ):
            for batch in self._batches(rows):
                columns = {name: [_plain(getattr(row, name)) for row in batch] for name in names}
                writer.write_table(pa.table(columns, schema=schema))

    def place(self, row: Row) -> tuple[Any, ...]:
        """What the rows are sorted by."""
        return tuple(getattr(row, name) for name in self.sort)

    def _batches(self, rows: Iterator[Row]) -> Iterator[list[Row]]:
        """The rows of each row group."""
        size = 1 if self.streamed else ROWS_A_GROUP
        batch = list(islice(rows, size))
        if not batch and not self.streamed:
            yield batch
        while batch:
            yield batch
            batch = list(islice(rows, size))

    def in_order(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows; ValueError at one that is not after the one before it."""
        last: tuple[Any, ...] | None = None
        for row in rows:
            if last is not None and self.place(row) <= last:
                raise ValueError(f"table {self.name}: rows must come in the order of {self.sort}")
            last = self.place(row)
            yield row

    def open(self, path: Path) -> TableFile[Row]:
        """A file, of an earlier version too, held open; SchemaError if it is none of this table."""
        return TableFile(self, path)

    def read(self, path: Path) -> list[Row]:
        """Rows of a file."""
        return self.open(path).rows()

    def metadata(self, path: Path) -> dict[str, Any]:
        """What `write` was given as metadata, with the table's name and version."""
        return self.open(path).header


class TableFile(Generic[Row]):
    """One Parquet file of a table, its footer read once. Not thread-safe, and not picklable."""

    def __init__(self, table: Table[Row], path: Path) -> None:
        self.table, self.path = table, path
        try:
            self._file = pq.ParquetFile(path)
        except FileNotFoundError:
            raise SchemaError(f"{path} does not exist; run the step that writes it") from None
        except (pa.ArrowInvalid, OSError) as error:
            raise SchemaError(f"{path} is not a whole Parquet file: {error}") from None
        self.header = _header(self._file, path)
        self._steps = self._migrations()
        if not self._steps and not self._file.schema_arrow.equals(table.arrow_schema()):
            raise SchemaError(f"{path}: columns differ from table {table.name!r}; redo the step")

    def rows(self) -> list[Row]:
        """All rows."""
        return self._rows(self._load(self._file.read))

    def __len__(self) -> int:
        rows: int = self._file.metadata.num_rows
        return rows

    def __iter__(self) -> Iterator[Row]:
        """All rows, one row group in memory."""
        for index in range(self._file.num_row_groups):
            yield from self.group(index)

    def group(self, index: int) -> list[Row]:
        """Rows of one row group, without reading the others."""
        return self._rows(self._load(partial(self._file.read_row_group, index)))

    def values(self, index: int, *names: str) -> Record:
        """These columns of a row group of one row, without reading the others."""
        read = partial(self._file.read_row_group, index, use_threads=False)  # 0.1 ms faster
        columns = self._load(read, list(names)).select(names)
        return {name: columns.column(name)[0].as_py() for name in names}

    def column(self, name: str) -> list[Any]:
        """One column; in a file of this version, without reading the others."""
        values: list[Any] = self._load(self._file.read, [name]).column(name).to_pylist()
        return values

    def _migrations(self) -> list[Callable[[Record], Record]]:
        """What brings the file's records to the table's version, in order."""
        table, name, version = self.table, self.header.get("table"), self.header["schema_version"]
        oldest = min([table.version, *table.migrations])
        if name == table.name and oldest <= version <= table.version:
            return [table.migrations[old] for old in range(version, table.version)]
        newer = name == table.name and version > table.version
        raise SchemaError(
            f"{self.path} holds table {name!r} version {version}; this program reads "
            f"{table.name!r} versions {oldest} to {table.version}. "
            + ("Upgrade mrfashion" if newer else "Use the release that wrote it, or redo the step")
        )

    def _load(
        self, read: Callable[[list[str] | None], pa.Table], names: list[str] | None = None
    ) -> pa.Table:
        """Columns as this version has them, all of them for None; a migration needs all."""
        try:
            if not self._steps:
                return read(names)
            records = read(None).to_pylist()
            for step in self._steps:
                records = [step(record) for record in records]
            return _typed(records, self.table.arrow_schema())
        except (LookupError, TypeError, ValueError, OSError) as error:  # and so Arrow's own
            raise SchemaError(f"{self.path} is damaged: {error!r}; restore it") from None

    def _rows(self, table: pa.Table) -> list[Row]:
        row = self.table.row
        builders = {f.name: _builder(row, f.name) for f in _fields(row)}
        return [
            row(**{name: build(record[name]) for name, build in builders.items()})
            for record in table.to_pylist()
        ]


def _typed(records: list[Record], schema: pa.Schema) -> pa.Table:
    """Records => a table; ValueError or TypeError where a column is missing, extra or wrong."""
    for record in records:
        if set(record) != set(schema.names):
            raise ValueError(f"columns are {sorted(record)}; needed: {sorted(schema.names)}")
        for column in schema:
            if record[column.name] is None and not column.nullable:
                raise ValueError(f"{column.name} is null")
    return pa.Table.from_pylist(records, schema)


def _header(file: pq.ParquetFile, path: Path) -> dict[str, Any]:
    try:
        header = json.loads((file.schema_arrow.metadata or {})[METADATA_KEY])
        if isinstance(header, dict) and type(header["schema_version"]) is int:
            return header
    except (KeyError, ValueError):
        pass
    raise SchemaError(f"{path} was not written by mrfashion: it has no schema version")


def _fields(row: type) -> Sequence[dataclasses.Field[Any]]:
    return dataclasses.fields(row)


def _arrow_field(name: str, hint: Any) -> pa.Field:
    inner = _unwrapped(hint)
    return pa.field(name, _arrow_type(inner), nullable=inner is not hint)


def _unwrapped(hint: Any) -> Any:
    """X of `X | None`, else the hint itself."""
    if not isinstance(hint, types.UnionType):
        return hint
    return next(arg for arg in typing.get_args(hint) if arg is not type(None))


def _arrow_type(hint: Any) -> pa.DataType:
    if typing.get_origin(hint) is tuple:
        return pa.list_(_arrow_field("element", typing.get_args(hint)[0]))
    if typing.get_origin(hint) is dict:
        # Not an Arrow map: `datasets` cannot read one.
        value = pa.field("value", _arrow_type(typing.get_args(hint)[1]), nullable=False)
        name = pa.field("name", pa.string(), nullable=False)
        return pa.list_(pa.field("element", pa.struct([name, value]), nullable=False))
    return ARROW[hint]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return [{"name": name, "value": value[name]} for name in sorted(value)]
    return value


def _builder(row: type, name: str) -> Callable[[Any], Any]:
    origin = typing.get_origin(_unwrapped(typing.get_type_hints(row)[name]))
    if origin is tuple:
        return lambda values: None if values is None else tuple(values)
    if origin is dict:
        return lambda pairs: {pair["name"]: pair["value"] for pair in pairs}
    return lambda value: value
