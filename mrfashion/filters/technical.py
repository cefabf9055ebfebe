"""Filters on what can be measured without knowing who is in the picture."""

from __future__ import annotations

from dataclasses import dataclass

from mrfashion.filters.verdict import Shot, Verdict


@dataclass(frozen=True)
class Duration:
    """Long enough for one sample and references half a second away from it."""

    min_s: float = 1.5

    def judge(self, shot: Shot) -> Verdict:
        """Seconds of the shot."""
        return Verdict(shot.duration_s >= self.min_s, "too short", shot.duration_s, self.min_s)


@dataclass(frozen=True)
class FrameRate:
    """Motion between frames small enough to follow."""

    min_fps: float = 5.0  # the slowest useful clip among our real footage

    def judge(self, shot: Shot) -> Verdict:
        """Frames a second."""
        return Verdict(shot.fps >= self.min_fps, "frame rate too low", shot.fps, self.min_fps)


@dataclass(frozen=True)
class Resolution:
    """Enough pixels for a garment's print."""

    min_side_px: int = 192  # 256x192 is the smallest size the field trains at

    def judge(self, shot: Shot) -> Verdict:
        """Shorter side in pixels."""
        side = min(shot.width, shot.height)
        return Verdict(side >= self.min_side_px, "too few pixels", side, self.min_side_px)


@dataclass(frozen=True)
class Brightness:
    """Neither black nor burnt out: mean luma of the shot, 0..255."""

    min_luma: float = 16.0  # BT.709 black
    max_luma: float = 250.0  # white studios reach 240

    def judge(self, shot: Shot) -> Verdict:
        """Mean luma against the bound it is nearer to."""
        luma = shot.measurements["luma"]
        if luma < (self.min_luma + self.max_luma) / 2:
            return Verdict(luma >= self.min_luma, "too dark", luma, self.min_luma)
        return Verdict(luma <= self.max_luma, "too bright", luma, self.max_luma)


@dataclass(frozen=True)
class Sharpness:
    """Some detail somewhere: median Laplacian variance of luma at 256 px."""

    min_variance: float = 30.0  # Our choice: 13 real clips at hand measure 385 and more

    def judge(self, shot: Shot) -> Verdict:
        """Laplacian variance."""
        measured = shot.measurements["sharpness"]
        return Verdict(measured >= self.min_variance, "blurred", measured, self.min_variance)


@dataclass(frozen=True)
class Motion:
    """A video, not a still: share of frames that equal the one before."""

    max_frozen: float = 0.5

    def judge(self, shot: Shot) -> Verdict:
        """Share of frozen frames."""
        frozen = shot.measurements["frozen"]
        return Verdict(frozen <= self.max_frozen, "frozen", frozen, self.max_frozen)
