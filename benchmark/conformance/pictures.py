"""Checks of the values of the frames: pictures, not stretched, in the right colours."""

from __future__ import annotations

import numpy as np

from benchmark.conformance import probes
from benchmark.conformance.findings import Failed, NotApplicable
from benchmark.conformance.subject import Subject


def check_values(subject: Subject) -> str:
    """Frames are pictures, and no frame was stretched to the whole range."""
    takes = subject.first(), subject.second()
    frames = [frame for take in takes for raw in take.raw for frame in raw.frames]
    if all(frame.min() == frame.max() for frame in frames):
        raise Failed(f"every frame is of one value, {frames[0].min()}")
    if all(1 <= (frame == end).sum() <= 2 for frame in frames for end in (0, 255)):
        raise Failed("every frame runs from 0 to 255 with one value at each end: stretched")
    return f"values from {min(f.min() for f in frames)} to {max(f.max() for f in frames)}"


def check_value_range(subject: Subject) -> str:
    """Pictures of low contrast stay so: what is not learned invents no brightness."""
    _not_learned(subject)
    dim = subject.needed("dim", lambda: probes.recoloured((0.2,) * 3, (100,) * 3))
    given = np.stack([r.image for r in dim.windows[0].references])
    low, high = np.percentile(dim.result.frames, (1, 99))
    if low < int(given.min()) - 8 or high > int(given.max()) + 8:
        raise Failed(
            f"references from {given.min()} to {given.max()}, video from {low:.0f} to {high:.0f}: "
            "values were rescaled"
        )
    return f"references {given.min()} to {given.max()}, video {low:.0f} to {high:.0f}"


def check_colour_order(subject: Subject) -> str:
    """Red references give a red video, not a blue one."""
    _not_learned(subject)
    red = subject.needed("red", lambda: probes.recoloured((0.5, 0.4, 0.3), (100, 40, 0)))
    given = np.stack([r.image for r in red.windows[0].references]).mean(axis=(0, 1, 2))
    got = red.result.frames.mean(axis=(0, 1, 2))
    text = f"R G B {_levels(given)} in the references, {_levels(got)} in the video"
    if np.abs(given - got).max() > 25:
        swapped = np.abs(given[::-1] - got).max() <= 25
        raise Failed(text + (": red and blue are swapped" if swapped else ""))
    return text


def _not_learned(subject: Subject) -> None:
    if subject.info.kind == "learned":
        raise NotApplicable("learned pixels may have any colour")


def _levels(mean: np.ndarray) -> str:
    return " ".join(f"{level:.0f}" for level in mean)
