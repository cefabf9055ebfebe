"""Keypoints of the kept shots: from a sidecar where a video brings one, else from an estimator."""

from __future__ import annotations

import threading
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mrfashion.artefacts import sha256_file
from mrfashion.errors import ConfigError, ItemError, MissingRequirement, UnknownNameError
from mrfashion.media import decode
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.blazepose import BlazePoseConfig
from mrfashion.poses.dwpose import TopDownConfig
from mrfashion.poses.estimator import Estimator
from mrfashion.poses.sidecar import Sidecar, read_sidecar, sidecar_path, write_sidecar
from mrfashion.shot import KeptShot

SIDECAR = "sidecar"
ON_DEVICES = ("dwpose", "rtmw")  # estimators that may run elsewhere than on the CPU


@dataclass(frozen=True)
class PoseConfig:
    """Where keypoints come from; `onnx` is for dwpose and rtmw."""

    use: Literal["auto", "sidecar", "estimator"] = "auto"  # auto: the sidecar where there is one
    estimator: str = "blazepose"
    blazepose: BlazePoseConfig = field(default_factory=BlazePoseConfig)
    onnx: TopDownConfig = field(default_factory=TopDownConfig)

    def on(self, device: str) -> PoseConfig:
        """The same on another device; ConfigError where the estimator has no choice."""
        if self.estimator not in ON_DEVICES:
            raise ConfigError(
                f"device {device!r} was asked for; {self.estimator} knows none. Estimators that "
                f"do: {', '.join(ON_DEVICES)} ([poses] estimator in --config)"
            )
        session = replace(self.onnx.session, device=device)
        return replace(self, onnx=replace(self.onnx, session=session))


class Poser:
    """Poses clips; threads share it, and its estimator where that can be shared.

    Pickled, it travels without its networks, which the other process opens when it needs them.
    """

    def __init__(self, root: Path, config: PoseConfig) -> None:
        self.root = root
        self.config = config
        if config.estimator not in ESTIMATORS:
            raise UnknownNameError("estimator", config.estimator, ESTIMATORS)
        self._first = self._make()
        self._own = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root, self.config)

    @property
    def shared(self) -> bool:
        """Whether threads should share its estimator, for what that costs to load."""
        return self._first.shared

    def origin(self, shot: KeptShot) -> str | None:
        """`sidecar` or the estimator's name; None where the config allows neither."""
        if self.config.use != "estimator" and sidecar_path(shot.source.path).is_file():
            return SIDECAR
        return None if self.config.use == "sidecar" else self.config.estimator

    def require_estimator(self) -> str:
        """Which estimator runs, and where it had a choice; MissingRequirement where it cannot."""
        if missing := self._first.check():
            raise MissingRequirement(
                f"{self.config.estimator} cannot run: {'; '.join(missing)}. Or give every video a "
                "sidecar, or reject those without: [poses] use = 'sidecar' in --config"
            )
        settings = self.settings(self.config.estimator)
        where = f" on {settings['provider']}" if "provider" in settings else ""
        return f"poses by {settings['name']}{where}"

    def settings(self, origin: str) -> dict[str, Any]:
        """What decides the keypoints of an origin, plain JSON values."""
        if origin == SIDECAR:
            return {"name": SIDECAR}
        return {"name": origin, "version": self._first.version, **self._first.settings()}

    def inputs(self, shot: KeptShot, origin: str, clip: dict[str, Any]) -> Any:
        """What a shot's keypoints depend on, plain JSON values."""
        if origin != SIDECAR:
            return [self.settings(origin), clip["sha256"]]
        stat = sidecar_path(shot.source.path).stat()
        part = [shot.span.first, shot.span.last, *astuple(shot.crop)]
        return [SIDECAR, stat.st_size, stat.st_mtime_ns, *part]

    def pose(self, job: tuple[KeptShot, str]) -> dict[str, Any]:
        """Write a shot's keypoints and what else is known of it => where they lie."""
        shot, origin = job
        sidecar = self._cut(shot) if origin == SIDECAR else self._estimate(shot)
        path = f"stages/poses/{shot.span.clip_id}.sidecar.npz"
        file = self.root / path
        write_sidecar(file, sidecar)
        return {"path": path, "sha256": sha256_file(file), "files": {path: file.stat().st_size}}

    def _cut(self, shot: KeptShot) -> Sidecar:
        """The shot's part of its source's sidecar."""
        sidecar = read_sidecar(sidecar_path(shot.source.path))
        if sidecar.frames != shot.source_frames:
            raise ItemError(
                "sidecar.length",
                f"the sidecar has {sidecar.frames} frames; the video {shot.source_frames}",
            )
        return sidecar.cut(shot.span.first, shot.span.last + 1, shot.crop)

    def _estimate(self, shot: KeptShot) -> Sidecar:
        images = (frame.image for frame in decode(self.root / shot.path))
        # Nobody walks from one picture into the next: each is looked at afresh.
        parts = [images] if shot.source.stills is None else ([image] for image in images)
        tracks = [self._estimator().track(part, shot.info.fps) for part in parts]
        return Sidecar(
            np.concatenate([track.keypoints for track in tracks]),
            boxes_xyxy_px=np.concatenate([track.boxes_xyxy_px for track in tracks]),
            detector_scores=np.concatenate([track.detector_scores for track in tracks]),
            people=np.concatenate([track.people for track in tracks]),
        )

    def _estimator(self) -> Estimator:
        """This thread's own, or the one that all share."""
        if self._first.shared:
            return self._first
        if not hasattr(self._own, "estimator"):
            self._own.estimator = self._make()
        estimator: Estimator = self._own.estimator
        return estimator

    def _make(self) -> Estimator:
        return ESTIMATORS[self.config.estimator](self.config)
