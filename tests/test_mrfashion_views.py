"""The four views, and how much of a turn a clip shows."""

from __future__ import annotations

import numpy as np
import pytest

from mrfashion.views import VIEWS, coverage, distance_deg, turning, view_of, wrap_deg


@pytest.mark.parametrize(
    ("yaw", "view"),
    [
        (-45, "front"), (44.9, "front"), (45, "facing-right"), (134.9, "facing-right"),
        (135, "back"), (180, "back"), (-180, "back"), (-135, "facing-left"), (-45.1, "facing-left"),
        (405, "facing-right"),
    ],
)  # fmt: skip
def test_views_are_half_open_quarters(yaw: float, view: str) -> None:
    assert view_of(yaw) == view


def test_angles_wrap_into_one_turn() -> None:
    assert wrap_deg(-180) == 180
    assert wrap_deg(540) == 180
    assert distance_deg(170, -170) == pytest.approx(20)


def test_coverage_counts_frames_in_all_not_in_a_row() -> None:
    yaw = np.array([0, 90, 0, 90, 0, np.nan, 180, np.nan, 0, 0], np.float32)
    views, fraction = coverage(yaw, fps=10.0, min_s=0.2)
    assert views == ("front", "facing-right")  # the back is seen for 0.1 s
    assert fraction == pytest.approx(
        {"front": 0.5, "facing-right": 0.2, "facing-left": 0, "back": 0.1, "undetermined": 0.2}
    )


def test_coverage_rounds_the_least_time_up_to_whole_frames() -> None:
    yaw = np.array([0, 0, 0, 180, 180], np.float32)
    assert coverage(yaw, fps=12.0, min_s=0.2).views == ("front",)  # 2.4 frames
    assert coverage(yaw, fps=10.0, min_s=0.2).views == ("front", "back")


def test_coverage_of_a_clip_that_never_tells_is_undetermined() -> None:
    views, fraction = coverage(np.full(5, np.nan, np.float32), fps=25.0)
    assert views == ()
    assert fraction == {**dict.fromkeys(VIEWS, 0.0), "undetermined": 1.0}


def test_coverage_refuses_an_empty_clip_and_no_rate() -> None:
    for frames, fps in ((0, 25.0), (3, 0.0), (3, float("nan"))):
        with pytest.raises(ValueError, match="a frame and a rate"):
            coverage(np.zeros(frames, np.float32), fps)


def test_turning_counts_sectors_gaps_and_turns() -> None:
    quarter = np.linspace(0, 90, 46).astype(np.float32)  # 0, 45 and 90, 2 degrees a frame
    assert turning(quarter, fps=25.0) == {
        "view_sectors": 3, "view_gap_deg": 225, "turned_deg": pytest.approx(90),
    }  # fmt: skip
    twice = np.array([wrap_deg(angle) for angle in range(-170, 560, 5)], np.float32)
    twice[30:33] = np.nan
    assert turning(twice, fps=25.0) == {
        "view_sectors": 8, "view_gap_deg": 0, "turned_deg": pytest.approx(725),
    }  # fmt: skip


def test_turning_across_the_back_is_no_full_turn() -> None:
    back = np.array([170, 175, 180, -175, -170] * 4, np.float32)
    found = turning(back, fps=12.0)
    assert (found["view_sectors"], found["view_gap_deg"]) == (1, 315)
    assert found["turned_deg"] == pytest.approx(20)


def test_turning_of_a_clip_that_never_tells() -> None:
    assert turning(np.full(9, np.nan, np.float32), fps=25.0) == {
        "view_sectors": 0, "view_gap_deg": 360, "turned_deg": 0,
    }  # fmt: skip
