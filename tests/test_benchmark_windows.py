"""Windows: what a method with a greatest frame count is asked, and how its answers become one."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmark.attempts import attempt
from benchmark.fitting import fit, unfit
from benchmark.windows import cut
from mrfashion.errors import ItemError
from mrfashion.generation import GeneratorInfo, Reference, Request, Result
from mrfashion.letterbox import centre, paint
from tests.right_generators import Copy

INFO = GeneratorInfo("any", "learned", "", 1, max_references=8, code_licence="MIT")


def request(frames: int, size: tuple[int, int] = (12, 10), references: int = 2) -> Request:
    """A request whose yaw numbers its frames."""
    points = np.full((frames, 133, 3), 5, np.float32)
    one = Reference(np.zeros((*size, 3), np.uint8), points[0], 0.0, None)
    yaw_deg = np.arange(frames, dtype=np.float32)
    return Request("s", (one,) * references, points, yaw_deg, size, 25.0, size, seed=3)


@given(st.integers(1, 300), st.integers(1, 90), st.data())
def test_windows_cover_a_video_and_share_what_was_asked(
    frames: int, length: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, length - 1))
    starts = cut(frames, length, overlap).starts
    assert starts[0] == 0
    if frames <= length:
        assert starts == (0,)
        return
    assert starts[-1] + length == frames
    shared = [a + length - b for a, b in pairwise(starts)]
    assert all(overlap <= n < length for n in shared)
    assert all(n == overlap for n in shared[:-1])  # only the clamped one shares more


@given(st.integers(1, 100), st.integers(1, 30), st.data())
def test_shares_of_a_frame_sum_to_one(frames: int, length: int, data: st.DataObject) -> None:
    windows = cut(frames, length, data.draw(st.integers(0, length - 1)))
    for frame in range(frames):
        shares = windows.shares(frame)
        assert sum(share.weight for share in shares) == pytest.approx(1)
        assert all(windows.starts[share.window] + share.place == frame for share in shares)


def test_a_blend_goes_over_linearly() -> None:
    fitted = fit(request(8), replace(INFO, max_frames=5, overlap=2))
    assert fitted.windows.starts == (0, 3)
    black, white = (
        Result(np.full((5, 12, 10, 3), level, np.uint8), 25.0, np.float32([[1 - i, i]] * 5))
        for i, level in enumerate((0, 255))
    )
    back = unfit([black, white], fitted)
    assert back.frames[:, 0, 0, 0].tolist() == [0, 0, 0, 85, 170, 255, 255, 255]
    assert back.reference_weights is not None
    assert back.reference_weights[:, 1] == pytest.approx([0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1])


@given(
    st.integers(1, 40),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(1, 16),
    st.integers(1, 5),
    st.integers(1, 6),
    st.data(),
)
@settings(deadline=None, max_examples=80)
def test_bars_held_frames_and_windows_come_back_to_the_bit(
    frames: int,
    size: tuple[int, int],
    multiple: int,
    step: int,
    offset: int,
    data: st.DataObject,
) -> None:
    most = data.draw(st.none() | st.integers(offset, 30))
    info = replace(
        INFO, size_multiple=multiple, frame_step=step, frame_offset=offset, max_frames=most
    )
    if info.window is not None:
        info = replace(info, overlap=data.draw(st.integers(0, info.window - 1)))
    rng = np.random.default_rng(frames)
    truth = rng.integers(0, 256, (frames, *size, 3), np.uint8)
    weights = rng.dirichlet((1, 1), frames).astype(np.float32)
    asked = request(frames, size)

    def ideal(window: Request) -> Result:  # knows the answer, and frames by their yaw
        assert (window.frames - offset) % step == 0
        assert window.frames >= offset
        assert most is None or window.frames <= most
        numbers = window.yaw_deg.astype(int)
        box = centre(size, window.size)
        pictures = [paint(truth[n], box) for n in numbers]
        return Result(np.stack(pictures), window.fps, weights[numbers])

    fitted = fit(asked, info)
    back = unfit([ideal(window) for window in fitted.requests], fitted)
    back.check(asked)
    assert np.array_equal(back.frames, truth)
    assert back.reference_weights is not None
    assert back.reference_weights == pytest.approx(weights, abs=1e-6)


SIDES = st.integers(16, 60)
SIZES = st.tuples(SIDES, SIDES)


@given(SIZES, SIZES, SIZES)
@settings(deadline=None, max_examples=60)
def test_keypoints_land_where_the_pixels_land(
    size: tuple[int, int], fixed: tuple[int, int], frame_size: tuple[int, int]
) -> None:
    """A ramp painted between two moved keypoints comes back as the ramp between the asked."""
    asked = replace(request(1, size), frame_size=frame_size)
    ends = np.array([[4, 4], [frame_size[1] - 5, frame_size[0] - 5]], np.float32)
    assume((ends[1] > ends[0]).all())
    asked.keypoints[0, :2, :2] = ends
    fitted = fit(asked, replace(INFO, fixed_sizes=(fixed,)))
    same = fit(asked, INFO).requests[0].keypoints[0, :2, :2]  # in pixels of the asked size
    assume((same[1] - same[0] > 4).all())
    work = fitted.requests[0]
    for axis in (0, 1):
        x0, x1 = work.keypoints[0, :2, axis]
        levels = 60 + 120 * (np.arange(work.size[1 - axis]) - x0) / (x1 - x0)
        ramp = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        picture = np.broadcast_to(ramp[:, None] if axis else ramp, work.size)
        answer = Result(np.repeat(picture[None, ..., None], 3, axis=-1), work.fps)
        line = unfit([answer], fitted).frames[0, :, :, 0].mean(axis=axis)
        slope = 120 / (same[1, axis] - same[0, axis])
        inner = slice(*np.rint(same[:, axis]).astype(int))
        expected = 60 + slope * (np.arange(len(line)) - same[0, axis])
        assert np.abs(line - expected)[inner].max() <= 0.6 * slope + 2


def test_a_clip_shorter_than_the_least_count_holds_its_last_pose_and_is_trimmed() -> None:
    fitted = fit(request(3), replace(INFO, frame_offset=16))
    (work,) = fitted.requests
    assert work.yaw_deg.tolist() == [0, 1, 2] + [2] * 13
    assert fitted.record()["work_frames"] == 16
    answer = Result(np.zeros((16, 12, 10, 3), np.uint8), 25.0)
    assert len(unfit([answer], fitted).frames) == 3


def test_windows_of_four_n_plus_one_keep_that_form() -> None:
    fitted = fit(request(20), replace(INFO, frame_step=4, frame_offset=1, max_frames=12, overlap=3))
    assert [r.frames for r in fitted.requests] == [9, 9, 9]
    assert fitted.record() | {"version": 0} == {
        "version": 0,
        "asked_size": [12, 10],
        "work_size": [12, 10],
        "box_top_left_height_width": [0, 0, 12, 10],
        "bars": "edge",
        "asked_frames": 20,
        "work_frames": 20,
        "window_starts": [0, 6, 11],
        "window_frames": 9,
        "window_overlap": 3,
        "window_blend": "triangle",
    }


def test_what_windows_say_differently_is_kept_of_each() -> None:
    fitted = fit(request(8), replace(INFO, max_frames=5, overlap=2))
    one, other = (
        Result(
            np.zeros((5, 12, 10, 3), np.uint8), 25.0, None, {"n": n}, 2.0, n, ("both", f"only {n}")
        )
        for n in (1, 2)
    )
    back = unfit([one, other], fitted)
    assert back.effective["windows"] == [{"n": 1}, {"n": 2}]
    assert unfit([one, one], fitted).effective["n"] == 1
    assert (back.seconds, back.peak_memory_bytes) == (4.0, 2)
    assert back.warnings == ("both", "only 1", "only 2")
    json.dumps(back.effective)


def test_one_wrong_window_is_an_error() -> None:
    fitted = fit(request(8), replace(INFO, max_frames=5, overlap=2))
    good = Result(np.zeros((5, 12, 10, 3), np.uint8), 25.0)
    with pytest.raises(ItemError, match=r"generate\.invalid"):
        unfit([good, replace(good, frames=good.frames[:3])], fitted)


def test_a_generator_is_asked_each_window_with_the_same_seed() -> None:
    generator = Copy(max_frames=5, overlap=1)
    asked = request(13, references=1)
    answer = attempt(generator, asked, "cpu")
    assert [(r.frames, r.seed) for r in generator.asked] == [(5, 3)] * 3
    assert answer.result.effective["fit"]["window_starts"] == [0, 4, 8]
    assert answer.result.frames.shape == (13, 12, 10, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_references": 0}, "max_references is 0; allowed: 1 or more"),
        ({"size_multiple": 0}, "size_multiple is 0"),
        ({"frame_step": 0}, "frame_step is 0"),
        ({"frame_offset": -1}, "frame_offset is -1; allowed: 0 or more"),
        ({"fixed_sizes": ((0, 4),)}, "fixed_sizes"),
        ({"frame_offset": 9, "max_frames": 8}, "less than the least count"),
        ({"max_frames": 8, "overlap": 8}, "overlap is 8 of windows of 8"),
        ({"overlap": 1}, "overlap is 1 of windows of None"),
    ],
)
def test_numbers_that_no_request_could_meet_are_refused(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(INFO, **values)  # type: ignore[arg-type]
