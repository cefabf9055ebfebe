"""Fingerprints: what a copy keeps, against pictures cropped and mirrored before they are taken."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from mrfashion.errors import InputRefused
from mrfashion.fingerprints import (
    FRAMES,
    SIDE,
    crops,
    direction,
    fingerprint,
    frame_places,
    mirrored,
    motion_share,
    print_of,
)

H, W = 120, 80


def _clip(seed, frames=16):
    """Smooth shapes that wander about: f h w."""
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.normal(size=(H, 2 * W)), (0, 0), 7) for _ in range(2)]
    moving = [noise[0][:, 2 * i : 2 * i + W] + noise[1][:, :W] for i in range(frames)]
    scaled = 120 + 55 * np.stack(moving) / np.std(moving)
    return scaled.clip(0, 255).astype(np.uint8)


def _direction(pictures):
    return direction(print_of(fingerprint(pictures)))


def test_frames_are_evenly_spaced_and_a_short_clip_repeats_them():
    assert frame_places(16) == [1, 3, 5, 7, 9, 11, 13, 15]
    assert frame_places(FRAMES) == list(range(FRAMES))
    assert frame_places(1) == [0] * FRAMES
    with pytest.raises(ValueError, match="0 frames"):
        frame_places(0)


def test_the_kept_frequencies_are_those_of_a_cosine_transform():
    clip = _clip(0)
    small = cv2.resize(clip[3], (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    oracle = cv2.dct(small)[:SIDE, :SIDE]
    found = print_of(fingerprint(clip))[1]
    oracle[0, 0] = 0.0
    oracle = np.sign(oracle) * np.sqrt(np.abs(oracle) * np.hypot(*np.indices(oracle.shape)) ** 1.3)
    np.testing.assert_array_equal(found, np.rint(127 * oracle / np.abs(oracle).max()))


def test_brightness_and_mirror_are_seen_through_and_another_clip_is_not():
    clip = _clip(1)
    own = _direction(clip)
    assert own @ own == pytest.approx(1, abs=1e-5)
    brighter = np.clip(clip.astype(np.int16) + 25, 0, 255).astype(np.uint8)
    assert own @ _direction(brighter) > 0.98
    turned = _direction(clip[:, :, ::-1])
    assert own @ turned < 0.5
    assert direction(mirrored(print_of(fingerprint(clip)))) @ turned > 0.99
    assert own @ _direction(_clip(2)) < 0.5


@pytest.mark.parametrize("cut", [(6, 6, 4, 4), (6, 0, 0, 0), (0, 6, 4, 0)])
def test_the_crop_of_a_copy_is_found_among_the_crops(cut):
    top, bottom, left, right = cut
    clip = _clip(3)
    copy = _direction(clip[:, top : H - bottom, left : W - right])
    whole = print_of(fingerprint(clip))
    assert direction(whole) @ copy < 0.9
    assert (direction(crops(whole)) @ copy).max() > 0.97


def test_how_much_of_a_clip_moves():
    clip = _clip(4)
    assert motion_share(print_of(fingerprint(clip))) > 0.3
    assert motion_share(print_of(fingerprint(clip[:1]))) < 1e-3


def test_a_picture_without_detail_is_like_nothing():
    blank = _direction(np.full((8, H, W), 90, np.uint8))
    assert not blank.any()


@pytest.mark.parametrize("text", ["", "%%%", base64.b64encode(b"short").decode()])
def test_what_is_no_fingerprint_is_refused(text):
    with pytest.raises(InputRefused, match="no fingerprint"):
        print_of(text)
