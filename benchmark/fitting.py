"""Fitting a request to what a generator accepts, and its answer back: one place for all methods.

Pictures are letterboxed, never stretched, and the bars repeat the picture's edge: a few pixels
of studio backdrop go on without a seam, whereas bars of the mean colour draw a line that every
method sees as an object. Where only bars are added, the way back is exact to the bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import (
    Frames,
    GeneratorInfo,
    Keypoints,
    Reference,
    Request,
    Result,
    Unsupported,
)

FITTING_VERSION = 1  # raised whenever the same request would be fitted to other pixels
Size = tuple[int, int]  # h, w


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies on a canvas: a box, the rest are bars."""

    source: Size
    canvas: Size
    top: int
    left: int
    height: int
    width: int

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels a source pixel, along y and x."""
        return self.height / self.source[0], self.width / self.source[1]

    def then(self, outer: Placement) -> Placement:
        """This canvas placed on another one: both steps in one."""
        along_y, along_x = outer.scale
        top, height = _span(self.top, self.height, along_y, outer.height)
        left, width = _span(self.left, self.width, along_x, outer.width)
        return Placement(
            self.source, outer.canvas, outer.top + top, outer.left + left, height, width
        )


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


def place(source: Size, canvas: Size) -> Placement:
    """The largest centred box of the source's shape on a canvas."""
    scale = min(canvas[0] / source[0], canvas[1] / source[1])
    height, width = (max(1, round(side * scale)) for side in source)
    top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    return Placement(source, canvas, top, left, height, width)


def letterbox(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """h w 3 => the asked size; what metrics do to target frames of another size."""
    return paint(image, place((image.shape[0], image.shape[1]), size))


def paint(image: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """h w 3 => the canvas, bars repeating the picture's edge."""
    picture = _resized(image, (placement.height, placement.width))
    below = placement.canvas[0] - placement.top - placement.height
    right = placement.canvas[1] - placement.left - placement.width
    return np.pad(picture, ((placement.top, below), (placement.left, right), (0, 0)), mode="edge")


def move(keypoints: Keypoints, placement: Placement) -> Keypoints:
    """... 3, pixels of the source => pixels of the canvas; integers are centres of pixels."""
    along_y, along_x = placement.scale
    moved = keypoints.astype(np.float32, copy=True)
    # (x + 0.5) * scale - 0.5 + left, so ordered that scale 1 loses no bit.
    moved[..., 0] = keypoints[..., 0] * along_x + (0.5 * along_x - 0.5 + placement.left)
    moved[..., 1] = keypoints[..., 1] * along_y + (0.5 * along_y - 0.5 + placement.top)
    return moved


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
    placement = place(request.size, size) if info.fixed_sizes else _centred(request.size, size)
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


def _span(start: int, length: int, scale: float, room: int) -> tuple[int, int]:
    """Start and length after scaling; rounding the two ends keeps them inside the room."""
    first = min(round(start * scale), room - 1)
    return first, max(1, min(round((start + length) * scale), room) - first)


def _centred(source: Size, canvas: Size) -> Placement:
    top, left = (canvas[0] - source[0]) // 2, (canvas[1] - source[1]) // 2
    return Placement(source, canvas, top, left, *source)


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
    return np.stack([_resized(frame, size) for frame in frames])


def _resized(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    if image.shape[:2] == size:
        return image
    import cv2

    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    resized = cv2.resize(image, (size[1], size[0]), interpolation=method)
    return np.asarray(resized, np.uint8)
