"""Fingerprints of clips: what a re-encoded, brightened, cropped or mirrored copy keeps.

A frame is kept as its lowest spatial frequencies, signed. Unlike the bits of a perceptual hash
they can be mirrored and cropped afterwards, so that a copy's crop is searched for, not tolerated:
with dHash at a distance that takes in crops of 5 %, half of all clips of one studio were the same.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import InputRefused

# FRAMES SIDE SIDE: frequencies along y, along x, each frame to a scale of its own, companded:
# whitened, then the root of its size with its sign, which fills the levels of an int8.
Print = NDArray[np.int8] | NDArray[np.float32]
Floats = NDArray[np.float32]

FRAMES = 8  # spread evenly over a clip
SIDE = 14  # frequencies along each axis: half periods of a cosine in the picture
COMPARED = 12  # of them; a crop's highest ones come from higher ones, which are not kept
PICTURE_PX = 32  # area on which they are measured: few enough that noise averages out
# Amplitudes of pictures fall with frequency; this makes up for it, or the backdrop's shading would
# decide. Ours: of 1, 1.3 and 1.5 it left the widest gap between copies and strangers.
WHITENING = 1.3
NO_DETAIL = 4.0  # what a shading of less than a grey level from side to side comes to
INSETS = (0.0, 0.05)  # share of a side that a copy may have lost, at each of the four


def frame_places(frames: int) -> list[int]:
    """Places of the FRAMES frames that stand for a clip; a short clip's stand in for two."""
    if frames < 1:
        raise ValueError(f"a clip has {frames} frames; a fingerprint needs at least 1")
    return [int((i + 0.5) * frames / FRAMES) for i in range(FRAMES)]


def fingerprint(pictures: NDArray[np.uint8]) -> str:
    """Luma of a clip (n h w, uint8: all frames, or any evenly spaced) => 2092 characters.

    Bars must be cut off before: a copy with bars is otherwise another picture.
    """
    spectra = np.stack([_spectrum(pictures[place]) for place in frame_places(len(pictures))])
    companded = _companded(spectra)
    largest = np.abs(companded).max((1, 2), keepdims=True)
    steps = np.rint(127 * companded / np.maximum(largest, NO_DETAIL)).astype(np.int8)
    return base64.b64encode(steps.tobytes()).decode()


def print_of(text: str) -> NDArray[np.int8]:
    """What a fingerprint holds, see Print; InputRefused if it is none."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != FRAMES * SIDE * SIDE:
        raise InputRefused(
            f"{text[:40]!r} is no fingerprint: {len(data)} bytes in base64; "
            f"{FRAMES * SIDE * SIDE} are needed. Survey the source anew"
        )
    return np.frombuffer(data, np.int8).reshape(FRAMES, SIDE, SIDE)


def direction(prints: Print) -> Floats:
    """Prints (... f y x) => ... d, of length 1: the product of two says how alike they are, to 1.

    Each frame counts alike; one without any detail is like nothing.
    """
    low = prints[..., :COMPARED, :COMPARED].astype(np.float32)
    length = np.sqrt(np.square(low).sum((-2, -1), keepdims=True))
    unit = low / np.maximum(length, 1e-6) / np.sqrt(FRAMES)
    return np.asarray(unit.reshape(*low.shape[:-3], FRAMES * COMPARED**2), np.float32)


def mirrored(prints: Print) -> Floats:
    """The same pictures, left and right swapped: odd cosines change their sign."""
    return np.asarray(prints * (-1.0) ** np.arange(SIDE), np.float32)


def crops(prints: Print) -> Floats:
    """Every crop of one clip's pictures by INSETS => w f y x; the first is the whole."""
    spectra, windows = _spectra(prints), _windows()
    cut = [windows[y] @ spectra @ windows[x].T for y, x in product(windows, repeat=2)]
    return _companded(np.stack(cut))


def motion(prints: Print) -> Floats:
    """What is not the same in all frames (... f y x): the backdrop and whatever stands before it.

    Two people who move otherwise in one studio differ most in this.
    """
    spectra = _spectra(prints)
    return _companded(spectra - spectra.mean(-3, keepdims=True))


def motion_share(prints: Print) -> float:
    """Share of a clip's detail that moves, 0..1; 0 for a still picture."""
    spectra = _spectra(prints) * _weights()
    moves = spectra - spectra.mean(-3, keepdims=True)
    return float(np.linalg.norm(moves) / max(float(np.linalg.norm(spectra)), 1e-6))


def _spectrum(luma: NDArray[np.uint8]) -> Floats:
    small = cv2.resize(luma, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_AREA)
    waves = _waves(_middles()).astype(np.float64)
    return np.asarray(waves.T @ (small - small.mean()) @ waves, np.float32)


def _companded(spectra: Floats) -> Floats:
    return np.asarray(np.sign(spectra) * np.sqrt(np.abs(spectra) * _weights()), np.float32)


def _spectra(prints: Print) -> Floats:
    """Amplitudes again; the mean brightness, which is not kept, is 0."""
    steps = prints.astype(np.float32)
    weights = _weights().copy()
    weights[0, 0] = 1.0
    return np.asarray(steps * np.abs(steps) / weights, np.float32)


def _middles() -> Floats:
    return np.asarray((np.arange(PICTURE_PX) + 0.5) / PICTURE_PX, np.float32)


def _waves(places: Floats) -> Floats:
    """Places in 0..1 => places frequencies: the orthonormal DCT-II's cosines there."""
    scale = np.full(SIDE, np.sqrt(2 / PICTURE_PX))
    scale[0] = np.sqrt(1 / PICTURE_PX)
    return np.asarray(scale * np.cos(np.pi * np.arange(SIDE) * places[:, None]), np.float32)


@lru_cache(maxsize=1)
def _weights() -> Floats:
    """y x: frequency to the power of WHITENING; 0 for the mean brightness."""
    k = np.arange(SIDE)
    return np.asarray(np.hypot(k[:, None], k) ** WHITENING, np.float32)


@lru_cache(maxsize=1)
def _windows() -> dict[tuple[float, float], Floats]:
    """What is cut off before and after => matrix from a picture's frequencies to its crop's."""
    whole = _waves(_middles())
    return {
        (before, after): whole.T @ _waves(before + _middles() * np.float32(1 - before - after))
        for before, after in product(INSETS, repeat=2)
    }
