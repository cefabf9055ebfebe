"""Strokes painted by OpenCV on the CPU, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mrfashion.poses.skeleton_strokes import Ink, Size, Strokes
from mrfashion.poses.skeleton_styles import LIMB_HALF_WIDTH

Image = NDArray[np.uint8]  # h w 3
Draw = Callable[..., object]  # (image, colour, the shape's numbers)


def paint(strokes: Strokes, frames: int, canvas: Size, size: Size) -> NDArray[np.uint8]:
    """Frames drawn on a canvas and scaled to `size` => f h w 3."""
    todo: list[list[tuple[Any, ...]]] = [[] for _ in range(frames)]
    limbs, bones, joints = strokes.limbs, strokes.bones, strokes.joints
    _plan(todo, limbs.ink, _ellipse, limbs.centre, limbs.half_length, limbs.angle_deg)
    _plan(todo, bones.ink, _line, bones.start, bones.end)
    _plan(todo, joints.ink, _disc, joints.centre, joints.radius)
    pictures = np.zeros((frames, *size, 3), np.uint8)
    scratch = np.zeros((*canvas, 3), np.uint8)
    for picture, shapes in zip(pictures, todo, strict=True):
        image = picture if canvas == size else scratch
        for _, draw, colour, *shape in sorted(shapes, key=_depth):
            draw(image, colour, *shape)
        if image is scratch:
            cv2.resize(scratch, size[::-1], dst=picture)
            scratch[:] = 0
    return pictures


def _plan(todo: list[list[tuple[Any, ...]]], ink: Ink, draw: Draw, *shape: Tensor) -> None:
    columns = (numbers.tolist() for numbers in (ink.frame, ink.depth, ink.colour, *shape))
    for frame, depth, colour, *numbers in zip(*columns, strict=True):
        todo[frame].append((depth, draw, colour, *numbers))


def _depth(shape: tuple[Any, ...]) -> int:
    return int(shape[0])


def _ellipse(
    image: Image, colour: list[int], centre: list[int], half_length: int, angle_deg: int
) -> None:
    axes = (half_length, LIMB_HALF_WIDTH)
    outline = np.asarray(cv2.ellipse2Poly(centre, axes, angle_deg, 0, 360, 1))
    cv2.fillConvexPoly(image, outline, colour)


def _line(image: Image, colour: list[int], start: list[int], end: list[int]) -> None:
    cv2.line(image, start, end, colour, 2)


def _disc(image: Image, colour: list[int], centre: list[int], radius: int) -> None:
    cv2.circle(image, centre, radius, colour, -1)
