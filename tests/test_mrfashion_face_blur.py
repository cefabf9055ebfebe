"""Face blur on export: every visible face is covered, nothing of it can be got back."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.errors import ItemError
from mrfashion.face_blur import FaceBlurConfig, face_circles, fill, held
from mrfashion.media import decode, probe
from mrfashion.sources.turntable.body import PART
from mrfashion.sources.turntable.motion import sample_motion
from mrfashion.sources.turntable.renderer import render
from mrfashion.sources.turntable.texture import sample_identity
from mrfashion.yaw import yaw_from_keypoints

CONFIG = FaceBlurConfig()
FPS = 20.0
FACES = ("nc/videos/ubc_fashion.mp4", "videos/tfjs_pose_squats.mp4", "videos/v2d_dance.mp4")


def body(frames: int, *, score: float = 1.0, ears: float = 0.2) -> np.ndarray:
    """A torso of 100 px below a head at (100, 50); `ears`: how far the left is to the right."""
    keypoints = np.full((frames, 133, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    x = 100 + 100 * ears / 2 * np.array([1, -1])
    keypoints[:, 0] = (100, 52, score)
    keypoints[:, 1:3] = [(x[0] / 2 + 50, 48, score), (x[1] / 2 + 50, 48, score)]
    keypoints[:, 3:5] = [(x[0], 50, score), (x[1], 50, score)]
    keypoints[:, 5:7] = [(130, 95, 1), (70, 95, 1)]
    keypoints[:, 11:13] = [(115, 195, 1), (85, 195, 1)]
    return keypoints


def circles(keypoints: np.ndarray, yaw: float | np.ndarray) -> np.ndarray:
    yaws = np.broadcast_to(np.float32(yaw), len(keypoints))
    return face_circles(keypoints, yaws, FPS, CONFIG)


def covered(found: np.ndarray) -> list[bool]:
    return np.isfinite(found[:, 0]).tolist()


def test_rendered_faces_are_covered_to_the_last_pixel() -> None:
    """A full turn; a face is in sight where the truth says that nose or an eye is."""
    footage = render(sample_identity(3), sample_motion(3, 24, 8, "turn"), (128, 96))
    assert footage.parts is not None
    keypoints, parts = footage.keypoints.numpy(), footage.parts.numpy()
    yaw, _ = yaw_from_keypoints(keypoints, 8.0, (128, 96))
    found = held(face_circles(keypoints, yaw, 8.0, CONFIG), 8.0, CONFIG)
    for frame in np.flatnonzero((keypoints[:, :3, 2] == 1).any(1)):
        rows, columns = np.nonzero(np.isin(parts[frame], (PART["head"], PART["nose"])))
        x, y, radius = found[frame].T[..., None]
        assert ((columns - x) ** 2 + (rows - y) ** 2 <= radius**2).any(0).all()
    assert sum(not len(disc) for disc in found) >= 2  # behind, nothing is covered


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(5, 30))
def test_nothing_of_what_is_covered_but_its_mean_is_kept(seed: int, radius: float) -> None:
    """Two faces of the same mean colour give the same picture: no method tells them apart."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (60, 50, 3), dtype=np.uint8)
    disc = np.array([[25.0, 30.0, radius]])
    rows, columns = np.ogrid[:60, :50]
    inside = (columns - 25.0) ** 2 + (rows - 30.0) ** 2 <= radius**2
    other = image.copy()
    other[inside] = rng.permutation(image[inside])
    assert np.array_equal(fill(image, disc), fill(other, disc))
    assert np.array_equal(fill(image, disc)[~inside], image[~inside])
    assert len(np.unique(fill(image, disc)[inside], axis=0)) == 1


@pytest.mark.parametrize(
    ("yaw", "score", "ears", "seen"),
    [
        (0, 1.0, 0.2, True),
        (0, 0.1, 0.2, True),  # a face that the estimator missed is a face
        (np.nan, 0.1, 0.2, True),  # and so where the yaw is not known
        (180, 0.1, -0.2, False),
        (180, 1.0, -0.2, False),  # an estimator that trusts every nose; ears as from behind
        (180, 1.0, 0.2, True),  # looks over the shoulder
        (120, 0.1, -0.2, True),
    ],
)
def test_a_back_shows_no_face_unless_the_head_looks_round(
    yaw: float, score: float, ears: float, seen: bool
) -> None:
    assert covered(circles(body(3, score=score, ears=ears), yaw)) == [seen] * 3


def test_a_face_stays_covered_a_moment_after_it_is_gone() -> None:
    keypoints = np.concatenate([body(5), body(20, score=0.1, ears=-0.2)])
    yaw = np.array([0] * 5 + [180] * 20)
    assert covered(circles(keypoints, yaw)) == [True] * 7 + [False] * 18


def test_a_gap_is_bridged_on_a_line_with_larger_circles() -> None:
    keypoints = body(9)
    keypoints[4:, :, 0] += 40
    keypoints[3:6] = np.nan
    keypoints[3:6, :, 2] = 0
    found = circles(keypoints, 0)
    assert covered(found) == [True] * 9
    assert np.allclose(found[3:6, 0], [110, 120, 130])
    assert np.allclose(found[3:6, 2], 1.5 * found[0, 2])


def test_one_wild_frame_bares_nothing() -> None:
    keypoints = body(5)
    keypoints[2, :5, :2] += 300
    image = np.zeros((400, 500, 3), np.uint8)
    image[40:60, 90:110] = 255
    disc = held(circles(keypoints, 0), FPS, CONFIG)[2]
    assert fill(image, disc)[40:60, 90:110].max() < 255


def test_face_points_alone_tell_the_place_and_their_reach() -> None:
    keypoints = body(2)
    keypoints[:, :5, 2] = 0
    angle = np.linspace(0, 2 * np.pi, 68)
    keypoints[:, 23:91, 0] = 300 + 60 * np.cos(angle)
    keypoints[:, 23:91, 1] = 80 + 60 * np.sin(angle)
    keypoints[:, 23:91, 2] = 0.9
    x, y, radius = circles(keypoints, 0)[0]
    assert np.hypot(x - 300, y - 80) < 2
    assert radius > 75


def test_without_a_head_the_shoulders_tell_where_it_is() -> None:
    keypoints = body(2)
    keypoints[:, :5, 2] = 0
    x, y, radius = circles(keypoints, 0)[0]
    assert (x, y) == pytest.approx((100, 50))
    assert radius == pytest.approx(48)


def test_a_clip_that_cannot_be_covered_is_told() -> None:
    nothing = np.zeros((3, 133, 3), np.float32)
    with pytest.raises(ItemError, match="no keypoint tells where the head is"):
        circles(nothing, 0)
    assert covered(circles(nothing, 180)) == [False] * 3


@pytest.mark.realdata
@pytest.mark.skipif(not os.environ.get("MRFASHION_FULL"), reason="a minute: MRFASHION_FULL=1")
@pytest.mark.parametrize("name", FACES)
def test_mediapipe_finds_no_bare_face_in_real_footage(realdata: Path, name: str) -> None:
    """BlazePose leads the blur; mediapipe's own landmarks, each frame alone, judge it."""
    from mrfashion.poses.blazepose import BlazePose, BlazePoseConfig

    frames = [frame.image for frame in decode(realdata / name)]
    fps = probe(realdata / name).fps
    keypoints = BlazePose(BlazePoseConfig(), threads=1).track(iter(frames), fps).keypoints
    yaw, _ = yaw_from_keypoints(keypoints, fps, (frames[0].shape[0], frames[0].shape[1]))
    found = held(face_circles(keypoints, yaw, fps, CONFIG), fps, CONFIG)
    truth = json.loads((realdata / "refs" / "mediapipe_pose.json").read_text())[name]["frames"]
    checked = 0
    for number, landmarks in ((int(key), points) for key, points in truth.items() if points):
        if abs(yaw[number]) < CONFIG.behind_deg:
            points = np.array(landmarks)[:11, :2]
            away = np.linalg.norm(points[:, None] - found[number][:, :2], axis=-1)
            assert (away <= found[number][:, 2]).any(1).all(), (number, points)
            checked += 1
    assert checked >= 10
