"""The person filters: each fault dropped for its reason, on bodies made to have it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.config import load_config
from mrfashion.errors import ConfigError
from mrfashion.filters import POSE_FILTERS, FilterConfig
from mrfashion.filters.person import PosedShot, WholeBody
from mrfashion.filters.turn import Turn
from mrfashion.manifest import Dataset
from mrfashion.pipeline import CurateConfig, curate
from tests.footage import BODY_XY

FRAMES, FPS, SIZE = 30, 15.0, (240, 180)  # h, w


def body(
    frames: int = FRAMES, scale: float = 4.0, at: tuple[float, float] = (60.0, 10.0)
) -> np.ndarray:
    """A standing person => f 133 3."""
    keypoints = np.full((frames, 133, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    for joint, (x, y) in enumerate(BODY_XY):
        keypoints[:, joint] = (at[0] + scale * x, at[1] + scale * y, 0.9)
    return keypoints


def shot(keypoints: np.ndarray, people: list[int] | None = None) -> PosedShot:
    counts = None if people is None else np.array(people, np.int16)
    return PosedShot(keypoints, FPS, SIZE[1], SIZE[0], counts)


def first_reason(seen: PosedShot, config: FilterConfig | None = None) -> str | None:
    """What the filters, in their order, drop the shot for."""
    for name in POSE_FILTERS:
        verdict = getattr(config or FilterConfig(), name).judge(seen)
        assert np.isfinite([verdict.measured, verdict.threshold]).all()
        if not verdict.kept:
            return verdict.reason
    return None


def gone(keypoints: np.ndarray, joints: object, frames: slice = slice(None)) -> np.ndarray:
    changed = keypoints.copy()
    changed[frames, joints] = (np.nan, np.nan, 0)
    return changed


def moved(keypoints: np.ndarray, x: float, y: float, frames: slice = slice(None)) -> np.ndarray:
    changed = keypoints.copy()
    changed[frames, :, :2] += np.float32((x, y))
    return changed


def test_one_whole_person_is_kept() -> None:
    assert first_reason(shot(body())) is None
    assert first_reason(shot(body(), [1] + [-1] * 14 + [1] + [-1] * 14)) is None
    dim = body()
    dim[..., 2] = np.where(dim[..., 2] > 0, 0.2, 0)  # the turntable's self-occluded joints
    assert first_reason(shot(dim)) is None


@pytest.mark.parametrize(
    ("keypoints", "people", "reason"),
    [
        (gone(body(), slice(None)), None, "no person found"),
        (gone(body(), slice(None), slice(0, 9)), None, "no person found"),
        (body(scale=1.0), None, "person too small"),
        (body(), [2, -1] * 15, "more than one person"),
        (body(), [1, 2, -1] * 10, "more than one person"),
        (moved(body(scale=2.0), 80, 0, slice(10, 20)), None, "keypoints jump"),
        (moved(body(), 0, -60), None, "head out of frame"),
        (gone(body(), slice(0, 5)), None, "head out of frame"),
        (moved(body(), 0, 45), None, "feet out of frame"),
        (gone(body(), slice(15, 17)), None, "feet out of frame"),
        (moved(body(), -80, 0), None, "leaves the frame"),
    ],
)
def test_each_fault_has_its_reason(
    keypoints: np.ndarray, people: list[int] | None, reason: str
) -> None:
    assert first_reason(shot(keypoints, people)) == reason


def test_half_bodies_pass_where_declared() -> None:
    half = gone(body(), slice(15, 17))
    assert first_reason(shot(half)) == "feet out of frame"
    config = replace(FilterConfig(), whole_body=WholeBody(body="half"))
    assert first_reason(shot(half), config) is None


@pytest.mark.parametrize("joints", [(13, 14), (15, 16), (7, 8), (9, 10)])
@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_limbs_no_person_has_are_dropped(joints: tuple[int, int], factor: float) -> None:
    """The joint at a limb's end slides along the limb, which nothing else notices."""
    keypoints = body(scale=2.0, at=(60.0, 60.0))
    for joint in joints:
        parent = joint - 2
        limb = keypoints[:, joint, :2] - keypoints[:, parent, :2]
        keypoints[:, joint, :2] = keypoints[:, parent, :2] + factor * limb
    verdict = FilterConfig().proportions.judge(shot(keypoints))
    assert not verdict.kept
    assert verdict.measured > 1


@given(scale=st.floats(1.0, 4.5), x=st.floats(0, 60), y=st.floats(0, 20), seed=st.integers(0))
def test_proportions_and_jumps_see_neither_place_nor_size(
    scale: float, x: float, y: float, seed: int
) -> None:
    wobble = np.random.default_rng(seed).normal(0, 0.1, (FRAMES, 133, 2)).astype(np.float32)
    here, there = body(scale=2.0, at=(0, 0)), body(scale=scale, at=(x, y))
    here[..., :2] += 2 * wobble
    there[..., :2] += np.float32(scale) * wobble
    for name in ("proportions", "steady"):
        judge = getattr(FilterConfig(), name).judge
        a, b = judge(shot(here)), judge(shot(there))
        assert a.measured == pytest.approx(b.measured, rel=1e-3)


@given(jumps=st.integers(0, 3), fps=st.sampled_from([5.0, 15.0, 60.0]))
def test_jumps_are_counted_at_any_frame_rate(jumps: int, fps: float) -> None:
    frames = round(10 * fps)
    keypoints = body(frames, scale=1.5, at=(10.0, 10.0))
    for number in range(jumps):
        start = round((number + 1) * frames / (jumps + 1))
        keypoints[start:, :, 0] += 60 * (-1) ** number
    seen = replace(shot(keypoints), fps=fps)
    assert FilterConfig().steady.judge(seen).measured == pytest.approx(jumps)


@pytest.mark.parametrize(("torsos", "jumps"), [(0.2, 0), (0.5, 2)])
def test_jitter_is_no_jump_and_a_slip_of_the_tracker_is_one(torsos: float, jumps: int) -> None:
    """At 60 fps a fifth of a torso is 12 torso lengths a second, and still only jitter."""
    keypoints = body(600, scale=2.0, at=(40.0, 20.0))
    seen = replace(shot(keypoints), fps=60.0)
    keypoints[300:306, :, 1] += np.float32(torsos * seen.body_px())
    assert FilterConfig().steady.judge(seen).measured == pytest.approx(jumps)


def test_walking_and_gaps_are_no_jumps() -> None:
    walking = body(scale=2.0, at=(0.0, 20.0))
    walking[..., 0] += np.linspace(0, 100, FRAMES, dtype=np.float32)[:, None]
    assert FilterConfig().steady.judge(shot(walking)).measured == 0
    assert FilterConfig().steady.judge(shot(gone(walking, slice(None), slice(5, 20)))).kept


@pytest.mark.parametrize("preset", ["demo", "smoke"])
def test_every_turntable_clip_passes(preset: str, tmp_path: Path) -> None:
    """Exact truth of rendered people must never be dropped; poses need no drawing."""
    from mrfashion.sources.turntable.clips import clip_plan, render_plan

    config = load_config(CurateConfig, preset)
    small = replace(config.turntable, groups=4, frames=12, flow=False)
    for plan in clip_plan(small):
        footage = render_plan(plan, small)
        seen = PosedShot(footage.keypoints, small.fps, small.width, small.height)
        assert first_reason(seen, config.filters) is None, plan.name


EXPECTED = {
    "ubc_fashion.mp4": None,
    "tfjs_pose_squats.mp4": None,
    "tfjs_pose_1.mp4": None,
    "p2s_single_cam01.mp4": None,
    "p2s_single_cam02.mp4": None,
    "p2s_single_cam03.mp4": None,
    "v2d_dance.mp4": None,
    "p2s_multi_cam02.mp4": "more than one person",
    "vtest_100f.avi": "no person found",
    "s2d_demo.mp4": "more than one person",
    "vivid_1219222_detail.mp4": "head out of frame",
    "vivid_1221158_detail.mp4": "head out of frame",
}
QUICK = ("tfjs_pose_squats.mp4", "vtest_100f.avi", "vivid_1221158_detail.mp4")


@pytest.mark.realdata
def test_real_clips_get_the_verdict_a_person_would_give(realdata: Path, tmp_path: Path) -> None:
    """Three clips; MRFASHION_FULL=1 takes all. The expected verdicts are from looking at them."""
    from mrfashion.poses.blazepose import BlazePose

    if BlazePose().check():
        pytest.skip("the BlazePose weights are not here")
    names = EXPECTED if os.environ.get("MRFASHION_FULL") else QUICK
    (tmp_path / "in").mkdir()
    for name in names:
        folder = realdata / ("nc/videos" if (realdata / "nc/videos" / name).exists() else "videos")
        (tmp_path / "in" / name).write_bytes((folder / name).read_bytes())
    curate([str(tmp_path / "in")], tmp_path / "out", CurateConfig())
    dataset = Dataset(tmp_path / "out")
    long_enough = [row for row in dataset.rejects if row.stage != "filter.duration"]
    verdicts: dict[str, str | None] = {row.source_id[3:]: row.reason for row in long_enough}
    verdicts |= {clip.source_id[3:]: None for clip in dataset.clips.values()}
    assert verdicts == {name: EXPECTED[name] for name in names}


def facing(*yaw_deg: float) -> PosedShot:
    """A whole person who faces each of these ways for half a second."""
    yaw = np.repeat(np.array(yaw_deg, np.float32), int(FPS / 2))
    return replace(shot(body(len(yaw))), yaw_deg=yaw)


def test_turning_is_asked_for_only_where_the_config_says_so() -> None:
    assert first_reason(facing(0)) is None
    asked = FilterConfig(turn=Turn(views=("front", "back"), max_gap_deg=180))
    assert first_reason(facing(0, 45, 90, 135, 180), asked) is None
    assert first_reason(facing(0, 45, 90), asked) == "no back view"
    assert first_reason(facing(0, 180), asked) is None
    narrow = FilterConfig(turn=Turn(max_gap_deg=90))
    assert first_reason(facing(0, 45, 90, 135, 180), narrow) == "turns too little"
    assert first_reason(shot(body()), asked) == "no front view"
    with pytest.raises(ConfigError, match="behind"):
        Turn(views=("behind",))
