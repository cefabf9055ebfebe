"""Fitting a request to what a generator accepts, and its answer back: one place for all methods.

Pictures are letterboxed (mrfashion/letterbox.py), never stretched; a clip that is too short holds
its last pose; one that is too long is cut into windows where the generator says how far they
overlap. Where only bars and held frames are added, the way back is exact to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.windows import Windows, blended, cut
from mrfashion.generation import GeneratorInfo, Reference, Request, Result, Unsupported
from mrfashion.letterbox import Placement, Size, centre, move, paint, place, resized

FITTING_VERSION = 2  # raised whenever the same request would be fitted to other pixels


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A request as the generator gets it, in one window or several, and how to come back."""

    requests: tuple[Request, ...]
    windows: Windows
    placement: Placement  # of the asked frames on the working canvas
    frames: int  # asked; the windows may hold more
    overlap: int | None  # asked of the windows; None: there is one

    def record(self) -> dict[str, Any]:
        """What was done, for `effective["fit"]`."""
        box = self.placement
        record = {
            "version": FITTING_VERSION,
            "asked_size": list(box.source),
            "work_size": list(box.canvas),
            "box_top_left_height_width": [box.top, box.left, box.height, box.width],
            "bars": "edge",
            "asked_frames": self.frames,
            "work_frames": self.windows.starts[-1] + self.windows.length,
        }
        if self.overlap is None:
            return record
        return record | {
            "window_starts": list(self.windows.starts),
            "window_frames": self.windows.length,
            "window_overlap": self.overlap,
            "window_blend": "triangle",
        }


def fit(request: Request, info: GeneratorInfo) -> Fitted:
    """The request in sizes and frame counts that the generator accepts; else Unsupported.

    Every window is asked with the request's seed: the same noise keeps them alike.
    """
    if len(request.references) > info.max_references:
        raise Unsupported(
            f"{info.name} takes at most {info.max_references} references; "
            f"got {len(request.references)}. Reduce the request first"
        )
    windows = _windows(request.frames, info)
    size = _work_size(request.size, info)
    # Bars round the whole frame when only a multiple is needed: resampling would cost detail.
    placement = place(request.size, size) if info.fixed_sizes else centre(request.size, size)
    # In two exact steps: one box for both would be rounded to whole working pixels.
    asked = move(request.keypoints, place(request.frame_size, request.size))
    keypoints = move(asked, placement)
    references = tuple(_placed(r, request.size, placement) for r in request.references)
    requests = []
    for start in windows.starts:
        held = np.minimum(np.arange(start, start + windows.length), request.frames - 1)
        window = replace(
            request,
            references=references,
            keypoints=keypoints[held],
            yaw_deg=request.yaw_deg[held],
            frame_size=size,
            size=size,
        )
        requests.append(window)
    overlap = info.overlap if len(requests) > 1 else None
    return Fitted(tuple(requests), windows, placement, request.frames, overlap)


def unfit(results: Sequence[Result], fitted: Fitted) -> Result:
    """The windows' answers as one, in the asked size and frame count.

    ItemError if one does not answer its window. What a generator says it did is that of the first
    window where all agree, else a list of what it did in each.
    """
    for result, request in zip(results, fitted.requests, strict=True):
        result.check(request)
    shares = [fitted.windows.shares(frame) for frame in range(fitted.frames)]
    videos = [result.frames for result in results]
    weights = [w for result in results if (w := result.reference_weights) is not None]
    whole = len(weights) == len(results)
    said = [result.effective for result in results]
    peaks = [result.peak_memory_bytes for result in results if result.peak_memory_bytes]
    return Result(
        frames=np.stack([_back(blended(some, videos), fitted.placement) for some in shares]),
        fps=results[0].fps,
        reference_weights=np.stack([blended(some, weights) for some in shares]) if whole else None,
        effective={
            **(said[0] if all(one == said[0] for one in said) else {"windows": said}),
            "fit": fitted.record(),
        },
        seconds=sum(result.seconds for result in results),
        peak_memory_bytes=max(peaks, default=None),
        warnings=tuple(dict.fromkeys(text for result in results for text in result.warnings)),
    )


def _back(frame: NDArray[Any], box: Placement) -> NDArray[np.uint8]:
    """A working frame h w 3 => the asked one; a blend is rounded once, at the end."""
    inner = frame[box.top : box.top + box.height, box.left : box.left + box.width]
    picture = resized(inner, box.source)
    if picture.dtype != np.uint8:
        picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return picture


def _windows(frames: int, info: GeneratorInfo) -> Windows:
    """One window of the least accepted count that holds all frames, or several of the greatest."""
    steps = max(0, math.ceil((frames - info.frame_offset) / info.frame_step))
    work, most = steps * info.frame_step + info.frame_offset, info.window
    if most is None or work <= most:
        return cut(frames, work, 0)
    if info.overlap is None:
        padded = f" ({work} with padding)" if work != frames else ""
        raise Unsupported(
            f"{info.name} makes at most {info.max_frames} frames; asked: {frames}{padded}"
        )
    return cut(frames, most, info.overlap)


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
