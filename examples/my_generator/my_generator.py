"""A generator of one's own: every frame fades between the two references nearest in yaw."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mrfashion.generation import GeneratorInfo, Request, Result, Unsupported
from mrfashion.views import distance_deg

INFO = GeneratorInfo(
    name="crossfade",
    kind="copy",
    summary="fades between the two references nearest in yaw",
    version=1,  # raise it whenever the same request would give other pixels
    max_references=8,
    code_licence="Apache-2.0",
    per_frame_copy=True,  # it looks at every frame's pose, so it stands with such copies
    inputs=("references", "yaw"),
)


@dataclass(frozen=True)
class CrossfadeSettings:
    """What an entrant file may set; every field has a default."""

    sharpness: float = 4.0  # 1: shares are linear in the angle; more: the nearer one prevails

    def __post_init__(self) -> None:
        if not 0.1 <= self.sharpness <= 20:
            raise ValueError(f"sharpness is {self.sharpness}; allowed: 0.1 to 20")


class Crossfade:
    """Mixes pictures; moves nothing."""

    Settings = CrossfadeSettings

    def __init__(self, settings: CrossfadeSettings | None = None, name: str = INFO.name) -> None:
        self._settings = settings or CrossfadeSettings()
        self.info = replace(INFO, name=name)

    def check(self) -> list[str]:
        """What is missing on this machine, in words: a package, a weight file."""
        return []

    def settings(self) -> dict[str, Any]:
        """All that decides the pixels. With weights: the sha256 of every file, too."""
        return asdict(self._settings)

    def load(self, device: str, dtype: str) -> None:
        """Heavy imports and weights belong here, not at the top of the file."""

    def generate(self, request: Request) -> Result:
        """Answer with exactly the asked frames; the toolkit has fitted the references' size."""
        turned = [r.yaw_deg for r in request.references if r.yaw_deg is not None]
        if len(turned) < len(request.references):
            raise Unsupported("crossfade chooses by yaw, and a reference has none")
        images = np.stack([r.image for r in request.references]).astype(np.float32)
        weights = np.zeros((request.frames, len(images)), np.float32)
        yaw = 0.0  # until one is known
        for frame, driving in enumerate(request.yaw_deg):
            yaw = yaw if np.isnan(driving) else float(driving)  # a gap holds the last yaw
            weights[frame] = self._shares([distance_deg(yaw, one) for one in turned])
        frames = [np.rint(np.tensordot(row, images, 1)).astype(np.uint8) for row in weights]
        return Result(np.stack(frames), request.fps, reference_weights=weights)

    def _shares(self, angles_deg: list[float]) -> list[float]:
        """Share of each reference: the two nearest, by angle."""
        order = np.argsort(angles_deg, kind="stable")
        first, second = order[0], order[min(1, len(order) - 1)]
        near, far = (angles_deg[i] ** self._settings.sharpness for i in (first, second))
        shares = [0.0] * len(angles_deg)
        shares[second] = near / (near + far) if near else 0.0
        shares[first] += 1 - shares[second]
        return shares
