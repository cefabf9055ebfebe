"""What a generated video is compared with: frames, views and foreground of its sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.conditions import array_hash
from benchmark.fitting import FITTING_VERSION
from benchmark.metrics.spec import ClipContext, Image
from benchmark.protocol import Task
from benchmark.requests import asked_fps, asked_size, sample_references, target_poses
from mrfashion.artefacts import sha256_file
from mrfashion.errors import HashMismatch, ItemError, UnknownNameError
from mrfashion.letterbox import Size, letterbox, move, place
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.tables import Clip


@dataclass(frozen=True, eq=False)
class Target:
    """The target of a sample; its frames are decoded when asked for."""

    path: Path
    sha256: str
    indices: tuple[int, ...]  # rising
    asked: tuple[str, ...]  # ids of the sample's references
    size: Size  # h, w asked for
    context: ClipContext  # in the asked size

    def digest(self) -> list[Any]:
        """Plain JSON values that change whenever a score against this may change."""
        context = self.context
        known = (context.masks, context.keypoints, context.yaw_deg)
        hashes = [None if array is None else array_hash(array) for array in known]
        place = [list(self.indices), list(self.size), FITTING_VERSION]
        return [self.sha256, *hashes, list(context.views), context.fps, list(self.asked), *place]

    def frames(self) -> Iterator[Image]:
        """Target frames in the size that was asked for, decoded one by one."""
        wanted, last = set(self.indices), self.indices[-1]
        with closing(decode(self.path)) as frames:  # type: ignore[type-var]  # a generator
            for number, frame in enumerate(frames):
                if number in wanted:
                    yield letterbox(frame.image, self.size)
                if number == last:
                    return
        raise ItemError("score.target_short", f"{self.path.name} ends before frame {last}")


def load_target(dataset: Dataset, sample_id: str, task: Task, device: str = "cpu") -> Target:
    """The target of a sample; ItemError where the dataset's tables do not agree."""
    if sample_id not in dataset.samples:
        raise UnknownNameError("sample", sample_id, dataset.samples)
    sample = dataset.samples[sample_id]
    clip = dataset.clip(sample.clip_id)
    last = sample.start + (sample.frames - 1) * sample.stride
    if sample.start < 0 or sample.frames < 1 or sample.stride < 1 or last >= clip.frames:
        raise ItemError("score.target_range", f"the sample ends at {last} of {clip.frames} frames")
    indices = tuple(range(sample.start, last + 1, sample.stride))
    size = asked_size(dataset, sample, task)
    views = _views(dataset, clip)
    keypoints, yaw_deg = target_poses(dataset, sample)
    context = ClipContext(
        views=tuple(views[i] for i in indices),
        fps=asked_fps(dataset, sample),
        masks=_masks(dataset, clip, indices, size),
        keypoints=move(keypoints, place((clip.height, clip.width), size)),
        yaw_deg=yaw_deg,
        references=lambda: sample_references(dataset, sample),
        device=device,
    )
    return Target(
        path=dataset.video_path(sample.clip_id),
        sha256=clip.sha256,
        indices=indices,
        asked=sample.reference_ids,
        size=size,
        context=context,
    )


def verify_file(path: Path, sha256: str, name: str) -> None:
    """HashMismatch or ItemError unless the file is the one that its table names."""
    if not path.is_file():
        raise ItemError("score.no_video", f"{name} does not exist")
    if sha256_file(path) != sha256:
        raise HashMismatch(f"{name} is not the file that the table names; make it again")


def _views(dataset: Dataset, clip: Clip) -> list[str | None]:
    try:
        views = dataset.frame_views(clip.clip_id)
    except KeyError:
        raise ItemError("score.views", f"clip {clip.clip_id} has no views") from None
    if len(views) != clip.frames:
        raise ItemError("score.views", f"{len(views)} views for {clip.frames} frames")
    return views


def _masks(
    dataset: Dataset, clip: Clip, indices: tuple[int, ...], size: Size
) -> NDArray[np.bool_] | None:
    masks = dataset.mask(clip.clip_id)
    if masks is None:
        return None
    if masks.shape != (clip.frames, clip.height, clip.width):
        raise ItemError("score.mask", f"the mask is {masks.shape}; the clip is another size")
    chosen = masks[list(indices)]
    return chosen if chosen.shape[1:] == size else fit_masks(chosen, size)


def fit_masks(masks: NDArray[np.bool_], size: Size) -> NDArray[np.bool_]:
    """f h w => the asked size, where the target's pixels go; bars are no foreground."""
    box = place((masks.shape[1], masks.shape[2]), size)
    rows = _nearest(masks.shape[1], box.height)
    columns = _nearest(masks.shape[2], box.width)
    fitted = np.zeros((len(masks), *size), bool)
    inner = np.s_[:, box.top : box.top + box.height, box.left : box.left + box.width]
    fitted[inner] = masks[:, rows][:, :, columns]
    return fitted


def _nearest(source: int, target: int) -> NDArray[np.intp]:
    return np.minimum((np.arange(target) + 0.5) * source / target, source - 1).astype(np.intp)
