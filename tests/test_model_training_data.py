"""Batches of the trainer: pure in their number, with references that never show the target."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training_data import (
    TrainingBatch,
    TrainingData,
    TurntableData,
    Wanted,
    open_data,
)
from model.turntable_data import covering, draw
from model.turntable_groups import Slices, render_groups
from mrfashion.config import from_dict, to_dict
from mrfashion.errors import ConfigError
from mrfashion.sources.turntable.clips import group_plan

SMALL = TurntableData(
    size=(32, 24),
    groups=8,
    clip_frames=12,
    target_frames=6,
    reference_frames=6,
    slice_groups=2,
    slices=2,
    slice_steps=2,
    workers=0,
    validation_groups=3,
    validation_frames=5,
)
CPU = torch.device("cpu")


def opened(config: TurntableData = SMALL, **changes: Any) -> TrainingData:
    wanted = {"batch": 3, "frames": 4, "consecutive": False, "seed": 5} | changes
    return open_data(config, **wanted)


def taken(data: TrainingData, first: int, count: int) -> list[TrainingBatch]:
    return list(islice(data.batches(first), count))


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    """Equal to the bit; NaN equals NaN."""
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(
        torch.equal(a.nan_to_num(-9), b.nan_to_num(-9)) if isinstance(a, torch.Tensor) else a == b
        for a, b in pairs
    )


@pytest.fixture(scope="module")
def batches() -> list[TrainingBatch]:
    """Over four slices: the pool holds two, so two have gone."""
    return taken(opened(), 0, 8)


def test_a_batch_has_the_promised_shapes_and_ranges(batches: list[TrainingBatch]) -> None:
    batch = batches[0]
    assert batch.frames.shape == (3, 4, 3, 32, 24)
    assert batch.keypoints.shape == (3, 4, 133, 3)
    assert batch.references.shape == (3, 5, 3, 32, 24)
    assert batch.reference_keypoints.shape == (3, 5, 133, 3)
    assert batch.yaw_deg.shape == (3, 4)
    assert batch.mask is not None
    assert (batch.mask.shape, batch.mask.dtype) == ((3, 4, 32, 24), torch.bool)
    for images in (batch.frames, batch.references):
        assert images.dtype == torch.float32
        assert images.is_contiguous()
        assert 0.5 < images.abs().max() <= 1
    assert len(batch.groups) == 3


@pytest.mark.parametrize("first", [1, 3, 4, 7])
def test_a_batch_depends_on_its_number_alone(batches: list[TrainingBatch], first: int) -> None:
    again = taken(opened(), first, 8 - first)
    assert all(same(a, b) for a, b in zip(again, batches[first:], strict=True))
    assert not same(batches[first], batches[first - 1])


def test_the_pool_is_renewed_and_bounded(batches: list[TrainingBatch]) -> None:
    assert set(batches[0].groups) <= {"train/g0000000", "train/g0000001"}
    late = {group for batch in batches[6:] for group in batch.groups}
    assert late <= {f"train/g000000{n}" for n in (4, 5, 6, 7)}
    seen = {group for batch in batches for group in batch.groups}
    assert len(seen) > 4


def test_groups_come_again_after_the_last_and_a_pool_that_holds_all_is_kept() -> None:
    again = taken(opened(replace(SMALL, groups=5)), 6, 2)  # slices 2 and 3: 4, 5=0, 6=1, 7=2
    assert {g for b in again for g in b.groups} <= {f"train/g000000{n}" for n in (4, 0, 1, 2)}
    few = opened(replace(SMALL, groups=1))
    assert [b.groups for b in taken(few, 1000, 1)] == [("train/g0000000",) * 3]


def test_ranks_share_no_group_and_draw_differently() -> None:
    ranks = [taken(opened(rank=rank, world=2), 0, 4) for rank in range(2)]
    groups = [{group for batch in own for group in batch.groups} for own in ranks]
    assert not groups[0] & groups[1]
    assert not same(ranks[0][0], ranks[1][0])


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.data())
@settings(max_examples=80, deadline=None)
def test_slices_cover_all_groups_and_a_resumed_pool_holds_what_an_unbroken_one_does(
    groups: int, world: int, slice_groups: int, slices: int, data: st.DataObject
) -> None:
    groups = max(groups, world)
    config = replace(SMALL, groups=groups, slice_groups=slice_groups, slices=slices)
    ranks = [Slices(config, Wanted(1, 1, False, 0, rank, world), CPU) for rank in range(world)]
    size = ranks[0].size
    total = -(-groups // (size * world))
    dealt = [name for own in ranks for k in range(total) for name in own.names(k)]
    assert len(set(dealt)) == groups
    assert len(dealt) - groups < size * world
    batch = data.draw(st.integers(0, 200))
    held = range(ranks[0].oldest(batch), ranks[0].newest(batch) + 1)
    assert 1 <= len(held) <= ranks[0].kept <= slices
    assert ranks[0].oldest(batch + 1) >= held.start  # nothing that has gone comes back
    assert ranks[0].newest(batch + 1) - ranks[0].newest(batch) in (0, 1)
    if total > slices and batch >= slices * config.slice_steps:
        assert len(held) == slices


def test_the_run_seed_changes_the_draws_but_not_the_people() -> None:
    one, other = (opened(seed=seed) for seed in (1, 2))
    assert not same(taken(one, 0, 1)[0], taken(other, 0, 1)[0])
    held_out = zip(one.validation(), other.validation(), strict=True)
    assert all(same(a, b) for a, b in held_out)


def test_drawing_leaves_the_random_numbers_of_training_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    taken(opened(), 0, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_consecutive_frames_follow_each_other() -> None:
    config = replace(SMALL, target_frames=12, groups=1)
    whole = render_groups(["train/g0000000"], config, True, CPU).yaw_deg[0, :12]
    data = opened(config, consecutive=True, frames=6)
    starts = {
        next(s for s in range(7) if torch.equal(whole[s : s + 6], own))
        for batch in taken(data, 0, 4)
        for own in batch.yaw_deg
    }
    assert len(starts) > 2


def test_unrelated_frames_of_a_sample_are_different_ones(batches: list[TrainingBatch]) -> None:
    for batch in batches:
        for sample in batch.frames.flatten(2):
            assert len(torch.unique(sample, dim=0)) == 4


def test_padding_comes_last_and_is_empty(batches: list[TrainingBatch]) -> None:
    counts = set()
    for batch in batches:
        valid = batch.reference_valid
        assert valid[:, 0].all()
        assert (valid[:, 1:] <= valid[:, :-1]).all()
        assert not batch.references[~valid].any()
        assert batch.references[valid].flatten(1).any(1).all()
        missing = batch.reference_keypoints[~valid]
        assert missing[..., :2].isnan().all()
        assert not missing[..., 2].any()
        assert (batch.reference_keypoints[valid][..., 2] > 0).any(-1).all()
        counts |= set(valid.sum(1).tolist())
    assert len(counts) >= 4


def test_references_are_of_the_same_person_in_another_clip(batches: list[TrainingBatch]) -> None:
    for batch in batches:
        for frames, references, valid in zip(
            batch.frames, batch.references, batch.reference_valid, strict=True
        ):
            shown = {image.numpy().tobytes() for image in frames}
            assert not shown & {image.numpy().tobytes() for image in references[valid]}
    footage = SMALL.footage()
    target, *lenders = group_plan(footage, "train/g0000000")
    assert len({plan.motion_seed for plan in (target, *lenders)}) == 3
    assert {plan.identity_seed for plan in lenders} == {target.identity_seed}


def test_one_reference_clip_turns_all_round() -> None:
    config = replace(SMALL, clip_frames=24, reference_frames=12)
    groups = render_groups(["train/g0000000", "train/g0000001"], config, False, CPU)
    turn = np.deg2rad(groups.yaw_deg[:, 6:14].numpy())
    assert np.abs(np.exp(1j * turn).mean(1)).max() < 0.4  # 1 for a single direction


def test_keypoints_lie_on_the_person(batches: list[TrainingBatch]) -> None:
    hits = []
    for batch in batches:
        assert batch.mask is not None
        seen = batch.keypoints[..., 2] == 1
        at = batch.keypoints.nan_to_num(0).round().long()
        b, f, k = torch.where(seen)
        x, y = at[b, f, k, 0], at[b, f, k, 1]
        hits.append(batch.mask[b, f, y.clamp(0, 31), x.clamp(0, 23)])
    assert torch.cat(hits).float().mean() > 0.97
    assert len(torch.cat(hits)) > 500


def test_validation_is_held_out_whole_and_the_same_each_time() -> None:
    data = opened()
    first, second = list(data.validation()), list(data.validation())
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    groups = [group for batch in first for group in batch.groups]
    assert groups == [f"valid/g000{n}" for n in range(3)]
    for batch in first:
        assert batch.frames.shape[1:] == (5, 3, 32, 24)
        assert batch.references.shape[1] == 4
        assert batch.reference_valid.all()
    assert max(len(batch.frames) for batch in first) == 3 * 4 // 5


def test_validation_people_are_nobody_of_the_training_or_of_a_release() -> None:
    footage = replace(SMALL, groups=300).footage()
    names = [f"{kind}{n:0{w}d}" for n in range(300) for kind, w in PREFIXES.items()]
    seeds = [group_plan(footage, name)[0].identity_seed for name in names]
    assert len(set(seeds)) == len(names) == 900


PREFIXES = {"train/g": 7, "valid/g": 4, "g": 4}


@given(
    st.lists(st.floats(-179, 180, width=32), min_size=5, max_size=12),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 9)),
)
@settings(max_examples=60, deadline=None)
def test_covering_takes_the_nearest_to_each_view_and_nothing_twice(
    yaws: list[float], count: int, seed: int | None
) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    chosen = covering(np.array(yaws, np.float32), count, rng)
    assert len(chosen) == len(set(chosen.tolist())) == count
    apart = np.abs(np.exp(1j * np.deg2rad(yaws)) - 1)
    assert apart[chosen[0]] == pytest.approx(apart.min(), abs=1e-5)


def test_views_of_references_vary_from_covering_to_any() -> None:
    yaw_deg = np.tile(np.array([0, 10, 20, 30, 180, 90, -90, 5], np.float32), (4, 1))
    wanted = Wanted(400, 4, False, 0, 0, 1)
    picks = draw(np.random.default_rng(0), SMALL, wanted, yaw_deg)
    four = picks.references[picks.valid.sum(1) == 4][:, :4]
    covers = [set(row) == {0, 4, 5, 6} for row in four.tolist()]
    assert 0.3 < np.mean(covers) < 0.7
    assert {len(set(row)) for row in four.tolist()} == {4}
    assert set(picks.references[picks.valid.sum(1) == 1][:, 0]) == set(range(8))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"groups": 0}, "groups is 0"),
        ({"workers": -1}, "workers is -1"),
        ({"references": [3, 2]}, "references is"),
        ({"references": [1, 20]}, "reference_frames is 12; keep at least the 20"),
        ({"covering": 1.5}, "covering is 1.5"),
        ({"target_frames": 60}, "target_frames is 60"),
        ({"size": [4, 24]}, "height is 4"),
        ({"motions": ["fly"]}, "fly"),
        ({"slice_group": 3}, "slice_groups"),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        from_dict(TurntableData, values)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="raise it"):
        opened(frames=7)
    with pytest.raises(ValueError, match="groups is 8"):
        opened(world=9)
    with pytest.raises(ValueError, match="rank is 2 of 2"):
        opened(rank=2, world=2)


def test_identity_names_what_decides_the_batches() -> None:
    base = opened().identity()
    assert opened(rank=1, world=2).identity() == opened(rank=0, world=2).identity() != base
    assert opened(replace(SMALL, workers=2)).identity() == base
    for other in (opened(seed=6), opened(replace(SMALL, lettering=0.5)), opened(batch=2)):
        assert other.identity() != base
    assert from_dict(TurntableData, to_dict(SMALL)) == SMALL


BARE = """
import itertools, sys
for name in ("av", "cv2", "pandas", "pyarrow", "pydantic", "rich", "typer", "PIL", "duckdb"):
    sys.modules[name] = None
import torch
from model.read_ahead import read_ahead
from model.training_data import TurntableData, open_data
class Large(torch.utils.data.Dataset):
    def __getitem__(self, k):
        return torch.full((20_000_000,), k % 9, dtype=torch.uint8)
if __name__ == "__main__":
    config = TurntableData((32, 24), slice_groups=2, validation_groups=1, workers=1)
    data = open_data(config, batch=2, frames=2, consecutive=True, seed=5)
    print(float(next(data.batches(0)).frames.sum()), next(data.validation()).groups)
    large = iter(read_ahead(Large(), itertools.count(), 1))
    print(len(next(large)), len(next(large)))
    del large  # while the next one is on its way
"""


def test_renders_where_only_torch_is_and_in_processes_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(BARE)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    config = TurntableData((32, 24), slice_groups=2, workers=0)
    here = taken(opened(config, batch=2, frames=2, consecutive=True), 0, 1)[0]
    said = done.stdout.splitlines()
    assert said[0] == f"{float(here.frames.sum())} ('valid/g0000',)"
    assert said[1] == "20000000 20000000"


@pytest.mark.gpu
def test_a_gpu_renders_the_same_ahead_on_resuming_and_as_a_cpu_does() -> None:
    config = replace(SMALL, workers=1)
    straight = taken(opened(config, device="cuda"), 0, 8)
    resumed = taken(opened(config, device="cuda"), 5, 3)
    assert all(same(a, b) for a, b in zip(resumed, straight[5:], strict=True))
    assert straight[0].frames.is_cuda
    for on_gpu, on_cpu in zip(straight, taken(opened(), 0, 8), strict=True):
        apart = (on_gpu.frames.cpu() - on_cpu.frames).abs().max()
        assert apart <= 1.01 / 127.5  # SPEC 6: one level between kinds of device
