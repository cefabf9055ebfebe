import json
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.errors import SchemaError
from mrfashion.manifest import Dataset
from mrfashion.schema import Table
from tests.historic.regenerate import TABLES, any_row, path_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@dataclass(frozen=True)
class Thing:
    name: str
    size: float
    note: str | None
    values: tuple[float | None, ...]
    parts: dict[str, float]


THINGS = Table("things", 1, Thing, ("name",))
ROWS = st.lists(
    st.builds(
        Thing,
        name=TEXT,
        size=st.floats(allow_nan=False),
        note=st.none() | TEXT,
        values=st.lists(st.none() | st.floats(allow_nan=False), max_size=3).map(tuple),
        parts=st.dictionaries(TEXT, st.floats(allow_nan=False), max_size=3),
    ),
    max_size=5,
    unique_by=lambda row: row.name,
)


@given(ROWS)
def test_rows_read_back_sorted_and_bytes_do_not_depend_on_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Thing]
) -> None:
    folder = tmp_path_factory.mktemp("things")
    THINGS.write(folder / "a.parquet", rows, config_hash="x")
    THINGS.write(folder / "b.parquet", reversed(rows), config_hash="x")
    assert THINGS.read(folder / "a.parquet") == sorted(rows, key=lambda row: row.name)
    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()
    assert THINGS.metadata(folder / "a.parquet")["config_hash"] == "x"


@given(ROWS)
def test_a_streamed_table_is_the_same_table_a_row_group_a_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Thing]
) -> None:
    path = tmp_path_factory.mktemp("things") / "a.parquet"
    streamed = replace(THINGS, streamed=True)
    ordered = sorted(rows, key=lambda row: row.name)
    streamed.write(path, iter(ordered))
    assert streamed.read(path) == ordered
    assert [streamed.read_group(path, i) for i in range(len(ordered))] == [[r] for r in ordered]


def test_a_streamed_table_refuses_rows_out_of_order(tmp_path: Path) -> None:
    rows = [Thing(name, 0.0, None, (), {}) for name in "ba"]
    with pytest.raises(ValueError, match="in the order of"):
        replace(THINGS, streamed=True).write(tmp_path / "a.parquet", rows)
    assert not list(tmp_path.iterdir())


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(SchemaError, match="does not exist"):
        THINGS.read(path)
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(SchemaError, match="not a whole Parquet file"):
        THINGS.read(path)
    pq.write_table(pa.table({"name": ["a"]}), path)
    with pytest.raises(SchemaError, match="not written by mrfashion"):
        THINGS.read(path)


def test_other_versions_and_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    replace(THINGS, version=2).write(path, [])
    with pytest.raises(SchemaError, match="version 2; this program reads 'things' version 1"):
        THINGS.read(path)
    header = json.dumps({"table": "things", "schema_version": 1}).encode()
    schema = pa.schema([("name", pa.string())]).with_metadata({b"mrfashion": header})
    pq.write_table(pa.table({"name": ["a"]}, schema=schema), path)
    with pytest.raises(SchemaError, match="columns differ"):
        THINGS.read(path)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_files_of_earlier_versions_load(table: Table[object]) -> None:
    """`tests/historic/` keeps one small file of every version ever released."""
    for version in range(1, table.version + 1):
        rows = table.read(path_of(table, version))
        assert rows == [any_row(table.row)] if version == table.version else rows


def test_the_manifest_opens_without_our_code(tiny_dataset: Path, tmp_path: Path) -> None:
    path = tiny_dataset / "clips.parquet"
    ours = list(Dataset(tiny_dataset).clips.values())
    frame = pd.read_parquet(path)
    assert frame["clip_id"].tolist() == [clip.clip_id for clip in ours]
    hub = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path))["train"]
    assert hub["garment_group"][:] == [clip.garment_group for clip in ours]
