"""Keep one file of every table version: `python -m tests.historic.regenerate`.

A file that is here stays as it is for good: it stands for the datasets and runs people have.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

from benchmark import results
from benchmark.study import ratings
from mrfashion import tables
from mrfashion.schema import Table

HERE = Path(__file__).parent
TABLES: list[Table[Any]] = [
    table
    for module in (tables, results, ratings)
    for table in vars(module).values()
    if isinstance(table, Table)
]


def any_row(row: type) -> Any:
    """A row with some value in every column."""
    hints = typing.get_type_hints(row)
    return row(**{field.name: _any(hints[field.name]) for field in dataclasses.fields(row)})


def _any(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        return (_any(typing.get_args(hint)[0]),)
    if typing.get_origin(hint) is dict:
        return {"name": _any(typing.get_args(hint)[1])}
    return {str: "text", int: 7, float: 0.5, bool: True, bytes: b"bytes"}[hint]


def path_of(table: Table[Any], version: int) -> Path:
    """Where the file of a table's version lies."""
    return HERE / f"{table.name}-v{version}.parquet"


def main() -> None:
    """Add what is missing; never change what is there."""
    for table in TABLES:
        path = path_of(table, table.version)
        if not path.exists():
            table.write(path, [any_row(table.row)], note="kept by tests/historic")


if __name__ == "__main__":
    main()
