"""Fitting: what a generator gets, and that the way back is the way there."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.still import Still
from benchmark.fitting import fit, unfit
from mrfashion.errors import ItemError
from mrfashion.generation import GeneratorInfo, Reference, Request, Result, Unsupported
from mrfashion.letterbox import letterbox, move, paint, place

SIDES = st.integers(1, 40)
SIZES = st.tuples(SIDES, SIDES)
INFO = GeneratorInfo("any", "learned", "", 1, max_references=8, code_licence="MIT")


def picture(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def request(
    size: tuple[int, int] = (30, 20),
    frames: int = 5,
    yaws: tuple[float | None, ...] = (0.0,),
    driving: list[float] | None = None,
    reference_size: tuple[int, int] | None = None,
    frame_size: tuple[int, int] | None = None,
) -> Request:
    rng = np.random.default_rng(7)
    points = rng.uniform(0, 20, (frames, 133, 3)).astype(np.float32)
    points[:, 100] = (np.nan, np.nan, 0)
    references = tuple(
        Reference(picture(reference_size or size, i), points[0].copy(), yaw, None)
        for i, yaw in enumerate(yaws)
    )
    yaw_deg = np.array(driving or np.linspace(0, 90, frames), np.float32)
    return Request("s", references, points, yaw_deg, frame_size or size, 25.0, size, seed=3)


def echo(asked: Request, frames: np.ndarray | None = None) -> Result:
    """What a generator would answer that paints noise."""
    rng = np.random.default_rng(asked.seed)
    noise = rng.integers(0, 256, (asked.frames, *asked.size, 3), np.uint8)
    weights = np.full((asked.frames, len(asked.references)), 1 / len(asked.references), np.float32)
    return Result(noise if frames is None else frames, asked.fps, weights, {"a": 1})


def test_a_request_that_suits_the_generator_stays_as_it_is() -> None:
    asked = request()
    fitted = fit(asked, INFO)
    assert np.array_equal(fitted.requests[0].keypoints, asked.keypoints, equal_nan=True)
    assert np.array_equal(fitted.requests[0].references[0].image, asked.references[0].image)
    result = echo(asked)
    assert np.array_equal(unfit([result], fitted).frames, result.frames)


@given(SIZES, st.integers(1, 16), st.integers(1, 9), st.integers(1, 6), st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_padding_comes_back_to_the_bit(
    size: tuple[int, int], multiple: int, frames: int, step: int, offset: int
) -> None:
    info = replace(INFO, size_multiple=multiple, frame_step=step, frame_offset=offset)
    asked = request(size, frames)
    fitted = fit(asked, info)
    work = fitted.requests[0]
    assert all(side % multiple == 0 for side in work.size)
    assert (work.frames - offset) % step == 0
    assert work.frames >= frames
    copied = np.repeat(work.references[0].image[None], work.frames, axis=0)
    back = unfit([echo(work, copied)], fitted)
    back.check(asked)
    assert (back.frames == asked.references[0].image).all()


@given(SIZES, st.lists(SIZES, min_size=1, max_size=3), SIZES, SIZES)
@settings(deadline=None, max_examples=60)
def test_any_size_comes_back_in_the_asked_shape(
    size: tuple[int, int],
    fixed: list[tuple[int, int]],
    reference_size: tuple[int, int],
    frame_size: tuple[int, int],
) -> None:
    info = replace(INFO, fixed_sizes=tuple(fixed))
    asked = request(size, 2, reference_size=reference_size, frame_size=frame_size)
    fitted = fit(asked, info)
    assert fitted.requests[0].size in fixed
    assert all(r.image.shape[:2] == fitted.requests[0].size for r in fitted.requests[0].references)
    unfit([echo(fitted.requests[0])], fitted).check(asked)


@given(SIZES, SIZES)
@settings(deadline=None)
def test_a_picture_lies_inside_its_canvas(source: tuple[int, int], canvas: tuple[int, int]) -> None:
    box = place(source, canvas)
    assert 0 <= box.top <= box.top + box.height <= canvas[0]
    assert 0 <= box.left <= box.left + box.width <= canvas[1]
    assert letterbox(picture(source), canvas).shape == (*canvas, 3)


@given(SIZES, SIZES, SIZES)
def test_two_placements_in_one_stay_inside(
    a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]
) -> None:
    box = place(a, b).then(place(b, c))
    assert 0 <= box.top < box.top + box.height <= c[0]
    assert 0 <= box.left < box.left + box.width <= c[1]


def test_keypoints_move_with_the_pixels() -> None:
    image = np.zeros((40, 20, 3), np.uint8)
    image[10:14, 4:8] = 255  # centre at x 5.5, y 11.5
    box = place((40, 20), (100, 100))
    moved = move(np.array([5.5, 11.5, 1.0], np.float32), box)
    rows, columns = np.nonzero(paint(image, box)[..., 0] > 127)
    assert moved[:2] == pytest.approx([columns.mean(), rows.mean()], abs=0.51)


def test_keypoints_of_another_frame_size_reach_the_working_canvas() -> None:
    asked = request((64, 48), 1, frame_size=(32, 24))
    asked.keypoints[0, 0] = (11.5, 15.5, 0.5)  # the centre of 32x24
    fitted = fit(asked, replace(INFO, size_multiple=32))
    assert fitted.requests[0].keypoints[0, 0].tolist() == pytest.approx([31.5, 31.5, 0.5])
    assert fitted.requests[0].frame_size == fitted.requests[0].size == (64, 64)


def test_missing_keypoints_stay_missing() -> None:
    moved = fit(request((30, 20)), replace(INFO, fixed_sizes=((64, 64),))).requests[0].keypoints
    assert np.isnan(moved[:, 100, :2]).all()
    assert (moved[:, 100, 2] == 0).all()
    assert np.isfinite(moved[:, :100]).all()


def test_added_frames_hold_the_last_pose() -> None:
    asked = request(frames=6)
    work = fit(asked, replace(INFO, frame_step=4, frame_offset=1)).requests[0]
    assert work.frames == 9
    assert np.array_equal(work.keypoints[6:], asked.keypoints[[5, 5, 5]], equal_nan=True)
    assert work.yaw_deg[6:].tolist() == [asked.yaw_deg[5]] * 3


def test_bars_repeat_the_edge() -> None:
    boxed = letterbox(np.full((4, 4, 3), 77, np.uint8), (4, 10))
    assert (boxed == 77).all()


def test_the_fixed_size_nearest_in_aspect_wins() -> None:
    info = replace(INFO, fixed_sizes=((512, 512), (768, 512), (1024, 576)))
    assert fit(request((60, 40)), info).requests[0].size == (768, 512)
    assert fit(request((32, 32)), info).requests[0].size == (512, 512)


def test_more_frames_than_the_generator_makes_are_refused() -> None:
    info = replace(INFO, max_frames=8, frame_step=4, frame_offset=1)
    assert fit(request(frames=5), info).requests[0].frames == 5
    with pytest.raises(Unsupported, match=r"at most 8 frames; asked: 7 \(9 with padding\)"):
        fit(request(frames=7), info)


def test_more_references_than_the_generator_takes_are_refused() -> None:
    with pytest.raises(Unsupported, match="Reduce the request first"):
        fit(request(yaws=(0.0, 1.0)), replace(INFO, max_references=1))


def test_what_was_done_is_recorded_as_json() -> None:
    asked = request((30, 20), 6)
    fitted = fit(asked, replace(INFO, size_multiple=16, frame_step=4))
    effective = unfit([echo(fitted.requests[0])], fitted).effective
    assert json.loads(json.dumps(effective)) == {
        "a": 1,
        "fit": {
            "version": 2,
            "asked_size": [30, 20],
            "work_size": [32, 32],
            "box_top_left_height_width": [1, 6, 30, 20],
            "bars": "edge",
            "asked_frames": 6,
            "work_frames": 8,
        },
    }


def test_an_answer_of_the_wrong_size_is_not_cropped_into_a_right_one() -> None:
    fitted = fit(request((30, 20)), INFO)
    larger = np.zeros((5, 60, 40, 3), np.uint8)
    with pytest.raises(ItemError, match=r"generate\.invalid"):
        unfit([echo(fitted.requests[0], larger)], fitted)


def test_weights_are_trimmed_with_the_frames() -> None:
    asked = request(frames=6, yaws=(0.0, 90.0))
    fitted = fit(asked, replace(INFO, frame_step=8))
    weights = unfit([echo(fitted.requests[0])], fitted).reference_weights
    assert weights is not None
    assert weights.shape == (6, 2)


def test_still_gives_back_its_reference_through_a_multiple() -> None:
    asked = request((30, 20), 3)
    fitted = fit(asked, replace(Still.info, size_multiple=16))
    frames = unfit([Still().generate(fitted.requests[0])], fitted).frames
    assert (frames == asked.references[0].image).all()
