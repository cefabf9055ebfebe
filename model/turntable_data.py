"""Training data rendered as it is needed: a pool of garment groups, renewed in slices.

Batch n draws from slice n // slice_steps and those before it, as far as they are kept. A slice
depends on the configuration, the rank and its number alone, so a resumed run renders what the
pool of its batch holds, and nothing older.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.training_data import TrainingBatch, TurntableData, Wanted
from model.turntable_groups import Groups, Slices, render_groups
from mrfashion.config import to_dict
from mrfashion.pixels import to_network
from mrfashion.sources.turntable.clips import VERSION
from mrfashion.views import distance_deg

logger = logging.getLogger(__name__)
DRAWS = 2  # version of how batches are drawn: raised whenever equal settings would give others
LONG_WAIT_S = 1.0  # for a slice: worth a word
FRONT, BACK, SIDES = 0.0, 180.0, (90.0, -90.0)


@dataclass(frozen=True, slots=True, eq=False)
class Picks:
    """Which frames of which groups make up a batch."""

    groups: NDArray[np.int64]  # b
    frames: NDArray[np.int64]  # b f, of 0..t-1
    references: NDArray[np.int64]  # b r, of 0..r-1; 0 in padding
    valid: NDArray[np.bool_]  # b r, False is padding


class RenderedData:
    """`TrainingData` of the turntable."""

    def __init__(self, config: TurntableData, wanted: Wanted, device: str | torch.device) -> None:
        if wanted.frames > config.target_frames:
            raise ValueError(
                f"{wanted.frames} frames are wanted of a sample; target_frames keeps "
                f"{config.target_frames} of a clip: raise it"
            )
        if config.groups < wanted.world:
            raise ValueError(
                f"groups is {config.groups}; give at least one to each of {wanted.world} processes"
            )
        self.config, self.wanted, self.device = config, wanted, torch.device(device)

    def batches(self, first: int) -> Iterator[TrainingBatch]:
        """See `TrainingData`."""
        slices = Slices(self.config, self.wanted, self._renderer)
        pool = Pool(slices, first, self.device)
        for n in itertools.count(first):
            groups = pool.catch_up(n)
            rng = np.random.default_rng([self.wanted.seed, self.wanted.rank, n])
            picks = draw(rng, self.config, self.wanted, pool.reference_yaw_deg)
            yield assemble(groups, picks, tuple(pool.names[g] for g in picks.groups))

    def validation(self) -> Iterator[TrainingBatch]:
        """See `TrainingData`; at most as many frames at once as in a training step."""
        groups, config = self._held_out, self.config
        shown = [
            covering(yaw_deg, config.validation_references)
            for yaw_deg in groups.yaw_deg[:, groups.targets :].cpu().numpy()
        ]
        at_once = max(1, self.wanted.batch * self.wanted.frames // config.validation_frames)
        for start in range(0, config.validation_groups, at_once):
            some = np.arange(start, min(start + at_once, config.validation_groups))
            references = np.stack([shown[g] for g in some])
            picks = Picks(
                groups=some,
                frames=np.tile(np.arange(groups.targets), (len(some), 1)),
                references=references,
                valid=np.ones_like(references, bool),
            )
            yield assemble(groups, picks, tuple(held_out_name(g) for g in some.tolist()))

    def identity(self) -> dict[str, Any]:
        """See `TrainingData`. Which rank it is and who renders ahead decide nothing."""
        wanted = {key: value for key, value in to_dict(self.wanted).items() if key != "rank"}
        config = {key: value for key, value in to_dict(self.config).items() if key != "workers"}
        versions = {"renderer": VERSION, "draws": DRAWS}
        return {"kind": "turntable", **versions, "wanted": wanted, "config": config}

    @cached_property
    def _held_out(self) -> Groups:
        config = replace(self.config, target_frames=self.config.validation_frames)
        names = [held_out_name(g) for g in range(config.validation_groups)]
        return render_groups(names, config, True, self._renderer).to(self.device)

    @property
    def _renderer(self) -> torch.device:
        return self.device if self.config.renders == "device" else torch.device("cpu")


class Pool:
    """The slices that batches draw from, each in its place on the device."""

    def __init__(self, slices: Slices, first: int, device: torch.device) -> None:
        self.slices, self.device = slices, device
        self.newest = slices.oldest(first) - 1
        self.names = [""] * (slices.kept * slices.size)
        self._yaw_deg: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self.groups: Groups | None = None  # all places, once it is known how large a slice is
        self._stream = slices.stream(self.newest + 1)

    @property
    def reference_yaw_deg(self) -> NDArray[np.float32]:
        """Yaw of the reference frames of the groups to draw from: g r."""
        return self._yaw_deg[: self.filled]

    @property
    def filled(self) -> int:
        """Groups to draw from: the first so many."""
        return min(self.newest + 1, self.slices.kept) * self.slices.size

    def catch_up(self, batch: int) -> Groups:
        """Take in the slices that have joined by then."""
        start, before = time.monotonic(), self.newest
        while self.newest < self.slices.newest(batch):
            self._add(next(self._stream))
        if (waited_s := time.monotonic() - start) > LONG_WAIT_S:
            logger.info(
                "batch %d waited %.1f s for %d slices of %d garment groups; the pool holds %d",
                *(batch, waited_s, self.newest - before, self.slices.size, self.filled),
            )
        assert self.groups is not None
        return self.groups

    def _add(self, arrived: Groups) -> None:
        self.newest += 1
        if self.groups is None:
            self.groups = _room(arrived, self.slices.kept, self.device)
            self._yaw_deg = self.groups.yaw_deg[:, arrived.targets :].cpu().numpy()
        first = self.newest % self.slices.kept * self.slices.size
        place = slice(first, first + self.slices.size)
        for kept, new in zip(self.groups.tensors(), arrived.tensors(), strict=True):
            kept[place] = new.to(self.device)
        self._yaw_deg[place] = arrived.yaw_deg[:, arrived.targets :]
        self.names[place] = self.slices.names(self.newest)


def _room(like: Groups, slices: int, device: torch.device) -> Groups:
    """Memory for so many slices like this one."""
    room = [
        torch.zeros(slices * len(tensor), *tensor.shape[1:], dtype=tensor.dtype, device=device)
        for tensor in like.tensors()
    ]
    size_mb = sum(tensor.nbytes for tensor in room) / 1e6
    logger.info("the pool takes %.0f MB for %d garment groups on %s", size_mb, len(room[0]), device)
    return Groups(*room)


def draw(
    rng: np.random.Generator, config: TurntableData, wanted: Wanted, yaw_deg: NDArray[np.float32]
) -> Picks:
    """Samples of a batch from groups whose reference frames have these yaws (g r).

    Our choice: a sample has any number of references, and either they cover the views as those
    of an evaluation do, or they are any frames at all, several of one view among them. The one
    nearest to the front is the first, which alone a single-reference network sees.
    """
    groups = rng.choice(len(yaw_deg), wanted.batch, replace=wanted.batch > len(yaw_deg))
    least, most = config.references
    references = np.zeros((wanted.batch, most), np.int64)
    counts = rng.integers(least, most + 1, wanted.batch)
    for row, group, count in zip(references, groups, counts, strict=True):
        row[:count] = (
            covering(yaw_deg[group], count, rng)
            if rng.random() < config.covering
            else _front_first(yaw_deg[group], rng.permutation(yaw_deg.shape[1])[:count])
        )
    frames = [_frames(rng, config.target_frames, wanted) for _ in groups]
    return Picks(groups, np.stack(frames), references, np.arange(most) < counts[:, None])


def _frames(rng: np.random.Generator, kept: int, wanted: Wanted) -> NDArray[np.int64]:
    if wanted.consecutive:
        return int(rng.integers(kept - wanted.frames + 1)) + np.arange(wanted.frames)
    return rng.permutation(kept)[: wanted.frames]


def _front_first(yaw_deg: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    away = [distance_deg(float(yaw_deg[i]), FRONT) for i in chosen]
    first = int(np.argmin(away))
    return np.concatenate([chosen[first : first + 1], np.delete(chosen, first)])


def covering(
    yaw_deg: NDArray[np.float32], count: int, rng: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """The frames nearest to front, back and both sides, in this order, then others."""
    left, chosen = list(range(len(yaw_deg))), list[int]()
    sides = SIDES if rng is None else rng.permutation(SIDES)
    for centre_deg in (FRONT, BACK, *sides)[:count]:
        chosen.append(min(left, key=lambda i: distance_deg(float(yaw_deg[i]), centre_deg)))
        left.remove(chosen[-1])
    others = left if rng is None else rng.permutation(left).tolist()
    return np.array((chosen + others)[:count])


def assemble(groups: Groups, picks: Picks, names: tuple[str, ...]) -> TrainingBatch:
    """The picked frames, gathered on their device."""
    device = groups.frames.device
    valid = torch.from_numpy(picks.valid).to(device)
    owner = torch.from_numpy(picks.groups).to(device)[:, None]
    target = torch.from_numpy(picks.frames).to(device)
    lent = torch.from_numpy(picks.references + groups.targets).to(device)
    references = to_network(groups.frames[owner, lent])
    missing = torch.tensor([float("nan"), float("nan"), 0.0], device=device)
    return TrainingBatch(
        frames=to_network(groups.frames[owner, target]),
        keypoints=groups.keypoints[owner, target],
        references=references.masked_fill(~valid[..., None, None, None], 0),
        reference_keypoints=torch.where(
            valid[..., None, None], groups.keypoints[owner, lent], missing
        ),
        reference_valid=valid,
        yaw_deg=groups.yaw_deg[owner, target],
        mask=groups.mask[owner, target],
        groups=names,
    )


def held_out_name(number: int) -> str:
    """Garment group of a validation clip."""
    return f"valid/g{number:04d}"
