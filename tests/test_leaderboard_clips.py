"""Which clips are shown: by view and name, from several garment groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from leaderboard.clips import HEIGHT_PX, choose
from leaderboard.players import LEAST_HEIGHT_PX, film
from mrfashion import tables
from mrfashion.manifest import VIEW_PART, Dataset
from mrfashion.media import probe, read_frames
from mrfashion.pictures import thumbnail
from tests.conftest import write_dataset
from tests.footage import turning_clip

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
    small = thumbnail(image, HEIGHT_PX)
    assert small.shape == (HEIGHT_PX, 120, 3)
    assert set(np.unique(small)) == {0, 255}
    assert thumbnail(np.zeros((640, 480, 3), np.uint8), HEIGHT_PX).shape == (HEIGHT_PX, 120, 3)


def test_a_film_is_h264_with_its_true_rate_and_its_first_frame_as_poster(tmp_path: Path) -> None:
    frames, _, _ = turning_clip(0.0, 90)
    made = film(tmp_path, "videos/x", iter(frames), 7.5, picks=[3, 5])
    info = probe(tmp_path / made.path)
    assert (info.codec, info.fps) == ("h264", 7.5)
    assert (info.height, info.width) == (made.height, made.width) == (256, 192)
    assert b"moov" in (tmp_path / made.path).read_bytes()[:64]  # starts before it is all there
    shown = read_frames(tmp_path / made.path)
    assert len(shown) == len(frames)
    large = frames.repeat(4, 1).repeat(4, 2).astype(int)
    assert np.abs(shown - large).mean() < 3
    with Image.open(tmp_path / made.poster) as poster:
        assert (np.asarray(poster) == large[0]).all()
    assert [p.tobytes() for p in made.picked] == [frames[3].tobytes(), frames[5].tobytes()]


def test_odd_and_large_films_keep_their_size_but_for_a_line(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, LEAST_HEIGHT_PX + 5, 201, 3), np.uint8)
    made = film(tmp_path, "x", frames, 10.0)
    assert (made.height, made.width) == (LEAST_HEIGHT_PX + 4, 200)
    with Image.open(tmp_path / made.poster) as poster:
        assert poster.size == (200, LEAST_HEIGHT_PX + 4)
