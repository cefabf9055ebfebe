"""Which way a clip's person faces, and whether its person is one to keep: from keypoints alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import content_hash
from mrfashion.config import to_dict
from mrfashion.filters import POSE_FILTERS, FilterConfig
from mrfashion.filters.person import PosedShot
from mrfashion.filters.verdict import first_dropping
from mrfashion.poses.sidecar import Sidecar, read_sidecar
from mrfashion.shot import KeptShot
from mrfashion.views import CANONICAL_DEG, view_of
from mrfashion.yaw import yaw_from_keypoints

VIEW_MODEL = 2  # version of the rule that turns keypoints into yaw


@dataclass(frozen=True, eq=False, slots=True)
class Posed:
    """A clip with its yaw, and where its keypoints lie: they are read one clip at a time."""

    shot: KeptShot
    clip: dict[str, Any]  # path, sha256, width, height
    origin: str  # sidecar, or the estimator's name
    path: Path  # of the keypoints
    poses_sha256: str
    yaw_deg: NDArray[np.float32]  # f, NaN where it abstained
    confidence: NDArray[np.float32]  # f
    box: tuple[float, ...]  # around all keypoints of the clip
    meta: dict[str, str]

    @property
    def clip_id(self) -> str:
        """Id of the clip."""
        return self.shot.span.clip_id

    @property
    def garment_group(self) -> str:
        """The group its source names; else the video is a group of its own."""
        source = self.shot.source
        return source.garment_group or self.meta.get("garment_group") or source.source_id

    @property
    def product_id(self) -> str | None:
        """The product its source or sidecar names."""
        return self.shot.source.product_id or self.meta.get("product_id")

    @property
    def yaw_hash(self) -> str:
        """Changes where another view model sees another yaw, to 0.01 degrees."""
        return content_hash(numbers(self.yaw_deg.round(2)))

    def sidecar(self) -> Sidecar:
        """Keypoints and what else is known; read anew each time, so that few are in memory."""
        return read_sidecar(self.path)


def settings(filters: FilterConfig) -> dict[str, Any]:
    """What decides `view_clip`'s answer, beside the clip."""
    judges = {name: to_dict(getattr(filters, name)) for name in POSE_FILTERS}
    return {"view_model": VIEW_MODEL, "filters": judges}


def view_clip(job: tuple[KeptShot, Path], filters: FilterConfig) -> dict[str, Any]:
    """(shot, file of its keypoints) => the filter that drops it, or yaw, confidence, box, meta.

    The yaw is what the keypoints tell, or the sidecar's own where it brings one.
    """
    shot, path = job
    sidecar = read_sidecar(path)
    height, width = shot.size
    yaw, confidence = _yaw(sidecar, shot.info.fps, shot.size)
    seen = PosedShot(sidecar.keypoints, shot.info.fps, width, height, sidecar.people, yaw)
    stills = shot.source.stills
    if stills is None and (dropped := first_dropping(POSE_FILTERS, filters, seen)):
        name, verdict = dropped
        return {"dropped": [name, verdict.reason, *numbers([verdict.measured, verdict.threshold])]}
    if stills is not None:
        yaw, confidence = _as_stated(yaw, confidence, stills)
    box = box_of(sidecar.keypoints.reshape(-1, 3))
    facts = {"yaw_deg": numbers(yaw), "confidence": numbers(confidence), "meta": sidecar.meta}
    return {"dropped": None, "box": [0.0 if value is None else value for value in box], **facts}


def posed_clip(
    shot: KeptShot, clip: dict[str, Any], origin: str, path: Path, sha256: str, seen: dict[str, Any]
) -> Posed:
    """The clip of a shot that `view_clip` keeps: `seen` is its answer."""
    yaw, confidence = (np.array(seen[name], np.float32) for name in ("yaw_deg", "confidence"))
    return Posed(
        shot, clip, origin, path, sha256, yaw, confidence, tuple(seen["box"]), seen["meta"]
    )


def _yaw(
    sidecar: Sidecar, fps: float, size_hw: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if sidecar.yaw_deg is None:
        return yaw_from_keypoints(sidecar.keypoints, fps, size_hw)
    known = np.isfinite(sidecar.yaw_deg)
    return sidecar.yaw_deg.astype(np.float32), known.astype(np.float32)


def _as_stated(
    yaw_deg: NDArray[np.float32], confidence: NDArray[np.float32], stated: tuple[str | None, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The middle of the view that a picture is said to show, where its keypoints tell another."""
    seen = [None if np.isnan(yaw) else view_of(float(yaw)) for yaw in yaw_deg]
    other = np.array([view not in (None, saw) for view, saw in zip(stated, seen, strict=True)])
    middle = np.array([CANONICAL_DEG.get(view or "", np.nan) for view in stated], np.float32)
    return np.where(other, middle, yaw_deg), np.where(other, np.float32(1), confidence)


def box_of(keypoints: NDArray[np.float32]) -> list[float | None]:
    """Smallest box around all known keypoints => x0, y0, x1, y1; None where there is none."""
    known = keypoints[..., 2] > 0
    if not known.any():
        return [None] * 4
    xy = keypoints[known][:, :2]
    return [float(value) for value in (*xy.min(0), *xy.max(0))]


def numbers(values: Any) -> list[float | None]:
    """Plain numbers for JSON and tables; None for NaN."""
    return [None if np.isnan(value) else float(value) for value in values]
