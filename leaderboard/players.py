"""Copies of videos for viewing: H.264 that every browser plays, and the first frame as poster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leaderboard.board import Player
from mrfashion.media import write_clip
from mrfashion.pictures import Image, write_png

LEAST_HEIGHT_PX = 256  # smaller frames are shown in whole multiples, so that pixels stay honest
CRF = 16  # visually lossless; the scores are of the lossless videos


@dataclass(frozen=True, eq=False)
class Film:
    """A written copy."""

    path: str
    poster: str
    width: int
    height: int
    picked: tuple[Image, ...]  # the frames asked for, unscaled

    def player(self, label: str, detail: str) -> Player:
        """How the page shows it."""
        return Player(label, detail, self.path, self.poster, self.width, self.height)


def absent(label: str, why: str) -> Player:
    """The place of a video that is not there."""
    return Player(label, why, None, None, 0, 0)


def film(
    out: Path, name: str, frames: Iterable[Image], fps: float, picks: Sequence[int] = ()
) -> Film:
    """Write `<name>.mp4` and `<name>.png` below `out` from frames read once, one by one."""
    found: dict[int, Image] = {}
    wanted = {0, *picks}
    write_clip(out / f"{name}.mp4", map(_grown, _watched(frames, wanted, found)), fps, crf=CRF)
    first = _grown(found[0])
    height, width = (side // 2 * 2 for side in first.shape[:2])  # 4:2:0 has no odd ones
    write_png(out / f"{name}.png", first[:height, :width])
    picked = tuple(found[i] for i in picks if i in found)
    return Film(f"{name}.mp4", f"{name}.png", width, height, picked)


def _watched(frames: Iterable[Image], wanted: set[int], found: dict[int, Image]) -> Iterator[Image]:
    for number, image in enumerate(frames):
        if number in wanted:
            found[number] = image
        yield image


def _grown(image: Image) -> Image:
    factor = -(-LEAST_HEIGHT_PX // image.shape[0])
    return image.repeat(factor, 0).repeat(factor, 1) if factor > 1 else np.ascontiguousarray(image)
