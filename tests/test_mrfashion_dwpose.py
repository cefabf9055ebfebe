"""Following one person and sharing batches, with a detector and a network that a script plays."""

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.errors import ConfigError, ItemError
from mrfashion.poses.batching import Merger
from mrfashion.poses.dwpose import TopDownConfig
from mrfashion.poses.estimator import DETECTOR_SKIPPED, PoseTrack
from mrfashion.poses.following import HELD_BYTES, FollowConfig, follow
from mrfashion.poses.yolox import Detections

HEIGHT, WIDTH = 200, 600
BOX_W, BOX_H = 40, 120
Place = int | None  # of a person's middle, across; None: not there


class Stage:
    """A clip as a list of places for each person, and the networks that see it.

    Frame numbers stand in the pixels. Persons nearer the front of a row score higher.
    """

    def __init__(self, *people: Sequence[Place], weak: Sequence[int] = ()) -> None:
        self.people = people
        self.weak = set(weak)  # frames whose keypoints are unsure unless the box is exact
        self.detected: list[int] = []
        self.looked: list[int] = []
        self.batches: list[int] = []

    def frames(self) -> list[np.ndarray]:
        made = []
        for number in range(len(self.people[0])):
            image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            image[0, 0, :2] = divmod(number, 256)
            made.append(image)
        return made

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        numbers = [int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) for image in images]
        self.detected += numbers
        return [self._seen(number) for number in numbers]

    def _seen(self, number: int) -> Detections:
        there = [(i, row[number]) for i, row in enumerate(self.people) if row[number] is not None]
        boxes = [box_at(x) for _, x in there if x is not None]
        scores = [0.9 - 0.1 * i for i, _ in there]
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))

    def look(
        self, images: Sequence[np.ndarray], boxes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        numbers = [int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) for image in images]
        self.looked += numbers
        self.batches.append(len(numbers))
        xy = np.full((len(images), 133, 2), np.nan, np.float32)
        scores = np.zeros((len(images), 133), np.float32)
        for i, (number, box) in enumerate(zip(numbers, boxes, strict=True)):
            middle = (box[0] + box[2]) / 2
            places = [row[number] for row in self.people if row[number] is not None]
            known = [x for x in places if x is not None]
            nearest = min(known, key=lambda x: abs(x - middle), default=middle)
            exact = abs(nearest - middle) < 1 or number not in self.weak
            xy[i, :17] = (nearest, 100)
            scores[i, :17] = 0.9 if exact and known else 0.2  # it imagines somebody
            scores[i, 16] = 1.4  # RTMW's pass 1
        return xy, scores

    def track(self, **config: Any) -> PoseTrack:
        return follow(self.frames(), 10.0, self, self, FollowConfig(**config))


def box_at(x: float) -> tuple[float, float, float, float]:
    return (x - BOX_W / 2, 40, x + BOX_W / 2, 40 + BOX_H)


def test_the_detector_looks_now_and_then_and_boxes_between_are_interpolated() -> None:
    stage = Stage([100 + 3 * i for i in range(12)])
    track = stage.track(detect_every_s=0.4)
    assert stage.detected == [0, 4, 8, 11]
    assert np.flatnonzero(track.people != DETECTOR_SKIPPED).tolist() == [0, 4, 8, 11]
    assert np.isfinite(track.detector_scores).tolist() == [i in (0, 4, 8, 11) for i in range(12)]
    np.testing.assert_allclose(track.boxes_xyxy_px, [box_at(100 + 3 * i) for i in range(12)])
    assert sorted(stage.looked) == list(range(12))
    assert max(stage.batches) > 4  # crops of several intervals go together


def test_zero_seconds_detect_in_every_frame() -> None:
    stage = Stage([200] * 5, [560, None, 560, None, 560])
    track = stage.track(detect_every_s=0.0)
    assert stage.detected == [0, 1, 2, 3, 4]
    assert track.people.tolist() == [2, 1, 2, 1, 2]
    np.testing.assert_allclose(track.detector_scores, 0.9)


def test_nobody_is_missing_never_the_whole_picture() -> None:
    stage = Stage([None] * 30)
    track = stage.track(detect_every_s=1.0)
    assert not stage.looked
    assert len(stage.detected) == 4  # an empty clip is cheap
    assert np.isnan(track.keypoints[..., :2]).all()
    assert (track.keypoints[..., 2] == 0).all()
    assert np.isnan(track.boxes_xyxy_px).all()
    assert set(track.people.tolist()) == {0, DETECTOR_SKIPPED}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 39), st.integers(1, 39), st.sampled_from([0.3, 0.8, 2.0]))
def test_who_leaves_and_returns_is_found_in_every_frame(
    first: int, length: int, every_s: float
) -> None:
    """To the frame: by halving where a detection meets the gap, else by the drop in scores."""
    there = [not first <= i < first + length for i in range(40)]
    stage = Stage([100 if here else None for here in there])
    track = stage.track(detect_every_s=every_s)
    found = np.isfinite(track.boxes_xyxy_px[:, 0])
    assert found.tolist() == there
    np.testing.assert_array_equal(found, np.isfinite(track.keypoints[:, 0, 0]))
    assert len(stage.detected) == len(set(stage.detected))


def test_the_person_followed_is_kept_though_another_is_more_prominent() -> None:
    """The one who comes in is surer and stands in the middle."""
    stage = Stage([None] * 5 + [300] * 7, [500] * 12)
    track = stage.track(detect_every_s=0.3)
    assert (track.boxes_xyxy_px[:, 0] == 480).all()
    assert track.people[[0, -1]].tolist() == [1, 2]


def test_the_most_prominent_is_chosen_first() -> None:
    track = Stage([20] * 3, [300] * 3).track()
    assert (track.boxes_xyxy_px[:, 0] == 280).all()  # less sure, but in the middle
    np.testing.assert_allclose(track.detector_scores[0], 0.8)


def test_who_is_alone_may_move_farther_than_who_is_not() -> None:
    """40 px in four frames: no overlap of boxes 40 wide, less than half their height."""
    moving = [240 + 10 * i for i in range(9)]
    alone, crowd = Stage(moving), Stage(moving, [560] * 9)
    alone.track(detect_every_s=0.4)
    track = crowd.track(detect_every_s=0.4)
    assert sorted(alone.detected) == [0, 4, 8]
    assert sorted(crowd.detected) == [0, 2, 4, 6, 8]
    np.testing.assert_allclose(track.boxes_xyxy_px, [box_at(x) for x in moving])


def test_a_frame_that_became_unsure_is_detected_after_all() -> None:
    places = [100] * 9
    places[2] = 115  # a hop between detections: the box there is interpolated wrongly
    stage = Stage(places, weak=[2])
    track = stage.track(detect_every_s=0.4)
    assert sorted(stage.detected) == [0, 2, 4, 8]
    np.testing.assert_allclose(track.boxes_xyxy_px[2], box_at(115))
    assert track.keypoints[2, 0, 2] == pytest.approx(0.9)


def test_joints_outside_the_box_are_looked_at_again() -> None:
    places = [100] * 9
    places[2] = 140  # sure of it, and 20 px outside: 0.17 of the height
    stage = Stage(places)
    track = stage.track(detect_every_s=0.4)
    assert 2 in stage.detected
    np.testing.assert_allclose(track.boxes_xyxy_px[2], box_at(140))


def test_a_weak_view_of_an_exact_box_is_not_detected_again_and_again() -> None:
    stage = Stage([100] * 9, weak=range(9))
    stage.track(detect_every_s=0.4)
    assert stage.detected == [0, 4, 8]


def test_scores_above_one_are_one() -> None:
    assert Stage([100]).track().keypoints[0, 16, 2] == 1


def test_large_frames_are_held_few_at_a_time() -> None:
    config = FollowConfig(detect_every_s=100)
    assert config.every(1000, 1) == 100_000
    assert config.every(1000, HELD_BYTES // 7) == 7
    assert config.every(1000, HELD_BYTES * 2) == 1


@pytest.mark.parametrize(
    "boxes",
    [
        [[math.nan, 0, 50, 50]],
        [[50, 50, 50, 80]],
        [[60, 60, 50, 50]],
        [[-90, -90, -10, -10]],
        [[10_000, 10, 20_000, 50]],
    ],
)
def test_boxes_that_hold_no_pixel_are_nobody(boxes: list[list[float]]) -> None:
    class Broken(Stage):
        def _seen(self, number: int) -> Detections:
            return Detections(np.array(boxes, np.float32), np.ones(len(boxes), np.float32))

    stage = Broken([100] * 2)
    track = stage.track()
    assert track.people.tolist() == [0, 0]
    assert not stage.looked


def test_an_endless_box_is_cut_to_the_frame() -> None:
    class Endless(Stage):
        def _seen(self, number: int) -> Detections:
            return Detections(np.float32([[-1e30, -1e30, 1e30, math.inf]]), np.float32([1]))

    track = Endless([100] * 2).track()
    np.testing.assert_array_equal(track.boxes_xyxy_px[0], [0, 0, WIDTH, HEIGHT])


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((4, 4), np.uint8)],
        [np.zeros(7, np.uint8)],
        [np.zeros((4, 4, 3), np.float32)],
        [np.zeros((0, 4, 3), np.uint8)],
        [np.zeros((160, 400, 3), np.uint8), np.zeros((160, 402, 3), np.uint8)],
    ],
)
def test_frames_that_are_no_clip_are_refused(frames: list[np.ndarray]) -> None:
    stage = Stage([100] * 2)
    with pytest.raises(ItemError, match=r"^pose\."):
        follow(frames, 10.0, stage, stage, FollowConfig())


@pytest.mark.parametrize("fps", [0, -1, math.nan, math.inf])
def test_a_clip_has_a_frame_rate(fps: float) -> None:
    stage = Stage([100])
    with pytest.raises(ItemError, match="frame rate"):
        follow(stage.frames(), fps, stage, stage, FollowConfig())


@pytest.mark.parametrize(
    "wrong",
    [{"detect_every_s": -1.0}, {"detect_every_s": math.nan}, {"min_overlap": 0.0}]
    + [{name: 1.5} for name in ("max_move", "min_sureness", "min_joint", "max_reach")],
)
def test_a_setting_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        FollowConfig(**wrong)


def test_merge_has_three_answers() -> None:
    with pytest.raises(ConfigError, match="auto, always, never"):
        TopDownConfig(merge="sometimes")  # type: ignore[arg-type]


class Slow:
    """Doubles what it is given and takes its time; refuses numbers below 0."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        self.batches.append(len(batch))
        time.sleep(0.02)
        if (batch < 0).any():
            raise ValueError(f"{batch.min()} is below 0")
        return [batch * 2, batch.sum(1)]


def ask(merger: Merger, numbers: Sequence[int]) -> list[Any]:
    """Each number from a thread of its own, all at once => the answer or the error of each."""
    gate = threading.Barrier(len(numbers))

    def one(number: int) -> Any:
        gate.wait()
        try:
            return merger(np.full((2, 3), number, np.float32))
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(numbers)) as pool:
        return list(pool.map(one, numbers))


def test_threads_share_batches_and_get_their_own_answers() -> None:
    slow = Slow()
    answers = ask(Merger(slow, 8), range(12))
    for number, (double, total) in enumerate(answers):
        np.testing.assert_array_equal(double, np.full((2, 3), 2 * number))
        np.testing.assert_array_equal(total, [3 * number] * 2)
    assert sum(slow.batches) == 24
    assert 2 < max(slow.batches) <= 8
    assert len(slow.batches) < 12


def test_an_error_reaches_the_thread_that_caused_it_and_the_next_batch_runs() -> None:
    merger = Merger(Slow(), 64)
    answers = ask(merger, [1, 2, -3, 4, -5, 6])
    assert [str(a) for a in answers if isinstance(a, ValueError)] == [
        "-3.0 is below 0",
        "-5.0 is below 0",
    ]
    for number, answer in zip((1, 2, 4, 6), (answers[i] for i in (0, 1, 3, 5)), strict=True):
        np.testing.assert_array_equal(answer[0], np.full((2, 3), 2 * number))
    np.testing.assert_array_equal(ask(merger, [7])[0][0], np.full((2, 3), 14))


def test_images_of_other_sizes_and_too_many_wait_for_the_next_batch() -> None:
    slow = Slow()
    merger = Merger(slow, 4)
    with ThreadPoolExecutor(9) as pool:
        shapes = [(3, 2), (3, 5), (9, 2)] * 3
        answers = list(pool.map(lambda shape: merger(np.ones(shape, np.float32)), shapes))
    assert [answer[0].shape for answer in answers] == shapes
    assert max(slow.batches) == 9  # a request is never split


def test_an_interrupt_ends_every_thread_that_waits_for_it() -> None:
    def interrupted(batch: np.ndarray) -> list[np.ndarray]:
        time.sleep(0.02)
        raise KeyboardInterrupt

    merger = Merger(interrupted, 64)

    def one(_: int) -> bool:
        try:
            merger(np.zeros((1, 2), np.float32))
        except KeyboardInterrupt:
            return True
        return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [True] * 4
