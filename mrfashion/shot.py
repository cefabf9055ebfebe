"""A shot that passed the filters, on its way to becoming a clip."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def path(self) -> str:
        """Where its clip lies in the dataset."""
        return f"clips/{self.span.clip_id}.mp4"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its clip: even, since 4:2:0 has no odd ones."""
        return self.info.height // 2 * 2, self.info.width // 2 * 2
