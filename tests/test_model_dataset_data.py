"""Training batches from a curated dataset: the contract, and clips that cannot be read."""

from __future__ import annotations

import logging
import pickle
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from model.dataset_data import CuratedData, Readable
from model.training_data import DatasetData, TrainingBatch, Wanted
from mrfashion import tables
from mrfashion.config import from_dict
from mrfashion.errors import ConfigError, InputRefused
from mrfashion.loader import EXCLUSION_S, ClipDataset, Draw
from mrfashion.manifest import Dataset
from mrfashion.views import VIEWS
from tests.conftest import write_dataset
from tests.test_model_training_data import same

HELD_OUT = "g02"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three garment groups of two clips: two to train on, one to validate with."""
    root = write_dataset(tmp_path_factory.mktemp("split"), groups=3)
    whole = Dataset(root)

    def split(group: str) -> str:
        return "val" if group == HELD_OUT else "train"

    clips = [replace(row, split=split(row.garment_group)) for row in whole.clips.values()]
    samples = [replace(row, split=split(row.garment_group)) for row in whole.samples.values()]
    tables.CLIPS.write(root / "clips.parquet", clips)
    tables.SAMPLES.write(root / "samples.parquet", samples)
    return root


def opened(root: Path, workers: int = 0, **changes: Any) -> CuratedData:
    wanted = {"batch": 3, "frames": 4, "consecutive": False, "seed": 1, "rank": 0, "world": 1}
    config = DatasetData(root, size=(40, 32), references=(1, 4), workers=workers)
    return CuratedData(config, Wanted(**wanted | changes), "cpu")  # type: ignore[arg-type]


def taken(data: CuratedData, first: int, count: int) -> list[TrainingBatch]:
    return list(islice(data.batches(first), count))


def test_a_batch_has_the_promised_shapes_and_groups(root: Path) -> None:
    batch = taken(opened(root), 0, 1)[0]
    assert batch.frames.shape == (3, 4, 3, 40, 32)
    assert batch.keypoints.shape == (3, 4, 133, 3)
    assert batch.references.shape == (3, 4, 3, 40, 32)
    assert batch.reference_valid.shape == (3, 4)
    assert batch.yaw_deg.shape == (3, 4)
    assert batch.mask is None
    assert set(batch.groups) <= {"g00", "g01"}


@pytest.mark.parametrize("consecutive", [True, False])
def test_a_batch_depends_on_its_number_alone_over_epochs(root: Path, consecutive: bool) -> None:
    straight = taken(opened(root, consecutive=consecutive), 0, 5)  # an epoch is 4/3 batches
    for first in (1, 3, 4):
        again = taken(opened(root, consecutive=consecutive), first, 1)[0]
        assert same(again, straight[first])
    assert not same(straight[0], straight[1])


def test_the_random_numbers_of_training_are_left_alone(root: Path) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    taken(opened(root), 2, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_items_are_the_same_in_another_process(root: Path) -> None:
    here = Readable(opened(root).clips)
    there = pickle.loads(pickle.dumps(here))  # as a started process gets it
    draw = Draw(epoch=1, position=0, index=2, seed=1)
    one, other = here[draw].item, there[draw].item
    assert torch.equal(one["target"], other["target"])
    assert torch.equal(one["references"], other["references"])


def test_ranks_share_no_clip_of_an_epoch(root: Path) -> None:
    ranks = [opened(root, batch=2, rank=rank, world=2) for rank in range(2)]
    frames = [taken(data, 0, 1)[0].frames for data in ranks]
    assert not {x.numpy().tobytes() for x in frames[0]} & {x.numpy().tobytes() for x in frames[1]}


def test_unrelated_frames_are_different_ones_all_over_the_clip(root: Path) -> None:
    clips = ClipDataset(Dataset(root), "train", frames=6, consecutive=False)
    plans = [clips.plan(Draw(epoch, 0, 0, 0)) for epoch in range(30)]
    for plan in plans:
        assert len(set(plan.target_frames)) == 6
        assert all(row.clip_id != plan.clip_id for row in plan.references)
    assert {len(plan.references) for plan in plans} == {1, 2, 3, 4}
    spans = [plan.target_frames[-1] - plan.target_frames[0] for plan in plans]
    assert max(spans) > 15
    assert len({plan.target_frames for plan in plans}) > 25


def alone(root: Path) -> Dataset:
    """A dataset of one clip, which has to lend its own references."""
    dataset = Dataset(root)
    dataset.__dict__["clips"] = {"clip00": dataset.clips["clip00"]}
    return dataset


def test_unrelated_frames_keep_away_from_references_of_their_own_clip(root: Path) -> None:
    clips = ClipDataset(alone(root), "train", frames=4, references=(1, 4), consecutive=False)
    fps = clips.clips[0].fps
    for epoch in range(40):
        plan = clips.plan(Draw(epoch, 0, 0, 0))
        assert plan.references
        gaps = [abs(f - row.frame) for f in plan.target_frames for row in plan.references]
        assert min(gaps) > EXCLUSION_S * fps
    with pytest.raises(InputRefused, match="no reference"):
        ClipDataset(alone(root), "train", frames=20, consecutive=False)


def test_validation_is_the_samples_of_the_other_split_each_time(root: Path) -> None:
    data = opened(root)
    first, second = list(data.validation()), list(data.validation())
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    assert {group for batch in first for group in batch.groups} == {HELD_OUT}
    assert sum(len(batch.frames) for batch in first) == 2
    assert first[0].frames.shape[1] == 12
    assert first[0].reference_valid.all()
    views = [data.dataset.references[name].view for name in data.samples[0].reference_ids]
    assert sorted(str(view) for view in views) == sorted(VIEWS)


def test_a_clip_that_cannot_be_read_is_replaced_and_noted(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Path(shutil.copytree(root, tmp_path / "broken"))
    (broken / "clips" / "clip01.mp4").write_bytes(b"no video")
    data = opened(broken)
    with caplog.at_level(logging.WARNING):
        batches = taken(data, 0, 3)
    assert [len(batch.frames) for batch in batches] == [3, 3, 3]
    assert "clip01" in data.skipped
    assert "clip01" in caplog.text
    assert same(taken(opened(broken), 2, 1)[0], batches[2])
    for name in ("clip00", "clip02", "clip03"):
        (broken / "clips" / f"{name}.mp4").write_bytes(b"")
    with pytest.raises(InputRefused, match=r"4 clips in a row cannot be read.*verify"):
        taken(opened(broken), 0, 1)


def test_what_the_dataset_lacks_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no finished dataset"):
        opened(tmp_path)
    wanted = Wanted(2, 4, True, 0, 0, 1)
    with pytest.raises(InputRefused, match=r"no sample of split 'test'.*'train', 'val'"):
        CuratedData(DatasetData(root, validation_split="test"), wanted, "cpu")
    with pytest.raises(ConfigError, match="both 'val'"):
        from_dict(DatasetData, {"root": str(root), "split": "val"})


def test_identity_is_of_the_content_and_not_of_the_place(root: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(root, tmp_path / "moved"))
    assert opened(moved).identity() == opened(root, workers=3).identity()
    assert opened(moved, seed=2).identity() != opened(root).identity()
    rows = list(Dataset(moved).references.values())
    tables.REFERENCES.write(moved / "references.parquet", rows[1:])
    assert opened(moved).identity() != opened(root).identity()
