"""Fitting a request to what a generator accepts, and its answer back: one place for all methods.

Pictures are letterboxed (mrfashion/letterbox.py), never stretched. Where only bars are added, the
way back is exact to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mrfashion.generation import (
    Frames,
    GeneratorInfo,
    Reference,
    Request,
    Result,
    Unsupported,
)
from mrfashion.letterbox import Placement, Size, centre, move, paint, place, resized

FITTING_VERSION = 1  # raised whenever the same request would be fitted to other pixels


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A request as the generator gets it, and how to come back."""

    request: Request
    placement: Placement  # of the asked frames on the working canvas
    frames: int  # asked; the request may hold more

    def record(self) -> dict[str, Any]:
        """What was done, for `effective["fit"]`."""
        box = self.placement
        return {
            "version": FITTING_VERSION,
            "asked_size": list(box.source),
            "work_size": list(box.canvas),
            "box_top_left_height_width": [box.top, box.left, box.height, box.width],
            "bars": "edge",
            "asked_frames": self.frames,
            "work_frames": self.request.frames,
        }


def fit(request: Request, info: GeneratorInfo) -> Fitted:
    """The request in a size and a frame count that the generator accepts; else Unsupported."""
    if len(request.references) > info.max_references:
        raise Unsupported(
            f"{info.name} takes at most {info.max_references} references; "
            f"got {len(request.references)}. Reduce the request first"
        )
    frames = _work_frames(request.frames, info)
    size = _work_size(request.size, info)
    # Bars round the whole frame when only a multiple is needed: resampling would cost detail.
    placement = place(request.size, size) if info.fixed_sizes else centre(request.size, size)
    driving = place(request.frame_size, request.size).then(placement)
    held = np.minimum(np.arange(frames), request.frames - 1)
    work = replace(
        request,
        references=tuple(_placed(r, request.size, placement) for r in request.references),
        keypoints=move(request.keypoints, driving)[held],
        yaw_deg=request.yaw_deg[held],
        frame_size=size,
        size=size,
    )
    return Fitted(work, placement, request.frames)


def unfit(result: Result, fitted: Fitted) -> Result:
    """The answer in the asked size and frame count; ItemError if it does not answer `fitted`."""
    result.check(fitted.request)
    box = fitted.placement
    cut = result.frames[
        : fitted.frames, box.top : box.top + box.height, box.left : box.left + box.width
    ]
    weights = result.reference_weights
    return replace(
        result,
        frames=_resized_frames(cut, box.source),
        reference_weights=None if weights is None else weights[: fitted.frames],
        effective={**result.effective, "fit": fitted.record()},
    )


def _work_frames(frames: int, info: GeneratorInfo) -> int:
    """The least count of the form frame_step * n + frame_offset that holds all frames."""
    steps = max(0, math.ceil((frames - info.frame_offset) / info.frame_step))
    work = steps * info.frame_step + info.frame_offset
    if info.max_frames is not None and work > info.max_frames:
        padded = f" ({work} with padding)" if work != frames else ""
        raise Unsupported(
            f"{info.name} makes at most {info.max_frames} frames; asked: {frames}{padded}"
        )
    return work


def _work_size(size: Size, info: GeneratorInfo) -> Size:
    """The fixed size nearest in aspect ratio (of equals: in area), or the next multiple."""
    if not info.fixed_sizes:
        height, width = (math.ceil(n / info.size_multiple) * info.size_multiple for n in size)
        return height, width

    def distance(fixed: Size) -> tuple[float, float, Size]:
        aspect = math.log((fixed[0] / fixed[1]) / (size[0] / size[1]))
        area = math.log((fixed[0] * fixed[1]) / (size[0] * size[1]))
        return round(abs(aspect), 9), round(abs(area), 9), fixed

    return min(info.fixed_sizes, key=distance)


def _placed(reference: Reference, size: Size, placement: Placement) -> Reference:
    """References go where the asked frame goes, in one resampling."""
    height, width = reference.image.shape[:2]
    whole = place((height, width), size).then(placement)
    return replace(
        reference,
        image=paint(reference.image, whole),
        keypoints=move(reference.keypoints, whole),
    )


def _resized_frames(frames: Frames, size: Size) -> Frames:
    if frames.shape[1:3] == size:
        return np.ascontiguousarray(frames)
    return np.stack([resized(frame, size) for frame in frames])
