"""OpenPose and DWPose JSON: one object a frame, with `people`, each with flat x, y, score lists.

OpenPose writes a folder, `NAME_000000000012_keypoints.json` a frame: `pose_keypoints_2d` (BODY_25
or COCO-18) and, where asked for, face (70) and hands (21 each).
https://github.com/CMU-Perceptual-Computing-Lab/openpose, output format. The DWPose nodes of
ComfyUI and ControlNet write COCO-18, a face of 68, null for what is not there, and the frame as
`canvas_height` and `canvas_width`; ComfyUI saves all frames as one list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import InputRefused
from mrfashion.poses.exchange.document import Document, strict_json
from mrfashion.poses.exchange.poses import (
    FACE,
    FEET,
    LEFT_HAND,
    RIGHT_HAND,
    Format,
    Poses,
    flat,
    missing,
    surest,
    tidied,
)

# Place in the other layout of each COCO-WholeBody place 0..16 (and 17..22 where it has feet).
COCO_18 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
BODY_25 = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11, 19, 20, 21, 22, 23, 24)
BODIES = {18: COCO_18, 25: BODY_25}
NECK, MID_HIP = 1, 8
SHOULDERS, HIPS = [5, 6], [11, 12]
PARTS = {
    "face": (FACE, 68),
    "hand_left": (LEFT_HAND, 21),
    "hand_right": (RIGHT_HAND, 21),
    "foot": (FEET, 6),  # of tools that keep DWPose's feet beside the 18
}
MAX_FRAME_BYTES = 4 << 20


def recognises(document: Document) -> bool:
    """A folder of JSON files, or JSON of one frame or a list of frames that have `people`."""
    if document.kind == "folder":
        return any(document.path.glob("*.json"))
    frames = document.value if isinstance(document.value, list) else [document.value]
    return bool(frames) and all(isinstance(frame, dict) and "people" in frame for frame in frames)


def read(document: Document) -> Poses:
    """Of several people in a frame the surest body is taken; of none, all are missing."""
    keypoints, sizes = [], set()
    for frame in _frames(document):
        sizes.add(frame.size(*_canvas(frame)))
        keypoints.append(_frame(frame))
    if len(sizes) != 1:
        raise document.refused(f"frames of {len(sizes)} canvas sizes; all of one are needed")
    return Poses(np.stack(keypoints), sizes.pop())


def _canvas(frame: Document) -> tuple[Any, Any]:
    if not isinstance(frame.value, dict):
        raise frame.refused("has no list `people`; OpenPose's output format is needed")
    return frame.value.get("canvas_height"), frame.value.get("canvas_width")


def _frames(document: Document) -> Iterator[Document]:
    if document.kind == "folder":
        for path in _in_order(document.path):
            yield Document(path, "json", strict_json(_bytes(path), path))
    else:
        values = document.value if isinstance(document.value, list) else [document.value]
        for value in values:
            yield Document(document.path, "json", value)


def _in_order(folder: Path) -> list[Path]:
    """By frame number, the last in the name: some tools do not pad it. No frame may be left out."""
    numbered: dict[int, Path] = {}
    for path in folder.glob("*.json"):
        digits = re.findall(r"\d{1,18}", path.stem.removesuffix("_keypoints"), re.ASCII)
        if not digits or (number := int(digits[-1])) in numbered:
            raise InputRefused(f"{path}: each name must end in the number of its own frame")
        numbered[number] = path
    if numbered and len(numbered) != max(numbered) - min(numbered) + 1:
        first = next(n for n in range(min(numbered), max(numbered)) if n not in numbered)
        raise InputRefused(f"{folder}: frame {first} is not there; one file a frame is needed")
    return [numbered[number] for number in sorted(numbered)]


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise InputRefused(f"{path} is no file")
    if path.stat().st_size > MAX_FRAME_BYTES:
        raise InputRefused(f"{path}: over {MAX_FRAME_BYTES >> 20} MiB; one frame a file is needed")
    return path.read_bytes()


def _frame(frame: Document) -> NDArray[np.float32]:
    people = frame.value.get("people")
    if not isinstance(people, list):
        raise frame.refused("has no list `people`; OpenPose's output format is needed")
    return surest([_person(person, frame) for person in people])


def _person(person: Any, frame: Document) -> NDArray[np.float32]:
    if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
        raise frame.refused("a person is no object with `pose_keypoints_2d`")
    keypoints = missing(1)[0]
    body = _points(person, "pose", frame)
    if len(body):
        if len(body) not in BODIES:
            raise frame.refused(f"a body has {len(body)} keypoints; allowed: 18 or 25")
        places = BODIES[len(body)]
        keypoints[: len(places)] = body[list(places)]
    for part, (where, count) in PARTS.items():
        if len(points := _points(person, part, frame)):
            if len(points) < count:
                raise frame.refused(f"{part} has {len(points)} keypoints; needed: {count}")
            keypoints[where] = points[:count]  # the pupils, 68 and 69 of a face, have no place
    return tidied(keypoints)


def _points(person: dict[str, Any], part: str, frame: Document) -> NDArray[np.float32]:
    name = f"{part}_keypoints_2d"
    values = person.get(name)
    if values is not None and not isinstance(values, list):
        raise frame.refused(f"{name} is not a flat list of x, y, score")
    numbers = frame.numbers(values or [])
    if numbers.ndim != 1 or len(numbers) % 3:
        raise frame.refused(f"{name} is not a flat list of x, y, score")
    return numbers.reshape(-1, 3)


def write_openpose(clip: str, poses: Poses) -> Iterator[tuple[str, bytes]]:
    """A file a frame, as OpenPose writes BODY_25 with face and hands; the pupils are missing."""
    for number, keypoints in enumerate(poses.keypoints):
        parts = _parts(keypoints, 25)
        del parts["foot"]
        parts["face"] = np.concatenate([parts["face"], missing(1)[0, :2]])
        person: dict[str, Any] = {"person_id": [-1]}
        person |= {f"{part}_keypoints_2d": _known(points, []) for part, points in parts.items()}
        person |= {f"{part}_keypoints_3d": [] for part in parts}
        frame = {"version": 1.3, "people": [person] if keypoints[:, 2].any() else []}
        yield f"{clip}_{number:012d}_keypoints.json", _text(frame)


def write_dwpose(clip: str, poses: Poses) -> Iterator[tuple[str, bytes]]:
    """A file a frame, as ComfyUI has DWPose: COCO-18, the canvas, and the feet as a part."""
    height, width = poses.size or (None, None)
    for number, keypoints in enumerate(poses.keypoints):
        parts = _parts(keypoints, 18).items()
        person = {f"{part}_keypoints_2d": _known(points, None) for part, points in parts}
        people = [person] if keypoints[:, 2].any() else []
        frame = {"people": people, "canvas_height": height, "canvas_width": width}
        yield f"{clip}_{number:012d}.json", _text(frame)


def _parts(keypoints: NDArray[np.float32], count: int) -> dict[str, NDArray[np.float32]]:
    body = {"pose": _body(keypoints, count)}
    return body | {part: keypoints[where] for part, (where, _) in PARTS.items()}


def _body(keypoints: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """133 3 => 18 or 25 3; neck and mid hip where both shoulders, both hips are known."""
    body = missing(1)[0, :count]
    body[list(BODIES[count])] = keypoints[: len(BODIES[count])]
    middles = ((NECK, SHOULDERS), (MID_HIP, HIPS)) if count == 25 else ((NECK, SHOULDERS),)
    for place, pair in middles:
        body[place, :2] = keypoints[pair, :2].mean(0)
        body[place, 2] = keypoints[pair, 2].min()
    return body


def _known(points: NDArray[np.float32], otherwise: Any) -> Any:
    return flat(points) if (points[:, 2] > 0).any() else otherwise


def _text(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


OPENPOSE = Format(recognises, read, write_openpose)
DWPOSE = Format(recognises, read, write_dwpose)
