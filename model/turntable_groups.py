"""Garment groups of the turntable, rendered slice by slice, in processes of their own if asked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from model.read_ahead import read_ahead
from model.training_data import TurntableData, Wanted
from mrfashion.sources.turntable.clips import group_plan, stage_clip
from mrfashion.sources.turntable.motion import sample_motion
from mrfashion.sources.turntable.pose import Clip
from mrfashion.sources.turntable.renderer import render_batch
from mrfashion.sources.turntable.texture import paint_atlas


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Garment groups side by side: t frames of the target clip, then r of the other clips."""

    frames: Tensor  # g t+r h w 3, uint8
    keypoints: Tensor  # g t+r k 3, float32
    yaw_deg: Tensor  # g t+r, float32
    mask: Tensor  # g t h w, bool

    @property
    def targets(self) -> int:
        """`t`."""
        return self.mask.shape[1]

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def to(self, device: str | torch.device) -> Groups:
        """The same on another device."""
        return Groups(*(tensor.to(device) for tensor in self.tensors()))


class Slices(TorchDataset[Groups]):
    """Slice k of one process: `size` garment groups, other ones than those of other processes.

    Where the processes do not divide the groups, the last slice has a few of the first again.
    """

    def __init__(self, config: TurntableData, wanted: Wanted, device: torch.device) -> None:
        self.config, self.wanted, self.device = config, wanted, device
        self.size = min(config.slice_groups, -(-config.groups // wanted.world))
        total = -(-config.groups // (self.size * wanted.world))
        self.kept = min(config.slices, total)
        self._last = total - 1 if total <= config.slices else None  # all are kept: none twice

    def newest(self, batch: int) -> int:
        """Number of the last slice that batch may draw from."""
        joined = batch // self.config.slice_steps
        return joined if self._last is None else min(joined, self._last)

    def oldest(self, batch: int) -> int:
        """Number of the first one still kept."""
        return max(0, self.newest(batch) - self.kept + 1)

    def names(self, k: int) -> list[str]:
        """Garment groups of a slice; they come again once all have been seen."""
        first, world = k * self.size, self.wanted.world
        numbers = [i * world + self.wanted.rank for i in range(first, first + self.size)]
        return [f"train/g{number % self.config.groups:07d}" for number in numbers]

    def __getitem__(self, k: int) -> Groups:
        """A slice in main memory, whence it can go to another process."""
        names, consecutive = self.names(k), self.wanted.consecutive
        return render_groups(names, self.config, consecutive, self.device).to("cpu")

    def stream(self, first: int) -> Iterator[Groups]:
        """Slices `first`, `first` + 1, ..., rendered ahead where there are workers."""
        numbers: Iterable[int] = itertools.count(first)
        if self._last is not None:
            numbers = range(first, self._last + 1)
        yield from read_ahead(self, numbers, self.config.workers)


def render_groups(
    names: Sequence[str], config: TurntableData, consecutive: bool, device: torch.device
) -> Groups:
    """Garment groups by name, on the device."""
    clips = [clip for name in names for clip in _stage(name, config, consecutive)]
    footage = render_batch(clips, config.size, device=device, flow=False)
    paint_atlas.cache_clear()  # 1.5 MB a person, who does not come back soon
    return Groups(
        frames=_stack([clip.frames for clip in footage], len(names)),
        keypoints=_stack([clip.keypoints for clip in footage], len(names)),
        yaw_deg=_stack([clip.yaw_deg for clip in footage], len(names)),
        mask=torch.stack([clip.mask for clip in footage[:: len(footage) // len(names)]]),
    )


def _stack(clips: Sequence[Tensor], groups: int) -> Tensor:
    together = torch.cat(list(clips))
    return together.view(groups, -1, *together.shape[1:])


def _stage(name: str, config: TurntableData, consecutive: bool) -> list[Clip]:
    """The kept frames of a group's clips: target, all round, another motion.

    Our choice: references come from a clip that turns all round, so that every view is there,
    and from one that moves in any way, so that not all of them stand still.
    """
    footage = config.footage()
    target, around, other = group_plan(footage, name)
    rng = np.random.default_rng(target.motion_seed)
    identity, motion = stage_clip(target, footage)
    clips = [(identity, motion)]
    for plan in (replace(around, motion="turn"), other):
        lent = sample_motion(plan.motion_seed, footage.frames, footage.fps, plan.motion)
        clips.append((identity, lent))
    others = max(1, config.reference_frames // 3)
    kept = [
        (_window if consecutive else _spread)(rng, footage.frames, config.target_frames),
        _spread(rng, footage.frames, config.reference_frames - others),
        _spread(rng, footage.frames, others),
    ]
    return [_keep(clip, frames) for clip, frames in zip(clips, kept, strict=True)]


def _window(rng: np.random.Generator, frames: int, count: int) -> NDArray[np.int64]:
    """Frames that follow each other, from anywhere in the clip."""
    return int(rng.integers(frames - count + 1)) + np.arange(count)


def _spread(rng: np.random.Generator, frames: int, count: int) -> NDArray[np.int64]:
    """Different frames all over the clip: one of each of `count` equal parts."""
    edges = np.arange(count + 1) * frames // count
    return rng.integers(edges[:-1], edges[1:])


def _keep(clip: Clip, frames: NDArray[np.int64]) -> Clip:
    """Some frames of a clip; the camera still frames them all."""
    identity, motion = clip
    at = torch.from_numpy(frames)
    euler, hem, sway_m = motion.euler[at], motion.hem[at], motion.sway_m[at]
    return identity, replace(motion, euler=euler, hem=hem, sway_m=sway_m)
