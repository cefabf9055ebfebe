"""Curation of footage without sidecars: an estimator gives the keypoints."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mrfashion import tables
from mrfashion.duplicates import DuplicateConfig
from mrfashion.errors import ItemError, MissingRequirement, UnknownNameError
from mrfashion.filters import FilterConfig
from mrfashion.filters.technical import Resolution, Sharpness
from mrfashion.manifest import KEYPOINT_PARTS, Dataset
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.estimator import DETECTOR_SKIPPED, PoseTrack
from mrfashion.posing import PoseConfig
from mrfashion.samples import SampleConfig
from mrfashion.shots import ShotConfig
from mrfashion.shots.content import ContentCuts
from mrfashion.splits import SplitConfig
from tests.footage import FRAMES, body_at, turning_clip, write_footage


class BlockFinder:
    """Finds the block of the test footage: a real detector of something simple."""

    name = "blocks"
    version = 1
    shared = False
    made = 0
    missing: tuple[str, ...] = ()
    broken = False

    def __init__(self, config: PoseConfig) -> None:
        type(self).made += 1

    def settings(self) -> dict[str, Any]:
        return {"background": 230}

    def check(self) -> list[str]:
        return list(self.missing)

    def track(self, frames: Iterable[np.ndarray], fps: float) -> PoseTrack:
        if self.broken:
            raise ItemError("pose.track_lost", "the block left the frame")
        keypoints, boxes = [], []
        for image in frames:
            rows, columns = np.nonzero((np.abs(image.astype(int) - 230) > 25).any(-1))
            left, top = columns.min(), rows.min()
            keypoints.append(body_at(left, top, 0.9))
            boxes.append([left, top, columns.max() + 1, rows.max() + 1])
        count = len(keypoints)
        people = np.full(count, DETECTOR_SKIPPED, np.int16)
        people[0] = 1
        scores = np.where(people > 0, 0.9, np.nan).astype(np.float32)
        return PoseTrack(np.stack(keypoints), np.array(boxes, np.float32), scores, people)


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> type[BlockFinder]:
    own = type("BlockFinder", (BlockFinder,), {"made": 0})
    monkeypatch.setitem(ESTIMATORS, "blocks", own)
    return own


def config(**poses: Any) -> CurateConfig:
    return CurateConfig(
        filters=FilterConfig(resolution=Resolution(48), sharpness=Sharpness(1.0)),
        shots=ShotConfig(content=ContentCuts(threshold=60.0)),
        poses=PoseConfig(**{"estimator": "blocks", **poses}),
        duplicates=DuplicateConfig(distance=0.0),  # all of them are one block that turns
        splits=SplitConfig(0.0, 0.0, 1.0),
        samples=SampleConfig(frames=6),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write_footage(tmp_path / "in", f"plain{number}", number, sidecar=False)
    write_footage(tmp_path / "in", "told", 3)
    return tmp_path


def test_plain_videos_are_posed_and_sidecars_are_believed(
    folder: Path, finder: type[BlockFinder]
) -> None:
    summary = curate([str(folder / "in")], folder / "out", config())
    assert (summary.kept, summary.failures) == (4, [])
    part = folder / "out" / KEYPOINT_PARTS / "part-000.parquet"
    rows = {row.clip_id: row for row in tables.KEYPOINTS.read(part)}
    assert sorted(row.estimator for row in rows.values()) == ["blocks"] * 3 + ["sidecar"]
    made = tables.KEYPOINTS.metadata(part)["estimators"]
    assert made["blocks"] == {"name": "blocks", "version": 1, "background": 230}
    dataset = Dataset(folder / "out")
    for clip in dataset.clips.values():
        if rows[clip.clip_id].estimator != "blocks":
            continue
        number = int(clip.source_id[-5])
        truth = turning_clip(40.0 * number, 40 + 15 * number)[1]
        error = np.abs(dataset.keypoints(clip.clip_id) - truth)[:, :17, :2]
        assert error.max() <= 2.5  # H.264 blurs the block's edge
        assert rows[clip.clip_id].people == (1, *[None] * (FRAMES - 1))
        assert rows[clip.clip_id].detector_scores[0] == pytest.approx(0.9)
        assert rows[clip.clip_id].detector_scores[1] is None


def test_poses_are_estimated_once(folder: Path, finder: type[BlockFinder]) -> None:
    curate([str(folder / "in")], folder / "out", config())
    before = {p.name: p.read_bytes() for p in (folder / "out").glob("*.parquet")}
    again = curate([str(folder / "in")], folder / "out", config())
    assert again.notes["poses"] == {"reused: same inputs and settings": 4}
    assert {p.name: p.read_bytes() for p in (folder / "out").glob("*.parquet")} == before
    finder.version = 2
    redone = curate([str(folder / "in")], folder / "out", config())
    assert redone.notes["poses"] == {"new": 3, "reused: same inputs and settings": 1}


def test_each_thread_has_an_estimator_of_its_own(folder: Path, finder: type[BlockFinder]) -> None:
    curate([str(folder / "in")], folder / "one", config(), workers=1)
    alone = finder.made
    curate([str(folder / "in")], folder / "three", config(), workers=3)
    one, three = (folder / out / KEYPOINT_PARTS / "part-000.parquet" for out in ("one", "three"))
    assert one.read_bytes() == three.read_bytes()
    assert finder.made - alone <= alone + 2


def test_missing_weights_stop_before_any_encoding(folder: Path, finder: type[BlockFinder]) -> None:
    finder.missing = ("blocks.bin is not there: mrfashion weights fetch blocks",)
    with pytest.raises(MissingRequirement, match="weights fetch blocks") as error:
        curate([str(folder / "in")], folder / "out", config())
    assert "use = 'sidecar'" in str(error.value)
    assert not list((folder / "out").glob("clips/*"))
    summary = curate([str(folder / "in")], folder / "out", config(use="sidecar"))
    assert summary.kept == 1
    assert {row.reason for row in summary.rejects} == {"no keypoints"}


def test_use_estimator_overrules_sidecars(folder: Path, finder: type[BlockFinder]) -> None:
    curate([str(folder / "in")], folder / "out", config(use="estimator"))
    rows = tables.KEYPOINTS.read(folder / "out" / KEYPOINT_PARTS / "part-000.parquet")
    assert {row.estimator for row in rows} == {"blocks"}


def test_a_lost_track_is_one_failed_row(folder: Path, finder: type[BlockFinder]) -> None:
    finder.broken = True
    summary = curate([str(folder / "in")], folder / "out", config())
    assert summary.kept == 1
    assert {failure.error for failure in summary.failures} == {"pose.track_lost"}
    assert len(summary.failures) == 3


def test_unknown_estimators_are_named(folder: Path, finder: type[BlockFinder]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean blocks"):
        curate([str(folder / "in")], folder / "out", config(estimator="blokcs"))
