"""Sidecars: a `.sidecar.npz` beside a video brings what is known about it, keypoints first.

Members (no pickle): `meta`, a JSON text with `version` 1 and any of `garment_group`, `licence`,
`source_url`, `terms`, `product_id`; `keypoints` float32 f k 3 (COCO-WholeBody order, k = 133, or
the first 17 or 23 of it; pixels of the video, score 0..1; missing is NaN or score 0); and where
known `yaw_deg` float32 f, `mask` bool f h w, `flow` float32 f-1 h w 2 (pixels from frame to next,
NaN where undefined), and of a detector `boxes_xyxy_px` float32 f 4, `detector_scores` float32 f
(NaN where none ran) and `people` int16 f (-1 where none ran).
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import write_atomic
from mrfashion.crops import Crop
from mrfashion.errors import ItemError
from mrfashion.generation import KEYPOINTS, Keypoints
from mrfashion.poses.array_files import BROKEN, member_bytes, npy_array, npz_bytes
from mrfashion.poses.cache import LIMIT_PX

SUFFIX = ".sidecar.npz"
VERSION = 1
MAX_BYTES = 2 << 30  # of one member, unpacked: a zip can promise anything
MAX_META_BYTES = 1 << 16
META_KEYS = ("garment_group", "licence", "source_url", "terms", "product_id")
DETECTIONS = {  # name => its shape after f, and its type
    "boxes_xyxy_px": ((4,), np.float32),
    "detector_scores": ((), np.float32),
    "people": ((), np.int16),
}
FLOW_STEPS_PER_PX = 64  # flow is stored as int16, -32768 = undefined


@dataclass(frozen=True, eq=False)
class Sidecar:
    """What a source says of its own video."""

    keypoints: Keypoints  # f 133 3
    yaw_deg: NDArray[np.float32] | None = None  # f
    mask: NDArray[np.bool_] | None = None  # f h w
    flow: NDArray[np.float32] | None = None  # f-1 h w 2
    meta: dict[str, str] = field(default_factory=dict)
    boxes_xyxy_px: NDArray[np.float32] | None = None  # f 4
    detector_scores: NDArray[np.float32] | None = None  # f
    people: NDArray[np.int16] | None = None  # f

    @property
    def frames(self) -> int:
        """Frames of the video it belongs to."""
        return len(self.keypoints)

    def cut(self, first: int, stop: int, crop: Crop) -> Sidecar:
        """The part from frame `first` up to `stop`, for frames cropped."""
        yaw, mask, flow, boxes = self.yaw_deg, self.mask, self.flow, self.boxes_xyxy_px
        height, width = crop.top + crop.height, crop.left + crop.width
        if mask is not None and (mask.shape[1] < height or mask.shape[2] < width):
            text = f"the mask is {mask.shape[1:]}; the frames are {(height, width)} at least"
            raise ItemError("sidecar.shape", text)
        corner = np.array((crop.left, crop.top), np.float32)
        keypoints = self.keypoints[first:stop].copy()
        keypoints[..., :2] -= corner
        return Sidecar(
            keypoints,
            None if yaw is None else yaw[first:stop],
            None if mask is None else mask[first:stop, *crop.part],
            None if flow is None else flow[first : stop - 1, *crop.part],
            self.meta,
            None if boxes is None else boxes[first:stop] - np.tile(corner, 2),
            None if self.detector_scores is None else self.detector_scores[first:stop],
            None if self.people is None else self.people[first:stop],
        )


def sidecar_path(video: Path) -> Path:
    """Where the sidecar of a video lies."""
    return video.with_name(video.stem + SUFFIX)


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Write a sidecar atomically; equal values give equal bytes."""
    arrays: dict[str, NDArray[Any]] = {"keypoints": sidecar.keypoints.astype(np.float32)}
    meta = {"version": VERSION, **sidecar.meta}
    if sidecar.yaw_deg is not None:
        arrays["yaw_deg"] = sidecar.yaw_deg.astype(np.float32)
    if sidecar.mask is not None:
        arrays["mask"] = sidecar.mask
    if sidecar.flow is not None:
        steps = np.rint(np.nan_to_num(sidecar.flow, nan=0.0) * FLOW_STEPS_PER_PX)
        undefined = np.isnan(sidecar.flow)
        arrays["flow_q"] = np.where(undefined, -32768, steps.clip(-32767, 32767)).astype(np.int16)
    for name in DETECTIONS:
        if (detected := getattr(sidecar, name)) is not None:
            arrays[name] = detected
    texts = {"meta.json": json.dumps(meta, sort_keys=True)}
    write_atomic(path, npz_bytes(arrays, texts))


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar; ItemError (sidecar.*) where it is damaged or not what it claims."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {
                name: _array(archive, f"{name}.npy")
                for name in ("keypoints", "yaw_deg", "mask", "flow", "flow_q", *DETECTIONS)
                if f"{name}.npy" in archive.namelist()
            }
            meta = _meta(archive)
    except (*BROKEN, OSError, ValueError, RecursionError) as error:
        raise ItemError("sidecar.corrupt", f"{path.name}: {error}") from None
    if "keypoints" not in arrays:
        raise ItemError("sidecar.corrupt", f"{path.name} holds no keypoints")
    keypoints = _wholebody(arrays["keypoints"], path.name)
    flow = arrays.get("flow")
    if "flow_q" in arrays:
        steps = arrays["flow_q"].astype(np.float32)
        flow = np.where(steps <= -32768, np.float32(np.nan), steps / FLOW_STEPS_PER_PX)
    detections = (arrays.get(name) for name in DETECTIONS)
    sidecar = Sidecar(keypoints, arrays.get("yaw_deg"), arrays.get("mask"), flow, meta, *detections)
    _check(sidecar, path.name)
    return sidecar


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    return npy_array(member_bytes(archive, name, MAX_BYTES), name)


def _meta(archive: zipfile.ZipFile) -> dict[str, str]:
    meta = json.loads(member_bytes(archive, "meta.json", MAX_META_BYTES))
    if not isinstance(meta, dict) or meta.get("version") != VERSION:
        raise ValueError(f"meta.json has no version {VERSION}")
    for key, value in meta.items():
        if key != "version" and not isinstance(value, str):
            raise ValueError(f"meta.json: {key} is {value!r}; a text is needed")
        f"{key}{value}".encode()  # half a surrogate is no text: UnicodeEncodeError is a ValueError
    return {key: value for key, value in meta.items() if key != "version"}


def _wholebody(keypoints: NDArray[Any], name: str) -> Keypoints:
    """17, 23 or 133 COCO-WholeBody keypoints => 133, the others missing."""
    shape = keypoints.shape
    right = keypoints.ndim == 3 and shape[1] in (17, 23, KEYPOINTS) and shape[2] == 3
    if not right or not np.issubdtype(keypoints.dtype, np.floating):
        text = f"keypoints are {keypoints.dtype} {shape}; allowed: float32 (f, 17 | 23 | 133, 3)"
        raise ItemError("sidecar.shape", f"{name}: {text}")
    full = np.full((shape[0], KEYPOINTS, 3), np.nan, np.float32)
    full[:, : shape[1]] = keypoints
    missing = ~np.isfinite(full).all(-1) | (full[..., 2] <= 0)
    full[..., 2] = full[..., 2].clip(0, 1)
    full[missing] = (np.nan, np.nan, 0)
    if np.abs(full[~missing, :2]).max(initial=0) > LIMIT_PX:
        text = f"a keypoint lies beyond {LIMIT_PX:.0f} px, where none can be stored"
        raise ItemError("sidecar.values", f"{name}: {text}")
    return full


def _check(sidecar: Sidecar, name: str) -> None:
    frames = sidecar.frames
    yaw, mask, flow = sidecar.yaw_deg, sidecar.mask, sidecar.flow
    if yaw is not None and (yaw.shape != (frames,) or not np.issubdtype(yaw.dtype, np.floating)):
        raise ItemError("sidecar.shape", f"{name}: yaw_deg is {yaw.dtype} {yaw.shape}")
    if yaw is not None and np.abs(yaw[~np.isnan(yaw)]).max(initial=0) > 360:
        raise ItemError("sidecar.values", f"{name}: yaw_deg leaves (-180, 180]")
    if mask is not None and (mask.ndim != 3 or len(mask) != frames or mask.dtype != np.bool_):
        raise ItemError("sidecar.shape", f"{name}: mask is {mask.dtype} {mask.shape}")
    if flow is not None and (flow.ndim != 4 or len(flow) != frames - 1 or flow.shape[-1] != 2):
        raise ItemError("sidecar.shape", f"{name}: flow is {flow.dtype} {flow.shape}")
    for what, (shape, dtype) in DETECTIONS.items():
        array = getattr(sidecar, what)
        if array is not None and (array.shape != (frames, *shape) or array.dtype != dtype):
            raise ItemError("sidecar.shape", f"{name}: {what} is {array.dtype} {array.shape}")
