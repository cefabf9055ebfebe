"""Tables on disk: one frozen dataclass a row, from which the Parquet schema is derived.

Raising a table's version needs a migration here and an example file of the old version in
`tests/historic/`, which a test loads.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mrfashion.artefacts import atomic_path
from mrfashion.errors import SchemaError

Row = TypeVar("Row")
ARROW = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.large_binary(),
}
METADATA_KEY = b"mrfashion"


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A table: its name, version, row type and the columns that order it."""

    name: str
    version: int
    row: type[Row]
    sort: tuple[str, ...]
    streamed: bool = False  # a row group a row: random access, and one row in memory

    def arrow_schema(self) -> pa.Schema:
        """Parquet schema derived from the row's annotations."""
        hints = typing.get_type_hints(self.row)
        return pa.schema([_arrow_field(f.name, hints[f.name]) for f in _fields(self.row)])

    def write(self, path: Path, rows: Iterable[Row], **metadata: object) -> None:
        """Write sorted rows atomically; equal rows and metadata give equal bytes.

        `metadata` (plain JSON values: input hash, config hash, ...) goes into the file's header.
        Tables of big rows take them one at a time and need them in order (ValueError).
        """
        header = {"table": self.name, "schema_version": self.version, **metadata}
        schema = self.arrow_schema().with_metadata(
            {METADATA_KEY: json.dumps(header, sort_keys=True).encode()}
        )
        batches = self._in_order(rows) if self.streamed else [sorted(rows, key=self._place)]
        with (
            atomic_path(path) as temporary,
            pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            for batch in batches:
                names = [field.name for field in _fields(self.row)]
                columns = {name: [_plain(getattr(row, name)) for row in batch] for name in names}
                writer.write_table(pa.table(columns, schema=schema))

    def _place(self, row: Row) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in self.sort)

    def _in_order(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Each row as a group of its own."""
        last: tuple[Any, ...] | None = None
        for row in rows:
            if last is not None and self._place(row) <= last:
                raise ValueError(f"table {self.name}: rows must come in the order of {self.sort}")
            last = self._place(row)
            yield [row]

    def read(self, path: Path) -> list[Row]:
        """Rows of a file; SchemaError if it is another table, version or damaged."""
        return self._rows(self._open(path).read())

    def read_group(self, path: Path, index: int) -> list[Row]:
        """Rows of one row group, without reading the others."""
        return self._rows(self._open(path).read_row_group(index))

    def column(self, path: Path, name: str) -> list[Any]:
        """One column, without reading the others."""
        values: list[Any] = self._open(path).read(columns=[name]).column(name).to_pylist()
        return values

    def metadata(self, path: Path) -> dict[str, Any]:
        """What `write` was given as metadata, with the table's name and version."""
        return _header(self._open(path), path)

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(path)
        except FileNotFoundError:
            raise SchemaError(f"{path} does not exist; run the step that writes it") from None
        except (pa.ArrowInvalid, OSError) as error:
            raise SchemaError(f"{path} is not a whole Parquet file: {error}") from None
        header = _header(file, path)
        got = header.get("table"), header.get("schema_version")
        if got != (self.name, self.version):
            raise SchemaError(
                f"{path} holds table {got[0]!r} version {got[1]!r}; this program reads "
                f"{self.name!r} version {self.version}. Use the release that wrote it, or redo it"
            )
        if not file.schema_arrow.equals(self.arrow_schema()):
            raise SchemaError(f"{path}: columns differ from table {self.name!r}; redo the step")
        return file

    def _rows(self, table: pa.Table) -> list[Row]:
        builders = {f.name: _builder(self.row, f.name) for f in _fields(self.row)}
        return [
            self.row(**{name: build(record[name]) for name, build in builders.items()})
            for record in table.to_pylist()
        ]


def _header(file: pq.ParquetFile, path: Path) -> dict[str, Any]:
    try:
        header = json.loads((file.schema_arrow.metadata or {})[METADATA_KEY])
    except (KeyError, ValueError):
        raise SchemaError(
            f"{path} was not written by mrfashion: it has no schema version"
        ) from None
    return header if isinstance(header, dict) else {}


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
