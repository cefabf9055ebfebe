"""BlazePose's parts on literal inputs, and the estimator on frames that a script stands in for."""

import contextlib
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.artefacts import canonical_json
from mrfashion.errors import ConfigError, ItemError, MissingRequirement
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.blazepose import BlazePose, BlazePoseConfig
from mrfashion.poses.blazepose_decode import (
    Detection,
    Landmarks,
    anchors,
    decode_detections,
    overlap,
    refine,
    sigmoid,
    suppress,
)
from mrfashion.poses.blazepose_layout import LANDMARK_OF, to_wholebody
from mrfashion.poses.blazepose_roi import ENLARGED, MAX_SIDE_PX, Roi, body_roi, letterbox_roi
from mrfashion.poses.estimator import DETECTOR_SKIPPED
from mrfashion.posing import PoseConfig

# In the networks' order (mediapipe's PoseLandmark), and COCO-WholeBody's order of body and feet.
BLAZEPOSE = """nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer
left_ear right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow
left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip
right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel left_big_toe
right_big_toe""".split()
COCO = """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow
right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle
left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel""".split()
UNMAPPED = {"left_small_toe", "right_small_toe"}


def test_anchors_are_those_of_the_three_grids() -> None:
    centres = anchors()
    assert centres.shape == (28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6, 2) == (2254, 2)
    np.testing.assert_allclose(
        centres[[0, 1, 2]], np.array([[0.5, 0.5], [0.5, 0.5], [1.5, 0.5]]) / 28
    )
    np.testing.assert_allclose(centres[1568], np.array([0.5, 0.5]) / 14)
    np.testing.assert_allclose(centres[-1], np.array([6.5, 6.5]) / 7)


def test_a_box_is_read_relative_to_its_anchor() -> None:
    boxes, scores = np.zeros((2254, 12), np.float32), np.full(2254, -9, np.float32)
    boxes[1568] = (22.4, 0, 44.8, 22.4, 0, 112, 112, 0, 0, 0, 0, 0)  # x y w h, then points, in px
    scores[1568] = 3
    (found,) = decode_detections(boxes, scores, 0.5)
    x, y = 0.5 / 14 + 0.1, 0.5 / 14
    assert found.score == pytest.approx(1 / (1 + math.exp(-3)))
    np.testing.assert_allclose(found.box_xyxy, [x - 0.1, y - 0.05, x + 0.1, y + 0.05], rtol=1e-5)
    np.testing.assert_allclose(found.points[0], [0.5 / 14, 0.5 / 14 + 0.5], rtol=1e-5)
    np.testing.assert_allclose(found.points[1], [0.5 / 14 + 0.5, 0.5 / 14], rtol=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_box_without_a_size_is_nobody(value: float) -> None:
    boxes, scores = np.ones((2254, 12), np.float32), np.full(2254, -9, np.float32)
    boxes[7, 2], scores[7] = value, 99
    assert decode_detections(boxes, scores, 0.5) == []


def test_overlapping_boxes_become_their_weighted_mean() -> None:
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [0, 0, 1, 1.2]], np.float32)
    points = np.stack([np.full((4, 2), value, np.float32) for value in (0, 7, 1)])
    first, second = suppress(np.array([0.9, 0.8, 0.6], np.float32), boxes, points)
    assert (first.score, second.score) == pytest.approx((0.9, 0.8))
    np.testing.assert_allclose(first.box_xyxy, [0, 0, 1, (0.9 + 0.6 * 1.2) / 1.5], rtol=1e-6)
    np.testing.assert_allclose(first.points, np.full((4, 2), 0.4), rtol=1e-6)
    np.testing.assert_array_equal(second.box_xyxy, boxes[1])


def test_a_box_without_area_is_kept_once() -> None:
    boxes = np.zeros((2, 4), np.float32)
    assert (
        len(suppress(np.array([0.9, 0.8], np.float32), boxes, np.zeros((2, 4, 2), np.float32))) == 2
    )


@given(st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_overlap_counts_cells(numbers: list[int]) -> None:
    """Against the count of unit cells that lie in both boxes, or in either."""
    (ax, bx), (ay, by), (cx, dx), (cy, dy) = (
        sorted(numbers[i : i + 2]) for i in range(0, 8, 2)
    )  # fmt: skip
    one, two = (
        {(x, y) for x in range(*xs) for y in range(*ys)}
        for xs, ys in (((ax, bx), (ay, by)), ((cx, dx), (cy, dy)))
    )
    boxes = np.array([[ax, ay, bx, by]], np.float32)
    expected = len(one & two) / len(one | two) if one | two else 0
    found = overlap(boxes, np.array([cx, cy, dx, dy], np.float32))
    assert found[0] == pytest.approx(expected, abs=1e-6)


def test_sigmoid_is_the_logistic_function_and_never_overflows() -> None:
    values = np.array([-1e30, -2, 0, 3, 1e30], np.float32)
    expected = [0, 1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-3)), 1]
    np.testing.assert_allclose(sigmoid(values), expected, atol=1e-7)


def test_a_confident_heatmap_moves_a_landmark_to_its_centre_of_mass() -> None:
    heatmap = np.zeros((64, 64, 4), np.float32)
    heatmap[10, 20, 0], heatmap[15, 20, 0] = 0.9, 0.3  # within 4 cells of row 11
    heatmap[16, 20, 0] = 0.9  # farther
    heatmap[10, 20, 1] = 0.49  # not confident
    heatmap[0, 0, 2] = 1  # at the corner
    heatmap[:, :, 3] = 1
    xy = np.array([[19 / 64, 11 / 64], [19 / 64, 11 / 64], [0.01, 0.01], [1.0, 0.5]], np.float32)
    with np.errstate(divide="ignore"):
        logits = np.log(heatmap / (1 - heatmap)).clip(-99, 99)  # what the network tells
    moved = refine(xy, logits)
    np.testing.assert_allclose(moved[0], [20 / 64, 11.25 / 64], rtol=1e-6)
    np.testing.assert_array_equal(moved[1], xy[1])
    np.testing.assert_allclose(moved[2], [0, 0], atol=1e-9)
    np.testing.assert_array_equal(moved[3], xy[3])  # outside the map: as it was


@pytest.mark.parametrize(
    ("top", "angle_deg"), [((50, 30), 0), ((70, 50), 90), ((30, 50), -90), ((50, 70), -180)]
)
def test_a_body_stands_upright_in_its_square(top: tuple[int, int], angle_deg: float) -> None:
    roi = body_roi(np.array([50.0, 50.0]), np.array(top, float))
    assert roi is not None
    assert roi.side_px == pytest.approx(2 * 20 * ENLARGED)
    assert math.degrees(roi.angle_rad) == pytest.approx(angle_deg)
    above = roi.to_image(np.array([[0.5, 0.5 - 0.5 / ENLARGED]]))[0]
    np.testing.assert_allclose(above, top, atol=1e-9)


positions = st.floats(-500, 500)


@given(positions, positions, positions, positions, positions, positions, st.floats(0.1, 9))
def test_a_square_moves_and_grows_with_the_body(
    ax: float, ay: float, bx: float, by: float, dx: float, dy: float, scale: float
) -> None:
    a, b, shift = np.array([ax, ay]), np.array([bx, by]), np.array([dx, dy])
    one, other = body_roi(a, b), body_roi(a * scale + shift, b * scale + shift)
    if one is None or other is None or one.side_px * scale < 2:
        return
    points = np.array([[0.0, 0.0], [1.0, 0.2], [0.5, 0.9]])
    moved = one.to_image(points) * scale + shift
    np.testing.assert_allclose(other.to_image(points), moved, atol=1e-6 * max(1, other.side_px))


@pytest.mark.parametrize("point", [(5.0, 5.0), (math.nan, 0.0), (math.inf, 0.0)])
def test_points_without_a_distance_make_no_square(point: tuple[float, float]) -> None:
    assert body_roi(np.array([5.0, 5.0]), np.array(point)) is None
    assert body_roi(np.array([math.nan, 5.0]), np.array([1.0, 1.0])) is None


def test_the_crop_of_a_whole_image_is_that_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(letterbox_roi(image).crop(image, 64, replicate=False), image)


def test_a_crop_is_taken_at_positions_rounded_to_a_32nd() -> None:
    """A ramp of 32 levels a pixel gives back the position of every sample."""
    ramp = np.zeros((40, 8, 3), np.uint8)
    ramp[:, :] = (np.arange(8) * 32)[None, :, None].clip(0, 255)
    roi = Roi(3.5 + 0.51 / 32, 20, 4)  # its left edge lies at 1.516 px
    crop = roi.crop(ramp, 4, replicate=True)
    np.testing.assert_array_equal(crop[0, :, 0], [49, 81, 113, 145])


@pytest.mark.parametrize(("replicate", "outside"), [(True, 9), (False, 0)])
def test_what_lies_outside_the_image_goes_on_or_is_black(replicate: bool, outside: int) -> None:
    image = np.full((10, 10, 3), 9, np.uint8)
    crop = Roi(1e12, 5, 10).crop(image, 16, replicate=replicate)
    assert (crop == outside).all()


def test_every_coco_joint_has_the_landmark_of_its_name() -> None:
    mapped = {COCO[ours]: BLAZEPOSE[theirs] for ours, theirs in LANDMARK_OF.items()}
    assert mapped == {name: name for name in COCO if name not in UNMAPPED}
    assert set(range(17)) <= set(LANDMARK_OF)
    assert len(set(LANDMARK_OF.values())) == len(LANDMARK_OF)


def test_what_blazepose_does_not_see_is_missing() -> None:
    xy, visibility = np.arange(66.0).reshape(33, 2), np.full(33, 0.7)
    xy[11], visibility[12] = math.nan, 0
    keypoints = to_wholebody(xy, visibility)
    assert keypoints.dtype == np.float32
    present = keypoints[:, 2] > 0
    assert set(np.flatnonzero(present)) == set(LANDMARK_OF) - {5, 6}
    np.testing.assert_array_equal(keypoints[9], np.float32([30, 31, 0.7]))
    assert np.isnan(keypoints[~present][:, :2]).all()


class Scripted:
    """Stands in for the networks: person i stands at x = 100 i; a frame's first row says who is
    there (1), who the detector sees (2)."""

    def __init__(self) -> None:
        self.detected = 0

    def detect(self, image: np.ndarray, threshold: float) -> list[Detection]:
        self.detected += 1
        side = letterbox_roi(image)
        seen = [i for i in range(4) if image[0, i, 0] >= 2]
        points = [[(100 * i + 50, 80), (100 * i + 50, 48)] * 2 for i in seen]
        corner = np.array([side.x_px, side.y_px]) - side.side_px / 2
        relative = [(np.array(p) - corner) / side.side_px for p in points]
        box = np.zeros(4, np.float32)
        return [Detection(0.9 - 0.1 * n, box, p.astype(np.float32)) for n, p in enumerate(relative)]

    def look(self, image: np.ndarray, roi: Roi) -> Landmarks:
        there = [i for i in range(4) if image[0, i, 0] and abs(100 * i + 50 - roi.x_px) < 40]
        xy = np.full((39, 2), 0.5, np.float32)
        xy[:33] += np.linspace(-0.2, 0.2, 33)[:, None].astype(np.float32)
        xy[34] = (0.5, 0.5 - 0.5 / ENLARGED)
        return Landmarks(xy, np.full(39, 0.8, np.float32), 0.99 if there else 0.01)


def scripted(config: BlazePoseConfig | None = None) -> tuple[BlazePose, Scripted]:
    estimator, networks = BlazePose(config), Scripted()
    estimator._networks = networks  # type: ignore[assignment]
    return estimator, networks


def scene(*people: tuple[int, ...]) -> list[np.ndarray]:
    """Frames; each tuple says of persons 0, 1, ... 0: absent, 1: there, 2: seen by the detector."""
    frames = [np.zeros((160, 400, 3), np.uint8) for _ in people]
    for frame, row in zip(frames, people, strict=True):
        frame[0, : len(row), 0] = row
    return frames


def test_a_person_is_followed_and_detected_on_schedule() -> None:
    estimator, networks = scripted(BlazePoseConfig(detect_every_s=0.4))
    track = estimator.track(scene(*[(2,)] * 9), fps=10)
    assert track.people.tolist() == [1, *[DETECTOR_SKIPPED] * 3] * 2 + [1]
    assert networks.detected == 3
    np.testing.assert_allclose(track.detector_scores[[0, 4, 8]], 0.9)
    assert np.isnan(track.detector_scores[[1, 2, 3, 5, 6, 7]]).all()
    assert track.keypoints.shape == (9, 133, 3)
    assert (track.boxes_xyxy_px[:, 2:] > track.boxes_xyxy_px[:, :2]).all()


def test_static_mode_looks_at_every_frame_alone() -> None:
    estimator, networks = scripted(BlazePoseConfig(static=True))
    frames = scene((2, 2), (0, 2), (2, 2), (0, 0))
    track = estimator.track(frames, fps=10)
    alone = [estimator.track([frame], fps=10) for frame in frames]
    np.testing.assert_array_equal(track.keypoints, np.concatenate([t.keypoints for t in alone]))
    assert track.people.tolist() == [2, 1, 2, 0]
    assert networks.detected == 8


def test_a_lost_person_is_looked_for_in_the_same_frame() -> None:
    estimator, _ = scripted()
    track = estimator.track(scene((2,), (0,), (0, 2), (0, 1)), fps=100)
    assert np.isfinite(track.keypoints[:, 0, 0]).tolist() == [True, False, True, True]
    assert track.people.tolist() == [1, 0, 1, DETECTOR_SKIPPED]
    assert np.isnan(track.boxes_xyxy_px[1]).all()
    assert track.boxes_xyxy_px[2, 0] > 100


def test_the_person_followed_is_kept_though_another_is_surer() -> None:
    estimator, _ = scripted(BlazePoseConfig(detect_every_s=0.1))
    track = estimator.track(scene((0, 2), (2, 2), (2, 1)), fps=10)
    assert (track.boxes_xyxy_px[:, 0] > 100).all()
    assert track.people.tolist() == [1, 2, 2]  # the followed one counts where nobody detects them
    np.testing.assert_allclose(track.detector_scores, [0.9, 0.8, math.nan])


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((4, 4), np.uint8)],
        [np.zeros(7, np.uint8)],
        [np.zeros((4, 4, 4), np.uint8)],
        [np.zeros((4, 4, 3), np.float32)],
        [np.zeros((0, 4, 3), np.uint8)],
        [np.zeros((160, 400, 3), np.uint8), np.zeros((160, 402, 3), np.uint8)],
        [np.zeros((1, MAX_SIDE_PX + 1, 3), np.uint8)],
    ],
)
def test_frames_that_are_no_clip_are_refused(frames: list[np.ndarray]) -> None:
    estimator, _ = scripted()
    with pytest.raises(ItemError, match=r"^pose\."):
        estimator.track(frames, fps=10)
    assert estimator.track(scene((2,)), fps=10).people.tolist() == [1]  # and it works on


@pytest.mark.parametrize("fps", [0, -1, math.nan, math.inf])
def test_a_clip_has_a_frame_rate(fps: float) -> None:
    with pytest.raises(ItemError, match="frame rate"):
        scripted()[0].track(scene((2,)), fps)


def test_one_instance_follows_one_clip_at_a_time() -> None:
    estimator, _ = scripted()
    errors: list[Exception] = []

    def intrude() -> None:
        try:
            estimator.track(scene((2,)), 10)
        except RuntimeError as error:
            errors.append(error)

    def frames() -> Iterator[np.ndarray]:
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        yield from scene((2,))

    estimator.track(frames(), 10)
    assert "one per thread" in str(errors[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"detect_every_s": 0.0},
        {"detect_every_s": math.nan},
        {"min_detection": 1.0},
        {"min_presence": math.nan},
    ],
)
def test_a_setting_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        BlazePoseConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_an_estimator_says_what_decides_its_keypoints_and_what_it_misses(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path))
    estimator = ESTIMATORS[name](PoseConfig())
    assert estimator.name == name
    with contextlib.suppress(MissingRequirement):  # where what the networks run on is part of them
        assert json.loads(canonical_json(estimator.settings())) == estimator.settings()
    missing = estimator.check()
    assert missing
    assert all("mrfashion weights fetch" in text or "pip install" in text for text in missing)
    with pytest.raises(MissingRequirement):
        estimator.track([np.zeros((8, 8, 3), np.uint8)], 10.0)
    assert not list(tmp_path.iterdir())


def test_settings_change_with_what_decides_the_keypoints() -> None:
    plain = BlazePose().settings()
    assert BlazePose(threads=2).settings() == plain
    assert BlazePose(BlazePoseConfig(static=True)).settings() != plain
    assert all(len(digest) == 64 for digest in plain["weights_sha256"].values())
