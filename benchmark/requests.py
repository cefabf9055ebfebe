"""From a sample to the request that every entrant gets; the target video never enters it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.conditions import array_hash
from benchmark.protocol import Task
from mrfashion.artefacts import content_hash
from mrfashion.errors import InputRefused, ItemError, SchemaError, UnsafePath
from mrfashion.generation import Keypoints, Reference, Request
from mrfashion.letterbox import Size
from mrfashion.manifest import Dataset
from mrfashion.tables import ReferenceCandidate, Sample

MIN_FPS = 0.01  # a container's frame rate has no smaller fractions


def asked_size(dataset: Dataset, sample: Sample, task: Task) -> Size:
    """Height and width of a sample's video."""
    clip = dataset.clip(sample.clip_id)
    return task.size or (clip.height, clip.width)


def asked_fps(dataset: Dataset, sample: Sample) -> float:
    """Frame rate of a sample's video: every stride-th frame of its clip."""
    return dataset.clip(sample.clip_id).fps / max(1, sample.stride)


def build_request(dataset: Dataset, sample: Sample, task: Task) -> Request:
    """The request of a sample; ItemError where the dataset lacks something it names."""
    clip = dataset.clip(sample.clip_id)
    fps = asked_fps(dataset, sample)
    if fps < MIN_FPS:
        raise ItemError("request.out_of_range", f"{fps} fps; allowed: {MIN_FPS} and above")
    keypoints, yaw_deg = target_poses(dataset, sample)
    return Request(
        sample_id=sample.sample_id,
        references=sample_references(dataset, sample),
        keypoints=keypoints,
        yaw_deg=yaw_deg,
        frame_size=(clip.height, clip.width),
        fps=fps,
        size=asked_size(dataset, sample, task),
        seed=task.seed,
        steps=task.steps,
        guidance=task.guidance,
    )


def target_poses(dataset: Dataset, sample: Sample) -> tuple[Keypoints, NDArray[np.float32]]:
    """Keypoints (f k 3, in pixels of the stored clip) and yaw (f) of a sample's target frames."""
    indices = _target_indices(sample, dataset.clip(sample.clip_id).frames)
    keypoints, yaw_deg = _poses(dataset, sample.clip_id)
    return keypoints[indices], yaw_deg[indices]


def sample_references(dataset: Dataset, sample: Sample) -> tuple[Reference, ...]:
    """A sample's references, in order; ItemError where the dataset lacks one."""
    return _references(dataset, _candidates(dataset, sample))


def request_digest(request: Request) -> str:
    """Hash of everything in a request."""
    references = [
        [array_hash(r.image), array_hash(r.keypoints), r.yaw_deg, r.view]
        for r in request.references
    ]
    driving = [array_hash(request.keypoints), array_hash(request.yaw_deg)]
    return content_hash(
        {
            "sample_id": request.sample_id,
            "references": references,
            "driving": driving,
            "frame_size": request.frame_size,
            "fps": request.fps,
            "size": request.size,
            "seed": request.seed,
            "steps": request.steps,
            "guidance": request.guidance,
        }
    )


def _target_indices(sample: Sample, available: int) -> list[int]:
    last = sample.start + (sample.frames - 1) * sample.stride
    if sample.start < 0 or sample.frames < 1 or sample.stride < 1 or last >= available:
        raise ItemError(
            "request.out_of_range",
            f"target frames {sample.start} to {last}, stride {sample.stride}; clip "
            f"{sample.clip_id} has {available}. Draw the samples again",
        )
    return list(range(sample.start, last + 1, sample.stride))


def _poses(dataset: Dataset, clip_id: str) -> tuple[Keypoints, NDArray[np.float32]]:
    try:
        keypoints, yaw_deg = dataset.keypoints(clip_id), dataset.yaw_deg(clip_id)
    except (SchemaError, UnsafePath):
        raise  # the whole table is wrong, not this item
    except (InputRefused, KeyError):
        raise ItemError(
            "request.no_poses", f"clip {clip_id} has no keypoints or no yaw; run curate again"
        ) from None
    frames = dataset.clip(clip_id).frames
    if len(keypoints) != frames or len(yaw_deg) != frames:
        raise ItemError(
            "request.out_of_range",
            f"clip {clip_id} has {frames} frames, {len(keypoints)} poses and {len(yaw_deg)} yaws",
        )
    return keypoints, yaw_deg


def _candidates(dataset: Dataset, sample: Sample) -> list[ReferenceCandidate]:
    last = sample.start + (sample.frames - 1) * sample.stride
    rows = []
    for reference_id in sample.reference_ids:
        row = dataset.references.get(reference_id)
        if row is None or row.clip_id not in dataset.clips:
            raise ItemError(
                "request.no_reference", f"reference {reference_id} is in no table; run curate again"
            )
        if row.clip_id == sample.clip_id and sample.start <= row.frame <= last:
            raise ItemError("request.leak", f"reference {reference_id} is one of the target frames")
        rows.append(row)
    if not rows:
        raise ItemError("request.no_reference", "the sample names no reference")
    return rows


def _references(dataset: Dataset, rows: Sequence[ReferenceCandidate]) -> tuple[Reference, ...]:
    images: dict[tuple[str, int], NDArray[np.uint8]] = {}
    for clip_id in sorted({row.clip_id for row in rows}):
        wanted = sorted({row.frame for row in rows if row.clip_id == clip_id})
        frames = dataset.clip(clip_id).frames
        if wanted[0] < 0 or wanted[-1] >= frames:
            raise ItemError(
                "request.out_of_range", f"frames {wanted} of clip {clip_id}; it has {frames}"
            )
        images.update(
            zip([(clip_id, n) for n in wanted], dataset.frames(clip_id, wanted), strict=True)
        )
    poses = {clip_id: _poses(dataset, clip_id)[0] for clip_id in {row.clip_id for row in rows}}
    return tuple(
        Reference(
            image=images[row.clip_id, row.frame],
            keypoints=poses[row.clip_id][row.frame],
            yaw_deg=_known(row.yaw_deg),
            view=row.view,
        )
        for row in rows
    )


def _known(yaw_deg: float | None) -> float | None:
    return None if yaw_deg is None or math.isnan(yaw_deg) else yaw_deg
