"""The torch loader: random access, determinism by (seed, epoch, rank), resuming in mid-epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from mrfashion.errors import ConfigError, InputRefused, ItemError
from mrfashion.letterbox import letterbox, move, place
from mrfashion.loader import (
    ClipDataset,
    Draw,
    EpochSampler,
    collate,
    to_network,
    to_uint8,
)
from mrfashion.manifest import Dataset
from mrfashion.tables import ReferenceCandidate


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path) -> Dataset:
    return Dataset(tiny_dataset)


@pytest.fixture(scope="module")
def clips(dataset: Dataset) -> ClipDataset:
    return ClipDataset(dataset, "test", frames=6)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Equal to the bit; NaN equals NaN."""
    return one.keys() == other.keys() and all(
        torch.equal(torch.nan_to_num(one[name], nan=-9e9), torch.nan_to_num(other[name], nan=-9e9))
        if isinstance(one[name], torch.Tensor)
        else one[name] == other[name]
        for name in one
    )


def loaded(clips: ClipDataset, sampler: EpochSampler, workers: int) -> list[dict[str, Any]]:
    return list(
        DataLoader(clips, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=collate)
    )


def only_own(dataset: Dataset, frames: Sequence[int], clip_frames: int) -> Dataset:
    """A dataset of one clip, `clip_frames` long, whose only references are its own."""
    clip = replace(dataset.clips["clip00"], frames=clip_frames)
    rows = [
        ReferenceCandidate(f"clip00/{i}", "clip00", "g00", i, "front", 0.0, 1.0, {}, n + 1, None)
        for n, i in enumerate(frames)
    ]
    alone = Dataset(dataset.root)
    alone.__dict__["clips"] = {"clip00": clip}
    alone.__dict__["references"] = {row.reference_id: row for row in rows}
    return alone


def test_every_level_survives_the_way_to_the_network_and_back() -> None:
    frames = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    network = to_network(frames)
    assert network.shape == (1, 3, 16, 16)
    assert (network.min(), network.max()) == (-1, 1)
    np.testing.assert_array_equal(to_uint8(network), frames)


def test_to_uint8_rounds_half_to_even_and_clips_but_refuses_nan() -> None:
    # 0 is the one value that lies exactly between two levels: 127.5 goes to 128, the even one.
    values = torch.tensor([0.0, -1.0, 1.0, -1.5, 2.0, 0.003, -0.005])
    images = values.expand(3, 1, 7)
    assert to_uint8(images)[0, :, 0].tolist() == [128, 0, 255, 0, 255, 128, 127]
    assert to_uint8(images.to(torch.bfloat16))[0, :3, 0].tolist() == [128, 0, 255]
    with pytest.raises(ValueError, match="NaN"):
        to_uint8(torch.full((3, 1, 1), float("nan")))
    with pytest.raises(ValueError, match="uint8 is needed"):
        to_network(np.zeros((1, 2, 2, 3)))  # type: ignore[arg-type]


def test_item_has_the_promised_shapes_and_ranges(clips: ClipDataset) -> None:
    item = clips[Draw(epoch=2, position=0, index=1, seed=5)]
    assert item["target"].shape == (6, 3, 64, 48)
    assert item["target"].dtype == torch.float32
    assert item["target"].abs().max() <= 1
    assert item["keypoints"].shape == (6, 133, 3)
    assert item["yaw_deg"].shape == (6,)
    assert item["references"].shape == (4, 3, 64, 48)
    assert item["reference_keypoints"].shape == (4, 133, 3)
    assert item["clip_id"] == "clip01"


def test_item_holds_the_frames_of_its_plan(clips: ClipDataset, dataset: Dataset) -> None:
    draw = Draw(0, 0, 2, 7)
    plan, item = clips.plan(draw), clips[draw]
    window = list(plan.target_frames)
    np.testing.assert_array_equal(to_uint8(item["target"]), dataset.frames("clip02", window))
    np.testing.assert_array_equal(item["yaw_deg"], dataset.yaw_deg("clip02")[window])
    np.testing.assert_array_equal(item["keypoints"], dataset.keypoints("clip02")[window])
    for slot, row in enumerate(plan.references):
        image = dataset.frames(row.clip_id, [row.frame])[0]
        np.testing.assert_array_equal(to_uint8(item["references"][slot]), image)
        assert item["reference_yaw_deg"][slot] == pytest.approx(row.yaw_deg)


def test_padding_is_masked_and_empty(clips: ClipDataset) -> None:
    items = [clips[Draw(epoch, 0, 0, 0)] for epoch in range(12)]
    counts = {int(item["reference_mask"].sum()) for item in items}
    assert counts == {1, 2, 3, 4}
    for item in items:
        used = int(item["reference_mask"].sum())
        assert item["reference_mask"].tolist() == [True] * used + [False] * (4 - used)
        assert (item["references"][used:] == 0).all()
        assert (item["reference_keypoints"][used:, :, 2] == 0).all()
        assert item["reference_yaw_deg"][used:].isnan().all()


def test_references_come_from_the_other_clip_of_the_garment_group(clips: ClipDataset) -> None:
    for index, other in enumerate(("clip01", "clip00", "clip03", "clip02")):
        for epoch in range(5):
            rows = clips.plan(Draw(epoch, 0, index, 0)).references
            assert {row.clip_id for row in rows} == {other}
            assert len({row.frame for row in rows}) == len(rows)


def test_same_draw_twice_is_equal_and_position_does_not_matter(clips: ClipDataset) -> None:
    assert same(clips[Draw(3, 0, 1, 9)], clips[Draw(3, 2, 1, 9)])
    assert same(clips[1], clips[Draw(0, 1, 1, 0)])


def test_other_epochs_and_seeds_draw_other_items(clips: ClipDataset) -> None:
    epochs = {clips.plan(Draw(epoch, 0, 0, 0)).target_frames for epoch in range(10)}
    seeds = {clips.plan(Draw(0, 0, 0, seed)).target_frames for seed in range(10)}
    assert len(epochs) > 3
    assert len(seeds) > 3


@pytest.mark.parametrize("size", [None, (40, 40)])
def test_workers_change_nothing(dataset: Dataset, size: tuple[int, int] | None) -> None:
    clips = ClipDataset(dataset, "test", frames=4, stride=2, size=size)
    one = loaded(clips, EpochSampler(4, seed=1), workers=0)
    other = loaded(clips, EpochSampler(4, seed=1), workers=2)
    assert len(one) == len(other) == 2
    assert all(same(a, b) for a, b in zip(one, other, strict=True))
    assert one[0]["target"].shape == (2, 4, 3, *(size or (64, 48)))


def test_letterbox_keeps_the_shape_and_moves_the_keypoints_with_the_picture() -> None:
    image = np.zeros((40, 20, 3), np.uint8)
    image[28:32, 8:12] = 250
    keypoints = np.array([[9.5, 29.5, 1.0], [np.nan, np.nan, 0.0]], np.float32)
    small, moved = letterbox(image, (20, 30)), move(keypoints, place((40, 20), (20, 30)))
    assert small.shape == (20, 30, 3)
    rows, columns = np.nonzero(small[..., 0] > 125)
    np.testing.assert_allclose(moved[0], (columns.mean(), rows.mean(), 1.0))
    np.testing.assert_array_equal(moved[1], keypoints[1])


def test_mixed_sizes_in_a_batch_are_refused(clips: ClipDataset, dataset: Dataset) -> None:
    with pytest.raises(ItemError, match="size="):
        collate([clips[0], ClipDataset(dataset, "test", frames=6, size=(32, 32))[0]])


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 12),
    stride=st.integers(1, 3),
    epoch=st.integers(0, 1000),
    own=st.sets(st.integers(0, 79), min_size=1, max_size=8),
)
def test_own_references_keep_half_a_second_away(
    dataset: Dataset, frames: int, stride: int, epoch: int, own: set[int]
) -> None:
    alone = only_own(dataset, sorted(own), clip_frames=80)  # 12 frames a second
    plan = ClipDataset(alone, "test", frames, stride).plan(Draw(epoch, 0, 0, 0))
    window = plan.target_frames
    assert len(window) == frames
    assert 0 <= window[0] <= window[-1] < 80
    assert plan.references
    for row in plan.references:
        assert row.frame < window[0] - 6 or row.frame > window[-1] + 6


def test_too_short_a_clip_is_named_with_what_is_needed(dataset: Dataset) -> None:
    with pytest.raises(InputRefused, match=r"clip00 has 24 frames; 16 frames at stride 2 span 31"):
        ClipDataset(dataset, "test", frames=16, stride=2)
    with pytest.raises(InputRefused, match=r"no reference for any window"):
        ClipDataset(only_own(dataset, [12], clip_frames=24), "test", frames=16)


def test_unknown_split_and_wrong_counts_are_refused(dataset: Dataset) -> None:
    with pytest.raises(InputRefused, match="splits with clips"):
        ClipDataset(dataset, "train")
    with pytest.raises(ValueError, match="least number of references first"):
        ClipDataset(dataset, "test", frames=4, references=(3, 2))
    with pytest.raises(IndexError, match="has 4 clips"):
        ClipDataset(dataset, "test", frames=4).plan(4)


@settings(max_examples=50, deadline=None)
@given(length=st.integers(1, 50), world=st.integers(1, 6), epoch=st.integers(0, 5))
def test_ranks_are_disjoint_equal_and_cover_what_they_can(
    length: int, world: int, epoch: int
) -> None:
    if world > length:
        with pytest.raises(ValueError, match="world_size <= items"):
            EpochSampler(length, 0, 0, world)
        return
    samplers = [EpochSampler(length, 3, rank, world) for rank in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    shares = [[draw.index for draw in sampler] for sampler in samplers]
    assert {len(share) for share in shares} == {length // world}
    seen = [index for share in shares for index in share]
    assert len(set(seen)) == len(seen) == length // world * world


def test_epochs_differ_and_repeat_and_can_be_in_order() -> None:
    sampler = EpochSampler(20, seed=4)
    first = list(sampler)
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert [d.index for d in sampler] != [d.index for d in first]
    assert [d.index for d in EpochSampler(4, 0, shuffle=False)] == [0, 1, 2, 3]


@settings(max_examples=50, deadline=None)
@given(length=st.integers(2, 30), done=st.integers(0, 80), seed=st.integers(0, 5))
def test_resuming_anywhere_equals_going_on(length: int, done: int, seed: int) -> None:
    through = [draw for epoch in range(4) for draw in at_epoch(length, seed, epoch)]
    sampler = EpochSampler(length, seed)
    done = min(done, 3 * length)
    for _ in range(done):
        sampler.advance(1)
    resumed = EpochSampler(length, seed)
    resumed.load_state_dict(sampler.state_dict())
    resumed.set_epoch(resumed.epoch)  # a training loop says so on entering; it must not rewind
    assert len(resumed) == len(list(resumed))
    assert list(resumed) == through[done : (done // length + 1) * length]


def at_epoch(length: int, seed: int, epoch: int) -> list[Draw]:
    sampler = EpochSampler(length, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_resumed_loader_gives_the_rest_though_workers_had_asked_ahead(clips: ClipDataset) -> None:
    sampler = EpochSampler(4, seed=2)
    whole = loaded(clips, EpochSampler(4, seed=2), workers=0)
    running = iter(DataLoader(clips, 2, sampler=sampler, num_workers=2, collate_fn=collate))
    first = next(running)
    sampler.advance(len(first["clip_id"]))
    saved = sampler.state_dict()
    resumed = EpochSampler(4, seed=2)
    resumed.load_state_dict(saved)
    rest = loaded(clips, resumed, workers=0)
    assert same(first, whole[0])
    assert len(rest) == 1
    assert same(rest[0], whole[1])


def test_a_state_of_other_data_is_refused() -> None:
    saved = EpochSampler(8, seed=1).state_dict()
    for other in (EpochSampler(9, 1), EpochSampler(8, 2), EpochSampler(8, 1, 0, 2)):
        with pytest.raises(ConfigError, match="resume with the same data"):
            other.load_state_dict(saved)
    with pytest.raises(ValueError, match="8 are left"):
        EpochSampler(8, seed=1).advance(9)
