"""Garment appearance: the same outfit in another motion, studio and light; strangers are apart."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mrfashion.appearance import (
    CELLS,
    FEATURES,
    appearance,
    mirror_image,
    packed_of,
    unpacked,
)
from mrfashion.duplicates import Alike
from mrfashion.errors import ConfigError, InputRefused
from mrfashion.garments import (
    GarmentConfig,
    alike_garments,
    distances,
    nearest_garments,
    other_person,
)
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan

TURNTABLE = TurntableConfig(
    groups=4, clips_per_group=2, frames=12, fps=6, height=64, width=48, seed=3, flow=False,
    motions=("turn", "walk_turn"),
)  # fmt: skip
CONFIG = GarmentConfig()


@cache
def _footage():
    return {plan.name: render_plan(plan, TURNTABLE) for plan in clip_plan(TURNTABLE)}


def _looks_of(text):
    return unpacked(packed_of(text))


def _look(clip, frames=None, mask=None):
    pictures = clip.frames if frames is None else frames
    return appearance(pictures, clip.keypoints, clip.yaw_deg, clip.fps, mask)


@pytest.fixture(scope="module")
def looks():
    return {name: _look(clip) for name, clip in _footage().items()}


def _pairs(found):
    return {(pair.one, pair.other) for pair in found}


OUTFITS = {(f"g{g:04d}_c0", f"g{g:04d}_c1") for g in range(4)}


def test_clips_of_one_outfit_are_tied_and_no_others(looks):
    assert _pairs(alike_garments(looks, CONFIG)) == OUTFITS


def test_the_strength_of_the_light_does_not_matter(looks):
    clip = _footage()["g0000_c0"]
    darker = (clip.frames * 0.75).astype(np.uint8)
    changed = looks | {"g0000_c0": _look(clip, darker)}
    assert _pairs(alike_garments(changed, CONFIG)) == OUTFITS


def test_a_mask_keeps_the_backdrop_out(looks):
    clip = _footage()["g0001_c0"]
    green = np.where(clip.mask[..., None], clip.frames, np.uint8([0, 255, 0]))
    with_mask = _looks_of(_look(clip, green, clip.mask))
    plain = _looks_of(looks["g0001_c0"])
    both = (with_mask.weights > 0) & (plain.weights > 0)
    assert both.sum() > 0.9 * (plain.weights > 0).sum()
    assert np.abs(with_mask.values - plain.values)[both].mean() < 0.1


def test_front_and_back_are_not_compared(looks):
    clip = _footage()["g0002_c0"]
    halves = {}
    for name, faces in (("front", np.abs(clip.yaw_deg) < 40), ("back", np.abs(clip.yaw_deg) > 140)):
        yaw = np.where(faces, clip.yaw_deg, np.nan).astype(np.float32)
        halves[name] = appearance(clip.frames, clip.keypoints, yaw, clip.fps)
    assert _looks_of(halves["front"]).weights.any()
    assert nearest_garments({"front": halves["front"]}, {"back": halves["back"]}, CONFIG) == {}
    near = nearest_garments({"front": halves["front"]}, looks, replace(CONFIG, least_deg=60))
    assert near["front"].other in ("g0002_c0", "g0002_c1")


def test_a_mirrored_clip_is_the_same_person_and_another_outfit_is_not(looks):
    clip = _footage()["g0000_c0"]
    order = list(range(133))
    for left in range(1, 17, 2):
        order[left], order[left + 1] = left + 1, left
    keypoints = clip.keypoints[:, order]
    keypoints[..., 0] = TURNTABLE.width - 1 - keypoints[..., 0]
    frames = np.ascontiguousarray(clip.frames[:, :, ::-1])
    mirror = appearance(frames, keypoints, -clip.yaw_deg, clip.fps)
    plain, flipped = (Alike("a", "b", 0.25, mirrored) for mirrored in (False, True))
    assert not other_person(flipped, mirror, looks["g0000_c0"])
    original, seen = (unpacked(packed_of(text)[None]) for text in (looks["g0000_c0"], mirror))
    same, swapped = (distances(a, original, 90).item() for a in (mirror_image(seen), seen))
    assert same < 0.06
    assert swapped > 1.5 * same
    assert not other_person(plain, looks["g0000_c1"], looks["g0000_c0"])
    assert other_person(plain, looks["g0001_c0"], looks["g0000_c0"])
    blind = appearance(frames, keypoints, np.full_like(clip.yaw_deg, np.nan), clip.fps)
    assert not other_person(plain, blind, looks["g0000_c0"])


def test_the_nearest_is_one_of_the_outfit(looks):
    query = {"g0003_c1": looks["g0003_c1"]}
    others = {name: look for name, look in looks.items() if name not in query}
    assert nearest_garments(query, others, CONFIG)["g0003_c1"].other == "g0003_c0"
    assert nearest_garments(query, {}, CONFIG) == {}


def test_without_a_trunk_or_a_yaw_nothing_is_said():
    clip = _footage()["g0000_c0"]
    nothing = np.full_like(clip.yaw_deg, np.nan)
    blind = appearance(clip.frames, clip.keypoints, nothing, clip.fps)
    missing = clip.keypoints.copy()
    missing[:, [5, 6]] = (np.nan, np.nan, 0)
    assert blind == appearance(clip.frames, missing, clip.yaw_deg, clip.fps)
    assert not _looks_of(blind).weights.any()
    assert alike_garments({"a": blind, "b": blind}, CONFIG) == []
    assert alike_garments({}, CONFIG) == []


def test_what_is_no_appearance_or_setting_is_refused():
    for text in ("", "%", base64.b64encode(bytes(CELLS * FEATURES)).decode()):
        with pytest.raises(InputRefused, match="no appearance"):
            packed_of(text)
    with pytest.raises(ConfigError, match="least_deg 0"):
        GarmentConfig(least_deg=0)
