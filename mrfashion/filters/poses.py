"""Filters on keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mrfashion.filters.verdict import Verdict
from mrfashion.generation import Keypoints

BODY = slice(5, 17)  # shoulders to ankles: what a garment hangs on
TRUSTED = 0.15  # the turntable scores a self-occluded joint 0.2: known, though not seen


@dataclass(frozen=True)
class PersonPresent:
    """A body in most frames: share of frames with at least 8 of the 12 joints below the neck."""

    min_share: float = 0.8
    min_joints: int = 8

    def judge(self, keypoints: Keypoints) -> Verdict:
        """Share of frames with a body."""
        joints = (keypoints[:, BODY, 2] >= TRUSTED).sum(1)
        share = float(np.mean(joints >= self.min_joints))
        return Verdict(share >= self.min_share, "no person found", share, self.min_share)
