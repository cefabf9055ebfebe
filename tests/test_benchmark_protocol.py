"""Tasks and requests: what decides the pixels asked for, and what a damaged file does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.protocol import (
    Task,
    TaskOptions,
    load_task,
    make_task,
    open_dataset,
    refuse_other_task,
    save_task,
    task_samples,
)
from benchmark.requests import build_request, request_digest
from mrfashion import manifest, tables
from mrfashion.errors import ConfigError, InputRefused, ItemError, UnsafePath
from mrfashion.manifest import Dataset
from mrfashion.schema import Table


@pytest.fixture
def copy(tiny_dataset: Path, tmp_path: Path) -> Path:
    """A dataset that a test may damage."""
    return shutil.copytree(tiny_dataset, tmp_path / "dataset")


def task_of(root: Path, runs: Path, **options: Any) -> Task:
    return make_task(Dataset(root), runs, TaskOptions(**options))


def edit(table: Table[Any], path: Path, change: Callable[[Any], Any]) -> None:
    rows = [change(row) for row in table.read(path)]
    table.write(path, [row for row in rows if row is not None])


def first_request(root: Path, **options: Any) -> Any:
    dataset = Dataset(root)
    task = make_task(dataset, root, TaskOptions(**options))
    return build_request(dataset, task_samples(dataset, task)[0], task)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 1},
        {"size": (32, 24)},
        {"reduction": "frame0"},
        {"limit": 2},
        {"steps": 5},
        {"guidance": 1.5},
    ],
)
def test_every_choice_changes_the_task_hash(tiny_dataset: Path, options: dict[str, Any]) -> None:
    plain = task_of(tiny_dataset, tiny_dataset)
    assert task_of(tiny_dataset, tiny_dataset, **options).task_hash != plain.task_hash


def test_a_limit_that_leaves_nothing_out_is_none(tiny_dataset: Path) -> None:
    task = task_of(tiny_dataset, tiny_dataset, limit=4)
    assert task.limit is None
    assert task == task_of(tiny_dataset, tiny_dataset)
    assert len(task_samples(Dataset(tiny_dataset), replace(task, limit=3))) == 3


def test_the_datasets_place_decides_nothing(copy: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    here, there = task_of(copy, tmp_path / "runs"), task_of(tiny_dataset, tmp_path / "runs")
    assert here.dataset == "../dataset"
    assert here.dataset != there.dataset
    assert here.task_hash == there.task_hash


def test_other_poses_are_another_task(copy: Path, tmp_path: Path) -> None:
    before = task_of(copy, tmp_path)
    edit(tables.VIEWS, copy / manifest.VIEW_PART, lambda r: replace(r, yaw_deg=(0.0,) * 24))
    after = task_of(copy, tmp_path)
    assert after.samples_hash == before.samples_hash
    assert after.conditions_hash != before.conditions_hash


def test_a_task_comes_back_from_its_file(tiny_dataset: Path, tmp_path: Path) -> None:
    for options in ({}, {"size": (32, 24), "guidance": 2.0, "limit": 1, "steps": 3}):
        task = task_of(tiny_dataset, tmp_path, **options)
        save_task(tmp_path, task)
        assert load_task(tmp_path) == task
        assert open_dataset(tmp_path, task).samples_hash == task.samples_hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, "task_hash is not that of its values"),
        ({"seed": "7"}, "seed: got '7'"),
        ({"extra": 1}, "extra"),
        ({"samples_hash": None}, "samples_hash"),
        ({"schema_version": 2}, "no task of version 1"),
        ({"size": [0, 5]}, "allowed: 1 to 8192"),
        ({"reduction": "best"}, "reduction"),
        ({"splits": "test"}, "splits"),
    ],
)
def test_an_edited_task_is_refused(
    tiny_dataset: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    save_task(tmp_path, task_of(tiny_dataset, tmp_path))
    path = tmp_path / "task.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputRefused, match=message):
        load_task(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "{}", "\x00", "9" * 5000])
def test_a_damaged_task_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(InputRefused):
        load_task(tmp_path)


def test_a_missing_task_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="mrfashion generate"):
        load_task(tmp_path)


def test_another_task_in_the_folder_names_the_fields(tiny_dataset: Path, tmp_path: Path) -> None:
    save_task(tmp_path, task_of(tiny_dataset, tmp_path))
    with pytest.raises(InputRefused, match=r"\(seed: 0 there, 3 now; .*size|size.*seed: 0 there"):
        refuse_other_task(tmp_path, task_of(tiny_dataset, tmp_path, seed=3, size=(8, 8)))


@pytest.mark.parametrize(
    "options",
    [
        {"size": (0, 4)},
        {"size": (9000, 4)},
        {"seed": -1},
        {"limit": 0},
        {"steps": 0},
        {"guidance": float("nan")},
        {"reduction": "best"},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TaskOptions(**options)


def test_a_split_without_samples_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"it has \['test'\]"):
        task_of(tiny_dataset, tmp_path, splits=("val",))


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "", ".hidden", "a\nb", "x" * 200, "-rf"])
def test_a_sample_id_that_cannot_name_a_file_is_refused(
    copy: Path, tmp_path: Path, name: str
) -> None:
    path = copy / "samples.parquet"
    edit(tables.SAMPLES, path, lambda r: replace(r, sample_id=name) if "00" in r.clip_id else r)
    with pytest.raises(InputRefused, match="cannot name a file"):
        task_of(copy, tmp_path)


@pytest.mark.parametrize("change", [{"fps": float("nan")}, {"fps": 0.0}, {"width": 10**6}])
def test_a_clip_of_impossible_geometry_is_refused(
    copy: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    edit(tables.CLIPS, copy / "clips.parquet", lambda r: replace(r, **change))
    with pytest.raises(InputRefused, match="Run curate again"):
        task_of(copy, tmp_path)


def test_a_clip_that_no_table_holds_is_refused(copy: Path, tmp_path: Path) -> None:
    edit(tables.CLIPS, copy / "clips.parquet", lambda r: None if r.clip_id == "clip01" else r)
    with pytest.raises(InputRefused, match="clip01"):
        task_of(copy, tmp_path)


def test_a_request_holds_the_samples_poses_and_references(tiny_dataset: Path) -> None:
    dataset, asked = Dataset(tiny_dataset), first_request(tiny_dataset)
    sample = dataset.samples["sample-clip00"]
    assert (asked.frames, asked.size, asked.fps, asked.seed) == (12, (64, 48), 12.0, 0)
    poses = dataset.keypoints("clip00")[4:16]
    assert np.array_equal(asked.keypoints, poses, equal_nan=True)
    assert np.array_equal(asked.yaw_deg, dataset.yaw_deg("clip00")[4:16])
    assert [r.view for r in asked.references] == ["front", "facing-right", "facing-left", "back"]
    for reference, name in zip(asked.references, sample.reference_ids, strict=True):
        clip_id, frame = name.split("/")
        assert np.array_equal(reference.image, dataset.frames(clip_id, [int(frame)])[0])


def test_a_stride_slows_the_frame_rate(copy: Path) -> None:
    edit(tables.SAMPLES, copy / "samples.parquet", lambda r: replace(r, stride=2, frames=6))
    asked = first_request(copy)
    assert asked.fps == 6.0
    assert np.array_equal(asked.yaw_deg, Dataset(copy).yaw_deg("clip00")[4:16:2])


def test_the_digest_covers_everything(tiny_dataset: Path) -> None:
    asked = first_request(tiny_dataset)
    other = asked.references[0].image.copy()
    other[0, 0, 0] ^= 1
    changed = [
        replace(asked, seed=1),
        replace(asked, fps=11.0),
        replace(asked, size=(8, 8)),
        replace(asked, steps=1),
        replace(asked, guidance=1.0),
        replace(asked, sample_id="x"),
        replace(asked, frame_size=(1, 1)),
        replace(asked, yaw_deg=asked.yaw_deg + 1),
        replace(asked, keypoints=asked.keypoints + 1),
        replace(asked, references=asked.references[::-1]),
        *(
            replace(
                asked, references=(replace(asked.references[0], **change), *asked.references[1:])
            )
            for change in (
                {"image": other},
                {"keypoints": asked.references[1].keypoints},
                {"yaw_deg": None},
                {"view": None},
            )
        ),
    ]
    digests = {request_digest(request) for request in [asked, *changed]}
    assert len(digests) == len(changed) + 1
    assert request_digest(first_request(tiny_dataset)) == request_digest(asked)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start": 20}, "request.out_of_range"),
        ({"start": -1}, "request.out_of_range"),
        ({"frames": 10**12}, "request.out_of_range"),
        ({"frames": 0}, "request.out_of_range"),
        ({"stride": 0}, "request.out_of_range"),
        ({"reference_ids": ("clip01/999",)}, "request.no_reference"),
        ({"reference_ids": ()}, "request.no_reference"),
    ],
)
def test_a_damaged_sample_is_an_item_error(copy: Path, change: dict[str, Any], code: str) -> None:
    edit(tables.SAMPLES, copy / "samples.parquet", lambda r: replace(r, **change))
    with pytest.raises(ItemError) as caught:
        first_request(copy)
    assert caught.value.code == code


def test_a_reference_out_of_the_target_frames_is_a_leak(copy: Path) -> None:
    def leak(row: tables.ReferenceCandidate) -> tables.ReferenceCandidate:
        return replace(row, clip_id="clip00", frame=5) if row.clip_id == "clip01" else row

    edit(tables.REFERENCES, copy / "references.parquet", leak)
    with pytest.raises(ItemError, match=r"request\.leak"):
        first_request(copy)


def test_a_missing_video_is_an_item_error_without_its_folder(copy: Path) -> None:
    (copy / "clips" / "clip01.mp4").unlink()
    with pytest.raises(ItemError, match=r"clip01\.mp4") as caught:
        first_request(copy)
    assert str(copy) not in caught.value.text


def test_missing_poses_are_an_item_error(copy: Path) -> None:
    path = copy / manifest.KEYPOINT_PARTS / "part-000.parquet"
    edit(tables.KEYPOINTS, path, lambda r: None if r.clip_id == "clip00" else r)
    with pytest.raises(ItemError, match="no keypoints") as caught:
        first_request(copy)
    assert str(copy) not in caught.value.text


def test_a_video_path_out_of_the_dataset_is_refused(copy: Path) -> None:
    edit(tables.CLIPS, copy / "clips.parquet", lambda r: replace(r, path="../../../etc/passwd"))
    with pytest.raises(UnsafePath):
        first_request(copy)


def test_a_dataset_that_changed_under_a_run_is_refused(copy: Path, tmp_path: Path) -> None:
    task = task_of(copy, tmp_path)
    edit(tables.SAMPLES, copy / "samples.parquet", lambda r: replace(r, start=0))
    with pytest.raises(InputRefused, match="other samples"):
        open_dataset(tmp_path, task)
