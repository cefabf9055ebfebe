"""`verify` finds whatever no longer is as it was written, over every table there is."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mrfashion import tables
from mrfashion.__main__ import run
from mrfashion.errors import ExitCode, InputRefused
from mrfashion.inventory import INVENTORY, all_table_files, read_inventory, write_inventory
from mrfashion.schema import Table
from mrfashion.verification import verify
from tests.conftest import write_dataset
from tests.historic.regenerate import path_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of one garment group, and the record of their tables."""
    root = write_dataset(tmp_path_factory.mktemp("whole"), groups=1)
    write_inventory(root)
    return root


@pytest.fixture
def dataset(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "dataset"))


def rows(root: Path, table: Table[Any]) -> list[Any]:
    return [row for path in files(root, table) for row in table.read(path)]


def files(root: Path, table: Table[Any]) -> list[Path]:
    return [root / name for name, of in all_table_files(root).items() if of is table]


def write(root: Path, table: Table[Any], changed: list[Any]) -> None:
    table.write(files(root, table)[0], changed)


def test_every_table_of_a_dataset_is_listed() -> None:
    """A table that is not in TABLES is not verified, exported or taken down."""
    defined = {value.name for value in vars(tables).values() if isinstance(value, Table)}
    listed = [table.name for table in tables.TABLES]
    assert set(listed) == defined
    assert len(listed) == len(defined)


def test_a_whole_dataset_is_as_it_was_written(dataset: Path) -> None:
    found = verify(dataset)
    assert (found.wrong, found.notes) == ((), ())
    assert {table.table for table in found.tables} == {table.name for table in tables.TABLES}
    assert all(table.schema_version == table.current_version for table in found.tables)


def test_the_inventory_tells_what_each_table_was(dataset: Path) -> None:
    entries = read_inventory(dataset)
    assert entries is not None
    assert entries["clips.parquet"].rows == 2
    before = (dataset / INVENTORY).read_bytes()
    write_inventory(dataset)
    assert (dataset / INVENTORY).read_bytes() == before


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.name)
def test_any_table_that_is_gone_torn_or_other_is_found(dataset: Path, table: Table[Any]) -> None:
    path = files(dataset, table)[0]
    name = path.relative_to(dataset).as_posix()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert any(f"table {name}" in wrong for wrong in verify(dataset).wrong)
    table.write(path, table.read(_written(path, whole)), note="other bytes")
    assert verify(dataset).wrong == (f"table {name} has other bytes than when it was written",)
    if table is not tables.SAMPLES:  # without it the dataset is not whole, and does not open
        path.unlink()
        assert verify(dataset).wrong == (f"table {name} is gone",)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (tables.SAMPLES, lambda r: replace(r, start=99), "its frames are not in clip"),
        (tables.SAMPLES, lambda r: replace(r, reference_ids=("x/1",)), "reference x/1 is missing"),
        (tables.REFERENCES, lambda r: replace(r, frame=24), "its frame is not in clip"),
        (tables.VIEWS, lambda r: replace(r, clip_id="stranger"), "is of clip stranger"),
        (tables.VIEWS, lambda r: replace(r, yaw_deg=r.yaw_deg[1:]), "views has 23 frames"),
        (tables.KEYPOINTS, lambda r: replace(r, xy=b"", score=b""), "no packed keypoints"),
        (tables.CLIPS, lambda r: replace(r, frames=23), "video has 24 frames; the table says 23"),
        (tables.CLIPS, lambda r: replace(r, width=50), "frames are ['48x64']; the table: 50x64"),
        (tables.CLIPS, lambda r: replace(r, sha256="0" * 64), "has other bytes"),
        (tables.CLIPS, lambda r: replace(r, path="../clip"), "leaves its folder"),
        (tables.CLIPS, lambda r: replace(r, split="train"), "garment_group g00 is in splits"),
        (tables.CLIPS, lambda r: replace(r, clip_id="c9"), "is of clip clip00, which is not"),
    ],
)
def test_rows_that_do_not_fit_are_found(
    dataset: Path, table: Table[Any], change: Callable[[Any], Any], message: str
) -> None:
    first, *rest = rows(dataset, table)
    write(dataset, table, sorted([change(first), *rest], key=table.place))
    write_inventory(dataset)
    assert any(message in wrong for wrong in verify(dataset).wrong), verify(dataset).wrong


def test_files_that_should_not_be_there(dataset: Path, tmp_path: Path) -> None:
    shutil.copy(next((dataset / "clips").iterdir()), dataset / "clips" / "orphan.mp4")
    assert "1 files below clips/ belong to no kept clip" in verify(dataset).notes[0]
    (dataset / "secrets").symlink_to(tmp_path.parent)
    assert verify(dataset).wrong == ("secrets links out of the dataset",)


def test_a_dataset_of_an_earlier_release_opens_and_tells_its_versions(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dataset / INVENTORY).unlink()
    shutil.copy(path_of(tables.REFERENCES, 1), dataset / "references.parquet")
    found = verify(dataset)
    assert "an earlier release wrote the tables" in found.notes[0]
    (state,) = [table for table in found.tables if table.table == "references"]
    assert (state.schema_version, state.current_version) == (1, tables.REFERENCES.version)
    assert run(["verify", str(dataset)]) == ExitCode.MISMATCH  # the old file is of another clip
    assert "references.parquet holds table references of version 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds no JSON object"),
        ('{"format_version": 2, "tables": {}}', "format_version is 2"),
        ('{"format_version": 1, "tables": {"a": {"rows": 1}}}', "was edited"),
        ('{"format_version": 1}', "was edited"),
    ],
)
def test_an_inventory_that_is_none_is_told(dataset: Path, text: str, message: str) -> None:
    (dataset / INVENTORY).write_text(text)
    with pytest.raises(InputRefused, match=message):
        read_inventory(dataset)
    (wrong,) = verify(dataset).wrong
    assert message in wrong


def test_the_answer_as_json(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(dataset), "--json"]) == ExitCode.COMPLETE
    answer = json.loads(capsys.readouterr().out)
    assert answer["wrong"] == []
    assert {"path", "table", "schema_version", "current_version", "rows"} == set(
        answer["tables"][0]
    )
