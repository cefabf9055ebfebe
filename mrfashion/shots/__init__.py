"""The shot detectors. To add one: a class with `shots` in a file here, and a field and a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mrfashion.shots.content import ContentCuts
from mrfashion.shots.runs import ShotDetector
from mrfashion.shots.transnet import TransNet


@dataclass(frozen=True)
class ShotConfig:
    """Which detector cuts, and the settings of each; each name is a field here."""

    detector: Literal["content", "transnet"] = "content"
    content: ContentCuts = field(default_factory=ContentCuts)
    transnet: TransNet = field(default_factory=TransNet)

    def chosen(self) -> ShotDetector:
        """The detector to use."""
        detector: ShotDetector = getattr(self, self.detector)
        return detector
