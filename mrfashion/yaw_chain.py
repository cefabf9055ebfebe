"""Yaw over time as a hidden Markov chain: a body turns only so fast, so frames speak for others.

The posterior of forward-backward (Rabiner 1989, Eq. 27) is the same for a clip played backwards
and turns with a mirrored one, and says how sure it is; a most likely path does neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 72
BIN_DEG = 360 / BINS
ANGLES = np.arange(BINS) * 2 * np.pi / BINS
BASIS = np.stack([np.cos(ANGLES), np.sin(ANGLES), np.ones(BINS)])  # 3 bins
HALF_TURNED = (BINS // 2 - np.arange(BINS)) % BINS  # bin of 180 - yaw

LOOKS_HZ = 15.0  # frames closer than that err alike: together they are one look
FASTEST_DEG_S, USUAL_DEG_S = 220.0, 120.0  # models on a catwalk turn round in about 2 s
JUMP = 1e-9  # of any turn in one step: a cut nobody found must not make the chain impossible


def posterior(evidence: Floats, fps: float) -> Floats:
    """Log-likelihoods f bins => probabilities f bins, each frame's given all frames."""
    weights = _looks(len(evidence), fps)
    likelihood = weights @ evidence / weights.sum(1, keepdims=True)
    likelihood = np.exp(likelihood - likelihood.max(1, keepdims=True))
    step = _step((len(evidence) - 1) / fps / max(1, len(weights) - 1) or 1 / fps)
    before = _pass(likelihood, step)
    after = _pass(likelihood[::-1], step)[::-1]
    both = before * after / likelihood
    return np.asarray(weights.T @ (both / both.sum(1, keepdims=True)))


def _looks(frames: int, fps: float) -> Floats:
    """How much each frame takes part in each look => looks f; the columns sum to 1."""
    count = max(1, min(frames, round((frames - 1) / fps * LOOKS_HZ) + 1))
    if count == 1:
        return np.ones((1, frames))
    apart = (frames - 1) / (count - 1)
    away = np.abs(np.arange(frames) - apart * np.arange(count)[:, None]) / apart
    return np.maximum(0, 1 - away)


def _step(seconds: float) -> Floats:
    """Probabilities of turning from bin to bin in that time => bins bins, symmetric."""
    bins = np.arange(BINS)
    turn_deg = BIN_DEG * np.minimum(bins, BINS - bins)
    reach = np.clip((FASTEST_DEG_S * seconds - turn_deg) / BIN_DEG + 1, 0, 1)
    chance = reach * np.exp(-turn_deg / (USUAL_DEG_S * seconds))
    chance = chance / chance.sum() + JUMP
    return np.asarray(chance[(bins[:, None] - bins) % BINS])


def _pass(likelihood: Floats, step: Floats) -> Floats:
    """Probabilities given this look and those before it => looks bins."""
    found = np.empty_like(likelihood)
    prior = np.full(BINS, 1 / BINS)
    for i, now in enumerate(likelihood):
        found[i] = prior * now
        found[i] /= found[i].sum()
        prior = found[i] @ step
    return found
