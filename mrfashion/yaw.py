"""Yaw of the body in every frame, with a confidence, from the keypoints of any estimator.

Cues of single frames (`yaw_cues`) go through a chain over time (`yaw_chain`). In each frame the
estimator may have taken left for right; how wide this person is, how long the feet are and what
this estimator's scores are worth is fitted to the clip, in turns with the yaw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Keypoints
from mrfashion.yaw_chain import ANGLES, BASIS, BIN_DEG, HALF_TURNED, LOOKS_HZ, posterior
from mrfashion.yaw_cues import Cue, Flags, Floats, Joints, cues, joints_in_frame

ROUNDS = 3  # of fitting
# Student's t: a joint far off is a blunder, and tells no more than that.
TAIL = 4.0
BLUNDER = 1e-4  # likelihood left to any yaw, whatever one frame's joints say
# Looks 1/15 s apart share about half of their error; without this, confidence promises too much.
INDEPENDENT = 0.5
# Estimators take left for right above all behind the body, where they expect a front.
SWAPPED_FRONT, SWAPPED_BACK = 0.05, 0.15
# Without a head they toss a coin: BlazePose called one head-cropped front a back in 70 % of its
# frames. Without feet either, nothing tells the ways a body may face.
WINDOW_S, LEAST_SEEN = 2.0, 0.35
BRIDGE_S = 0.5  # the longest gap without a torso that is bridged
NEAR_DEG = 22.5  # confidence is the probability to be that close
LEAST_CONFIDENCE = 0.8  # below it the answer is withheld; docs/poses.md has the calibration
FOCUS = 6.0  # the mean is of the mode it lies in, not of two opposite ones


class Yaw(NamedTuple):
    """Yaw of every frame."""

    yaw_deg: NDArray[np.float32]  # f, (-180, 180], NaN where the rule abstains
    confidence: NDArray[np.float32]  # f, 0..1: that yaw is within 22.5 degrees; 0 where it abstains


def yaw_from_keypoints(keypoints: Keypoints, fps: float, size_hw: tuple[int, int]) -> Yaw:
    """Keypoints f 133 3 in pixels of frames of `size_hw` => yaw and confidence of every frame.

    Joints outside the frame count as missing, whatever they score. Raises ValueError where the
    rate or the size is not above 0.
    """
    if not (0 < fps < np.inf and min(size_hw) > 0):
        raise ValueError(f"got {fps} fps and frames of {size_hw}; both must be above 0")
    joints = joints_in_frame(keypoints, fps, size_hw) if len(keypoints) else None
    if joints is None:
        nothing = np.zeros(len(keypoints), np.float32)
        return Yaw(np.full_like(nothing, np.nan), nothing)
    heads = _share(joints.head(), fps, WINDOW_S) >= LEAST_SEEN
    directed = _share(joints.head() | joints.feet(), fps, WINDOW_S) >= LEAST_SEEN
    there = _share(joints.torso(), fps, BRIDGE_S) > 0
    angle, confidence = _read(_infer(joints, heads, fps))
    sure = (confidence >= LEAST_CONFIDENCE) & directed & there
    yaw_deg = np.where(sure, np.degrees(angle), np.nan).astype(np.float32)
    yaw_deg = np.where(yaw_deg <= -180, np.float32(180), yaw_deg)
    return Yaw(yaw_deg, np.where(sure, confidence, 0).astype(np.float32))


def _share(seen: Flags, fps: float, window_s: float) -> Floats:
    """Share of the frames around each that show a part => f, 0..1."""
    window = np.ones(2 * round(window_s * fps / 2) + 1)
    reach = slice(len(window) // 2, len(window) // 2 + len(seen))
    counts, frames = (np.convolve(v, window)[reach] for v in (seen, np.ones(len(seen))))
    return np.asarray(counts / frames)


def _infer(joints: Joints, heads: Flags, fps: float) -> Floats:
    """Probability of every yaw in every frame => f bins."""
    found = cues(joints)
    swapped = SWAPPED_FRONT + (SWAPPED_BACK - SWAPPED_FRONT) * (1 - BASIS[0]) / 2
    swapped = np.where(heads[:, None], swapped, 0.5)
    fitted = [np.array(cue.prior) for cue in found]
    for _ in range(ROUNDS):
        true, apparent = _expect(found, fitted, swapped, fps)
        looks = min(1.0, LOOKS_HZ / fps) * INDEPENDENT
        fitted = [
            _fit(cue, how, (apparent if cue.labelled else true) * looks)
            for cue, how in zip(found, fitted, strict=True)
        ]
    return _expect(found, fitted, swapped, fps)[0]


def _expect(
    found: Sequence[Cue], fitted: Sequence[Floats], swapped: Floats, fps: float
) -> tuple[Floats, Floats]:
    """Probabilities of the yaw, and of the yaw that the labels pretend => twice f bins."""
    labels, others = np.zeros_like(swapped), np.zeros_like(swapped)
    for cue, how in zip(found, fitted, strict=True):
        told = labels if cue.labelled else others
        told -= _blame(cue, how) * INDEPENDENT
    labels = np.log(np.exp(labels - labels.max(1, keepdims=True)) + BLUNDER)
    right = np.log1p(-swapped) + labels
    wrong = np.log(swapped) + labels[:, HALF_TURNED]
    either = np.logaddexp(right, wrong)
    true = posterior(either + others, fps)
    mistaken = true * np.exp(wrong - either)
    return true, true - mistaken + mistaken[:, HALF_TURNED]


def _square(cue: Cue, fitted: Floats) -> Floats:
    """Squared distance of a cue from what each yaw foretells, in noises => f bins."""
    return np.asarray(((cue.value[:, None] - fitted @ BASIS) / cue.noise) ** 2)


def _blame(cue: Cue, fitted: Floats) -> Floats:
    """Negative log-likelihood of each yaw => f bins."""
    return cue.weight[:, None] * (TAIL + 1) / 2 * np.log1p(_square(cue, fitted) / TAIL)


def _fit(cue: Cue, fitted: Floats, at: Floats) -> Floats:
    """Coefficients for a cue that was measured at yaws of probability `at` (f bins) => 3.

    A step of iteratively reweighted least squares; coefficients of no spread stay.
    """
    weight = at * cue.weight[:, None] * (TAIL + 1) / (TAIL + _square(cue, fitted)) / cue.noise**2
    prior, spread = np.array(cue.prior), np.array(cue.spread)
    free = spread > 0
    basis = BASIS[free]
    normal = basis * weight.sum(0) @ basis.T + np.diag(spread[free] ** -2)
    rest = cue.value[:, None] - prior @ BASIS
    found = prior.copy()
    found[free] += np.linalg.solve(normal, basis @ (weight * rest).sum(0))
    return found


def _read(probability: Floats) -> tuple[Floats, Floats]:
    """Probabilities f bins => the angle in radians, and how probable it is to be near it."""
    turns = np.exp(1j * ANGLES)
    angle = np.angle(probability @ turns)
    for _ in range(4):
        focus = np.exp(FOCUS * (np.cos(angle[:, None] - ANGLES) - 1))
        angle = np.angle((probability * focus) @ turns)
    away_deg = np.degrees(np.abs(np.angle(np.exp(1j * (angle[:, None] - ANGLES)))))
    near = np.clip((NEAR_DEG + BIN_DEG / 2 - away_deg) / BIN_DEG, 0, 1)
    return angle, (probability * near).sum(1)
