"""Training data from the clips of a curated dataset, decoded ahead of the training."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch.utils.data import Dataset as TorchDataset

from model.read_ahead import read_ahead
from model.training_data import DatasetData, TrainingBatch, Wanted
from mrfashion.artefacts import sha256_file
from mrfashion.config import to_dict
from mrfashion.errors import InputRefused, ItemError
from mrfashion.loader import ClipDataset, Draw, EpochSampler, Item, Plan, collate, read_item
from mrfashion.manifest import KEYPOINT_PARTS, VIEW_PART, Dataset
from mrfashion.parts import part_paths
from mrfashion.tables import Sample

logger = logging.getLogger(__name__)
DRAWS = 1  # version of how batches are drawn: raised whenever equal settings would give others
TRIES = 10  # clips in a row that may be unreadable before the dataset is


@dataclass(frozen=True, slots=True)
class Fetched:
    """An item, and the clips that could not be read on the way to it, with the reasons."""

    item: Item
    failed: tuple[tuple[str, str], ...] = ()


class CuratedData:
    """`TrainingData` of a dataset folder."""

    def __init__(self, config: DatasetData, wanted: Wanted, device: str | torch.device) -> None:
        self.config, self.wanted, self.device = config, wanted, torch.device(device)
        self.dataset = Dataset(config.root)
        self.clips = ClipDataset(
            self.dataset,
            config.split,
            frames=wanted.frames,
            stride=config.stride,
            references=config.references,
            size=config.size,
            consecutive=wanted.consecutive,
        )
        self.skipped: dict[str, str] = {}  # clip id => why it could not be read
        self.samples = _held_out(self.dataset, config)

    def batches(self, first: int) -> Iterator[TrainingBatch]:
        """See `TrainingData`. A clip that cannot be read is replaced by the next one, and noted."""
        wanted, readable = self.wanted, Readable(self.clips)
        sampler = EpochSampler(len(self.clips), wanted.seed, wanted.rank, wanted.world)
        epoch, position = divmod(first * wanted.batch, sampler.share)
        sampler.set_epoch(epoch)
        sampler.advance(position)
        draws, workers = _endless(sampler), self.config.workers
        for fetched in read_ahead(readable, draws, workers, wanted.batch, collate=list):
            for clip_id, reason in itertools.chain(*(one.failed for one in fetched)):
                self._note(clip_id, reason)
            yield self._batch([one.item for one in fetched])

    def validation(self) -> Iterator[TrainingBatch]:
        """See `TrainingData`; at most as many frames at once as in a training step."""
        frames = self.samples[0].frames
        at_once = max(1, self.wanted.batch * self.wanted.frames // frames)
        most = max(len(sample.reference_ids) for sample in self.samples)
        for start in range(0, len(self.samples), at_once):
            some = self.samples[start : start + at_once]
            items = [item for sample in some if (item := self._read(sample, most))]
            if items:
                yield self._batch(items)

    def identity(self) -> dict[str, Any]:
        """See `TrainingData`. Where the dataset lies and who decodes ahead decide nothing."""
        wanted = {key: value for key, value in to_dict(self.wanted).items() if key != "rank"}
        config = to_dict(self.config)
        config = {key: config[key] for key in config if key not in ("root", "workers")}
        versions = {"draws": DRAWS, "tables": self._hashes}
        return {"kind": "dataset", **versions, "wanted": wanted, "config": config}

    @cached_property
    def _hashes(self) -> dict[str, str]:
        """Of all that an item is made of; the table of clips has the videos' own hashes."""
        root = self.dataset.root
        names = ("clips.parquet", "references.parquet", "samples.parquet", VIEW_PART)
        paths = [*(root / name for name in names), *part_paths(root / KEYPOINT_PARTS)]
        return {path.relative_to(root).as_posix(): sha256_file(path) for path in paths}

    def _read(self, sample: Sample, most: int) -> Item | None:
        stop = sample.start + sample.frames * sample.stride
        rows = tuple(self.dataset.references[name] for name in sample.reference_ids)
        plan = Plan(sample.clip_id, tuple(range(sample.start, stop, sample.stride)), rows)
        try:
            return read_item(self.dataset, plan, most, self.config.size)
        except ItemError as error:
            self._note(sample.clip_id, str(error))
            return None

    def _note(self, clip_id: str, reason: str) -> None:
        if clip_id not in self.skipped:
            logger.warning(
                "clip %s, or one that lends it references, is skipped: %s", clip_id, reason
            )
        self.skipped[clip_id] = reason

    def _batch(self, items: Sequence[Item]) -> TrainingBatch:
        stacked = collate(items)
        moved = {name: stacked[name].to(self.device) for name in stacked if name != "clip_id"}
        return TrainingBatch(
            frames=moved["target"],
            keypoints=moved["keypoints"],
            references=moved["references"],
            reference_keypoints=moved["reference_keypoints"],
            reference_valid=moved["reference_mask"],
            yaw_deg=moved["yaw_deg"],
            mask=None,
            groups=tuple(self.dataset.clip(name).garment_group for name in stacked["clip_id"]),
        )


class Readable(TorchDataset[Fetched]):
    """Items of a split; where one cannot be read, that of the next clip."""

    def __init__(self, clips: ClipDataset) -> None:
        self.clips = clips

    def __getitem__(self, draw: Draw) -> Fetched:
        failed = list[tuple[str, str]]()
        for step in range(min(TRIES, len(self.clips))):
            other = replace(draw, index=(draw.index + step) % len(self.clips))
            try:
                return Fetched(self.clips[other], tuple(failed))
            except ItemError as error:
                failed.append((self.clips.clips[other.index].clip_id, str(error)))
        raise InputRefused(
            f"{len(failed)} clips in a row cannot be read, the last one {failed[-1][0]}: "
            f"{failed[-1][1]}. Run `mrfashion verify` on the dataset"
        )


def _endless(sampler: EpochSampler) -> Iterator[Draw]:
    while True:
        yield from sampler
        sampler.set_epoch(sampler.epoch + 1)


def _held_out(dataset: Dataset, config: DatasetData) -> list[Sample]:
    """The evaluation samples to validate with."""
    of_split = [s for s in dataset.samples.values() if s.split == config.validation_split]
    if not of_split:
        splits = sorted({sample.split for sample in dataset.samples.values()})
        raise InputRefused(
            f"{dataset.root} has no sample of split {config.validation_split!r}; splits with "
            f"samples: {splits}. Name one of them, or curate more garment groups"
        )
    return of_split[: config.validation_samples]
