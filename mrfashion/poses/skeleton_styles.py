"""What the published pose drawings are made of: joints, bones, colours, thresholds and order."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

NECK, SHOULDERS = 133, (5, 6)  # the neck, their middle, is appended to COCO-WholeBody's 133
# OpenPose's 18 joints as places of the 134: nose, neck, right and left arm, right and left leg,
# right and left eye, right and left ear.
BODY = (0, NECK, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
LEFT_HAND, RIGHT_HAND, FACE = range(91, 112), range(112, 133), range(23, 91)
JOINTS = (*BODY, *LEFT_HAND, *RIGHT_HAND, *FACE)
RADII = (4,) * 60 + (3,) * 68

_RAINBOW = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
JOINT_COLOURS = _RAINBOW + ((0, 0, 255),) * 42 + ((255, 255, 255),) * 68

# Limbs are ellipses, darkened once all are drawn. OpenPose's last two, ear to shoulder, are not.
_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
LIMBS = tuple((BODY[first], BODY[second]) for first, second in _LIMBS)
LIMB_COLOURS = _RAINBOW[:17]
LIMB_HALF_WIDTH, LIMB_SHADE = 4, 0.6

# From the wrist to the root of each finger, and along it; one hue a bone.
_FINGERS = tuple(
    (0 if part == 1 else at + part - 1, at + part) for at in range(0, 20, 4) for part in range(1, 5)
)
BONES = tuple(
    (hand[first], hand[second]) for hand in (LEFT_HAND, RIGHT_HAND) for first, second in _FINGERS
)
BONE_COLOURS = tuple(colorsys.hsv_to_rgb(bone / 20, 1.0, 1.0) for bone in range(20)) * 2  # 0..1

# How far up each lies: limbs, body joints, then for each hand its bones and joints, then the face.
LIMB_DEPTHS = tuple(range(17))
BONE_DEPTHS = (*range(35, 55), *range(76, 96))
JOINT_DEPTHS = (*range(17, 35), *range(55, 76), *range(96, 185))

TRUSTED = float.fromhex("0x1.333334p-2")  # 0.3 in single precision, as the scores are


@dataclass(frozen=True)
class Style:
    """One published convention. Widths are pixels of its canvas."""

    source: str
    hands_and_face: bool = True
    weighted: bool = False  # colours times the scores; hands and face drawn at any score
    short_side: int | None = None  # of the canvas, scaled to the picture; None: as the picture
    swapped: bool = False  # red and blue have changed places


STYLES: dict[str, Style] = {
    "openpose-18": Style(
        "lllyasviel/ControlNet annotator/openpose/util.py, draw_bodypose", hands_and_face=False
    ),
    # The copy in Moore-AnimateAnyone draws the same.
    "dwpose-133": Style("IDEA-Research/DWPose ControlNet-v1-1-nightly/annotator/dwpose, draw_pose"),
    "mimicmotion": Style(
        "Tencent/MimicMotion mimicmotion/dwpose/util.py, draw_pose",
        weighted=True,
        short_side=2160,
        swapped=True,
    ),
}
