"""What a measure of the survey is: it sees every frame once, then is asked about the shots."""

from __future__ import annotations

from typing import Protocol

from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture


class Watcher(Protocol):
    """Sees every frame of a video once."""

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Look at a frame; they come in order, and `planes` are gone when the next one comes."""
        ...


class Measure(Watcher, Protocol):
    """Made for each video with its frame rate; keeps a few numbers a frame, never pictures."""

    def of(self, run: Run) -> dict[str, float]:
        """Measurements of a shot, by name."""
        ...


def every(seconds: float, fps: float) -> int:
    """Frames from one look to the next where a measure need not see all of them."""
    return max(1, round(seconds * fps))
