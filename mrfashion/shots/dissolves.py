"""Dissolves: frames that are mixtures of the two pictures around them, ever more of the second.

With a and b the frames at a window's ends, each frame between is taken apart as a + alpha (b - a)
plus a rest. In a dissolve alpha climbs steadily and the rest is small. Fast motion leaves a large
rest, slow motion is undone by optical flow; a cut makes alpha leap; a change of light keeps the
edges where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mrfashion.shots.runs import Run
from mrfashion.shots.thumbnails import flash_frames, same_picture, still_there, structure

WINDOWS = (8, 12, 16, 20, 26, 32)  # frames; a longer dissolve is found in parts
MOST_FPS = 30  # faster footage is looked at in steps, so that windows last as long
LEAST_CHANGE = 15.0  # levels, root mean square of b - a less brightness and contrast
MOST_ALIKE = 0.6  # of the edges of a and b
# As shares of b - a, over a window. Of dissolves between real clips (8, 12, 16, 25 frames) 98, 97,
# 95, 91 % pass; the nearest real motion has 0.42 and 0.25, the turntable 0.53 and 0.33.
MOST_REST, MOST_MEAN_REST = 0.35, 0.22
LEAST_STEP, MOST_STEP = -0.04, 0.35  # of alpha from frame to frame
SETTLED = 0.05  # alpha nearer to 0 or 1 than this: before or after
CHUNK = 1000  # frames whose thumbnails are float at a time
BLOCK = 32  # frames whose products with later ones are taken at a time


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Where alpha lies between 0 and 1 in one window, and whether it rests at 0 or 1 around it."""

    run: Run
    rests_before: bool
    rests_after: bool

    def at(self, start: int, stride: int) -> _Mixture:
        """Counted in frames of the video, from a window of every `stride`th from `start` on."""
        first, last = start + self.run.first, start + self.run.last
        run = Run((first - 1) * stride + 1, (last + 1) * stride - 1)
        return replace(self, run=run)


def dissolves(thumbnails: NDArray[np.uint8], fps: float, faded: Sequence[Run] = ()) -> list[Run]:
    """Frames of dissolves (thumbnails: f h w), in order, none overlapping or touching `faded`."""
    stride = max(1, round(fps / MOST_FPS))
    usable = np.ones(len(thumbnails), bool)
    for run in faded:
        usable[run.first : run.last + 1] = False
    mixtures = []
    for start in range(0, len(thumbnails), CHUNK * stride):
        part = slice(start, start + (CHUNK + max(WINDOWS)) * stride, stride)
        found = _mixtures(thumbnails[part], usable[part])
        mixtures += [mixture.at(start // stride, stride) for mixture in found]
    return [run for run in _joined(mixtures) if not _returns(thumbnails, run, fps)]


def _mixtures(thumbnails: NDArray[np.uint8], usable: NDArray[np.bool_]) -> Iterator[_Mixture]:
    """Every window, with usable frames at both ends, that looks like a dissolve."""
    frames, size = len(thumbnails), thumbnails[0].size
    pictures = thumbnails.reshape(frames, size).astype(np.float32) - 128
    products = _products(pictures, range(max(WINDOWS) + 1))
    edges = _products(np.stack([structure(luma) for luma in thumbnails]), WINDOWS)
    reshaped = _reshaped(products, thumbnails.mean((1, 2)) - 128, size)
    for window in WINDOWS:
        if window >= frames:
            return
        differs = reshaped[:-window, window] >= LEAST_CHANGE * size**0.5
        differs &= edges[:-window, window] < MOST_ALIKE
        differs &= usable[window:] & usable[:-window]
        firsts = np.flatnonzero(differs)
        alphas, rests = _taken_apart(products, firsts, window)
        rests /= reshaped[firsts, window, None]
        steps = np.diff(alphas)
        mixed = (rests.max(1) <= MOST_REST) & (rests.mean(1) <= MOST_MEAN_REST)
        mixed &= (steps.min(1) >= LEAST_STEP) & (steps.max(1) <= MOST_STEP)
        for first, alpha in zip(firsts[mixed].tolist(), alphas[mixed], strict=True):
            if not still_there(thumbnails[first], thumbnails[first + window]):
                before = np.flatnonzero(alpha < SETTLED)[-1]
                after = np.flatnonzero(alpha > 1 - SETTLED)[0]
                run = Run(first + int(before) + 1, first + int(after) - 1)
                yield _Mixture(run, bool(before > 0), bool(after < window))


def _products(vectors: NDArray[np.float32], gaps: Iterable[int]) -> NDArray[np.float64]:
    """f d => f g, the product of each with the one g later, for these g.

    All that is asked of two pictures follows from these. In blocks that stay in the cache, and not
    as matrix products, whose threads would spin.
    """
    frames = len(vectors)
    products = np.zeros((frames, max(WINDOWS) + 1))
    for start, gap in product(range(0, frames, BLOCK), gaps):
        later = vectors[start + gap : start + gap + BLOCK]
        here = vectors[start : start + len(later)]
        products[start : start + len(later), gap] = np.einsum("fd,fd->f", here, later)
    return products


def _reshaped(
    products: NDArray[np.float64], means: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """f g: length of two pictures' difference, less what a change of light and contrast is."""
    frames, reach = products.shape
    later = np.minimum(np.arange(frames)[:, None] + np.arange(reach), frames - 1)
    centred = products - size * means[:, None] * means[later]
    length = np.sqrt(np.maximum(centred[:, 0], 0))
    return np.asarray(np.sqrt(2 * np.maximum(length[:, None] * length[later] - centred, 0)))


def _taken_apart(
    products: NDArray[np.float64], firsts: NDArray[np.int_], window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts n of windows => alpha n f, length of the rest n f."""
    steps = np.arange(window + 1)
    at = firsts[:, None] + steps
    with_first, with_last = products[firsts], products[at, window - steps]
    first, both = with_first[:, :1], with_first[:, window, None]
    square = first - 2 * both + products[firsts + window, 0, None]
    alpha = (with_last - both - with_first[:, : window + 1] + first) / square
    moved = products[at, 0] - 2 * with_first[:, : window + 1] + first
    return alpha, np.sqrt(np.maximum(moved - np.square(alpha) * square, 0))


def _joined(mixtures: Sequence[_Mixture]) -> list[Run]:
    """One run for mixtures that overlap."""
    groups: list[list[_Mixture]] = []
    reach = -1
    for mixture in sorted(mixtures, key=lambda mixture: mixture.run):
        if mixture.run.first > reach + 1:
            groups.append([])
        groups[-1].append(mixture)
        reach = max(reach, mixture.run.last)
    return [_extent(group) for group in groups]


def _extent(group: Sequence[_Mixture]) -> Run:
    """Windows inside a dissolve say how far it reaches at least, those around it where it ends."""
    first, last = min(m.run.first for m in group), max(m.run.last for m in group)
    starts = [m.run.first for m in group if m.rests_before]
    ends = [m.run.last for m in group if m.rests_after]
    inner_first = min((m.run.first for m in group if not m.rests_before), default=last)
    inner_last = max((m.run.last for m in group if not m.rests_after), default=first)
    return Run(
        min(int(np.percentile(starts, 25)), inner_first) if starts else first,
        max(int(np.percentile(ends, 75)), inner_last) if ends else last,
    )


def _returns(thumbnails: NDArray[np.uint8], run: Run, fps: float) -> bool:
    """Light that comes slowly or goes slowly: the picture just before is the one just after."""
    last = len(thumbnails) - 1
    return any(
        same_picture(thumbnails[max(0, run.first - gap)], thumbnails[min(last, run.last + gap)])
        for gap in range(1, flash_frames(fps) + 1)
    )
