"""A new view model: views and references are made anew, poses are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mrfashion import tables
from mrfashion.duplicates import DuplicateConfig
from mrfashion.filters import FilterConfig
from mrfashion.filters.technical import Resolution, Sharpness
from mrfashion.manifest import VIEW_PART, Dataset
from mrfashion.media import write_clip
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.poses.sidecar import Sidecar, sidecar_path, write_sidecar
from mrfashion.shots import ShotConfig
from mrfashion.shots.content import ContentCuts
from mrfashion.yaw import Yaw
from tests.footage import FPS, turning_clip

CONFIG = CurateConfig(
    shots=ShotConfig(content=ContentCuts(threshold=60.0)),
    filters=FilterConfig(resolution=Resolution(48), sharpness=Sharpness(1.0)),
    duplicates=DuplicateConfig(distance=0.0),  # both are one block that turns
)


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A video whose sidecar brings the yaw, and one whose sidecar does not."""
    for number, told in enumerate((True, False)):
        frames, keypoints, yaw = turning_clip(40.0 * number, 40 + 15 * number)
        path = tmp_path / "in" / f"v{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_clip(path, frames, FPS)
        write_sidecar(sidecar_path(path), Sidecar(keypoints, yaw if told else None))
    return path.parent


def quarter(keypoints: np.ndarray, fps: float, size_hw: tuple[int, int]) -> Yaw:
    assert (fps, size_hw) == (FPS, (64, 48))
    return Yaw(np.full(len(keypoints), 90, np.float32), np.ones(len(keypoints), np.float32))


def test_another_view_model_redoes_views_and_what_hangs_on_them_but_no_pose(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = curate([str(footage)], out, CONFIG)
    assert first.kept == 2
    monkeypatch.setattr("mrfashion.viewing.yaw_from_keypoints", quarter)
    monkeypatch.setattr("mrfashion.viewing.VIEW_MODEL", 99)
    again = curate([str(footage)], out, CONFIG)
    assert all(why.startswith("reused") for why in again.notes["poses"])
    assert sorted(again.notes["references"].values()) == [1, 1]  # one reused, one redone
    assert tables.VIEWS.metadata(out / VIEW_PART)["view_model"] == 99
    dataset = Dataset(out)
    told, untold = sorted(dataset.clips.values(), key=lambda clip: clip.source_id)
    assert np.ptp(dataset.yaw_deg(told.clip_id)) > 300  # the sidecar's own
    assert set(dataset.frame_views(untold.clip_id)) == {"facing-right"}
    assert (untold.views, untold.view_fraction["facing-right"]) == (("facing-right",), 1.0)
    assert untold.measurements["view_sectors"] == 1
    assert told.measurements["view_sectors"] == 8
    rows = [row for row in dataset.references.values() if row.clip_id == untold.clip_id]
    assert {row.view for row in rows} == {"facing-right"}
