"""Keypoints of the kept shots: from a sidecar where a video brings one, else from an estimator."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mrfashion.errors import ItemError, MissingRequirement, UnknownNameError
from mrfashion.media import decode
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.estimator import Estimator
from mrfashion.poses.sidecar import Sidecar, read_sidecar, sidecar_path, write_sidecar
from mrfashion.shot import KeptShot

SIDECAR = "sidecar"


@dataclass(frozen=True)
class PoseConfig:
    """Where keypoints come from."""

    use: Literal["auto", "sidecar", "estimator"] = "auto"  # auto: the sidecar where there is one
    estimator: str = "blazepose"


class Poser:
    """Poses clips; threads share it, and each gets an estimator of its own."""

    def __init__(self, root: Path, config: PoseConfig) -> None:
        self.root = root
        self.config = config
        self._own = threading.local()

    def origin(self, shot: KeptShot) -> str | None:
        """`sidecar` or the estimator's name; None where the config allows neither."""
        if self.config.use != "estimator" and sidecar_path(shot.source.path).is_file():
            return SIDECAR
        return None if self.config.use == "sidecar" else self.config.estimator

    def require_estimator(self) -> None:
        """MissingRequirement, with what mends it, unless the estimator can run here."""
        if self.config.estimator not in ESTIMATORS:
            raise UnknownNameError("estimator", self.config.estimator, ESTIMATORS)
        missing = ESTIMATORS[self.config.estimator]().check()
        if missing:
            raise MissingRequirement(
                f"{self.config.estimator} cannot run: {'; '.join(missing)}. Or give every video a "
                "sidecar, or reject those without: [poses] use = 'sidecar' in --config"
            )

    def settings(self, origin: str) -> dict[str, Any]:
        """What decides the keypoints of an origin, plain JSON values."""
        if origin == SIDECAR:
            return {"name": SIDECAR}
        estimator = ESTIMATORS[origin]()
        return {"name": origin, "version": estimator.version, **estimator.settings()}

    def inputs(self, shot: KeptShot, origin: str, clip: dict[str, Any]) -> Any:
        """What a shot's keypoints depend on, plain JSON values."""
        if origin != SIDECAR:
            return [self.settings(origin), clip["sha256"]]
        stat = sidecar_path(shot.source.path).stat()
        return [SIDECAR, stat.st_size, stat.st_mtime_ns, shot.span.first, shot.span.last]

    def pose(self, job: tuple[KeptShot, str]) -> dict[str, Any]:
        """Write a shot's keypoints and what else is known of it => where they lie."""
        shot, origin = job
        sidecar = self._cut(shot) if origin == SIDECAR else self._estimate(shot)
        path = f"stages/poses/{shot.span.clip_id}.sidecar.npz"
        write_sidecar(self.root / path, sidecar)
        return {"path": path, "files": {path: (self.root / path).stat().st_size}}

    def _cut(self, shot: KeptShot) -> Sidecar:
        """The shot's part of its source's sidecar."""
        sidecar = read_sidecar(sidecar_path(shot.source.path))
        if sidecar.frames != shot.source_frames:
            raise ItemError(
                "sidecar.length",
                f"the sidecar has {sidecar.frames} frames; the video {shot.source_frames}",
            )
        return sidecar.cut(shot.span.first, shot.span.last + 1, *shot.size)

    def _estimate(self, shot: KeptShot) -> Sidecar:
        track = self._estimator().track(
            (frame.image for frame in decode(self.root / shot.path)), shot.info.fps
        )
        return Sidecar(
            track.keypoints,
            boxes_xyxy_px=track.boxes_xyxy_px,
            detector_scores=track.detector_scores,
            people=track.people,
        )

    def _estimator(self) -> Estimator:
        if not hasattr(self._own, "estimator"):
            self._own.estimator = ESTIMATORS[self.config.estimator]()
        estimator: Estimator = self._own.estimator
        return estimator
