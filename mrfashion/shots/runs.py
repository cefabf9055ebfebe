"""Runs of frames, and what is left of a video between its cuts and transitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # h w 3, RGB


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Frames `first` to `last`, both included."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        """Frames of the run."""
        return self.last - self.first + 1


class ShotDetector(Protocol):
    """Finds shots; its thresholds are its fields, so they come from the config and are stored."""

    def shots(self, frames: Iterable[Image], fps: float) -> list[Run]:
        """Shots in order, from one pass over the frames; a frame belongs to at most one.

        128 px along the longer side are enough.
        """
        ...


class OneShot:
    """For a video of pictures: no cut is a cut there."""

    def shots(self, frames: Iterable[Image], fps: float) -> list[Run]:
        """All frames as one shot."""
        count = sum(1 for _ in frames)
        return [Run(0, count - 1)] * (count > 0)


def shots_between(frames: int, cuts: Iterable[int], transitions: Iterable[Run]) -> list[Run]:
    """What lies between cuts (first frames of a shot) and transitions (frames of no shot).

    However short: the duration filter drops those, with a reason. A video that is all transition
    is one shot, for the same sake.
    """
    free = np.ones(frames, bool)
    for run in transitions:
        free[run.first : run.last + 1] = False
    starts = set(cuts)
    shots: list[Run] = []
    for index in np.flatnonzero(free).tolist():
        if shots and shots[-1].last == index - 1 and index not in starts:
            shots[-1] = Run(shots[-1].first, index)
        else:
            shots.append(Run(index, index))
    return shots or [Run(0, frames - 1)] * (frames > 0)


def runs_of(marked: NDArray[np.bool_]) -> Iterator[Run]:
    """The runs of marked frames, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    for first, after in edges.reshape(-1, 2).tolist():
        yield Run(first, after - 1)
