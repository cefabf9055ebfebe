"""Keypoints as arrays: our .npz; and .npy and JSON arrays, which we only read: (f, k, 3).

The archive: `keypoints`, floats f k 3 (x, y in pixels, score 0..1; missing is NaN or score 0;
k = 133, or the first 17 or 23 of COCO-WholeBody), or f k 2 with `scores` f k; and where known the
scalars `width`, `height` (pixels of the frames) and `fps`. No pickle.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import KEYPOINTS, Keypoints
from mrfashion.poses.array_files import BROKEN, member_bytes, npy_array, npz_bytes
from mrfashion.poses.exchange.document import MAX_BYTES, Document
from mrfashion.poses.exchange.poses import Format, Poses, missing, tidied


def _read_array(document: Document) -> Poses:
    if document.kind == "json":
        return Poses(_wholebody(document.numbers(document.value), document))
    return Poses(_wholebody(_array(document.value, document.path.name, document), document))


def _read_npz(document: Document) -> Poses:
    try:
        with zipfile.ZipFile(io.BytesIO(document.value)) as archive:
            arrays = {
                name: _array(member_bytes(archive, f"{name}.npy", MAX_BYTES), name, document)
                for name in ("keypoints", "scores", "width", "height", "fps")
                if name == "keypoints" or f"{name}.npy" in archive.namelist()
            }
    except (*BROKEN, ValueError, OSError) as error:
        raise document.refused(f"no archive of keypoints: {error}") from None
    keypoints = arrays["keypoints"]
    if "scores" in arrays:
        keypoints = _joined(keypoints, arrays["scores"], document)
    size = document.size(_scalar(arrays, "height", document), _scalar(arrays, "width", document))
    fps = document.rate(_scalar(arrays, "fps", document))
    return Poses(_wholebody(keypoints, document), size, fps)


def _array(data: bytes, name: str, document: Document) -> NDArray[Any]:
    try:
        array = npy_array(data, name)
    except ValueError as error:
        raise document.refused(f"no array of numbers: {error}") from None
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise document.refused(f"{name} is {array.dtype}; plain numbers are needed")
    return array


def _joined(places: NDArray[Any], scores: NDArray[Any], document: Document) -> NDArray[np.float32]:
    if places.ndim != 3 or places.shape[2] != 2 or scores.shape != places.shape[:2]:
        raise document.refused(
            f"keypoints {places.shape} with scores {scores.shape}; needed: (f, k, 2) and (f, k)"
        )
    return np.concatenate(
        [places, scores[..., None]], axis=-1, dtype=np.float32, casting="same_kind"
    )


def _scalar(arrays: dict[str, NDArray[Any]], name: str, document: Document) -> float | None:
    if name not in arrays:
        return None
    if arrays[name].size != 1:
        raise document.refused(f"{name} is {arrays[name].shape}; one number is needed")
    return float(arrays[name].item())


def _wholebody(values: NDArray[Any], document: Document) -> Keypoints:
    allowed = values.ndim == 3 and values.shape[1] in (17, 23, KEYPOINTS) and values.shape[2] == 3
    if not allowed or not len(values):
        raise document.refused(f"got {values.shape}; allowed: (frames, 17 | 23 | 133, 3)")
    if not (np.isnan(values) | (np.abs(values.astype(np.float64)) < 1e9)).all():
        raise document.refused("a number is 1e9 or more; pixels and scores are needed")
    keypoints = missing(len(values))
    keypoints[:, : values.shape[1]] = values
    return tidied(keypoints)


def _write_npz(clip: str, poses: Poses) -> Iterator[tuple[str, bytes]]:
    arrays: dict[str, NDArray[Any]] = {"keypoints": poses.keypoints.astype(np.float32)}
    if poses.size:
        arrays |= {"height": np.array(poses.size[0]), "width": np.array(poses.size[1])}
    if poses.fps:
        arrays["fps"] = np.array(poses.fps)
    yield f"{clip}.npz", npz_bytes(arrays)


def _is_array(document: Document) -> bool:
    rows = document.kind == "json" and isinstance(document.value, list)
    return document.kind == "npy" or (
        rows and (not document.value or isinstance(document.value[0], list))
    )


NPZ = Format(lambda document: document.kind == "zip", _read_npz, _write_npz)
ARRAY = Format(_is_array, _read_array)
