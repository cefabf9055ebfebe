"""What an estimator makes of a filmed person: jitter, scores, hidden joints, swaps, crops.

Written before the yaw rule it judges, and sharing no code and no figure with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from tests.turning_bodies import HEIGHT, JOINTS, LEFT_RIGHT, LEGS, WIDTH, Film, film

FACE = [0, 1, 2]
WITHOUT_FEET = [pair for pair in LEFT_RIGHT if pair[0] < 15]
WITHOUT_LEGS = [pair for pair in LEFT_RIGHT if pair[0] < 11]


class Clip(NamedTuple):
    """Keypoints of a clip, and the truth."""

    keypoints: np.ndarray  # f 133 3
    yaw_deg: np.ndarray  # f
    fps: float
    size_hw: tuple[int, int]


@dataclass(frozen=True)
class Condition:
    """What disturbs the keypoints. Lengths in torso lengths."""

    jitter: float = 0.0  # of a joint in plain sight; a hidden one's is three times that
    score_noise: float = 0.0
    missing: float = 0.0  # share of joints
    arms_hide_hz: float = 0.0  # how often an arm or a bag begins to hide a hip or a shoulder
    swaps_hz: float = 0.0  # bursts of exchanged labels, per second of back view
    swaps_longest_s: float = 0.16
    face: Literal["drops", "confident"] = "drops"  # in back views
    crop: Literal["none", "feet", "torso"] = "none"


NOISE = Condition(jitter=0.03, score_noise=0.06, missing=0.02, arms_hide_hz=0.3, swaps_hz=0.15)
_NOISE = vars(NOISE)
CONDITIONS = {
    "clean": Condition(),
    "estimator noise": NOISE,
    "left/right swaps": Condition(**_NOISE | {"swaps_hz": 1.2, "swaps_longest_s": 0.48}),
    "confident face": Condition(**_NOISE | {"face": "confident"}),
    "feet cropped": Condition(**_NOISE | {"crop": "feet"}),
    "torso only": Condition(**_NOISE | {"crop": "torso"}),
    "rough": Condition(0.07, 0.12, 0.05, 0.6, swaps_hz=0.45, swaps_longest_s=0.3),
}


def filmed(
    seed: int, condition: Condition, frames: int | None = None, fps: float | None = None
) -> Clip:
    """The clip of `seed` as an estimator under `condition` sees it."""
    shot = film(seed, frames, fps)
    rng = np.random.default_rng((seed, 1))
    back = np.abs(shot.yaw_deg) > 120
    bursts = _swap_bursts(back, shot.fps, condition, rng)
    plain = _plain_sight(shot, bursts, condition, rng)
    pose = np.empty((len(back), JOINTS, 3))
    pose[..., :2] = shot.joints_px
    spread = condition.jitter * shot.torso_px * (3 - 2 * plain)
    pose[..., :2] += _tremble(shot.fps, rng, pose[..., :2].shape) * spread[..., None]
    pose[..., 2] = _scores(plain, condition, rng)
    if condition.face == "confident":
        wander = 0.05 * shot.torso_px * _tremble(shot.fps, rng, (len(back), 1, 2))
        pose[:, FACE, :2] += wander * (1 - plain[:, FACE, None])
        pose[:, :5, 2] = rng.uniform(0.93, 1.0, (len(back), 5))
    for frames_of, pairs, _ in bursts:
        for left, right in pairs:
            pose[frames_of, left], pose[frames_of, right] = (
                pose[frames_of, right].copy(), pose[frames_of, left].copy(),
            )  # fmt: skip
    pose[rng.random(pose.shape[:2]) < condition.missing] = (np.nan, np.nan, 0)
    pose, size_hw = _cropped(pose, shot, condition.crop, rng)
    keypoints = np.full((len(pose), 133, 3), (np.nan, np.nan, 0.0), np.float32)
    keypoints[:, :JOINTS] = pose
    return Clip(keypoints, shot.yaw_deg, shot.fps, size_hw)


def swapped(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints with the labels left and right exchanged."""
    order = np.arange(keypoints.shape[-2])
    for left, right in LEFT_RIGHT:
        order[[left, right]] = right, left
    return keypoints[..., order, :]


def mirrored(keypoints: np.ndarray, width: int) -> np.ndarray:
    """Keypoints of the mirrored video: x => width - x, labels exchanged."""
    mirror = swapped(keypoints)
    mirror[..., 0] = width - mirror[..., 0]
    return mirror


Burst = tuple[slice, list[tuple[int, int]], bool]  # frames, labels exchanged, face imagined


def _swap_bursts(
    back: np.ndarray, fps: float, condition: Condition, rng: np.random.Generator
) -> list[Burst]:
    """Exchanges begin in back views; half of them come with the face the estimator then expects."""
    bursts = []
    for start in np.flatnonzero(back & (rng.random(len(back)) < condition.swaps_hz / fps)):
        length = max(1, round(rng.uniform(0, condition.swaps_longest_s) * fps))
        kind = rng.choice(3, p=(0.5, 0.3, 0.2))
        pairs = (LEFT_RIGHT, WITHOUT_FEET, WITHOUT_LEGS)[kind]
        bursts.append((slice(start, start + length), pairs, bool(rng.random() < 0.5)))
    return bursts


def _plain_sight(
    shot: Film, bursts: list[Burst], condition: Condition, rng: np.random.Generator
) -> np.ndarray:
    """How plainly each joint shows => f 23, 0..1."""
    plain = 1 / (1 + np.exp(-(shot.near + 0.08) / 0.05))
    facing = np.cos(np.radians(shot.head_deg))
    plain[:, FACE] = (1 / (1 + np.exp(-(facing + 0.1) / 0.12)))[:, None]
    for leg in LEGS:  # legs hide each other little
        plain[:, leg[1:]] = 0.5 + 0.5 * plain[:, leg[1:]]
    for start in np.flatnonzero(rng.random(len(plain)) < condition.arms_hide_hz / shot.fps):
        length = round(rng.uniform(0.3, 1.5) * shot.fps)
        plain[start : start + length, rng.choice((5, 6, 11, 12))] = 0
    for frames_of, _, imagined in bursts:
        if imagined:
            plain[frames_of, FACE] = 1
    return plain


def _tremble(fps: float, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of unit variance along the first axis: half of it new each frame, half lasting."""
    new, lasting = rng.normal(size=(2, *shape))
    keep = np.exp(-1 / (0.25 * fps))
    for i in range(1, shape[0]):
        lasting[i] = keep * lasting[i - 1] + np.sqrt(1 - keep**2) * lasting[i]
    return np.asarray((new + lasting) / np.sqrt(2))


def _scores(plain: np.ndarray, condition: Condition, rng: np.random.Generator) -> np.ndarray:
    hidden = np.full(JOINTS, 0.45)
    hidden[FACE] = 0.12
    score = hidden + (0.95 - hidden) * plain
    if condition.score_noise:
        score = score * rng.uniform(0.8, 1.0)  # each clip is lit its own way
    score = score + condition.score_noise * rng.normal(size=plain.shape)
    return np.clip(score, 0.02, 1.0)


def _cropped(
    pose: np.ndarray, shot: Film, crop: str, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Joints beyond the edge are missing, or guessed and as sure of themselves as the others."""
    top, bottom = 0.0, float(HEIGHT)
    if crop != "none":
        bottom = float(shot.joints_px[:, 15:23, 1].min()) - 0.15 * shot.torso_px
    if crop == "torso":
        top = float(shot.joints_px[:, :5, 1].max()) + 0.05 * shot.torso_px
    height = max(8, int(bottom - top))
    pose[..., 1] -= top
    outside = (pose[..., 1] < 0) | (pose[..., 1] >= height)
    if rng.random() < 0.5:
        pose[outside] = (np.nan, np.nan, 0)
    else:
        pose[outside, 2] = 0.9
    return pose, (height, WIDTH)
