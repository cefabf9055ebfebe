"""Reference candidates: every part of the score, every reason, and the gap between the chosen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.references import ReferenceConfig, candidate_frames, reference_candidates
from mrfashion.tables import ReferenceCandidate
from mrfashion.views import VIEWS, view_of

FPS, HEIGHT, WIDTH = 8.0, 60, 40
STANDING = {
    0: (20, 8), 5: (26, 15), 6: (14, 15), 7: (29, 22), 8: (11, 22), 9: (30, 29), 10: (10, 29),
    11: (24, 30), 12: (16, 30), 13: (24, 40), 14: (16, 40), 15: (24, 50), 16: (16, 50),
}  # fmt: skip


def pose() -> np.ndarray:
    keypoints = np.full((133, 3), (np.nan, np.nan, 0), np.float32)
    for joint, xy in STANDING.items():
        keypoints[joint] = (*xy, 1)
    return keypoints


def clip(yaw: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal checkered frames of one standing pose; only the yaw differs."""
    row, column = np.indices((HEIGHT, WIDTH))
    image = np.repeat(((row + column) % 2 * 200).astype(np.uint8)[..., None], 3, -1)
    frames = np.stack([image] * len(yaw))
    return frames, np.stack([pose()] * len(yaw)), np.array(yaw, np.float32)


def chosen_from(
    frames: np.ndarray, keypoints: np.ndarray, yaw: np.ndarray, **settings: float
) -> list[ReferenceCandidate]:
    config = ReferenceConfig(**settings)  # type: ignore[arg-type]
    return reference_candidates("c", "g", frames, keypoints, yaw, FPS, config)


def only(frame: int, rows: list[ReferenceCandidate]) -> ReferenceCandidate:
    return next(row for row in rows if row.frame == frame)


def test_a_still_sharp_frame_that_faces_the_camera_scores_one() -> None:
    rows = chosen_from(*clip([0.0] * 5))
    assert rows[0].parts == {
        "view": 1, "pose": 1, "in_frame": 1, "still": 1, "hands_clear": 1, "sharpness": 1,
    }  # fmt: skip
    assert (rows[0].score, rows[0].rank, rows[0].reason) == (1, 1, None)
    assert (rows[0].reference_id, rows[0].clip_id, rows[0].garment_group) == ("c/0", "c", "g")


def test_grid_every_stride_and_the_frame_nearest_each_view() -> None:
    yaw = np.array([10, 5, 1, 5, 20, 60, 93, 110, 140, 170, 178, np.nan, np.nan], np.float32)
    assert candidate_frames(yaw, FPS, stride_s=1.0) == [0, 2, 6, 10, 12]


def test_view_part_falls_from_the_canonical_yaw_to_the_edge_of_the_view() -> None:
    yaw = [0.0, 30.0, -45.0, 90.0, 110.0, -90.0, 180.0, -160.0, 136.0]
    rows = chosen_from(*clip(yaw), stride_s=0.1)
    parts = [row.parts["view"] for row in rows]
    expected = [1, 1 - 30 / 90, 0.5, 1, 1 - 20 / 90, 1, 1, 1 - 20 / 90, 1 - 44 / 90]
    assert parts == pytest.approx(expected)


def test_missing_joints_lower_pose_and_half_of_them_is_a_reason() -> None:
    frames, keypoints, yaw = clip([0.0] * 9)
    keypoints[4, [13, 14, 15, 16]] = (np.nan, np.nan, 0)
    keypoints[8, 7:17, 2] = 0.1
    rows = chosen_from(frames, keypoints, yaw)
    assert only(4, rows).parts["pose"] == pytest.approx(9 / 13)
    assert only(8, rows).parts["pose"] == pytest.approx(3 / 13)
    assert only(8, rows).reason == "joints missing"


def test_a_back_view_without_a_face_still_has_its_head_by_an_ear() -> None:
    frames, keypoints, yaw = clip([180.0])
    keypoints[0, 3] = keypoints[0, 0]
    keypoints[0, 0] = (np.nan, np.nan, 0)
    assert chosen_from(frames, keypoints, yaw)[0].parts["pose"] == 1


def test_joints_within_the_margin_lower_in_frame() -> None:
    frames, keypoints, yaw = clip([0.0] * 3)
    keypoints[:, [15, 16], 1] = HEIGHT - 1  # 2 % of 60 px is 1.2 px
    assert chosen_from(frames, keypoints, yaw)[0].parts["in_frame"] == pytest.approx(11 / 13)


def test_a_moving_body_is_less_still() -> None:
    frames, keypoints, yaw = clip([0.0] * 9)
    # 21 px from frame 3 to 5, in a body of 42 px: half a height in a quarter second, 2 a second.
    keypoints[5:, :, 1] += 21
    rows = chosen_from(frames, keypoints, yaw)
    assert only(4, rows).parts["still"] == pytest.approx(1 / (1 + 4**2))
    assert only(0, rows).parts["still"] == 1


def test_blur_is_judged_among_the_candidates_of_the_same_view() -> None:
    frames, keypoints, yaw = clip([0.0] * 16 + [180.0] * 4)
    frames[8] = 100
    frames[16:] = frames[16:] // 8  # a plain back has less detail than the front, but is sharp
    rows = chosen_from(frames, keypoints, yaw)
    assert only(8, rows).reason == "blurred"
    assert only(8, rows).parts["sharpness"] == 0
    assert {row.parts["sharpness"] for row in rows if row.view == "back"} == {1.0}


def test_each_wrist_over_the_torso_lowers_hands_clear() -> None:
    frames, keypoints, yaw = clip([0.0] * 9)
    keypoints[4, 9, :2] = (20, 22)
    keypoints[8, [9, 10], :2] = (20, 22)
    rows = chosen_from(frames, keypoints, yaw)
    assert [only(i, rows).parts["hands_clear"] for i in (0, 4, 8)] == pytest.approx([1, 0.6, 0.36])


def test_undetermined_view_is_no_reference() -> None:
    row = only(2, chosen_from(*clip([0.0, 0.0, np.nan, 0.0, 0.0])))
    assert (row.view, row.yaw_deg, row.score) == (None, None, 0)
    assert (row.rank, row.reason) == (None, "view undetermined")


def test_best_of_every_view_comes_before_the_second_of_any() -> None:
    """Frame 3 is the best sight of the side; frame 2 scores higher, but only as a second front."""
    rows = chosen_from(*clip([0.0, 30.0, 2.0, 70.0, 60.0]), stride_s=0.1, least_gap_s=0.25)
    assert rows[2].score > rows[3].score
    assert [(row.view, row.rank) for row in rows if row.rank] == [("front", 1), ("facing-right", 1)]
    assert [row.frame for row in rows if row.rank] == [0, 3]
    assert {row.reason for row in rows if not row.rank} == {"too close to a chosen one"}


def test_more_than_asked_for_are_outranked() -> None:
    rows = chosen_from(*clip([0.0, 10, 20, 30, 40, 44]), stride_s=0.1, least_gap_s=0.0, per_view=2)
    assert [row.rank for row in rows] == [1, 2, None, None, None, None]
    assert {row.reason for row in rows[2:]} == {"outranked"}


def test_a_score_under_the_least_is_told() -> None:
    rows = chosen_from(*clip([0.0, 40.0]), stride_s=0.1, min_score=0.8)
    assert [row.reason for row in rows] == [None, "score too low"]


def test_frames_may_come_one_by_one_and_must_match_the_poses() -> None:
    frames, keypoints, yaw = clip([0.0, 90.0, 180.0, -90.0])

    def one_by_one(count: int) -> Iterator[np.ndarray]:
        yield from frames[:count]

    rows = reference_candidates("c", "g", one_by_one(4), keypoints, yaw, FPS)
    assert rows == reference_candidates("c", "g", frames, keypoints, yaw, FPS)
    with pytest.raises(ValueError, match="3 frames and 4 poses"):
        reference_candidates("c", "g", one_by_one(3), keypoints, yaw, FPS)
    with pytest.raises(ValueError, match="4 poses and 2 yaws"):
        reference_candidates("c", "g", frames, keypoints, yaw[:2], FPS)


def test_a_clip_without_joints_gives_reasons_not_numbers() -> None:
    frames, keypoints, yaw = clip([0.0] * 4)
    keypoints[:] = (np.nan, np.nan, 0)
    rows = chosen_from(frames, keypoints, yaw)
    assert {(row.score, row.rank, row.reason) for row in rows} == {(0.0, None, "joints missing")}


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"per_view": 0}, {"stride_s": 0.0}, {"least_gap_s": -1.0}):
        with pytest.raises(ValueError, match="needed"):
            ReferenceConfig(**wrong)  # type: ignore[arg-type]


def random_clip(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise frames, wandering poses with missing joints, random turns with gaps."""
    rng = np.random.default_rng(seed)
    yaw = (rng.uniform(-180, 180) + np.cumsum(rng.normal(0, 40, count)) + 180) % 360 - 180
    yaw[rng.random(count) < 0.1] = np.nan
    frames, keypoints, _ = clip([0.0] * count)
    frames = (frames * rng.uniform(0.5, 1, (count, HEIGHT, WIDTH, 1))).astype(np.uint8)
    keypoints[..., :2] += rng.normal(0, 1, keypoints[..., :2].shape)
    keypoints[rng.random(keypoints.shape[:2]) < 0.1] = (np.nan, np.nan, 0)
    return frames, keypoints.astype(np.float32), yaw.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), gap=st.floats(0, 2))
def test_any_clip(seed: int, count: int, gap: float) -> None:
    frames, keypoints, yaw = random_clip(seed, count)
    rows = chosen_from(frames, keypoints, yaw, least_gap_s=gap)
    assert rows == chosen_from(frames, keypoints, yaw, least_gap_s=gap)
    assert [row.frame for row in rows] == sorted({row.frame for row in rows})
    for row in rows:
        assert (row.rank is None) != (row.reason is None)
        assert all(0 <= part <= 1 for part in row.parts.values())
        assert row.score == pytest.approx(np.prod(list(row.parts.values())))
        assert row.view == (None if np.isnan(yaw[row.frame]) else view_of(yaw[row.frame]))
    taken = [row for row in rows if row.rank]
    assert (np.diff([row.frame for row in taken]) >= gap * FPS).all()
    for view in VIEWS:
        best_first = sorted((r for r in taken if r.view == view), key=lambda row: row.rank or 0)
        assert [row.rank for row in best_first] == list(range(1, len(best_first) + 1))
        assert len(best_first) <= 2
        assert [row.score for row in best_first] == sorted(r.score for r in best_first)[::-1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_a_clip_played_backwards_has_the_same_references(seed: int, count: int) -> None:
    frames, keypoints, yaw = random_clip(seed, count)
    forward = chosen_from(frames, keypoints, yaw)
    backward = chosen_from(frames[::-1], keypoints[::-1], yaw[::-1])
    ranks = {(row.frame, row.view, row.rank) for row in forward}
    assert {(count - 1 - row.frame, row.view, row.rank) for row in backward} == ranks
