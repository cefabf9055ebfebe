"""Keypoints of other tools, read into ours: OpenPose and DWPose JSON folders, and arrays.

OpenPose writes one JSON a frame, `NAME_000000000012_keypoints.json`, with `people`, each with flat
lists of x, y, score: `pose_keypoints_2d` (COCO-18 or BODY_25) and, where asked for, face (70 or 68)
and hands (21 each). https://github.com/CMU-Perceptual-Computing-Lab/openpose, output format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import InputRefused
from mrfashion.generation import KEYPOINTS, Keypoints

# Place in the other layout of each COCO-WholeBody place 0..16 (and 17..22 where it has feet).
COCO_18 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11, 19, 20, 21, 22, 23, 24)
BODIES = {18: COCO_18, 25: BODY_25}
FACE, LEFT_HAND, RIGHT_HAND = 23, 91, 112
MAX_JSON_BYTES = 4 << 20


def read_keypoints(path: Path) -> Keypoints:
    """A folder of OpenPose JSON, or an .npy or .json array (f, 17 | 23 | 133, 3) => f 133 3.

    InputRefused (file, what is wrong, what is allowed) for anything else.
    """
    if path.is_dir():
        return _openpose_folder(path)
    if path.suffix == ".npy":
        return _wholebody(_npy(path), path)
    if path.suffix == ".json":
        return _wholebody(_numbers(_json(path), path), path)
    raise InputRefused(
        f"{path}: got {path.suffix or 'no suffix'!r}; allowed: a folder of OpenPose JSON files, "
        ".npy, or .json"
    )


def _openpose_folder(folder: Path) -> Keypoints:
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputRefused(f"{folder} holds no .json file; one a frame is needed, named in order")
    return np.stack([_openpose_frame(path) for path in files])


def _openpose_frame(path: Path) -> NDArray[np.float32]:
    """133 3; all missing where nobody was found. Of several people the surest body is taken."""
    frame = _json(path)
    people = frame.get("people") if isinstance(frame, dict) else None
    if not isinstance(people, list):
        raise InputRefused(f"{path}: has no list `people`; OpenPose's output format is needed")
    found = [_person(person, path) for person in people] or [_missing(1)[0]]
    surest: NDArray[np.float32] = max(found, key=lambda person: float(person[:17, 2].sum()))
    return surest


def _person(person: Any, path: Path) -> NDArray[np.float32]:
    if not isinstance(person, dict):
        raise InputRefused(f"{path}: a person is {type(person).__name__}; an object is needed")
    body = _flat(person, "pose_keypoints_2d", path)
    if len(body) not in BODIES:
        raise InputRefused(f"{path}: a body has {len(body)} keypoints; allowed: 18 or 25")
    keypoints = _missing(1)[0]
    places = BODIES[len(body)]
    keypoints[: len(places)] = body[list(places)]
    parts = (("face", FACE, 68), ("hand_left", LEFT_HAND, 21), ("hand_right", RIGHT_HAND, 21))
    for part, start, count in parts:
        if len(points := _flat(person, f"{part}_keypoints_2d", path)):
            if len(points) < count:
                raise InputRefused(f"{path}: {part} has {len(points)} keypoints; needed: {count}")
            keypoints[start : start + count] = points[:count]
    return _tidied(keypoints)


def _flat(person: dict[str, Any], name: str, path: Path) -> NDArray[np.float32]:
    values = _numbers(person.get(name) or [], path)
    if values.ndim != 1 or len(values) % 3:
        raise InputRefused(f"{path}: {name} is not a flat list of x, y, score")
    return values.reshape(-1, 3)


def _wholebody(values: NDArray[np.float32], path: Path) -> Keypoints:
    allowed = values.ndim == 3 and values.shape[1] in (17, 23, KEYPOINTS) and values.shape[2] == 3
    if not allowed or not len(values):
        raise InputRefused(f"{path}: got {values.shape}; allowed: (frames, 17 | 23 | 133, 3)")
    keypoints = _missing(len(values))
    keypoints[:, : values.shape[1]] = values
    return _tidied(keypoints)


def _missing(frames: int) -> Keypoints:
    keypoints = np.full((frames, KEYPOINTS, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints


def _tidied(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores into 0..1; what has none, or no place, is missing. OpenPose writes 0, 0, 0 for it."""
    missing = ~np.isfinite(keypoints).all(-1) | (keypoints[..., 2] <= 0)
    keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
    keypoints[missing] = (np.nan, np.nan, 0)
    return keypoints


def _json(path: Path) -> Any:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise InputRefused(f"{path}: over {MAX_JSON_BYTES >> 20} MiB; split it into frames")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{path} is no JSON: {error}") from None


def _numbers(values: Any, path: Path) -> NDArray[np.float32]:
    try:
        return np.array(values, np.float32)
    except (ValueError, TypeError, OverflowError):
        raise InputRefused(f"{path}: not a rectangle of numbers") from None


def _npy(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")  # mapped: a header may lie
        return np.array(array, np.float32)
    except (ValueError, OSError, TypeError) as error:
        raise InputRefused(f"{path} is no array: {error}") from None
