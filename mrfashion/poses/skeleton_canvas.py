"""Strokes painted by torch on any device: all frames at once, the last shape of each on top."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mrfashion.poses.skeleton_shapes import Spans, ragged, spans_of
from mrfashion.poses.skeleton_strokes import Ink, Size, Strokes

MIX = 1 << 11  # cv2.resize weighs two lines in these parts
NOTHING = -(1 << 31)  # black, below every shape


@dataclass(frozen=True, eq=False)
class Axis:
    """The lines of a canvas that the picture is made of, along one of its sides."""

    before: Tensor  # canvas + 1: how many of those lines lie before each line
    first: Tensor  # picture: the two that each pixel mixes, as places among them
    second: Tensor
    share: Tensor  # picture: the part of the second, of MIX


@dataclass(frozen=True, eq=False)
class Grid:
    """A canvas of `size`, kept only where the picture, scaled down from it, will look."""

    size: Size
    rows: Axis
    columns: Axis

    @property
    def kept(self) -> Size:
        """How many rows and columns are."""
        return int(self.rows.before[-1]), int(self.columns.before[-1])


def grid(canvas: Size, size: Size, device: torch.device) -> Grid:
    """For pictures of `size` scaled from `canvas`."""
    return Grid(canvas, *(_axis(*sides, device) for sides in zip(canvas, size, strict=True)))


def paint(strokes: Strokes, frames: int, at: Grid) -> Tensor:
    """Frames, kept rows, kept columns, int32: the depth in the high byte, then the colour."""
    height, width = at.kept
    device = at.rows.first.device
    canvas = torch.full((frames * height * width,), NOTHING, dtype=torch.int32, device=device)
    for spans, ink in spans_of(strokes, at.size[0]):
        row, left, stop = _kept(spans, at)
        start = (ink.frame[spans.shape] * height + row) * width + left
        span, step = ragged(stop - left)
        canvas.scatter_reduce_(0, start[span] + step, _key(ink)[spans.shape[span]], "amax")
    return canvas.view(frames, height, width)


def picture(canvas: Tensor, at: Grid) -> Tensor:
    """What `paint` gave => uint8 f h w 3, scaled as cv2.resize(INTER_LINEAR) does."""
    colours = canvas.view(torch.uint8).view(*canvas.shape, 4)[..., :3]
    if at.kept == (len(at.rows.first), len(at.columns.first)) == at.size:
        return colours
    mixed = _mixed(colours.int(), at.columns, 2) >> 4
    first, second = mixed[:, at.rows.first], mixed[:, at.rows.second]
    share = at.rows.share[:, None, None]
    return ((((MIX - share) * first >> 16) + (share * second >> 16) + 2) >> 2).to(torch.uint8)


def _mixed(lines: Tensor, axis: Axis, dim: int) -> Tensor:
    share = axis.share[:, None]
    first, second = lines.index_select(dim, axis.first), lines.index_select(dim, axis.second)
    return (MIX - share) * first + share * second


def _kept(spans: Spans, at: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Spans on the whole canvas => row, first and stop column among those kept; empty elsewhere."""
    height, width = at.size
    row, left = spans.row.clamp(0, height - 1), spans.left.clamp(0, width)
    stop = (spans.right + 1).clamp(0, width)
    above = at.rows.before[row]
    shown = (spans.row == row) & (at.rows.before[row + 1] > above)
    left, stop = at.columns.before[left], at.columns.before[stop]
    return above, left, torch.where(shown, stop.maximum(left), left)


def _key(ink: Ink) -> Tensor:
    red, green, blue = ink.colour.unbind(-1)
    return ((ink.depth - 127 << 24) + (blue << 16) + (green << 8) + red).int()


def _axis(canvas: int, size: int, device: torch.device) -> Axis:
    scale = 1 / (size / canvas)
    where = ((torch.arange(size, dtype=torch.float64) + 0.5) * scale - 0.5).float()
    where = where.clamp(0, canvas - 1)
    first = where.floor().long()
    share = ((where - first) * MIX).round().int()
    second = torch.where(share > 0, first + 1, first)
    used = torch.zeros(canvas + 1, dtype=torch.long)
    used[1 + torch.cat([first, second])] = 1
    before = used.cumsum(0)
    places = (before, before[first], before[second], share)
    return Axis(*(tensor.to(device) for tensor in places))
