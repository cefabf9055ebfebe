"""A takedown leaves nothing of a source, nothing else changes, and it does not come back."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mrfashion import artefacts
from mrfashion.__main__ import run
from mrfashion.errors import ExitCode, HashMismatch, UnknownNameError
from mrfashion.manifest import Dataset
from mrfashion.media import write_lossless
from mrfashion.pipeline import curate
from mrfashion.schema import Table
from mrfashion.tables import CLIPS, TABLES
from mrfashion.takedown import takedown
from mrfashion.takedown_files import stills_of
from mrfashion.tombstones import read_tombstones
from mrfashion.traces import TAKEN_DOWN, Traces
from mrfashion.verification import verify
from tests.footage import write_footage
from tests.historic.regenerate import any_row
from tests.test_mrfashion_curate import CONFIG

GONE = "shop/clip0.mp4"
ID = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of two garment groups, and what is no video."""
    root = tmp_path_factory.mktemp("footage") / "shop"
    for number in range(4):
        write_footage(root, f"clip{number}", number, group=f"dress{number // 2}")
    (root / "noise.mp4").write_bytes(b"noise")
    return root


@pytest.fixture(scope="module")
def curated(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its dataset, with a download of the source that goes, and one of another."""
    root = tmp_path_factory.mktemp("curated") / "dataset"
    curate([str(footage)], root, CONFIG)
    web = root / "sources" / "web"
    web.mkdir(parents=True)
    for key, number in (("a" * 32, 0), ("b" * 32, 1)):
        shutil.copy(footage / f"clip{number}.mp4", web / f"{key}.mp4")
        (web / f"{key}.info.json").write_text('{"title": "x"}')
        row = {"key": key, "status": "ok", "attempt": 1, "value": {"path": f"{key}.mp4"}}
        with (web / "downloads.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
    log = json.loads((root / "run.json").read_text())
    log["runs"][0]["sources"] = [f"/me/{GONE}", "/me/shop/clip1.mp4"]
    (root / "run.json").write_text(json.dumps(log))
    (root / "page.html").write_text(f"<p>{GONE}</p>")
    (root / "notes.txt").write_text("other-shop/clip0.mp4 and shop/clip0.mp4.bak stay")
    return root


@pytest.fixture
def dataset(curated: Path, tmp_path: Path) -> Path:
    """A copy to take from."""
    return Path(shutil.copytree(curated, tmp_path / "dataset"))


@pytest.fixture(scope="module")
def without(curated: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of the dataset after a takedown that nothing disturbed."""
    root = Path(shutil.copytree(curated, tmp_path_factory.mktemp("whole") / "dataset"))
    takedown(root, [GONE])
    return files_of(root)


def files_of(root: Path) -> dict[str, bytes]:
    skipped = (".lock", "takedown.jsonl")
    paths = [path for path in root.rglob("*") if path.is_file() and path.name not in skipped]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def texts_of(root: Path) -> Iterator[tuple[str, str]]:
    """All that anybody could read, by other means than the takedown's own."""
    for name, data in files_of(root).items():
        if name.endswith(".parquet"):
            yield name, str(pq.read_table(root / name).to_pylist())
        yield name, name + data.decode("latin-1")


def clip_of(root: Path, source_id: str) -> Any:
    return next(c for c in Dataset(root).clips.values() if c.source_id == source_id)


def test_nothing_of_the_source_is_left_and_the_rest_is_as_before(dataset: Path) -> None:
    clip, before = clip_of(dataset, GONE), files_of(dataset)
    others = [c for c in Dataset(dataset).clips.values() if c.clip_id != clip.clip_id]
    done = takedown(dataset, [GONE])
    for name, text in texts_of(dataset):
        if name != "notes.txt":
            for trace in (GONE, clip.clip_id, clip.sha256, clip.source_sha256, "a" * 32):
                assert trace not in text, (name, trace)
    after = files_of(dataset)
    assert (
        set(before) - set(after)
        == set(done.files)
        == {
            clip.path,
            f"stages/poses/{clip.clip_id}.sidecar.npz",
            f"sources/web/{'a' * 32}.mp4",
            f"sources/web/{'a' * 32}.info.json",
            "page.html",
        }
    )
    kept = {name for name in after if name.partition("/")[0] in ("clips", "sources", "notes.txt")}
    changed = {name for name in kept if after[name] != before[name]}
    assert changed == {"sources/web/downloads.jsonl"}
    assert {c.clip_id for c in others} == set(Dataset(dataset).clips)
    assert verify(dataset).wrong == ()
    assert json.loads(after["run.json"])["runs"][0]["sources"] == ["/me/shop/clip1.mp4"]
    row = json.loads((dataset / "takedown.jsonl").read_text().splitlines()[-1])
    assert row == {
        "key": GONE,
        "status": "ok",
        "attempt": 2,
        "at": row["at"],
        "sha256": sorted([clip.sha256, clip.source_sha256]),
        "clip_ids": [clip.clip_id],
        "files_read": len(after),
    }


def test_it_does_not_come_back_not_even_under_another_name(
    footage: Path, dataset: Path, tmp_path: Path
) -> None:
    takedown(dataset, [GONE])
    again = Path(shutil.copytree(footage, tmp_path / "shop"))
    (again / "clip0.sidecar.npz").rename(again / "other.sidecar.npz")
    shutil.copy(again / "clip0.mp4", again / "other.mp4")
    summary = curate([str(again)], dataset, CONFIG)
    told = {row.source_id: row.reason for row in summary.rejects if row.stage == "takedown"}
    assert told == {GONE: "taken down", "shop/other.mp4": "taken down"}
    assert summary.kept == 3
    assert verify(dataset).wrong == ()


@pytest.mark.parametrize("moment", [0, 4, 11])
def test_killed_at_any_write_the_next_run_completes_it(
    dataset: Path, without: dict[str, bytes], moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, left = artefacts.put_in_place, [moment]

    def killed(temporary: Path, path: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        put(temporary, path)

    with monkeypatch.context() as patch:
        patch.setattr("mrfashion.artefacts.put_in_place", killed)
        with pytest.raises(KeyboardInterrupt):
            takedown(dataset, [GONE])
    assert read_tombstones(dataset).unfinished == (GONE,)
    assert verify(dataset).wrong
    takedown(dataset, [GONE])
    assert files_of(dataset) == without


def test_a_dry_run_tells_and_touches_nothing(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(dataset)
    assert run(["takedown", GONE, "--dataset", str(dataset), "--dry-run"]) == ExitCode.COMPLETE
    assert f"sources/web/{'a' * 32}.mp4" in capsys.readouterr().out
    assert files_of(dataset) == before


def test_an_unknown_source_is_told_with_near_ones(dataset: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        takedown(dataset, ["shop/clip00.mp4"])
    assert not (dataset / "takedown.jsonl").exists()


def test_a_dropped_source_can_be_taken_down(dataset: Path) -> None:
    done = takedown(dataset, ["shop/noise.mp4"])
    assert done.rows["failures"] == 1
    assert Dataset(dataset).failures == []


def test_a_group_named_after_what_went_gets_another_name(dataset: Path) -> None:
    gone = clip_of(dataset, GONE)
    rows = [
        replace(c, split_group=gone.clip_id) if c.garment_group == gone.garment_group else c
        for c in Dataset(dataset).clips.values()
    ]
    CLIPS.write(dataset / "clips.parquet", rows)
    takedown(dataset, [GONE])
    partner = clip_of(dataset, "shop/clip1.mp4")
    assert partner.split_group == partner.clip_id


def test_what_cannot_be_cleaned_is_named(dataset: Path) -> None:
    pd.DataFrame({"a": [f"of {GONE}"]}).to_parquet(dataset / "mine.parquet")
    np.savez(dataset / f"{'c' * 8}.npz", a=np.zeros(1))
    with pytest.raises(HashMismatch, match=r"1 files still have.*mine\.parquet"):
        takedown(dataset, [GONE])
    (dataset / "mine.parquet").unlink()
    assert takedown(dataset, [GONE]).scanned


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_of_any_table_go_whichever_column_names_it(table: Table[Any]) -> None:
    """A new table is covered by this: each of its text columns, and lists of texts."""
    traces = Traces(frozenset({ID, GONE}))
    row = any_row(table.row)
    assert traces.row(row) == row
    for field in dataclasses.fields(table.row):
        value = getattr(row, field.name)
        for name in (ID, GONE, f"{ID}/7", f"clips/{ID}.mp4"):
            if isinstance(value, str):
                assert traces.row(replace(row, **{field.name: name})) is None
                text = traces.row(replace(row, **{field.name: f"a copy of {name}"}))
                assert TAKEN_DOWN in getattr(text, field.name)
            elif isinstance(value, tuple) and value and isinstance(value[0], str):
                assert traces.row(replace(row, **{field.name: (name,)})) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GONE, True), (f"of {GONE}.", True), (f"{GONE}.bak", False), (f"my-{GONE}", False),
        (f"a/{GONE}", False), (f"/in/{GONE}", False), (f"{ID}.mp4", True), (f"{ID}0", False),
        ("https://x/watch", True), ("https://x/watch?v=2", False), (f"x{ID}y", True),
    ],
)  # fmt: skip
def test_names_are_found_whole(text: str, found: bool) -> None:
    traces = Traces(frozenset({GONE, ID, "https://x/watch"}))
    assert traces.in_text(text) == found
    assert (TAKEN_DOWN in traces.without(text)) == found


def test_downloaded_pictures_of_a_product_go_with_their_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 40, 3), dtype=np.uint8) for _ in range(3)]
    (tmp_path / "sources" / "web").mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "sources" / "web" / f"{number}.png")
    (tmp_path / "sources" / "web" / "torn.jpg").write_bytes(b"\xff\xd8torn")
    write_lossless(tmp_path / "sources" / "p.mkv", pictures[:2], 1.0)
    found = stills_of(tmp_path, ["sources/p.mkv"])
    assert found == ["sources/web/0.png", "sources/web/1.png"]
