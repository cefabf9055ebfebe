"""The torch loader: windows of clips with their references, for training and for feeding models.

What an item holds depends on (seed, epoch, index) alone, never on workers or the order of calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from mrfashion.errors import InputRefused, ItemError
from mrfashion.generation import KEYPOINTS
from mrfashion.letterbox import letterbox, move, place
from mrfashion.manifest import Dataset
from mrfashion.pixels import to_network, to_uint8
from mrfashion.sampler import Draw, EpochSampler
from mrfashion.tables import Clip, ReferenceCandidate

__all__ = ["ClipDataset", "Draw", "EpochSampler", "Item", "Plan", "collate"]
__all__ += ["to_network", "to_uint8"]
EXCLUSION_S = 0.5  # SPEC: a reference of the target's own clip is never this near to its frames


class References(TypedDict):
    """References of an item, padded at the end to the most an item may have."""

    references: Tensor  # r c h w, float32 in [-1, 1]; 0 in padding
    reference_mask: Tensor  # r, bool: False is padding
    reference_keypoints: Tensor  # r k 3; missing in padding
    reference_yaw_deg: Tensor  # r; NaN in padding


class Item(References):
    """One training item; `collate` puts `b` before every shape."""

    target: Tensor  # f c h w, float32 in [-1, 1]
    keypoints: Tensor  # f k 3, pixels of `target`; missing is (NaN, NaN, 0)
    yaw_deg: Tensor  # f, NaN where the estimate abstained
    clip_id: str


@dataclass(frozen=True)
class Plan:
    """What an item will hold, before anything is decoded."""

    clip_id: str
    target_frames: tuple[int, ...]
    references: tuple[ReferenceCandidate, ...]


class ClipDataset(TorchDataset[Item]):
    """Random windows of the clips of a split; index it with a `Draw`, or an int for epoch 0.

    `consecutive=False` takes any different frames of the clip instead of a window.
    `references` is the least and the most references of an item: a random number between is
    drawn, fewer where a clip has fewer. They come from the other clips of the garment group, and
    where it has none, from the clip itself, away from the frames. `size` (h, w) letterboxes;
    None leaves each clip its own size, to which its references are letterboxed.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        frames: int = 16,
        stride: int = 1,
        references: tuple[int, int] = (1, 4),
        size: tuple[int, int] | None = None,
        consecutive: bool = True,
    ) -> None:
        if min(frames, stride, references[0]) < 1 or references[0] > references[1]:
            raise ValueError(
                f"frames {frames}, stride {stride}, references {references}; needed: at least 1 "
                "each, and the least number of references first"
            )
        self.dataset, self.frames, self.stride = dataset, frames, stride if consecutive else 1
        self.references, self.size, self.consecutive = references, size, consecutive
        of_split = [clip for clip in dataset.clips.values() if clip.split == split]
        self.clips = [clip for clip in of_split if not clip.still]
        if not self.clips:
            splits = sorted({clip.split for clip in dataset.clips.values()})
            raise InputRefused(f"split {split!r} has no clip; splits with clips: {splits}")
        self._pools = _pools(dataset, of_split)
        self._starts = [self._valid_starts(clip) for clip in self.clips]

    def __len__(self) -> int:
        return len(self.clips)

    def plan(self, draw: Draw | int) -> Plan:
        """Window and references of a draw."""
        draw = Draw(0, draw, draw, 0) if isinstance(draw, int) else draw
        if not 0 <= draw.index < len(self):
            raise IndexError(f"index {draw.index}; the split has {len(self)} clips")
        clip, starts = self.clips[draw.index], self._starts[draw.index]
        rng = np.random.default_rng([draw.seed, draw.epoch, draw.index])
        if not self.consecutive:
            return self._scattered(clip, rng)
        start = int(starts[rng.integers(len(starts))])
        pool = self._allowed(clip, start)
        count = min(len(pool), int(rng.integers(self.references[0], self.references[1] + 1)))
        picked = tuple(pool[i] for i in rng.permutation(len(pool))[:count])
        window = tuple(range(start, start + self._span, self.stride))
        return Plan(clip.clip_id, window, picked)

    def __getitem__(self, draw: Draw | int) -> Item:
        return read_item(self.dataset, self.plan(draw), self.references[1], self.size)

    @property
    def _span(self) -> int:
        return (self.frames - 1) * self.stride + 1

    def _valid_starts(self, clip: Clip) -> NDArray[np.int64]:
        """Starts of the windows that lie in the clip and leave a reference."""
        if clip.frames < self._span:
            raise InputRefused(
                f"clip {clip.clip_id} has {clip.frames} frames; {self.frames} frames at stride "
                f"{self.stride} span {self._span}. Ask for fewer, or curate longer clips"
            )
        starts = np.arange(clip.frames - self._span + 1)
        pool = self._pools[clip.clip_id]
        if any(row.clip_id != clip.clip_id for row in pool):
            return starts
        if self.consecutive:
            valid = starts[[bool(self._allowed(clip, int(start))) for start in starts]]
        else:  # one reference that leaves enough frames will do
            free = np.arange(clip.frames)
            roomy = any(len(_away(free, row, clip)) >= self.frames for row in pool)
            valid = starts if roomy else starts[:0]
        if not len(valid):
            raise InputRefused(
                f"clip {clip.clip_id} ({clip.frames} frames at {clip.fps:g} fps) has no reference "
                f"for any window of {self._span} frames: no chosen frame of another clip of "
                f"garment group {clip.garment_group}, none of its own {EXCLUSION_S} s away. Ask "
                "for fewer frames, or curate longer clips"
            )
        return valid

    def _scattered(self, clip: Clip, rng: np.random.Generator) -> Plan:
        """References first, then different frames that none of them is too near to."""
        pool = self._pools[clip.clip_id]
        count = int(rng.integers(self.references[0], self.references[1] + 1))
        free, picked = np.arange(clip.frames), list[ReferenceCandidate]()
        for i in rng.permutation(len(pool)):
            left = _away(free, pool[i], clip)
            if len(picked) < count and len(left) >= self.frames:
                free, picked = left, [*picked, pool[i]]
        frames = np.sort(rng.permutation(free)[: self.frames])
        return Plan(clip.clip_id, tuple(frames.tolist()), tuple(picked))

    def _allowed(self, clip: Clip, start: int) -> list[ReferenceCandidate]:
        margin = EXCLUSION_S * clip.fps
        first, last = start - margin, start + self._span - 1 + margin
        return [
            row
            for row in self._pools[clip.clip_id]
            if row.clip_id != clip.clip_id or not first <= row.frame <= last
        ]


def read_item(dataset: Dataset, plan: Plan, most: int, size: tuple[int, int] | None = None) -> Item:
    """The item of a plan, its references padded to `most`; `size` None is the clip's own."""
    clip = dataset.clip(plan.clip_id)
    size = size or (clip.height, clip.width)
    window = list(plan.target_frames)
    target = dataset.frames(plan.clip_id, window)
    keypoints = dataset.keypoints(plan.clip_id)[window]
    return {
        "target": to_network(np.stack([letterbox(image, size) for image in target])),
        "keypoints": _keypoints(keypoints, clip, size),
        "yaw_deg": torch.from_numpy(dataset.yaw_deg(plan.clip_id)[window]),
        **_read_references(dataset, plan.references, most, size),
        "clip_id": plan.clip_id,
    }


def _read_references(
    dataset: Dataset, rows: Sequence[ReferenceCandidate], most: int, size: tuple[int, int]
) -> References:
    images = torch.zeros(most, 3, *size)
    keypoints = torch.full((most, KEYPOINTS, 3), float("nan"))
    keypoints[..., 2] = 0
    yaw_deg = torch.full((most,), float("nan"))
    slots: dict[str, list[int]] = defaultdict(list)
    for slot, row in enumerate(rows):
        slots[row.clip_id].append(slot)
        yaw_deg[slot] = float("nan") if row.yaw_deg is None else row.yaw_deg
    for clip_id, at in slots.items():  # one decoding a clip, whatever it lends
        clip, indices = dataset.clip(clip_id), [rows[slot].frame for slot in at]
        lent = dataset.frames(clip_id, indices)
        images[at] = to_network(np.stack([letterbox(image, size) for image in lent]))
        poses = dataset.keypoints(clip_id)[indices]
        keypoints[at] = _keypoints(poses, clip, size)
    return {
        "references": images,
        "reference_mask": torch.arange(most) < len(rows),
        "reference_keypoints": keypoints,
        "reference_yaw_deg": yaw_deg,
    }


def collate(items: Sequence[Item]) -> dict[str, Any]:
    """Items => tensors stacked along `b`, and the list of clip ids."""
    sizes = sorted({tuple(item["target"].shape[-2:]) for item in items})
    if len(sizes) > 1:
        raise ItemError(
            "loader.sizes", f"a batch mixes clips of {sizes}; give ClipDataset a size=(h, w)"
        )
    names = [name for name in items[0] if name != "clip_id"]
    batch: dict[str, Any] = {n: torch.stack([item[n] for item in items]) for n in names}  # type: ignore[literal-required]
    return batch | {"clip_id": [item["clip_id"] for item in items]}


def _keypoints(keypoints: NDArray[np.float32], clip: Clip, size: tuple[int, int]) -> Tensor:
    return torch.from_numpy(move(keypoints, place((clip.height, clip.width), size)))


def _away(frames: NDArray[np.int64], row: ReferenceCandidate, clip: Clip) -> NDArray[np.int64]:
    """Those frames of a clip that a reference is not too near to."""
    if row.clip_id != clip.clip_id:
        return frames
    return frames[np.abs(frames - row.frame) > EXCLUSION_S * clip.fps]


def _pools(dataset: Dataset, clips: Sequence[Clip]) -> dict[str, list[ReferenceCandidate]]:
    """Chosen references by target clip: other clips of its group, else its own."""
    split = {clip.clip_id for clip in clips}
    by_group: dict[str, list[ReferenceCandidate]] = defaultdict(list)
    for row in dataset.references.values():
        if row.rank is not None and row.clip_id in split:
            by_group[row.garment_group].append(row)
    pools = {}
    for clip in clips:
        group = by_group[clip.garment_group]
        others = [row for row in group if row.clip_id != clip.clip_id]
        pools[clip.clip_id] = others or group
    return pools
