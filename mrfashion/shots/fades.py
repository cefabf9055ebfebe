"""Fades to and from black or white: blank frames, and the ramps of contrast that lead to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrfashion.shots.runs import Run, runs_of
from mrfashion.shots.thumbnails import ALIKE, flash_frames, likeness, same_picture

BLACK, WHITE = 20.0, 235.0  # mean luma; a shop clip opens at 246 with a tenth of its picture
BLANK_CONTRAST = 10.0  # standard deviation of luma; that opening frame has 8
RISE_S = 0.15  # a ramp gains contrast over this long ...
LEAST_RISE = 1.03  # ... by at least this factor: a linear fade of 3 s ends at 1.05
LONGEST_S = 4.0


def fades(thumbnails: NDArray[np.uint8], fps: float) -> list[Run]:
    """Blank frames with their ramps (thumbnails: f h w); a flash is none."""
    contrast = thumbnails.std((1, 2))
    light = thumbnails.mean((1, 2))
    blank = (contrast <= BLANK_CONTRAST) & ((light <= BLACK) | (light >= WHITE))
    found = []
    for run in runs_of(blank):
        first = run.first - _ramp(thumbnails[: run.first][::-1], contrast[: run.first][::-1], fps)
        last = run.last + _ramp(thumbnails[run.last + 1 :], contrast[run.last + 1 :], fps)
        if not _is_flash(thumbnails, Run(first, last), fps):
            found.append(Run(first, last))
    return found


def _ramp(thumbnails: NDArray[np.uint8], contrast: NDArray[np.floating], fps: float) -> int:
    """Frames, going away from a blank one, over which one picture still gains contrast."""
    step = max(2, round(RISE_S * fps))
    for index in range(min(len(contrast) - 1, round(LONGEST_S * fps))):
        later = contrast[min(index + step, len(contrast) - 1)]
        rises = later >= LEAST_RISE * contrast[index]
        if not rises or likeness(thumbnails[index], thumbnails[index + 1]) < ALIKE:
            return index
    return 0  # no plateau: what looks like a ramp is the shot itself


def _is_flash(thumbnails: NDArray[np.uint8], run: Run, fps: float) -> bool:
    """Short, and the picture before is the picture after."""
    if run.frames > flash_frames(fps) or run.first == 0 or run.last == len(thumbnails) - 1:
        return False
    return same_picture(thumbnails[run.first - 1], thumbnails[run.last + 1])
