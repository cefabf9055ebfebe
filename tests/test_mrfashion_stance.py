"""What the joints say of a reference: each part by hand, and mirrored, and played backwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.stance import StanceConfig, stance_parts

FPS, HEIGHT, WIDTH = 8.0, 60, 40
STANDING = {
    0: (20, 8), 3: (22, 8), 4: (18, 8), 5: (26, 15), 6: (14, 15), 7: (29, 22), 8: (11, 22),
    9: (30, 29), 10: (10, 29), 11: (24, 30), 12: (16, 30), 13: (24, 40), 14: (16, 40),
    15: (24, 50), 16: (16, 50),
}  # fmt: skip
SWAPPED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]  # left and right exchanged


def standing() -> np.ndarray:
    keypoints = np.full((133, 3), (np.nan, np.nan, 0), np.float32)
    for joint, xy in STANDING.items():
        keypoints[joint] = (*xy, 1)
    return keypoints


def moved(**places: tuple[float, float]) -> np.ndarray:
    """The standing body with joints elsewhere: j9=(x, y) moves joint 9."""
    keypoints = standing()
    for joint, xy in places.items():
        keypoints[int(joint[1:]), :2] = xy
    return keypoints


def parts(*poses: np.ndarray, frame: int = 0, view: str | None = "front") -> dict[str, float]:
    return stance_parts(np.stack(poses), frame, view, (HEIGHT, WIDTH), FPS, StanceConfig())


def test_a_still_upright_body_has_no_fault() -> None:
    assert parts(standing()) == dict.fromkeys(
        ("visible", "in_frame", "still", "upright", "arms_clear", "uncrossed"), 1.0
    )


def test_missing_joints_lower_visible_alone() -> None:
    body = standing()
    body[[13, 14, 15, 16]] = (np.nan, np.nan, 0)
    body[10, 2] = 0.1
    found = parts(body)
    assert found.pop("visible") == pytest.approx(8 / 13)
    assert set(found.values()) == {1.0}


def test_in_profile_one_of_each_pair_is_enough() -> None:
    body = standing()
    body[[5, 7, 9, 11, 13, 15], 2] = 0.2  # hidden behind the body
    assert parts(body)["visible"] == pytest.approx(7 / 13)
    assert parts(body, view="facing-right")["visible"] == 1
    body[16, 2] = 0.2
    assert parts(body, view="facing-right")["visible"] == pytest.approx(6 / 7)
    body[[16, 10]] = [(16, 50, 1), (40, 29, 1)]
    assert parts(body, view="facing-right")["in_frame"] == pytest.approx(6 / 7)


def test_a_back_view_without_a_face_still_has_its_head_by_an_ear() -> None:
    body = standing()
    body[[0, 4]] = (np.nan, np.nan, 0)
    assert parts(body, view="back")["visible"] == 1
    body[3] = (np.nan, np.nan, 0)
    assert parts(body, view="back")["visible"] == pytest.approx(12 / 13)


@pytest.mark.parametrize(
    ("joint", "xy", "inside"),
    [
        (15, (24, 59 - 1.21), True),  # 2 % of 60 px; integers are centres, so 59 is the last row
        (15, (24, 59 - 1.19), False),
        (9, (39 - 0.81, 29), True),
        (9, (39 - 0.79, 29), False),
        (10, (0.81, 29), True),
        (10, (0.79, 29), False),
    ],
)
def test_joints_within_the_margin_lower_in_frame(
    joint: int, xy: tuple[float, float], inside: bool
) -> None:
    found = parts(moved(**{f"j{joint}": xy}))["in_frame"]
    assert found == pytest.approx(1 if inside else 12 / 13)


def test_a_moving_body_is_less_still() -> None:
    higher = standing()
    higher[:, 1] -= 5.25
    # 5.25 px in a quarter second, in a body of 42 px: half a height a second, which is one half.
    assert parts(standing(), standing(), higher, frame=1)["still"] == pytest.approx(0.5)
    assert parts(standing(), standing(), higher, frame=0)["still"] == 1


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_leaning_torso_or_leg_is_less_upright(sign: int) -> None:
    aside = sign * 15 * math.tan(math.radians(30))  # hips are 15 px below the shoulders
    lean = standing()
    lean[[*range(5), 5, 6, 7, 8, 9, 10], 0] += aside
    assert parts(lean)["upright"] == pytest.approx(0.5)
    legs = standing()
    legs[[15, 16], 0] += sign * 20 * math.tan(math.radians(60))
    assert parts(legs)["upright"] == pytest.approx(1 / (1 + 2**2))


def test_forearms_over_the_torso_count_by_their_share() -> None:
    # From x = 29 to 17 at y = 22; the torso's side is there at 26 - 2 * 7 / 15 = 25.07.
    left = parts(moved(j9=(17, 22)))["arms_clear"]
    assert left == pytest.approx(1 - 0.6 * (25.07 - 17) / 12, abs=0.6 / 16)
    both = parts(moved(j7=(24, 20), j9=(22, 25), j8=(16, 20), j10=(18, 25)))["arms_clear"]
    assert both == pytest.approx(0.4**2)
    assert parts(moved(j9=(17, 22)), view="facing-left")["arms_clear"] == 1


def test_crossing_arms_and_legs_count_once_each() -> None:
    arms = moved(j9=(12, 29), j10=(28, 29))
    assert parts(arms)["uncrossed"] == pytest.approx(0.6)
    legs = moved(j15=(14, 50), j16=(26, 50))
    assert parts(legs, view="back")["uncrossed"] == pytest.approx(0.6)
    legs[[9, 10], :2] = arms[[9, 10], :2]
    assert parts(legs)["uncrossed"] == pytest.approx(0.36)
    assert parts(legs, view="facing-right")["uncrossed"] == 1


def test_an_arm_that_only_points_at_the_other_does_not_cross_it() -> None:
    assert parts(moved(j9=(12, 20)))["uncrossed"] == 1  # its line would, a pixel further on
    assert parts(moved(j9=(10, 20)))["uncrossed"] == pytest.approx(0.6)


def test_a_body_of_no_joint_at_all_is_invisible() -> None:
    found = parts(np.full((133, 3), (np.nan, np.nan, 0), np.float32))
    assert (found["visible"], found["in_frame"]) == (0, 0)


@pytest.mark.parametrize(
    "wrong", [{"trust": 2.0}, {"margin": 0.6}, {"still_speed": 0.0}, {"lean_deg": -1.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="stance: "):
        StanceConfig(**wrong)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), view=st.sampled_from(["front", "back", "facing-left", None]))
def test_a_mirrored_body_and_a_reversed_clip_have_the_same_parts(
    seed: int, view: str | None
) -> None:
    rng = np.random.default_rng(seed)
    poses = np.stack([standing()] * 3)
    poses[..., :2] += np.round(rng.normal(0, 4, (3, 133, 2)) * 8) / 8  # so that mirrors are exact
    poses[rng.random((3, 133)) < 0.2] = (np.nan, np.nan, 0)
    mirrored = poses.copy()
    mirrored[:, :17] = poses[:, SWAPPED]
    mirrored[..., 0] = WIDTH - 1 - mirrored[..., 0]
    found = parts(*poses, frame=1, view=view)
    assert all(0 <= value <= 1 for value in found.values())
    assert parts(*mirrored, frame=1, view=view) == pytest.approx(found, abs=1e-6)
    assert parts(*poses[::-1], frame=1, view=view) == found
