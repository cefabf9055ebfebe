"""Whether a video ends where its header says, and has one constant rate, as clips do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mrfashion.errors import ItemError

MOST_UNEVEN = 0.1  # share of the frames
SHORT_S, SHORT_SHARE = 0.5, 0.05  # less than the header says: rounding, or sound that goes on
LONGEST_GAP_S = 1.0  # nobody stands still for so long without a frame


def to_the_end(container: Any, frames: Iterable[Any], fps: float) -> Iterator[Any]:
    """The same decoded frames of a container's first video stream; ItemError decode.truncated
    where they end long before the header says: some demuxers pass a broken file off as short.
    """
    stream = container.streams.video[0]
    last = 0
    for frame in frames:
        last = frame.pts or 0
        yield frame
    end_s = float(last * stream.time_base) + 1 / fps
    if stream.duration:
        promised_s = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    else:
        promised_s = (container.duration or 0) / 1e6
    if promised_s - end_s > max(SHORT_S, SHORT_SHARE * promised_s):
        text = f"its frames end at {end_s:.1f} of {promised_s:.1f} s"
        raise ItemError("decode.truncated", text)


def require_even(pts: Sequence[int], time_base: str, fps: float) -> None:
    """ItemError decode.timestamps where times do not grow, probe.vfr where the rate is not one.

    A clip holds its frames at one rate: frames come up to half a frame early or late (phones), a
    tenth of them more than that. Our choice; footage above it would play at a wrong speed.
    """
    if len(pts) < 2:
        return
    steps = np.diff(np.array(pts, np.float64))
    if steps.min() <= 0:
        place = int(np.argmin(steps > 0)) + 1
        raise ItemError("decode.timestamps", f"frame {place} is not shown after the one before it")
    gaps_s = steps * float(Fraction(time_base))
    uneven = float(np.mean(np.abs(gaps_s * fps - 1) > 0.5))
    if uneven > MOST_UNEVEN or gaps_s.max() > max(LONGEST_GAP_S, 1.5 / fps):
        raise ItemError(
            "probe.vfr",
            f"the rate is not constant: {uneven:.0%} of the frames are off by more than half a "
            f"frame at {fps:g} fps, the longest gap is {gaps_s.max():.1f} s; "
            f"make it constant: ffmpeg -i IN -vf fps={max(1, round(fps))} OUT",
        )
