"""Small footage with known truth: a block that turns, changing its grey level with its view."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mrfashion.media import write_clip
from mrfashion.poses.sidecar import Sidecar, sidecar_path, write_sidecar
from mrfashion.views import view_of

FRAMES, HEIGHT, WIDTH, FPS = 24, 64, 48, 12.0
BODY_XY = (
    (10, 5), (11, 4), (9, 4), (13, 4), (7, 4),  # nose, eyes, ears; the person's left first
    (14, 12), (6, 12), (16, 20), (4, 20), (16, 27), (4, 27),  # shoulders, elbows, wrists
    (12, 28), (8, 28), (13, 39), (7, 39), (13, 48), (7, 48),  # hips, knees, ankles
)  # fmt: skip
COLOUR = {"front": 200, "facing-right": 150, "facing-left": 100, "back": 50}


def turning_clip(offset_deg: float, hue: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A block that changes grey level by view => frames f h w 3, keypoints f k 3, yaw f."""
    yaw = np.array(
        [(offset_deg + 360 * i / FRAMES + 180) % 360 - 180 for i in range(FRAMES)], np.float32
    )
    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 230, np.uint8)
    keypoints = np.empty((FRAMES, 133, 3), np.float32)
    for i in range(FRAMES):
        left = 12 + abs(i % 16 - 8)
        frames[i, 8:58, left : left + 20] = (COLOUR[view_of(yaw[i])], hue, 90)
        frames[i, 20:30, left + 4 : left + 10] = (hue, 20, COLOUR[view_of(yaw[i])])
        keypoints[i] = body_at(left, 8, 1.0)
    return frames, keypoints, yaw


def body_at(left: float, top: float, score: float) -> np.ndarray:
    """133 3: a body of plausible proportions in a block of 20 by 50 px; its head at the top."""
    body = np.full((133, 3), np.nan, np.float32)
    body[:, 2] = 0
    body[:17] = [(left + x, top + y, score) for x, y in BODY_XY]
    return body


def write_footage(
    folder: Path, name: str, number: int, *, group: str | None = None, sidecar: bool = True
) -> Path:
    """One mp4 of the turning block, with its sidecar unless told otherwise."""
    frames, keypoints, yaw = turning_clip(offset_deg=40.0 * number, hue=40 + 15 * number)
    path = folder / f"{name}.mp4"
    write_clip(path, frames, FPS)
    if sidecar:
        meta = {"licence": "CC0-1.0"} | ({"garment_group": group} if group else {})
        mask = (frames != 230).any(-1)
        write_sidecar(sidecar_path(path), Sidecar(keypoints, yaw, mask, None, meta))
    return path
