"""The yaw rule on bodies, cameras and estimators that it shares no code and no figure with.

The rule was tuned on seeds 0 to 179; these are others, and were looked at once, when it was done.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.views import VIEWS, view_of
from mrfashion.yaw import LEAST_CONFIDENCE, Yaw, yaw_from_keypoints
from tests.estimator_noise import CONDITIONS, NOISE, Clip, filmed, mirrored, swapped

SEEDS = range(1000, 1060)
STRESS = ("left/right swaps", "confident face", "feet cropped")


class Figures(NamedTuple):
    """How a rule does on some clips; shares of the answered frames, but for `abstained`."""

    median_deg: float
    within: float  # 22.5 degrees
    worst_deg: float
    abstained: float


def estimate(clip: Clip) -> Yaw:
    return yaw_from_keypoints(clip.keypoints, clip.fps, clip.size_hw)


def off(clip: Clip) -> np.ndarray:
    """Absolute error of every frame, NaN where the rule abstains."""
    return np.abs(wrapped(estimate(clip).yaw_deg - clip.yaw_deg))


def wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + 180) % 360 - 180


def figures(errors: np.ndarray) -> Figures:
    known = errors[np.isfinite(errors)]
    if not len(known):
        return Figures(np.nan, np.nan, np.nan, 1.0)
    within = float((known <= 22.5).mean())
    return Figures(
        float(np.median(known)), within, float(known.max()), 1 - len(known) / len(errors)
    )


@cache
def judged(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Error and confidence of every frame of a condition."""
    clips = [filmed(seed, CONDITIONS[name]) for seed in SEEDS]
    found = [estimate(clip) for clip in clips]
    errors = [np.abs(wrapped(y.yaw_deg - c.yaw_deg)) for y, c in zip(found, clips, strict=True)]
    return np.concatenate(errors), np.concatenate([yaw.confidence for yaw in found])


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name != "torso only"])
def test_yaw_is_close_and_never_flips(name: str) -> None:
    """When written: median 1.9, 3.1, 3.3, 3.0, 3.7 and 5.5 degrees; within 22.5 at least 98 %."""
    found = figures(judged(name)[0])
    assert found.median_deg <= (5 if name != "rough" else 7), found
    assert found.within >= (0.95 if name in (*STRESS, "rough") else 0.97), found
    assert found.worst_deg <= 120, found
    assert found.abstained <= 0.02, found


def test_torso_only_crops_get_no_answer() -> None:
    assert figures(judged("torso only")[0]).abstained >= 0.95


@pytest.mark.parametrize("fps", [12.0, 25.0, 30.0, 60.0])
@pytest.mark.parametrize(
    ("frames", "name"),
    [(8, "estimator noise"), (60, "left/right swaps"), (400, "left/right swaps")],
)
def test_rates_and_lengths_do_not_matter(fps: float, frames: int, name: str) -> None:
    """8 frames can be all of one burst of swaps, so they are tried without the long ones."""
    errors = [off(filmed(seed, CONDITIONS[name], frames, fps)) for seed in range(1100, 1112)]
    found = figures(np.concatenate(errors))
    assert found.within >= 0.95, found
    assert found.worst_deg <= 120, found
    assert found.abstained <= 0.02, found


def test_confidence_says_how_often_it_is_right() -> None:
    """The table of docs/poses.md, for the frames that are answered."""
    pairs = [judged(name) for name in ("feet cropped", "rough", "left/right swaps")]
    error, sure = (np.concatenate(column) for column in zip(*pairs, strict=True))
    bands = pairwise((LEAST_CONFIDENCE, 0.95, 0.99, 1.01))
    near = [float((error[(sure >= low) & (sure < high)] <= 22.5).mean()) for low, high in bands]
    assert near == sorted(near), near
    assert near[0] <= 0.9, near
    assert near[-1] >= 0.99, near


@pytest.mark.parametrize("name", CONDITIONS)
def test_mirrored_clips_turn_the_other_way(name: str) -> None:
    for seed in range(1200, 1206):
        clip = filmed(seed, CONDITIONS[name])
        one = estimate(clip)
        other = estimate(clip._replace(keypoints=mirrored(clip.keypoints, clip.size_hw[1])))
        assert (np.isnan(one.yaw_deg) == np.isnan(other.yaw_deg)).all()
        np.testing.assert_allclose(known(one.yaw_deg + other.yaw_deg), 0, atol=0.01)
        np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-3)


@pytest.mark.parametrize("name", CONDITIONS)
def test_clips_played_backwards_have_the_same_yaw(name: str) -> None:
    for seed in range(1300, 1306):
        clip = filmed(seed, CONDITIONS[name])
        one, other = estimate(clip), estimate(clip._replace(keypoints=clip.keypoints[::-1]))
        assert (np.isnan(one.yaw_deg) == np.isnan(other.yaw_deg[::-1])).all()
        np.testing.assert_allclose(known(one.yaw_deg - other.yaw_deg[::-1]), 0, atol=0.01)


def known(angle: np.ndarray) -> np.ndarray:
    return wrapped(angle[np.isfinite(angle)])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from((0.25, 0.5, 2.0, 4.0)),
    shift=st.tuples(st.integers(0, 500), st.integers(0, 500)),
)
def test_moving_or_scaling_the_picture_changes_nothing(
    seed: int, scale: float, shift: tuple[int, int]
) -> None:
    """Rounded to 1/64 px, so that the sums are exact; the frame grows to hold what it held."""
    clip = filmed(seed, NOISE, frames=40)
    keypoints = clip.keypoints.copy()
    keypoints[..., :2] = np.round(keypoints[..., :2] * 64) / 64
    height, width = clip.size_hw
    inside = (keypoints[..., :2] >= 0) & (keypoints[..., :2] <= (width, height))
    keypoints[~inside.all(-1)] = (np.nan, np.nan, 0)
    moved = keypoints.copy()
    moved[..., :2] = (moved[..., :2] + shift) * np.float32(scale)
    size_hw = (int((height + 500) * scale), int((width + 500) * scale))
    one = yaw_from_keypoints(keypoints, clip.fps, clip.size_hw)
    other = yaw_from_keypoints(moved, clip.fps, size_hw)
    np.testing.assert_allclose(known(one.yaw_deg - other.yaw_deg), 0, atol=1e-4)
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-6)


def test_joints_beyond_the_frame_do_not_count() -> None:
    """BlazePose goes on guessing there, and scores its guesses high."""
    clip = filmed(1400, CONDITIONS["clean"], frames=40)
    middle = int(clip.keypoints[:, 11, 1].max()) + 20
    lost = clip.keypoints.copy()
    lost[lost[..., 1] > middle] = (np.nan, np.nan, 0)
    one = yaw_from_keypoints(clip.keypoints, clip.fps, (middle, clip.size_hw[1]))
    other = yaw_from_keypoints(lost, clip.fps, clip.size_hw)
    np.testing.assert_array_equal(one.yaw_deg, other.yaw_deg)


@pytest.mark.parametrize(("yaw", "view"), [(0, "front"), (90, "facing-right"), (180, "back")])
def test_sign_of_yaw_from_a_few_joints(yaw: int, view: str) -> None:
    """Front: the left shoulder lies at larger x. Facing right: toes right of heels."""
    keypoints = np.full((9, 133, 3), (np.nan, np.nan, 0), np.float32)
    cos, sin = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    for joint, x, y in ((5, 36, 0), (6, -36, 0), (11, 20, 100), (12, -20, 100), (3, 8, -40)):
        keypoints[:, joint] = (300 + x * cos, 100 + y, 1)
    for toe, heel in ((17, 19), (20, 22)):
        keypoints[:, toe] = (300 + 44 * sin, 300 + 4 * cos, 1)
        keypoints[:, heel] = (300, 300, 1)
    found = yaw_from_keypoints(keypoints, 25.0, (400, 600))
    assert [view_of(value) for value in found.yaw_deg] == [view] * 9
    assert np.abs(wrapped(found.yaw_deg - yaw)).max() < 8
    assert found.confidence.min() > 0.8


@pytest.mark.parametrize("lost", [[5], [6], [11, 12]])
def test_abstains_without_shoulders_or_hips(lost: list[int]) -> None:
    clip = filmed(1401, NOISE)
    clip.keypoints[:, lost] = (np.nan, np.nan, 0)
    found = estimate(clip)
    assert np.isnan(found.yaw_deg).all()
    assert (found.confidence == 0).all()


def test_a_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    clip = filmed(1402, CONDITIONS["clean"], frames=100, fps=25.0)
    clip.keypoints[20:23] = (np.nan, np.nan, 0)
    clip.keypoints[50:75] = (np.nan, np.nan, 0)
    found = estimate(clip)
    missing = np.flatnonzero(np.isnan(found.yaw_deg))
    assert len(missing) >= 12
    assert missing.min() >= 50
    assert missing.max() < 75
    assert ((found.confidence >= LEAST_CONFIDENCE) == np.isfinite(found.yaw_deg)).all()
    assert np.nanmax(off(clip)) <= 22.5


def test_without_a_head_only_profiles_are_told() -> None:
    """Labels are a coin toss then: front and back stay open, the way the feet point does not."""
    turn = np.arange(120) * 3.0
    found = yaw_from_keypoints(facing(turn), 25.0, (500, 600)).yaw_deg
    from_side = np.abs(np.abs(wrapped(turn)) - 90)
    assert np.isnan(found[from_side > 45]).all()
    assert np.isfinite(found[from_side < 5]).any()
    assert np.abs(known(found - turn)).max() <= 30


def facing(yaw_deg: np.ndarray) -> np.ndarray:
    """Four joints of a torso, and feet: no head => f 133 3."""
    keypoints = np.full((len(yaw_deg), 133, 3), (np.nan, np.nan, 0), np.float32)
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    for joint, half, y in ((5, 36, 100), (6, -36, 100), (11, 20, 200), (12, -20, 200)):
        keypoints[:, joint] = np.stack([300 + half * cos, 0 * cos + y, 0 * cos + 1], -1)
    for toe, heel in ((17, 19), (20, 22)):
        keypoints[:, toe] = np.stack([300 + 44 * sin, 400 + 4 * cos, 0 * cos + 1], -1)
        keypoints[:, heel] = (300, 400, 1)
    return keypoints


def test_swapped_labels_through_a_front_leave_no_trace() -> None:
    clip = filmed(1406, CONDITIONS["clean"], frames=120, fps=25.0)
    plain = estimate(clip).yaw_deg
    clip.keypoints[40:52] = swapped(clip.keypoints[40:52])
    assert np.abs(wrapped(estimate(clip).yaw_deg - plain)).max() <= 12


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_a_clip_without_any_joint_is_undetermined_throughout(frames: int) -> None:
    nothing = np.full((frames, 133, 3), (np.nan, np.nan, 0), np.float32)
    found = yaw_from_keypoints(nothing, 25.0, (64, 48))
    assert found.yaw_deg.shape == (frames,)
    assert np.isnan(found.yaw_deg).all()


def test_one_frame_is_answered() -> None:
    clip = filmed(1405, CONDITIONS["clean"], frames=1, fps=25.0)
    assert off(clip)[0] <= 22.5


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e30, -1e30])
def test_wild_coordinates_count_as_missing(bad: float) -> None:
    clip = filmed(1407, NOISE, frames=40)
    wild = clip.keypoints.copy()
    wild[::3, 7, 0] = bad
    gone = clip.keypoints.copy()
    gone[::3, 7] = (np.nan, np.nan, 0)
    one, other = estimate(clip._replace(keypoints=wild)), estimate(clip._replace(keypoints=gone))
    np.testing.assert_array_equal(one.yaw_deg, other.yaw_deg)


@pytest.mark.parametrize(
    ("fps", "size_hw"), [(0.0, (64, 48)), (np.nan, (64, 48)), (np.inf, (64, 48)), (25.0, (0, 48))]
)
def test_rate_and_size_must_be_above_zero(fps: float, size_hw: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="both must be above 0"):
        yaw_from_keypoints(np.zeros((3, 133, 3), np.float32), fps, size_hw)


def test_yaw_of_rendered_figures_is_close_in_every_view() -> None:
    """Exact joints of the turntable, hidden ones scored 0.2: neither body nor scores are ours."""
    from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan

    config = TurntableConfig(groups=4, frames=32, fps=12, height=64, width=48, flow=False)
    errors, views = [], []
    for plan in clip_plan(config):
        clip = render_plan(plan, config)
        found = yaw_from_keypoints(clip.keypoints, 12.0, (64, 48)).yaw_deg
        errors.append(np.abs(wrapped(found - clip.yaw_deg)))
        views += [view_of(float(yaw)) for yaw in clip.yaw_deg]
    error = np.concatenate(errors)
    assert np.isnan(error).mean() <= 0.02
    assert np.nanmedian(error) <= 5
    assert np.nanmax(error) < 45
    for view in VIEWS:
        assert np.nanmean(error[np.array(views) == view]) <= 8
