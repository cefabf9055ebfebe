"""`warp`: what it moves where, what it makes of gaps, and that it beats the best copy."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from baselines.body_parts import PARTS, make_pose
from baselines.matting import matte
from baselines.nearest import Nearest
from baselines.outlines import across, fit_support
from baselines.painting import ANGLES
from baselines.puppet import Puppet, View, build_puppet
from baselines.silhouettes import ROWS, Edges
from baselines.warp import TRUNK, Warp
from baselines.weighing import Weighing
from benchmark.metrics import psnr as psnr_metric
from mrfashion.generation import Keypoints, Reference, Request, Unsupported
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan
from mrfashion.sources.turntable.renderer import Recording
from mrfashion.views import distance_deg, view_of

CONFIG = TurntableConfig(
    groups=3, frames=12, fps=8, height=128, width=96, seed=7, flow=False, motions=("turn",)
)
LEFT_WRIST, RIGHT_HIP, NOSE = 9, 12, 0
FEW = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@cache
def recordings() -> tuple[Recording, ...]:
    return tuple(render_plan(plan, CONFIG) for plan in clip_plan(CONFIG))


def reference(clip: Recording, frame: int) -> Reference:
    yaw = float(clip.yaw_deg[frame])
    return Reference(clip.frames[frame], clip.keypoints[frame], yaw, view_of(yaw))


def request_of(shown: Recording, driving: Recording) -> Request:
    """The four views of one clip drive to another clip of the same garment."""
    frames = {
        min(range(len(shown.yaw_deg)), key=lambda f: distance_deg(float(shown.yaw_deg[f]), deg))
        for deg in (0, 90, 180, -90)
    }
    return Request(
        sample_id="s",
        references=tuple(reference(shown, frame) for frame in sorted(frames)),
        keypoints=driving.keypoints,
        yaw_deg=driving.yaw_deg,
        frame_size=(CONFIG.height, CONFIG.width),
        fps=8.0,
        size=(CONFIG.height, CONFIG.width),
        seed=0,
    )


@pytest.fixture(scope="module")
def asked() -> Request:
    return request_of(recordings()[0], recordings()[1])


def short(request: Request, *frames: int) -> Request:
    chosen = list(frames)
    return replace(request, keypoints=request.keypoints[chosen], yaw_deg=request.yaw_deg[chosen])


def puppet_of(request: Request) -> Puppet:
    views = [
        View(r.image, np.nan_to_num(r.keypoints).astype(np.float64), r.yaw_deg or 0.0)
        for r in request.references
    ]
    puppet = build_puppet(views)
    assert puppet is not None
    return puppet


def psnr(target: NDArray[np.uint8], made: NDArray[np.uint8]) -> float:
    value = psnr_metric.psnr(target, made).whole
    assert value is not None
    return value


@pytest.mark.parametrize("group", range(CONFIG.groups))
def test_a_reference_s_own_pose_gives_nearly_the_reference(group: int) -> None:
    shown = recordings()[2 * group]
    asked = request_of(shown, shown)
    for own in asked.references:
        assert own.yaw_deg is not None
        posed = replace(
            asked,
            references=(own,),
            keypoints=own.keypoints[None],
            yaw_deg=np.array([own.yaw_deg], np.float32),
        )
        assert psnr(own.image, Warp().generate(posed).frames[0]) >= 22


@pytest.mark.parametrize("group", range(CONFIG.groups))
def test_it_beats_the_best_copy_on_the_person(group: int) -> None:
    shown, target = recordings()[2 * group : 2 * group + 2]
    asked = request_of(shown, target)

    def foreground(frames: NDArray[np.uint8]) -> float:
        pairs = zip(target.frames, frames, target.mask, strict=True)
        scores = [psnr_metric.psnr(a, b, mask).foreground for a, b, mask in pairs]
        return float(np.mean([score for score in scores if score is not None]))

    warped = foreground(Warp().generate(asked).frames)
    assert warped > foreground(Nearest().generate(asked).frames) + 1


@FEW
@given(st.integers(-12, 12), st.integers(-6, 6))
def test_a_pose_moved_by_whole_pixels_moves_the_person(dx: int, dy: int) -> None:
    asked = request_of(recordings()[0], recordings()[1])
    plain = replace(puppet_of(asked), backdrop=np.full((192, 160, 3), 90, np.uint8))
    joints = np.nan_to_num(asked.keypoints[3]).astype(np.float64)
    joints[:, :2] += 32
    moved = joints + np.array((dx, dy, 0.0))
    yaw = float(asked.yaw_deg[3])
    here, _ = plain.draw(joints, yaw, Weighing())
    there, _ = plain.draw(np.where(joints[:, 2:] > 0, moved, 0), yaw, Weighing())
    assert (here != 90).any()
    back = np.roll(there, (-dy, -dx), (0, 1))
    assert np.abs(back.astype(int) - here).max() <= 2


def test_a_pose_twice_as_large_draws_the_person_twice_as_large(asked: Request) -> None:
    puppet = puppet_of(asked)
    joints = np.nan_to_num(asked.keypoints[3]).astype(np.float64)
    yaw = float(asked.yaw_deg[3])
    height, width = asked.size
    once = replace(puppet, backdrop=np.full((height, width, 3), 90, np.uint8))
    twice = replace(puppet, backdrop=np.full((2 * height, 2 * width, 3), 90, np.uint8))
    large = joints.copy()
    large[:, :2] = joints[:, :2] * 2 + 0.5  # integers are centres of pixels
    here, _ = once.draw(joints, yaw, Weighing())
    there, _ = twice.draw(large, yaw, Weighing())
    shrunk = cv2.resize(there, (width, height), interpolation=cv2.INTER_AREA)
    assert psnr(here, np.asarray(shrunk, np.uint8)) >= 28


def test_poses_measured_in_larger_frames_give_the_same_video(asked: Request) -> None:
    asked = short(asked, 0, 5)
    larger = asked.keypoints.copy()
    larger[..., :2] = larger[..., :2] * 2 + 0.5
    height, width = asked.frame_size
    doubled = replace(asked, keypoints=larger, frame_size=(2 * height, 2 * width))
    first, second = (Warp().generate(r).frames.astype(int) for r in (asked, doubled))
    assert np.abs(first - second).mean() < 0.01


def test_opencv_s_global_state_decides_nothing(asked: Request) -> None:
    asked = short(asked, 2, 7)
    threads = cv2.getNumThreads()
    first = Warp().generate(asked).frames
    cv2.setRNGSeed(12345)
    cv2.setNumThreads(1)
    try:
        second = Warp().generate(asked).frames
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(first, second)


@FEW
@given(st.permutations(range(4)))
def test_the_order_of_the_references_decides_nothing(order: list[int]) -> None:
    asked = short(request_of(recordings()[0], recordings()[1]), 1, 6)
    order = [i for i in order if i < len(asked.references)]
    first = Warp().generate(asked)
    second = Warp().generate(replace(asked, references=tuple(asked.references[i] for i in order)))
    assert np.array_equal(first.frames, second.frames)
    assert first.reference_weights is not None
    assert second.reference_weights is not None
    assert np.array_equal(first.reference_weights[:, order], second.reference_weights)


def test_weights_sum_to_one_and_name_the_nearest_view(asked: Request) -> None:
    weights = Warp().generate(asked).reference_weights
    assert weights is not None
    assert weights.sum(1) == pytest.approx(1, abs=1e-5)
    yaws = [r.yaw_deg or 0.0 for r in asked.references]
    for row, yaw in zip(weights, asked.yaw_deg, strict=True):
        away = [distance_deg(known, float(yaw)) for known in yaws]
        if min(away) < 15:
            assert row.argmax() == int(np.argmin(away))


def without(request: Request, frames: slice, joints: int | slice) -> Request:
    keypoints = request.keypoints.copy()
    keypoints[frames, joints] = (np.nan, np.nan, 0)
    return replace(request, keypoints=keypoints)


def test_a_pose_that_is_missing_is_held(asked: Request) -> None:
    yaw_deg = asked.yaw_deg.copy()
    yaw_deg[4] = np.nan
    gap = replace(without(asked, slice(4, 5), slice(0, 133)), yaw_deg=yaw_deg)
    result = Warp().generate(gap)
    assert np.array_equal(result.frames[4], result.frames[3])
    assert not np.array_equal(result.frames[5], result.frames[3])
    assert result.warnings == (
        "1 frames have no yaw: held",
        "1 frames lack a joint that others have: held",
    )


def test_a_missing_wrist_moves_along_with_the_body(asked: Request) -> None:
    still = replace(
        asked, keypoints=asked.keypoints[[3] * 3].copy(), yaw_deg=asked.yaw_deg[[3] * 3]
    )
    still.keypoints[1, :, :2] += 2
    whole = Warp().generate(still).frames
    held = Warp().generate(without(still, slice(1, 2), LEFT_WRIST)).frames
    assert np.abs(whole[1].astype(int) - held[1]).max() <= 2


def test_a_joint_that_is_never_seen_costs_its_part_only(asked: Request) -> None:
    asked = short(asked, 3)
    armless = Warp().generate(without(asked, slice(None), LEFT_WRIST))
    whole = Warp().generate(asked)
    changed = (armless.frames[0] != whole.frames[0]).any(-1)
    assert changed.any()
    assert changed.mean() < 0.05
    assert not armless.warnings


def test_without_any_yaw_the_most_frontal_reference_leads(asked: Request) -> None:
    unknown = replace(short(asked, 3), yaw_deg=np.array([np.nan], np.float32))
    result = Warp().generate(unknown)
    yaws = [abs(r.yaw_deg or 0.0) for r in asked.references]
    assert result.reference_weights is not None
    assert result.reference_weights[0].argmax() == int(np.argmin(yaws))


def test_references_of_another_size_are_fitted(asked: Request) -> None:
    asked = short(asked, 0, 3)
    larger = tuple(
        replace(
            r,
            image=np.repeat(np.repeat(r.image, 2, 0), 2, 1),
            keypoints=(r.keypoints * (2, 2, 1) + (0.5, 0.5, 0)).astype(np.float32),
        )
        for r in asked.references
    )
    same, fitted = (Warp().generate(r).frames for r in (asked, replace(asked, references=larger)))
    assert np.abs(same.astype(int) - fitted).mean() < 0.05


def blind(reference: Reference, joint: int) -> Reference:
    keypoints = reference.keypoints.copy()
    keypoints[joint] = (np.nan, np.nan, 0)
    return replace(reference, keypoints=keypoints)


def test_a_reference_without_a_body_or_a_yaw_is_left_out(asked: Request) -> None:
    asked = short(asked, 3)
    front, *others = asked.references
    odd = (front, blind(others[0], RIGHT_HIP), replace(others[1], yaw_deg=None))
    weights = Warp().generate(replace(asked, references=odd)).reference_weights
    assert weights is not None
    assert weights.tolist() == [[1, 0, 0]]


def test_a_reference_too_small_to_draw_is_left_out(asked: Request) -> None:
    asked = short(asked, 3)
    dot = replace(asked.references[1], keypoints=np.full((133, 3), (5, 5, 1), np.float32))
    weights = (
        Warp().generate(replace(asked, references=(dot, asked.references[0]))).reference_weights
    )
    assert weights is not None
    assert weights.tolist() == [[0, 1]]


def test_no_reference_with_a_body_is_unsupported(asked: Request) -> None:
    bodiless = tuple(blind(r, RIGHT_HIP) for r in asked.references)
    with pytest.raises(Unsupported, match="no reference has both shoulders and hips"):
        Warp().generate(replace(asked, references=bodiless))


def test_no_reference_with_a_yaw_is_unsupported(asked: Request) -> None:
    unknown = tuple(replace(r, yaw_deg=None) for r in asked.references)
    with pytest.raises(Unsupported, match="no reference with a body has one"):
        Warp().generate(replace(asked, references=unknown))


def test_a_hip_that_no_driving_pose_has_is_unsupported(asked: Request) -> None:
    with pytest.raises(Unsupported, match="in no driving pose"):
        Warp().generate(without(asked, slice(None), RIGHT_HIP))


def test_keypoints_without_a_size_are_unsupported(asked: Request) -> None:
    collapsed = np.full((133, 3), (5, 5, 1), np.float32)
    flat = replace(asked.references[0], keypoints=collapsed)
    with pytest.raises(Unsupported, match="of a size to be drawn"):
        Warp().generate(replace(asked, references=(flat,)))


@FEW
@given(
    hnp.arrays(
        np.float32,
        (2, 133, 3),
        elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan) | st.floats(0, 96, width=32),
    )
)
def test_wild_driving_poses_are_drawn_or_refused(keypoints: Keypoints) -> None:
    asked = request_of(recordings()[0], recordings()[1])
    keypoints[..., 2] = np.nan_to_num(np.clip(keypoints[..., 2], 0, 1))
    wild = replace(asked, keypoints=keypoints, yaw_deg=np.array([0, 90], np.float32))
    if (np.isfinite(keypoints).all(-1) & (keypoints[..., 2] > 0))[:, TRUNK].any(0).all():
        Warp().generate(wild).check(wild)
    else:
        with pytest.raises(Unsupported, match="in no driving pose"):
            Warp().generate(wild)


def test_masks_come_near_the_truth() -> None:
    for clip in recordings():
        for frame in (0, 6):
            joints = np.nan_to_num(clip.keypoints[frame]).astype(np.float64)
            pose = make_pose(joints, float(clip.yaw_deg[frame]))
            assert pose is not None
            found, truth = matte(clip.frames[frame], pose).mask, clip.mask[frame]
            assert (found & truth).sum() / (found | truth).sum() >= 0.75


def edges_of(right: float, left: float) -> Edges:
    sure = np.ones(ROWS)
    return Edges(np.full(ROWS, left), np.full(ROWS, right), sure, sure, sure)


@given(
    st.lists(st.floats(0.02, 0.8), min_size=1, max_size=8),
    st.lists(st.floats(0.02, 0.8), min_size=1, max_size=8),
    st.floats(-np.pi, np.pi),
)
def test_any_outline_is_convex(right: list[float], left: list[float], yaw: float) -> None:
    edges = [edges_of(a, -b) for a, b in zip(right, left, strict=False)]
    yaws = [float(y) for y in np.linspace(-3, 3, len(edges))]
    support = fit_support(PARTS["torso"], edges, yaws, np.ones(len(edges)))
    places = across(support, ANGLES[None] - yaw, yaw)
    assert (np.diff(places, axis=1) >= -1e-9).all()


def test_an_ellipse_is_known_from_its_front_and_its_side() -> None:
    views = [edges_of(0.4, -0.4), edges_of(0.3, -0.3)]
    support = fit_support(PARTS["torso"], views, [0.0, np.pi / 2], np.ones(2))
    for yaw, width in ((0.0, 0.8), (np.pi / 2, 0.6), (np.pi, 0.8)):
        left, right = across(support, ANGLES[None, [0, -1]] - yaw, yaw)[ROWS // 2]
        assert right - left == pytest.approx(width, abs=0.03)
