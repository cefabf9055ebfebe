"""People who turn before a camera, with their true yaw: no renderer, 23 joints and a pinhole.

Written before the yaw rule it judges, and sharing no code and no figure with it. Lengths in
metres; x to the person's left, y down from the hips, z ahead of the chest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

WIDTH, HEIGHT = 720, 960
RATES = (12.0, 25.0, 30.0, 60.0)
MOTIONS = ("turn", "there_and_back", "sway", "stop_and_go", "walk", "walk_turn")
LONGEST = 400  # frames
# COCO-WholeBody order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, feet.
LEFT_RIGHT = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
LEFT_RIGHT += [(17, 20), (18, 21), (19, 22)]
JOINTS, HEAD = 23, slice(0, 5)
UPPER, LOWER = [5, 6, 7, 8, 9, 10], [11, 12, 13, 14]
LEGS = ((11, 13, 15, 17, 18, 19), (12, 14, 16, 20, 21, 22))  # left, right; hip to heel


class Film(NamedTuple):
    """A filmed person."""

    joints_px: np.ndarray  # f 23 2
    near: np.ndarray  # f 23, towards the camera from the body's axis
    head_deg: np.ndarray  # f, the face's own yaw
    torso_px: float
    yaw_deg: np.ndarray  # f
    fps: float


@dataclass(frozen=True)
class Times:
    """When and how fast a clip's person moves."""

    t: np.ndarray  # f, seconds
    kind: str
    rng: np.random.Generator

    def wave(self, size: float, slowest_s: float = 3.0) -> np.ndarray:
        """A sine of random pace and phase."""
        period = self.rng.uniform(0.4, 1.0) * slowest_s
        return size * np.sin(2 * np.pi * self.t / period + self.rng.uniform(0, 7))


def film(seed: int, frames: int | None = None, fps: float | None = None) -> Film:
    """One clip: a person, a motion and a camera, all of them of `seed`."""
    rng = np.random.default_rng(seed)
    fps = fps or float(rng.choice(RATES))
    frames = frames or int(min(LONGEST, rng.uniform(2, 7) * fps))
    times = Times(np.arange(frames) / fps, MOTIONS[seed % len(MOTIONS)], rng)
    pace = np.exp(rng.uniform(np.log(40), np.log(180)))  # degrees a second, at the fastest
    start, direction = rng.uniform(-180, 180), rng.choice((-1, 1))
    heading = start + direction * turned_deg(times.kind, times.t, pace, rng)
    twist, head = times.wave(7), times.wave(rng.uniform(0, 40), 4.0)
    late_s = rng.uniform(0, 0.15, 2)  # a foot follows the turn
    feet = [np.interp(times.t - late, times.t, heading) for late in late_s]
    joints = posed(times)
    world = np.empty_like(joints)
    world[:, LOWER] = spun(joints[:, LOWER], heading)
    world[:, UPPER] = spun(joints[:, UPPER], heading + twist)
    world[:, HEAD] = spun(joints[:, HEAD], heading + twist + head)
    for leg, foot_heading in zip(LEGS, feet, strict=True):
        ankle = spun(joints[:, leg[2:3]], heading)
        foot = joints[:, leg[2:]] - joints[:, leg[2:3]]
        world[:, leg[2:]] = ankle + spun(foot, foot_heading)
    pixels, bearing, torso_px = seen(world, times)
    yaw = heading + twist / 2 + bearing  # the chest: the mean of the shoulder and the hip line
    return Film(pixels, world[..., 2], heading + twist + head + bearing, torso_px, wrap(yaw), fps)


def wrap(angle_deg: np.ndarray) -> np.ndarray:
    """The same angles in [-180, 180)."""
    return (angle_deg + 180) % 360 - 180


def turned_deg(kind: str, t: np.ndarray, pace: float, rng: np.random.Generator) -> np.ndarray:
    """Degrees turned since the first frame, never faster than about `pace` a second."""
    if kind == "turn":
        return pace * 0.85 * t + 8 * np.sin(pace / 60 * t)
    if kind == "there_and_back":
        reach = rng.uniform(110, 200)
        return reach * (1 - np.cos(2 * pace / reach * t)) / 2
    if kind == "sway":
        reach = rng.uniform(10, 40)
        return reach * np.sin(min(pace / reach, 3.0) * t)
    if kind == "stop_and_go":
        beat = np.pi * pace / 90 * t  # a quarter turn a beat, with a rest after each
        return 90 / (2 * np.pi) * (beat - np.sin(beat))
    if kind == "walk":
        return 15 * np.sin(2 * t)
    return 90 * (1 + np.tanh((t - t.mean()) * pace / 90))  # turns round half-way


def posed(times: Times) -> np.ndarray:
    """Joints of a person about the hips' middle, before any turn => f 23 3."""
    rng = times.rng
    shoulder, hip = rng.uniform(0.16, 0.21), rng.uniform(0.08, 0.12)
    torso, leg = rng.uniform(0.46, 0.56), rng.uniform(0.78, 0.92)
    foot, lean = rng.uniform(0.18, 0.25), rng.uniform(-0.01, 0.05)
    joints = np.zeros((JOINTS, 3))
    head = np.array((0, -torso - 0.2, lean))
    half = [(1, np.add(head, (0.03, -0.04, 0.09))), (3, np.add(head, (0.075, -0.01, 0.0)))]
    half += [(5, (shoulder, -torso, lean)), (7, (shoulder + 0.05, -torso / 2, lean - 0.02))]
    half += [(9, (shoulder + 0.06, 0.02, 0.06)), (11, (hip, 0, 0)), (13, (hip, leg / 2, 0.02))]
    half += [(15, (hip, leg, 0)), (19, (hip, leg + 0.06, -0.05))]
    joints[0] = np.add(head, (0, 0, 0.11))
    right = dict(LEFT_RIGHT)
    for left, xyz in half:
        joints[left] = xyz
        joints[right[left]] = np.asarray(xyz) * (-1, 1, 1)
    for legs, side in zip(LEGS, (1, -1), strict=True):
        out = rng.uniform(-0.05, 0.5)
        toe = np.array((side * foot * np.sin(out), 0.01, foot * np.cos(out)))
        joints[legs[3]] = joints[legs[5]] + toe
        joints[legs[4]] = joints[legs[5]] + 0.85 * toe + (side * 0.05, 0, 0)
    return striding(np.tile(joints, (len(times.t), 1, 1)), times)


def striding(joints: np.ndarray, times: Times) -> np.ndarray:
    """Legs and arms swing, much in a walk and little otherwise; a free foot points down."""
    walks = times.kind in ("walk", "walk_turn")
    step = times.wave(0.22 if walks else 0.03, 1.4)
    for leg, side in zip(LEGS, (1, -1), strict=True):
        joints[:, leg[1], 2] += side * step / 2
        joints[:, leg[2:], 2] += (side * step)[:, None]
        if walks:
            dip = np.clip(-side * step / 0.22, 0, 1) * 0.6  # radians
            toes, heel = list(leg[3:5]), joints[:, leg[5:]]
            along = joints[:, toes] - heel
            joints[:, toes] = heel + along * np.cos(dip)[:, None, None]
            joints[:, toes, 1] += 0.2 * np.sin(dip)[:, None]
    for wrist, side in ((9, -1), (10, 1)):
        joints[:, wrist, 2] += side * step + times.wave(0.08)
        joints[:, wrist, 0] += times.wave(0.1)
        joints[:, wrist - 2, 2] += side * step / 2
    return joints


def spun(joints: np.ndarray, angle_deg: np.ndarray) -> np.ndarray:
    """f k 3 turned about the up axis: at +90 what lay ahead lies at the image's right."""
    cos, sin = (trig(np.radians(angle_deg))[:, None] for trig in (np.cos, np.sin))
    x = joints[..., 0] * cos + joints[..., 2] * sin
    z = joints[..., 2] * cos - joints[..., 0] * sin
    return np.stack([x, joints[..., 1], z], -1)


def seen(world: np.ndarray, times: Times) -> tuple[np.ndarray, np.ndarray, float]:
    """Pinhole picture: pixels f 23 2, bearing of the body in degrees, torso in pixels."""
    rng, walks = times.rng, times.kind in ("walk", "walk_turn")
    middle = rng.uniform(2.6, 6.0)
    away = middle * (1 + (times.wave(0.25, 9.0) if walks else times.wave(0.02)))
    aside = times.wave(0.06 * middle if walks else 0.03)
    focal = rng.uniform(0.5, 0.62) * HEIGHT * middle / 1.75
    depth = away[:, None] - world[..., 2]
    x = WIDTH / 2 + focal * (aside[:, None] + world[..., 0]) / depth
    y = 0.45 * HEIGHT + focal * world[..., 1] / depth
    torso = abs(float(world[0, 5, 1])) * focal / middle
    return np.stack([x, y], -1), np.degrees(np.arctan2(aside, away)), torso
