"""Motion metrics: known pans, a frozen video, occlusion, and what must not change them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.clip_scores import StratumScore, score_clip
from benchmark.metrics import METRICS
from benchmark.metrics.flow import LAST, Step, dis_flow, trusted, warped
from benchmark.metrics.spec import ClipContext, FramePair

NAMES = ("warping-error", "warping-error-target", "tof", "flicker")


def scene(seed: int, height: int = 96, width: int = 120) -> np.ndarray:
    """A smooth picture, larger than the frames that are cut from it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 6, width // 6, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def pan(pixels: float, frames: int = 4, seed: int = 0) -> np.ndarray:
    """f h w 3: the picture moves right by so many pixels a frame."""
    picture = scene(seed)
    made = []
    for i in range(frames):
        matrix = np.array([[1, 0, i * pixels], [0, 1, 0]], np.float32)
        moved = cv2.warpAffine(
            picture, matrix, (120, 96), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        made.append(moved[16:80, 20:100])
    return np.stack(made).astype(np.uint8)


def scores(
    target: np.ndarray, generated: np.ndarray, masks: np.ndarray | None = None
) -> dict[tuple[str, str], StratumScore]:
    context = ClipContext(["front"] * len(target), masks=masks)
    rows = score_clip(context, target, generated, [METRICS[name] for name in NAMES])
    return {(row.metric, row.region): row for row in rows if row.stratum == "all"}


def value(rows: dict[tuple[str, str], StratumScore], name: str, region: str = "whole") -> float:
    found = rows[name, region].value
    assert found is not None
    return found


def test_the_target_itself_is_perfect_and_steps_are_counted() -> None:
    rows = scores(pan(2.0), pan(2.0))
    assert value(rows, "tof") == 0
    assert value(rows, "flicker") == 0
    assert value(rows, "warping-error") == value(rows, "warping-error-target") < 2e-4
    assert {row.n for row in rows.values() if row.region == "whole"} == {3}


@pytest.mark.parametrize("pixels", [0.5, 1.0, 2.0, 4.0])
def test_a_frozen_video_is_off_by_the_targets_motion(pixels: float) -> None:
    target = pan(pixels)
    frozen = np.repeat(target[:1], len(target), 0)
    rows = scores(target, frozen)
    assert value(rows, "tof") == pytest.approx(pixels, rel=0.05)
    assert value(rows, "warping-error") > 5 * value(rows, "warping-error-target")
    moved = target.astype(np.float64) / 255
    want = np.mean([math.sqrt(np.mean(np.square(moved[i + 1] - moved[i]))) for i in range(3)])
    assert value(rows, "flicker") == pytest.approx(want, rel=1e-9)


def test_flicker_sees_what_warping_by_the_targets_flow_sees_too() -> None:
    target = pan(1.0, frames=6)
    unsteady = target.astype(np.int16)
    unsteady[1::2] += 12
    rows = scores(target, np.clip(unsteady, 0, 255).astype(np.uint8))
    steady = scores(target, np.clip(target.astype(np.int16) + 12, 0, 255).astype(np.uint8))
    assert value(rows, "flicker") > 4 * value(steady, "flicker")
    assert value(rows, "warping-error") > 4 * value(steady, "warping-error")


def test_errors_on_the_person_are_of_masked_pixels_only() -> None:
    target = pan(0.0)
    generated = target.copy()
    generated[1::2, :32] = 255 - generated[1::2, :32]  # the upper half alone flickers
    masks = np.zeros(target.shape[:3], bool)
    masks[:, 32:] = True
    rows = scores(target, generated, masks)
    assert value(rows, "flicker", "foreground") == 0
    assert value(rows, "flicker") > 0.1
    assert value(rows, "warping-error", "foreground") == pytest.approx(0, abs=1e-9)
    empty = scores(target, generated, np.zeros_like(masks))
    assert empty["tof", "foreground"].value is None
    assert empty["tof", "foreground"].note == "no frame has foreground to measure"


def test_the_last_frame_begins_no_step() -> None:
    target = pan(1.0, frames=2)
    rows = score_clip(ClipContext(["front", "back"]), target, target, [METRICS["tof"]])
    back = next(row for row in rows if row.stratum == "back" and row.region == "whole")
    assert (back.value, back.n, back.note) == (None, 0, LAST)


def test_a_single_frame_has_no_motion_to_measure() -> None:
    rows = scores(pan(1.0)[:1], pan(1.0)[:1])
    assert {(row.value, row.note) for row in rows.values() if row.region == "whole"} == {
        (None, LAST)
    }


def test_frames_too_small_for_flow_leave_the_other_metrics_alone() -> None:
    tiny = np.zeros((3, 10, 10, 3), np.uint8)
    context = ClipContext(["front"] * 3)
    rows = score_clip(context, tiny, tiny, [METRICS["tof"], METRICS["l1"]])
    of_all = {(row.metric, row.region): row for row in rows if row.stratum == "all"}
    assert "flow needs 12 pixels" in (of_all["tof", "whole"].note or "")
    assert of_all["l1", "whole"].value == 0


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.5, 1.5, 3.0]))
def test_tof_and_flicker_are_symmetric(seed: int, pixels: float) -> None:
    one, other = pan(pixels, 3, seed), pan(0.0, 3, seed)
    straight, turned = scores(one, other), scores(other, one)
    for name in ("tof", "flicker"):
        assert value(straight, name) == pytest.approx(value(turned, name), abs=1e-6)


def test_order_of_frames_matters_to_motion() -> None:
    target = pan(2.0, frames=5)
    order = [0, 2, 1, 4, 3]
    rows = scores(target, target[order])
    assert value(rows, "tof") > 0.5
    assert value(rows, "flicker") > 0.01


def test_threads_change_no_bit_of_the_flow() -> None:
    target = pan(2.0)
    before = cv2.getNumThreads()
    try:
        flows = []
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            flows.append(dis_flow(target[0], target[1]))
    finally:
        cv2.setNumThreads(before)
    assert (flows[0] == flows[1]).all()


def test_warping_by_the_flow_brings_the_next_frame_back() -> None:
    target = pan(3.0, frames=2)
    flow = np.zeros((*target.shape[1:3], 2), np.float32)
    flow[..., 0] = 3
    back = warped(target[1].astype(np.float32), flow)
    assert np.abs(back - target[0])[:, 3:-3].max() <= 1


def test_what_leaves_the_frame_or_is_covered_is_not_trusted() -> None:
    target = pan(4.0, frames=2)
    forward = np.zeros((64, 80, 2), np.float32)
    forward[..., 0] = 4
    pairs = [FramePair(frame, frame) for frame in target]
    seen = trusted(Step(pairs[0], pairs[1], forward, -forward))
    assert seen[:, :76].all()
    assert not seen[:, 76:].any()
    covered = -forward.copy()
    covered[20:30, 20:40] = 4  # the way back leads elsewhere
    unsure = trusted(Step(pairs[0], pairs[1], forward, covered))
    assert not unsure[21:29, 17:35].any()
    assert unsure[40:, :76].all()
