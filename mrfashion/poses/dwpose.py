"""DWPose and RTMW: one person's 133 keypoints, by a YOLOX detector and a SimCC network in ONNX.

`mrfashion weights fetch dwpose` (or `rtmw`) brings the weights; docs/poses.md says what differs
from the ports.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mrfashion.config import to_dict
from mrfashion.errors import ConfigError
from mrfashion.poses.batching import Merger
from mrfashion.poses.estimator import Image, PoseTrack
from mrfashion.poses.following import FollowConfig, follow
from mrfashion.poses.onnx_session import PROVIDERS, OnnxConfig, OnnxSession, missing_package
from mrfashion.poses.simcc import KeypointConfig, KeypointNetwork
from mrfashion.poses.yolox import DetectorConfig, PersonDetector
from mrfashion.weights import missing_weights, weights_path

MERGE = ("auto", "always", "never")


@dataclass(frozen=True)
class TopDownConfig:
    """Where the networks run, what they are fed, and how a person is followed.

    `merge` lets clips that are posed at the same time share batches. `auto` does so on accelerators
    only: the CPU gains nothing by it, and there the same clip must give the same bytes whatever
    runs beside it.
    """

    session: OnnxConfig = field(default_factory=OnnxConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    keypoints: KeypointConfig = field(default_factory=KeypointConfig)
    follow: FollowConfig = field(default_factory=FollowConfig)
    merge: Literal["auto", "always", "never"] = "auto"

    def __post_init__(self) -> None:
        if self.merge not in MERGE:
            raise ConfigError(f"merge is {self.merge!r}; allowed: {', '.join(MERGE)}")


class _MergedSession(OnnxSession):
    """A network that may make one batch of what several threads ask."""

    def __init__(self, path: Path, config: TopDownConfig) -> None:
        super().__init__(path, config.session)
        accelerated = self.providers[0] != PROVIDERS["cpu"]
        self.merges = config.merge == "always" or (config.merge == "auto" and accelerated)
        self._merger = Merger(super().run, self.batch)

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[Any]]:
        """As OnnxSession.run, alone or in company."""
        return self._merger(batch) if self.merges else super().run(batch)


@dataclass(frozen=True)
class _Networks:
    """Both networks, loaded; threads share them."""

    detector: PersonDetector
    keypoints: KeypointNetwork
    merges: bool  # whether clips share batches


class TopDown:
    """The estimator; threads may share an instance, and should: the weights are loaded once.

    `name` is `dwpose` or `rtmw`, whose weights are taken, unless `files` names a detector and a
    keypoint network of the same signatures.
    """

    version = 1
    shared = True

    def __init__(
        self,
        name: str,
        config: TopDownConfig | None = None,
        files: tuple[Path, Path] | None = None,
    ) -> None:
        self.name = name
        self.config = config or TopDownConfig()
        self.files = files
        self._rows = (f"{name}-detection", f"{name}-pose")  # of weights.WEIGHTS
        self._loading = threading.Lock()
        self._networks: _Networks | None = None

    def settings(self) -> dict[str, Any]:
        """What decides the keypoints, the provider included; loads the networks to know it.

        Threads and spare devices do not decide; MissingRequirement where the device is not there.
        """
        networks = self._loaded()
        detector, keypoints = networks.detector.session, networks.keypoints.session
        config = to_dict(self.config)
        return {
            **{key: config[key] for key in ("detector", "keypoints", "follow")},
            "weights_sha256": dict(
                zip(self._rows, (detector.sha256, keypoints.sha256), strict=True)
            ),
            "provider": keypoints.providers[0],
            "batch": [detector.batch, keypoints.batch],
            "clips_share_batches": networks.merges,
            "box_policy": "the detector's, interpolated between frames it looked at",
            "person_policy": "the one followed; at first score x area x centrality",
            "smoothing": "none",
        }

    def check(self) -> list[str]:
        """What is missing, with the commands that mend it; loads nothing."""
        missing = [missing_package()]
        if self.files is None:
            missing += [missing_weights(row) for row in self._rows]
        return [text for text in missing if text]

    def track(self, frames: Iterable[Image], fps: float) -> PoseTrack:
        """Keypoints of a clip's person. ItemError (pose.*) where the frames are no clip."""
        networks = self._loaded()
        return follow(frames, fps, networks.detector, networks.keypoints, self.config.follow)

    def _loaded(self) -> _Networks:
        with self._loading:
            if self._networks is None:
                paths = self.files or tuple(map(weights_path, self._rows))
                detector, keypoints = (_MergedSession(path, self.config) for path in paths)
                self._networks = _Networks(
                    PersonDetector(detector, self.config.detector),
                    KeypointNetwork(keypoints, self.config.keypoints),
                    detector.merges or keypoints.merges,
                )
            return self._networks
