"""COCO-WholeBody annotation files: `images`, and `annotations` with five lists of x, y, v.

https://github.com/jin-s13/COCO-WholeBody, data_format.md. An image is a frame; the images' ids
give their order. v is a visibility (0 not labelled, 1 hidden, 2 visible) or, in other files and in
other parts of the same file, a score.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.poses.exchange.document import Document
from mrfashion.poses.exchange.poses import (
    BODY,
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

PARTS = {
    "keypoints": BODY,
    "foot_kpts": FEET,
    "face_kpts": FACE,
    "lefthand_kpts": LEFT_HAND,
    "righthand_kpts": RIGHT_HAND,
}
BOXED = {"face": "face_kpts", "lefthand": "lefthand_kpts", "righthand": "righthand_kpts"}
HIDDEN_SCORE = 0.2  # Our choice: what the turntable gives a joint that is there but not seen
NAMES = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle"
).split()


def _recognises(document: Document) -> bool:
    return isinstance(document.value, dict) and "annotations" in document.value


def _read(document: Document) -> Poses:
    """Of several annotations of an image the surest body is taken."""
    images = _ordered(_objects(document, "images"), document)
    people: dict[int, list[NDArray[np.float32]]] = {image["id"]: [] for image in images}
    annotations = _objects(document, "annotations")
    flags = {name: _is_visibility(annotations, name) for name in PARTS}
    for annotation in annotations:
        image = annotation.get("image_id")
        if not isinstance(image, int) or image not in people:
            raise document.refused(f"an annotation of image {image!r}, which is not in `images`")
        people[image].append(_person(annotation, flags, document))
    sizes = {document.size(image.get("height"), image.get("width")) for image in images}
    if len(sizes) > 1:
        raise document.refused(f"images of {len(sizes)} sizes; the frames of one clip are needed")
    info = document.value.get("info")
    fps = info.get("fps") if isinstance(info, dict) else None
    keypoints = np.stack([surest(found) for found in people.values()])
    return Poses(keypoints, sizes.pop(), document.rate(fps))


def _objects(document: Document, name: str) -> list[dict[str, Any]]:
    values = document.value.get(name)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise document.refused(f"`{name}` is no list of objects; COCO's layout is needed")
    return values


def _ordered(images: list[dict[str, Any]], document: Document) -> list[dict[str, Any]]:
    """By id; refused where the file names would put them in another order."""
    ids = [image.get("id") for image in images]
    if not images or not all(type(i) is int for i in ids) or len(set(ids)) < len(ids):
        raise document.refused("every image, and there must be one, needs an integer id of its own")
    images = sorted(images, key=lambda image: image["id"])
    names = [image["file_name"] for image in images if isinstance(image.get("file_name"), str)]
    if names != sorted(names, key=lambda name: (len(name), name)):
        raise document.refused("ids and file names put the images in different orders; renumber")
    return images


def _is_visibility(annotations: list[dict[str, Any]], name: str) -> bool:
    """Is v of this part 0, 1 or 2? A file of 0 and 1 alone means scores: results are so written."""
    lists = [value for a in annotations if isinstance(value := a.get(name), list)]
    seen = {v for values in lists for v in values[2::3] if isinstance(v, int | float)}
    return 2 in seen and seen <= {0, 1, 2}


def _person(
    annotation: dict[str, Any], flags: dict[str, bool], document: Document
) -> NDArray[np.float32]:
    keypoints = missing(1)[0]
    for name, where in PARTS.items():
        if annotation.get(name) is None and name != "keypoints":
            continue  # plain COCO: a body alone
        points = document.numbers(annotation.get(name))
        if points.shape != (3 * (where.stop - where.start),):
            raise document.refused(
                f"{name} of annotation {annotation.get('id')!r} has {points.size} numbers; "
                f"needed: {3 * (where.stop - where.start)}"
            )
        keypoints[where] = points.reshape(-1, 3)
        if flags[name]:
            levels = np.array([0, HIDDEN_SCORE, 1], np.float32)
            keypoints[where, 2] = levels[keypoints[where, 2].astype(int)]
    return tidied(keypoints)


def _write(clip: str, poses: Poses) -> Iterator[tuple[str, bytes]]:
    height, width = poses.size or (None, None)
    count = len(poses.keypoints)
    document = {
        "info": {"description": f"clip {clip}", "fps": poses.fps},
        "images": [
            {"id": i, "file_name": f"{clip}/{i:06d}.png", "height": height, "width": width}
            for i in range(count)
        ],
        "annotations": [
            _annotation(i, poses.keypoints[i])
            for i in range(count)
            if poses.keypoints[i, :, 2].any()
        ],
        "categories": [{"id": 1, "name": "person", "supercategory": "person", "keypoints": NAMES}],
    }
    yield f"{clip}.json", json.dumps(document, separators=(",", ":")).encode()


def _annotation(image: int, keypoints: NDArray[np.float32]) -> dict[str, Any]:
    """v is the score; boxes are those of the known keypoints, x, y, width, height."""
    box = _box(keypoints)
    made: dict[str, Any] = {"id": image, "image_id": image, "category_id": 1, "iscrowd": 0}
    made |= {"bbox": box, "area": round(box[2] * box[3], 3)}
    made |= {name: flat(keypoints[where]) for name, where in PARTS.items()}
    made["num_keypoints"] = int((keypoints[BODY, 2] > 0).sum())
    made |= {f"{part}_box": _box(keypoints[PARTS[name]]) for part, name in BOXED.items()}
    valid = {**BOXED, "foot": "foot_kpts"}
    made |= {f"{p}_valid": bool((keypoints[PARTS[n], 2] > 0).any()) for p, n in valid.items()}
    return made


def _box(points: NDArray[np.float32]) -> list[float]:
    known = points[points[:, 2] > 0, :2].astype(float)
    if not len(known):
        return [0.0] * 4
    return [round(v, 3) for v in (*known.min(0), *(known.max(0) - known.min(0)))]


COCO_WHOLEBODY = Format(_recognises, _read, _write)
