"""Which clips are shown: by view and name, from several garment groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from leaderboard.strips import HEIGHT_PX, _thumbnail, choose
from mrfashion import tables
from mrfashion.manifest import VIEW_PART, Dataset
from tests.conftest import write_dataset

YAW = {"front": 0.0, "facing-right": 90.0, "facing-left": -90.0, "back": 180.0}


def facing(root: Path, views: dict[str, str]) -> Dataset:
    """A dataset whose clips each show one view."""
    rows = tables.VIEWS.read(root / VIEW_PART)
    turned = [replace(r, yaw_deg=(YAW[views[r.clip_id]],) * len(r.yaw_deg)) for r in rows]
    tables.VIEWS.write(root / VIEW_PART, turned)
    return Dataset(root)


def test_views_come_in_turn(tmp_path: Path) -> None:
    views = dict(zip([f"clip{i:02d}" for i in range(4)], reversed(YAW), strict=True))
    dataset = facing(write_dataset(tmp_path), views)
    samples = list(dataset.samples.values())
    chosen = choose(dataset, samples, 4)
    assert [views[s.clip_id] for s in chosen] == ["front", "back", "facing-left", "facing-right"]
    assert [s.garment_group for s in chosen] == ["g01", "g00", "g00", "g01"]  # new groups first
    assert chosen == choose(dataset, samples[::-1], 4)


def test_no_clip_is_shown_twice_and_few_are_enough(tiny_dataset: Path) -> None:
    samples = list(Dataset(tiny_dataset).samples.values())
    chosen = choose(Dataset(tiny_dataset), samples, 9)
    assert sorted(s.sample_id for s in chosen) == sorted(s.sample_id for s in samples)
    assert choose(Dataset(tiny_dataset), [], 4) == []


def test_thumbnails_have_one_height_and_small_ones_stay_sharp() -> None:
    image = np.zeros((40, 30, 3), np.uint8)
    image[:20] = 255
    small = _thumbnail(image)
    assert small.shape == (HEIGHT_PX, 120, 3)
    assert set(np.unique(small)) == {0, 255}
    assert _thumbnail(np.zeros((640, 480, 3), np.uint8)).shape == (HEIGHT_PX, 120, 3)
