"""Pose metrics: closed forms on literal poses, and the real estimator on real footage."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.clip_scores import StratumScore, score_clip
from benchmark.metrics import METRICS, poses
from benchmark.metrics.spec import ClipContext
from mrfashion.errors import MRFashionError
from mrfashion.media import read_frames

NAMES = ("keypoint-error", "keypoint-noise", "pck-0.05", "pck-0.1", "missing-joints")


def person(shift: tuple[float, float] = (0.0, 0.0), missing: tuple[int, ...] = ()) -> np.ndarray:
    """17 3: joints on a grid of 30 by 40 px: its diagonal is 50."""
    grid = [(10.0 * (i % 4), 10.0 * (i // 4)) for i in range(17)]
    pose = np.array([(x + shift[0], y + shift[1], 0.9) for x, y in grid], np.float32)
    pose[list(missing)] = (np.nan, np.nan, 0)
    return pose


def test_error_is_in_diagonals_and_leaves_missing_joints_to_their_own_metric() -> None:
    target, moved = person(), person((3.0, 4.0), missing=(0, 1))
    assert poses.keypoint_error(target, moved, 50.0) == pytest.approx(0.1)
    assert poses.missing_joints(target, moved, 50.0) == pytest.approx(2 / 17)
    within = partial(poses.correct_keypoints, target, moved, 50.0)
    assert within(within=0.11) == pytest.approx(15 / 17)
    assert within(within=0.09) == 0
    gone = person(missing=tuple(range(17)))
    assert poses.keypoint_error(target, gone, 50.0) == "no joint is present in both frames"
    assert poses.missing_joints(target, gone, 50.0) == 1


def test_joints_the_target_lacks_are_asked_of_nobody() -> None:
    target, generated = person(missing=(3, 4)), person()
    assert poses.missing_joints(target, generated, 50.0) == 0
    assert poses.correct_keypoints(target, generated, 50.0, within=0.05) == 1


def test_a_guessed_joint_counts_as_missing() -> None:
    target, generated = person(), person()
    generated[5, 2] = 0.29
    assert poses.missing_joints(target, generated, 50.0) == pytest.approx(1 / 17)


@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(0.2, 8))
def test_scaling_both_changes_nothing(dx: float, dy: float, scale: float) -> None:
    target, generated = person(), person((dx, dy))
    larger = [pose * np.array([scale, scale, 1], np.float32) for pose in (target, generated)]
    got = poses.keypoint_error(*larger, 50.0 * scale)
    assert got == pytest.approx(poses.keypoint_error(target, generated, 50.0), rel=1e-4, abs=1e-6)


class Painted:
    """An estimator of the tests: a bright pixel is a joint; no person where there are none."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        pose = np.full((133, 3), (np.nan, np.nan, 0), np.float32)
        found = np.argwhere(image[..., 0] > 200)[:17]
        for joint, (y, x) in enumerate(found):
            pose[joint] = (x, y, 1.0)
        return pose


def painted(shift: int = 0) -> np.ndarray:
    frame = np.zeros((64, 64, 3), np.uint8)
    for i in range(17):
        frame[10 + 2 * i, 10 + shift + (5 * i) % 30] = 255
    return frame


def rows_of(target: list[np.ndarray], generated: list[np.ndarray]) -> dict[str, StratumScore]:
    metrics = [METRICS[name] for name in NAMES]
    rows = score_clip(ClipContext(["front"] * len(target)), target, generated, metrics)
    return {row.metric: row for row in rows if row.stratum == "all"}


def test_a_clip_without_a_person_in_the_target_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poses, "POSER", Painted())
    empty = np.zeros_like(painted())
    rows = rows_of([painted(), empty], [painted(4), painted()])
    assert rows["keypoint-error"].n == 1
    diagonal = math.hypot(*np.ptp(np.argwhere(painted()[..., 0] > 200), axis=0))
    assert rows["keypoint-error"].value == pytest.approx(4 / diagonal, rel=1e-6)
    nobody = rows_of([empty], [painted()])
    assert nobody["missing-joints"].note == poses.NOBODY
    nothing = rows_of([painted()], [empty])
    assert nothing["missing-joints"].value == 1
    assert nothing["pck-0.1"].value == 0
    assert nothing["keypoint-error"].value is None


def test_without_weights_the_metrics_say_what_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path))
    for name in NAMES:
        assert "mrfashion weights fetch blazepose" in (METRICS[name].missing() or "")


@pytest.mark.realdata
def test_on_real_footage_itself_is_perfect_and_another_pose_is_not(realdata: Path) -> None:
    try:
        if METRICS["keypoint-error"].missing():
            pytest.skip("the weights of BlazePose are not at hand")
    except MRFashionError as error:
        pytest.skip(str(error))
    frames = list(read_frames(realdata / "nc/videos/ubc_fashion.mp4", [0, 60, 120]))
    same = rows_of(frames, frames)
    assert {name: same[name].value for name in NAMES if name != "keypoint-noise"} == {
        "keypoint-error": 0.0,
        "pck-0.05": 1.0,
        "pck-0.1": 1.0,
        "missing-joints": 0.0,
    }
    noise = same["keypoint-noise"].value
    assert noise is not None
    assert 0 < noise < 0.02
    turned = rows_of(frames, [frames[1], frames[2], frames[0]])
    error = turned["keypoint-error"].value
    assert error is not None
    assert error > 3 * noise
    blank = rows_of(frames, [np.full_like(frames[0], 255)] * 3)
    assert blank["missing-joints"].value == 1
