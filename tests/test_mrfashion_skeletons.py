"""Skeletons are drawn as published, the same by OpenCV and by torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from benchmark.perf.drawing import agreement, random_poses
from mrfashion.errors import UnknownNameError
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.poses.skeleton_strokes import Size
from mrfashion.poses.skeleton_styles import STYLES
from mrfashion.poses.skeletons import draw_skeleton_batch, draw_skeletons, write_skeletons
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan
from tests.golden.skeletons import GOLDEN, SIZES

SIZE = (128, 96)
by_style = pytest.mark.parametrize("style", list(STYLES))


def by_torch(
    keypoints: NDArray[np.floating], size: Size, style: str, device: str = "cpu"
) -> NDArray[np.uint8]:
    batch = torch.from_numpy(keypoints).to(device)
    return draw_skeleton_batch(batch, size, size, style).cpu().numpy()


def one_body(joints: dict[int, tuple[float, float, float]]) -> NDArray[np.float32]:
    """1 133 3 with only these joints."""
    keypoints = np.full((1, 133, 3), (np.nan, np.nan, 0), np.float32)
    for place, joint in joints.items():
        keypoints[0, place] = joint
    return keypoints


@by_style
@pytest.mark.parametrize("size", SIZES)
def test_the_drawing_is_that_of_the_published_code(style: str, size: Size) -> None:
    name = f"{size[0]}x{size[1]}"
    with np.load(GOLDEN, allow_pickle=False) as golden:
        keypoints, theirs = golden[f"keypoints-{name}"], golden[f"{style}-{name}"]
    assert (theirs > 0).any(-1).mean() > 0.002
    # cv2.resize may round a level apart on another machine; shapes and colours may not differ.
    assert agreement(draw_skeletons(keypoints, size, size, style), theirs)[1] == 1
    within, within_drawn, _ = agreement(by_torch(keypoints, size, style), theirs)
    assert within >= 0.9999
    assert within_drawn >= 0.995


@by_style
@pytest.mark.parametrize("size", [(512, 384), (97, 333)])
def test_torch_paints_what_opencv_paints(style: str, size: Size) -> None:
    keypoints = random_poses(6, size, seed=1)
    ours = draw_skeletons(keypoints, size, size, style)
    within, within_drawn, _ = agreement(by_torch(keypoints, size, style), ours)
    assert within >= 0.9999
    assert within_drawn >= 0.999


@pytest.mark.gpu
@by_style
def test_a_gpu_paints_what_the_cpu_paints(style: str) -> None:
    keypoints = random_poses(32, (512, 384), seed=2)
    on_gpu = by_torch(keypoints, (512, 384), style, "cuda")
    assert np.array_equal(on_gpu, by_torch(keypoints, (512, 384), style))


def test_colours_and_shapes_are_the_published_ones() -> None:
    shoulder, elbow = (20.0, 40.0, 1.0), (60.0, 40.0, 1.0)
    image = draw_skeletons(one_body({6: shoulder, 8: elbow}), SIZE, SIZE, "openpose-18")[0]
    assert image[40, 40].tolist() == [153, 102, 0]  # the right upper arm, 0.6 of (255, 170, 0)
    assert image[40, 20].tolist() == [255, 170, 0]
    assert image[40, 60].tolist() == [255, 255, 0]
    assert np.flatnonzero(image[:, 40].any(-1)).tolist() == list(range(36, 45))  # 4 px each side
    assert image[:, :16].sum() == 0  # the discs have a radius of 4


def test_weights_dim_colours_and_mimicmotion_swaps_red_and_blue() -> None:
    joints = {6: (200.0, 1000.0, 0.5), 8: (1400.0, 1000.0, 0.8)}
    image = draw_skeletons(one_body(joints), (2160, 2160), (2160, 2160), "mimicmotion")[0]
    level = [int(int(colour * 0.4) * 0.6) for colour in (0, 170, 255)]
    assert image[1000, 800] == pytest.approx(level, abs=1)
    assert image[1000, 200] == pytest.approx([0, 85, 127], abs=1)


def test_hands_and_face_follow_the_threshold_and_openpose_has_none() -> None:
    joints = {91: (40.0, 40.0, 0.9), 92: (48.0, 40.0, 0.9), 30: (70.0, 70.0, 0.9)}
    weak = {112: (20.0, 90.0, 0.29), 113: (28.0, 90.0, 0.29)}
    keypoints = one_body(joints | weak)
    image = draw_skeletons(keypoints, SIZE, SIZE)[0]
    assert image[40, 40].tolist() == [0, 0, 255]
    assert image[70, 70].tolist() == [255, 255, 255]
    assert not image[80:].any()
    assert not draw_skeletons(keypoints, SIZE, SIZE, "openpose-18").any()
    assert draw_skeletons(keypoints, SIZE, (1080, 810), "mimicmotion")[0, 700:].any()


def test_the_neck_needs_both_shoulders() -> None:
    both = {5: (60.0, 40.0, 0.9), 6: (20.0, 40.0, 0.9)}
    with_neck = draw_skeletons(one_body(both), SIZE, SIZE)[0]
    assert with_neck[40, 40].tolist() == [255, 85, 0]
    one = both | {6: (20.0, 40.0, 0.3)}
    assert not draw_skeletons(one_body(one), SIZE, SIZE)[0, 40, 20:50].any()


@by_style
def test_nothing_known_is_black_and_no_frames_give_no_pictures(style: str) -> None:
    for draw in (
        lambda k: draw_skeletons(k, SIZE, SIZE, style),
        lambda k: by_torch(k, SIZE, style),
    ):
        assert not draw(one_body({})).any()
        assert draw(one_body({})[:0]).shape == (0, *SIZE, 3)


@by_style
def test_keypoints_are_left_as_they_were(style: str) -> None:
    keypoints = random_poses(3, SIZE)
    before = keypoints.copy()
    draw_skeletons(keypoints, SIZE, SIZE, style)
    by_torch(keypoints, SIZE, style)
    assert np.array_equal(keypoints, before, equal_nan=True)


@by_style
def test_each_frame_is_drawn_on_its_own(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keypoints = random_poses(5, SIZE, seed=4)
    drawn, painted = draw_skeletons(keypoints, SIZE, SIZE, style), by_torch(keypoints, SIZE, style)
    order = [3, 0, 4, 1, 2]
    assert np.array_equal(draw_skeletons(keypoints[order], SIZE, SIZE, style), drawn[order])
    monkeypatch.setattr("mrfashion.poses.skeletons.CPU_CHUNK_PX", 1)
    assert np.array_equal(by_torch(keypoints[order], SIZE, style), painted[order])


@by_style
def test_only_the_place_within_the_frame_counts(style: str) -> None:
    keypoints = random_poses(3, SIZE, seed=5)
    larger = keypoints * np.float32([4, 4, 1])
    expected = draw_skeletons(keypoints, SIZE, SIZE, style)
    assert np.array_equal(draw_skeletons(larger, (512, 384), SIZE, style), expected)


def test_front_and_back_differ() -> None:
    config = TurntableConfig(
        groups=1, clips_per_group=1, frames=12, height=128, width=96, flow=False, motions=("turn",)
    )
    clip = render_plan(clip_plan(config)[0], config)
    yaw = clip.yaw_deg
    front, back = np.argmin(np.abs(yaw)), np.argmax(np.abs(yaw))
    assert abs(yaw[back]) > 130
    drawn = draw_skeletons(clip.keypoints, SIZE, SIZE)[[front, back]].astype(int)
    left_half, right_half = drawn[:, 40:, :48].sum((1, 2)), drawn[:, 40:, 48:].sum((1, 2))
    # The person's left arm and leg are the bluer; they stand on the right of a front view.
    assert right_half[0, 2] > left_half[0, 2]
    assert right_half[1, 2] < left_half[1, 2]


numbers = st.floats(-1e6, 1e6, width=32) | st.floats(-60, 120, width=32)
numbers |= st.floats(0, 1, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])


@settings(max_examples=50, deadline=None)
@given(
    joints=hnp.arrays(np.float32, (8, 3), elements=numbers),
    places=st.lists(st.integers(0, 132), min_size=8, max_size=8),
    style=st.sampled_from(sorted(STYLES)),
    size=st.sampled_from([(64, 48), (33, 71), (1, 1)]),
)
def test_any_pose_is_drawn_within_the_frame(
    joints: NDArray[np.float32], places: list[int], style: str, size: Size
) -> None:
    keypoints = random_poses(2, (64, 48))
    keypoints[1, places] = joints
    drawn, painted = draw_skeletons(keypoints, size, size, style), by_torch(keypoints, size, style)
    assert drawn.shape == painted.shape == (2, *size, 3)
    assert drawn.dtype == painted.dtype == np.uint8
    alone = draw_skeletons(keypoints[:1], size, size, style)
    assert np.array_equal(drawn[:1], alone)


@by_style
def test_what_lies_beyond_the_frame_does_not_come_back_on_the_other_side(style: str) -> None:
    joints = {6: (150.0, 60.0, 1.0), 8: (110.0, 60.0, 1.0), 112: (300.0, 9.0, 1.0)}
    joints |= {113: (97.0, 200.0, 1.0), 30: (1e9, 1e9, 1.0)}
    keypoints = one_body(joints)
    assert not draw_skeletons(keypoints, SIZE, SIZE, style).any()
    assert not by_torch(keypoints, SIZE, style).any()


def test_wrong_arguments_are_refused_in_words() -> None:
    keypoints = one_body({})
    with pytest.raises(UnknownNameError, match="did you mean dwpose-133"):
        draw_skeletons(keypoints, SIZE, SIZE, "dwpose")
    with pytest.raises(ValueError, match=r"\(1, 17, 3\); allowed: \(frames, 133, 3\)"):
        draw_skeletons(keypoints[:, :17], SIZE, SIZE)
    with pytest.raises(ValueError, match="floating point"):
        draw_skeletons(np.zeros((1, 133, 3), int), SIZE, SIZE)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        draw_skeletons(keypoints, SIZE, (0, 96))
    with pytest.raises(ValueError, match="squarer"):
        draw_skeletons(keypoints, SIZE, (1, 4000), "mimicmotion")


def test_a_device_needs_no_opencv() -> None:
    code = (
        "import sys, torch; sys.modules['cv2'] = None\n"
        "from mrfashion.poses.skeletons import draw_skeleton_batch\n"
        "print(draw_skeleton_batch(torch.ones(1, 133, 3) * 9, (20, 20), (20, 20)).sum().item())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stderr == ""
    assert int(answer.stdout) > 0


def test_a_clip_is_written_as_a_video_of_its_skeletons(tiny_dataset: Path, tmp_path: Path) -> None:
    dataset = Dataset(tiny_dataset)
    with pytest.raises(UnknownNameError):
        write_skeletons(dataset, "clip00", "../elsewhere", tmp_path)
    path = write_skeletons(dataset, "clip00", "openpose-18", tmp_path)
    assert path == tmp_path / "clip00-openpose-18.mp4"
    written = np.stack([frame.image for frame in decode(path)])
    size = written.shape[1:3]
    drawn = draw_skeletons(dataset.keypoints("clip00"), size, size, "openpose-18")
    assert len(written) == len(drawn)
    assert np.abs(written.astype(int) - drawn).mean() < 15  # 4:2:0 smears thin colours
