"""Keypoints drawn over a frame, for people to look at: left warm, right cool, guesses dim."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # h w 3, RGB
Colour = tuple[int, int, int]

LEFT, RIGHT, MIDDLE = (255, 120, 40), (40, 150, 255), (250, 250, 120)
# COCO-WholeBody places; the person's own left and right.
LIMBS: tuple[tuple[int, int, Colour], ...] = (
    (5, 6, MIDDLE), (11, 12, MIDDLE), (0, 5, MIDDLE), (0, 6, MIDDLE),
    (5, 7, LEFT), (7, 9, LEFT), (5, 11, LEFT), (11, 13, LEFT), (13, 15, LEFT),
    (6, 8, RIGHT), (8, 10, RIGHT), (6, 12, RIGHT), (12, 14, RIGHT), (14, 16, RIGHT),
    (0, 1, LEFT), (1, 3, LEFT), (0, 2, RIGHT), (2, 4, RIGHT),
    (15, 19, LEFT), (15, 17, LEFT), (16, 22, RIGHT), (16, 20, RIGHT),
)  # fmt: skip
TRUSTED = 0.3  # the usual threshold of drawings (DWPose)
DIM = 0.35  # how much of its colour a joint below it keeps
SUBPIXEL_BITS = 4


def draw_keypoints(image: Image, keypoints: NDArray[np.float32]) -> Image:
    """k 3 over h w 3 => a new picture. Missing joints are left out, untrusted ones dimmed."""
    canvas = image.copy()
    width = max(1, round(max(image.shape[:2]) / 160))
    known = keypoints[:, 2] > 0
    for first, second, colour in LIMBS:
        if known[first] and known[second]:
            score = min(keypoints[first, 2], keypoints[second, 2])
            _line(canvas, keypoints[first], keypoints[second], _shade(colour, score), width)
    for joint in np.flatnonzero(known):
        _dot(canvas, keypoints[joint], _shade((255, 255, 255), keypoints[joint, 2]), width)
    return canvas


def draw_lines(image: Image, lines: Sequence[str]) -> Image:
    """Lines of text in the top left corner, readable on any ground."""
    canvas = image.copy()
    scale = max(0.35, max(image.shape[:2]) / 1000)
    step = round(34 * scale)
    for number, line in enumerate(lines, 1):
        at = (round(8 * scale), number * step)
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            thickness = max(1, round(width * scale))
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(canvas, line, at, font, scale, colour, thickness, cv2.LINE_AA)
    return canvas


def _shade(colour: Colour, score: float) -> Colour:
    share = 1.0 if score >= TRUSTED else DIM
    red, green, blue = (round(level * share) for level in colour)
    return red, green, blue


def _line(
    canvas: Image,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    colour: Colour,
    width: int,
) -> None:
    cv2.line(canvas, _fixed(first), _fixed(second), colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _dot(canvas: Image, point: NDArray[np.float32], colour: Colour, width: int) -> None:
    radius = round(0.9 * width * (1 << SUBPIXEL_BITS))
    cv2.circle(canvas, _fixed(point), radius, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(point: NDArray[np.float32]) -> tuple[int, int]:
    """OpenCV's fixed-point pixels; far off points are clipped where it would overflow."""
    x, y = np.clip(np.rint(point[:2] * (1 << SUBPIXEL_BITS)), -(1 << 24), 1 << 24).astype(int)
    return int(x), int(y)
