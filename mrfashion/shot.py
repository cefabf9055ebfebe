"""A shot that passed the filters, on its way to becoming a clip."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from mrfashion.crops import Crop
from mrfashion.filters.verdict import Shot
from mrfashion.media import VideoInfo
from mrfashion.sources.source import Source
from mrfashion.survey import Span


@dataclass(frozen=True, slots=True)
class KeptShot:
    """Where a shot lies in its source, and what is known of it."""

    source: Source
    source_sha256: str
    source_frames: int  # of the whole video
    info: VideoInfo
    span: Span
    crop: Crop

    @property
    def path(self) -> str:
        """Where its clip lies in the dataset."""
        return f"clips/{self.span.clip_id}.mp4"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its clip."""
        return self.crop.height, self.crop.width

    @property
    def inputs(self) -> list[Any]:
        """What its clip's pixels depend on, beside the source; plain JSON values."""
        return [self.span.clip_id, *astuple(self.crop)]

    @property
    def measurements(self) -> dict[str, float]:
        """What the survey measured, and where in the source's frames the clip's corner lies."""
        corner = {"crop_left": float(self.crop.left), "crop_top": float(self.crop.top)}
        return self.span.measurements | corner

    @property
    def measured(self) -> Shot:
        """What the filters of clips see of it."""
        height, width = self.size
        return Shot(width, height, self.info.fps, self.span.frames, self.span.measurements)
