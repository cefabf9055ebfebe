import json
from collections.abc import Callable
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
from mrfashion.schema import Record, Table
from tests.historic.regenerate import HERE, TABLES, any_row, path_of

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
    file = streamed.open(path)
    assert [file.group(i) for i in range(len(ordered))] == [[r] for r in ordered]
    assert file.column("name") == [row.name for row in ordered]


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
    with pytest.raises(SchemaError, match=r"version 2; this program .* 1 to 1\. Upgrade mrfashion"):
        THINGS.read(path)
    THINGS.write(path, [])
    with pytest.raises(SchemaError, match=r"version 1; .* 2 to 2\. Use the release that wrote it"):
        replace(THINGS, version=2).read(path)
    with pytest.raises(SchemaError, match="holds table 'things'"):
        replace(THINGS, name="others").read(path)
    header = json.dumps({"table": "things", "schema_version": 1}).encode()
    schema = pa.schema([("name", pa.string())]).with_metadata({b"mrfashion": header})
    pq.write_table(pa.table({"name": ["a"]}, schema=schema), path)
    with pytest.raises(SchemaError, match="columns differ"):
        THINGS.read(path)


@dataclass(frozen=True)
class OldThing:
    name: str
    grams: int


@dataclass(frozen=True)
class MiddleThing:
    name: str
    size: float
    note: str | None


def weighed(record: Record) -> Record:
    return {"name": record["name"], "size": record["grams"] / 1000, "note": None}


def noted(record: Record) -> Record:
    return {**record, "values": [record["size"]], "parts": [{"name": "all", "value": 1.0}]}


NEW_THINGS = replace(THINGS, version=3, migrations={1: weighed, 2: noted})


def test_each_earlier_version_is_migrated_on_reading(tmp_path: Path) -> None:
    old, middle = tmp_path / "old.parquet", tmp_path / "middle.parquet"
    Table("things", 1, OldThing, ("name",), streamed=True).write(
        old, [OldThing("a", 1500), OldThing("b", 20)]
    )
    Table("things", 2, MiddleThing, ("name",)).write(middle, [MiddleThing("c", 2.0, "n")])
    a = Thing("a", 1.5, None, (1.5,), {"all": 1.0})
    b = Thing("b", 0.02, None, (0.02,), {"all": 1.0})
    assert NEW_THINGS.read(old) == [a, b]
    assert NEW_THINGS.open(old).group(1) == [b]
    assert NEW_THINGS.open(old).column("values") == [[1.5], [0.02]]
    assert NEW_THINGS.metadata(old)["schema_version"] == 1
    assert NEW_THINGS.read(middle) == [Thing("c", 2.0, "n", (2.0,), {"all": 1.0})]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda record: {"name": record["name"]},
        lambda record: noted(weighed(record)) | {"more": 1},
        lambda record: noted(weighed(record)) | {"size": "heavy"},
        lambda record: noted(weighed(record)) | {"size": None},
        lambda record: {"name": record["weight"]},
    ],
)
def test_an_earlier_file_that_does_not_migrate_is_refused(
    tmp_path: Path, wrong: Callable[[Record], Record]
) -> None:
    path = tmp_path / "old.parquet"
    Table("things", 1, OldThing, ("name",)).write(path, [OldThing("a", 1500)])
    with pytest.raises(SchemaError, match=r"old\.parquet is damaged"):
        replace(THINGS, version=2, migrations={1: wrong}).read(path)


def test_a_gap_in_the_migrations_is_a_bug() -> None:
    with pytest.raises(ValueError, match="a migration to 3 is missing"):
        replace(THINGS, version=3, migrations={1: weighed})


def test_a_file_with_a_damaged_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    THINGS.write(path, [Thing("a" * 1000, 0.0, None, (), {})])
    data = bytearray(path.read_bytes())
    data[4:40] = bytes(36)
    path.write_bytes(data)
    with pytest.raises(SchemaError, match="is damaged"):
        THINGS.read(path)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_files_of_earlier_versions_load(table: Table[object]) -> None:
    """`tests/historic/` keeps one small file of every version ever released."""
    for version in range(1, table.version + 1):
        (row,) = table.read(path_of(table, version))
        assert type(row) is table.row
        assert row == any_row(table.row) or version < table.version


def test_every_historic_file_is_of_a_table() -> None:
    known = {path_of(t, v).name for t in TABLES for v in range(1, t.version + 1)}
    assert {path.name for path in HERE.glob("*.parquet")} == known


def test_the_manifest_opens_without_our_code(tiny_dataset: Path, tmp_path: Path) -> None:
    path = tiny_dataset / "clips.parquet"
    ours = list(Dataset(tiny_dataset).clips.values())
    frame = pd.read_parquet(path)
    assert frame["clip_id"].tolist() == [clip.clip_id for clip in ours]
    hub = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path))["train"]
    assert hub["garment_group"][:] == [clip.garment_group for clip in ours]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_of_every_table_are_of_types_that_others_know(table: Table[object]) -> None:
    """`datasets` knows no maps and no dictionaries; pandas reads what Arrow can convert."""
    features = datasets.Features.from_arrow_schema(table.arrow_schema())
    assert list(features) == table.arrow_schema().names
    assert len(pd.read_parquet(path_of(table, table.version))) == 1
