"""A video and keypoints of another tool => the sidecar that curation reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mrfashion.errors import InputRefused, ItemError
from mrfashion.generation import Keypoints
from mrfashion.media import decode
from mrfashion.poses.exchange import read_poses
from mrfashion.poses.exchange.poses import Poses
from mrfashion.poses.sidecar import Sidecar, sidecar_path, write_sidecar


def import_sidecar(
    video: Path,
    keypoints: Path,
    meta: dict[str, str],
    form: str | None = None,
    rescale: bool = False,
) -> Path:
    """Write the sidecar of `video`; InputRefused unless there is one pose a frame, in its pixels.

    `rescale` takes coordinates of another canvas, or of 0..1, to the video's pixels.
    """
    poses = read_poses(keypoints, form)
    frames, size = _shape(video)
    if len(poses.keypoints) != frames:
        raise InputRefused(
            f"{keypoints} has {len(poses.keypoints)} frames, {video} has {frames}; one pose a "
            "frame is needed"
        )
    path = sidecar_path(video)
    write_sidecar(path, Sidecar(_in_pixels(poses, size, rescale, keypoints), meta=meta))
    return path


def _shape(video: Path) -> tuple[int, tuple[int, int]]:
    """Frames of a video, and their h, w."""
    frames, size = 0, (0, 0)
    try:
        for frame in decode(video):
            frames, size = frames + 1, (frame.image.shape[0], frame.image.shape[1])
    except ItemError as error:
        raise InputRefused(f"{video}: {error}") from None
    return frames, size


def _in_pixels(poses: Poses, size: tuple[int, int], rescale: bool, path: Path) -> Keypoints:
    """Keypoints in pixels of frames of `size`; never scaled unless asked for."""
    xy = poses.keypoints[poses.keypoints[..., 2] > 0][:, :2]
    units, canvas = "", poses.size or size
    if len(xy) and np.abs(xy).max() <= 1:
        if xy.min() < 0:
            raise InputRefused(f"{path}: coordinates are -1..1; export them as pixels, or 0..1")
        units, canvas = "0..1 of the frame", (1, 1)
    elif canvas != size:
        units = f"pixels of a canvas of {canvas[1]}x{canvas[0]}"
    if units and not rescale:
        raise InputRefused(
            f"{path}: coordinates are {units}; the video is {size[1]}x{size[0]}. If they cover its "
            "whole frame, say --rescale"
        )
    scale = np.array((size[1] / canvas[1], size[0] / canvas[0], 1))
    scaled: Keypoints = (poses.keypoints * scale).astype(np.float32)
    return scaled
