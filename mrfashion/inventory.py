"""What the tables of a finished dataset are: `mrfashion.json`, written after all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mrfashion.artefacts import read_object, sha256_file, write_json
from mrfashion.errors import InputRefused
from mrfashion.parts import part_paths
from mrfashion.schema import Table
from mrfashion.tables import TABLES

INVENTORY = "mrfashion.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class TableEntry:
    """A file of a table, as it was when the dataset was finished."""

    table: str
    schema_version: int
    rows: int
    sha256: str


def table_files(root: Path, table: Table[Any]) -> list[Path]:
    """The files of a table: NAME.parquet, or the parts in the folder NAME; in order."""
    single = root / f"{table.name}.parquet"
    return [single] if single.is_file() else part_paths(root / table.name)


def all_table_files(root: Path) -> dict[str, Table[Any]]:
    """Path relative to the dataset => the table that the file belongs to."""
    return {
        path.relative_to(root).as_posix(): table
        for table in TABLES
        for path in table_files(root, table)
    }


def write_inventory(root: Path) -> None:
    """Record every table file that is there; equal files give equal bytes."""
    files = all_table_files(root)
    entries = {name: asdict(_entry(table, root / name)) for name, table in files.items()}
    write_json(root / INVENTORY, {"format_version": FORMAT_VERSION, "tables": entries})


def read_inventory(root: Path) -> dict[str, TableEntry] | None:
    """Path => what was recorded of it; None for a dataset of a release that recorded nothing."""
    path = root / INVENTORY
    if not path.is_file():
        return None
    values = read_object(path, "run curate again")
    if values.get("format_version") != FORMAT_VERSION:
        raise InputRefused(
            f"{path}: format_version is {values.get('format_version')!r}; this program reads "
            f"{FORMAT_VERSION}. Upgrade mrfashion, or run curate again"
        )
    try:
        return {name: TableEntry(**entry) for name, entry in values["tables"].items()}
    except (KeyError, TypeError, AttributeError):
        raise InputRefused(f"{path} was edited: restore it, or run curate again") from None


def _entry(table: Table[Any], path: Path) -> TableEntry:
    file = table.open(path)
    return TableEntry(table.name, file.header["schema_version"], len(file), sha256_file(path))
