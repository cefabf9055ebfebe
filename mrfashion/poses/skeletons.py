"""Pose images as generators are conditioned on: skeletons in the published drawing conventions.

Keypoints become strokes (skeleton_strokes), which OpenCV paints on the CPU, as in the published
code and faster, and torch on a device, many frames at once. Both give the published pixels, save
that lines which leave the frame may differ by a pixel at its border where torch paints.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mrfashion.errors import UnknownNameError
from mrfashion.generation import KEYPOINTS
from mrfashion.poses.skeleton_canvas import grid, paint, picture
from mrfashion.poses.skeleton_strokes import Size, strokes
from mrfashion.poses.skeleton_styles import STYLES, Style

if TYPE_CHECKING:
    from mrfashion.manifest import Dataset

CHUNK_PX, CPU_CHUNK_PX = 1 << 26, 1 << 23  # of canvas painted at once: a device wants much
MAX_CANVAS_PX = 1 << 27


def draw_skeletons(
    keypoints: NDArray[np.floating], source: Size, size: Size, style: str = "dwpose-133"
) -> NDArray[np.uint8]:
    """Keypoints f 133 3 in pixels of `source` frames => RGB pictures f h w 3 of `size`, on the CPU.

    Missing joints (NaN, or score 0) are left out; scores are 0..1. The scale is plain, without
    letterboxing. Strokes are as wide at every size, as published. UnknownNameError or ValueError
    where an argument is wrong.
    """
    from mrfashion.poses import skeleton_opencv  # here: a device needs torch and numpy alone

    batch = torch.from_numpy(np.array(keypoints))
    convention = _checked(batch, source, size, style)
    canvas = _canvas(size, convention)
    with torch.no_grad():
        shapes = strokes(batch, source, canvas, convention)
    return skeleton_opencv.paint(shapes, len(batch), canvas, size)


@torch.no_grad()
def draw_skeleton_batch(
    keypoints: Tensor, source: Size, size: Size, style: str = "dwpose-133"
) -> Tensor:
    """Keypoints (b f) 133 3 on any device => uint8 (b f) h w 3 there; else as draw_skeletons."""
    convention = _checked(keypoints, source, size, style)
    at = grid(_canvas(size, convention), size, keypoints.device)
    at_once = CPU_CHUNK_PX if keypoints.device.type == "cpu" else CHUNK_PX
    chunk = max(1, at_once // (at.kept[0] * at.kept[1]))
    pictures = keypoints.new_empty((len(keypoints), *size, 3), dtype=torch.uint8)
    for first in range(0, len(keypoints), chunk):
        some = keypoints[first : first + chunk]
        shapes = strokes(some, source, at.size, convention)
        pictures[first : first + chunk] = picture(paint(shapes, len(some), at), at)
    return pictures


def write_skeletons(dataset: Dataset, clip_id: str, style: str, out: Path) -> Path:
    """Write a clip's skeletons at its own size as `ID-STYLE.mp4` into `out`."""
    from mrfashion.media import write_clip  # here: drawing needs torch and numpy alone

    _style(style)  # before it names a file
    clip, keypoints = dataset.clip(clip_id), dataset.keypoints(clip_id)
    size = (clip.height, clip.width)
    path = out / f"{clip_id}-{style}.mp4"
    batches = (keypoints[first : first + 16] for first in range(0, len(keypoints), 16))
    drawn = (image for some in batches for image in draw_skeletons(some, size, size, style))
    write_clip(path, drawn, clip.fps)
    return path


def _style(name: str) -> Style:
    if name not in STYLES:
        raise UnknownNameError("drawing style", name, STYLES)
    return STYLES[name]


def _checked(keypoints: Tensor, source: Size, size: Size, style: str) -> Style:
    if keypoints.ndim != 3 or keypoints.shape[1:] != (KEYPOINTS, 3):
        shape = tuple(keypoints.shape)
        raise ValueError(f"keypoints are {shape}; allowed: (frames, {KEYPOINTS}, 3)")
    if not keypoints.is_floating_point():
        raise ValueError(f"keypoints are {keypoints.dtype}; pixels and scores are floating point")
    if min(*source, *size) < 1:
        raise ValueError(f"source {source} and size {size} must be at least 1 pixel high and wide")
    return _style(style)


def _canvas(size: Size, style: Style) -> Size:
    """What the strokes are drawn on: the picture, or one of a fixed shorter side."""
    scale = style.short_side / min(size) if style.short_side else 1
    height, width = int(size[0] * scale), int(size[1] * scale)
    if height * width > MAX_CANVAS_PX:
        raise ValueError(f"{size} needs a canvas of {height} x {width}; ask for a squarer picture")
    return height, width
