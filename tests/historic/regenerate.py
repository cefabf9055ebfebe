"""Keep one file of every table version: `python -m tests.historic.regenerate`.

A file that is here stays as it is for good: it stands for the datasets and runs people have.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import results
from benchmark.study import ratings
from mrfashion import tables
from mrfashion.generation import KEYPOINTS, Keypoints
from mrfashion.poses.cache import pack
from mrfashion.schema import Table

HERE = Path(__file__).parent
TABLES: list[Table[Any]] = [
    table
    for module in (tables, results, ratings)
    for table in vars(module).values()
    if isinstance(table, Table)
]


def any_row(row: type) -> Any:
    """A row with some value in every column; keypoints are packed ones, for they are repacked."""
    hints = typing.get_type_hints(row)
    made = row(**{field.name: _any(hints[field.name]) for field in dataclasses.fields(row)})
    if isinstance(made, tables.KeypointRow):
        xy, score = pack(any_keypoints(made.frames))
        made = dataclasses.replace(made, xy=xy, score=score)
    return made


def any_keypoints(frames: int) -> Keypoints:
    """Keypoints on the grid they are stored on, some missing, some far outside the frame."""
    index = np.arange(frames * KEYPOINTS).reshape(frames, KEYPOINTS)
    level = index * 37 % 256
    xy = [(index * 97 % 4000) / 8 - 20, (index * 89 % 60000) / 8 - 4000]
    keypoints = np.stack([*xy, level / 255], axis=-1).astype(np.float32)
    keypoints[level == 0] = (np.nan, np.nan, 0)
    return keypoints


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
