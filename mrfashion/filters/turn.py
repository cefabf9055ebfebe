"""Filter on how much of the body a clip shows around: what lets it serve several references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mrfashion.errors import ConfigError
from mrfashion.filters.person import PosedShot
from mrfashion.filters.verdict import Verdict
from mrfashion.views import VIEWS, coverage, turning


@dataclass(frozen=True)
class Turn:
    """Shows certain views, and leaves no wider arc unseen than `max_gap_deg`.

    Off: a clip of one view still trains, and serves as a target or lends a reference. A dataset of
    clips that are multi-reference by themselves asks for views = ["front", "back"] and 180.
    """

    views: tuple[str, ...] = ()
    max_gap_deg: float = 360.0

    def __post_init__(self) -> None:
        if unknown := set(self.views) - set(VIEWS):
            raise ConfigError(
                f"filters.turn.views has {sorted(unknown)}; allowed: {', '.join(VIEWS)}"
            )

    def judge(self, shot: PosedShot) -> Verdict:
        """Views that are seen of those asked for, then the widest arc that is not."""
        yaw = shot.yaw_deg if shot.yaw_deg is not None else np.full(1, np.nan, np.float32)
        seen = coverage(yaw, shot.fps).views
        missing = [view for view in self.views if view not in seen]
        if missing:
            asked = len(self.views)
            return Verdict(False, f"no {missing[0]} view", asked - len(missing), asked)
        gap = turning(yaw, shot.fps)["view_gap_deg"]
        return Verdict(gap <= self.max_gap_deg, "turns too little", gap, self.max_gap_deg)
