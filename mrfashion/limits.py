"""How much of the machine one source may ask for: files come from anywhere and may never end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mrfashion.errors import ConfigError, ItemError


@dataclass(frozen=True)
class SourceLimits:
    """The most a source may ask for; beyond it the source is a recorded failure.

    Our choice: far above what fashion footage needs, and low enough that a stranger's file ends.
    A failure by a limit is tried again by the next run: its limit may be another.
    """

    bytes: int = 16 << 30  # an hour of 4K at 35 Mbit/s
    pixels: int = 8192 * 4320  # of one frame: the largest of H.264's and HEVC's levels
    frames: int = 1_000_000  # nine hours at 30 a second
    seconds: float = 4 * 3600.0  # that a decoder may be at work in one pass, by the clock

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"limits: {name} is {value}; allowed: above 0")


LIMITS = SourceLimits()
LEAST_SIDE_PX = 16  # below a codec's block there is nothing to measure


def check_header(width: int, height: int, frames: int, limits: SourceLimits) -> None:
    """ItemError where a header promises more than is allowed: nothing was decoded for it yet."""
    if width * height > limits.pixels:
        text = f"frames are {width}x{height}; allowed: {limits.pixels} pixels ([limits] pixels)"
        raise ItemError("probe.too_large", text, retryable=True)
    if frames > limits.frames:
        text = f"it says it has {frames} frames; allowed: {limits.frames} ([limits] frames)"
        raise ItemError("probe.too_long", text, retryable=True)


def check_side(width: int, height: int) -> None:
    """ItemError where frames are too small for any measurement."""
    if min(width, height) < LEAST_SIDE_PX:
        text = f"frames are {width}x{height}; needed: {LEAST_SIDE_PX} pixels a side"
        raise ItemError("probe.too_small", text)


def limited(frames: Iterator[Any], limits: SourceLimits) -> Iterator[Any]:
    """The same decoded frames; ItemError at one too many, of another size, or out of time.

    A decoder that hangs inside one frame is beyond us: a process of its own has a deadline.
    """
    spent_s, count = 0.0, 0
    size: tuple[int, int] | None = None
    while True:
        begun = time.perf_counter()
        frame = next(frames, None)
        spent_s += time.perf_counter() - begun
        if spent_s > limits.seconds:
            text = f"decoding took over {limits.seconds:g} s ([limits] seconds)"
            raise ItemError("decode.timeout", text, retryable=True)
        if frame is None:
            return
        count += 1
        if count > limits.frames:
            text = f"more than {limits.frames} frames ([limits] frames)"
            raise ItemError("decode.too_long", text, retryable=True)
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) != size:
            was, now = (f"{w}x{h}" for w, h in (size, (frame.width, frame.height)))
            text = f"frames change from {was} to {now} at frame {count - 1}; cut the video there"
            raise ItemError("decode.size_changed", text)
        yield frame
