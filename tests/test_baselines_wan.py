"""Wan-VACE and Wan-Animate on tiny random weights, and from folders in the published layout."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from baselines.wan_animate import WanAnimate, WanAnimateSettings
from baselines.wan_drawing import animate_poses, face_crop, faces_seen, vace_poses
from baselines.wan_vace import WanVace
from benchmark.fitting import fit, unfit
from mrfashion.errors import ItemError
from mrfashion.generation import Generator, Reference, Request, Unsupported
from tests.standing_person import SIZE, changed, pose, reference, request


def rehearsed(generator: WanVace | WanAnimate) -> Generator:
    tiny = generator.rehearsal()
    tiny.load("cpu", "float32")
    return tiny


@pytest.fixture(scope="module")
def vace() -> Generator:
    return rehearsed(WanVace())


@pytest.fixture(scope="module")
def animate() -> Generator:
    return rehearsed(WanAnimate())


@pytest.fixture(params=["vace", "animate"])
def wan(request: pytest.FixtureRequest) -> Generator:
    generator: Generator = request.getfixturevalue(request.param)
    return generator


def inverted(asked: Request, number: int) -> Request:
    """The request with one reference's colours inverted."""
    references = list(asked.references)
    references[number] = replace(references[number], image=255 - references[number].image)
    return replace(asked, references=tuple(references))


def test_the_same_seed_gives_the_same_video_and_another_another(wan: Generator) -> None:
    first = wan.generate(request())
    first.check(request())
    assert changed(first.frames, wan.generate(request()).frames) == 0
    assert changed(first.frames, wan.generate(request(seed=1)).frames) > 0.5


def test_poses_and_references_are_heard(wan: Generator) -> None:
    first = wan.generate(request()).frames
    assert changed(first, wan.generate(request(shift_px=9)).frames) > 0.1
    assert changed(first, wan.generate(inverted(request(), 0)).frames) > 0.001


def test_steps_and_guidance_of_the_request_win(wan: Generator) -> None:
    asked = replace(request(), steps=3, guidance=2.0)
    told = wan.generate(asked).effective
    assert (told["steps"], told["guidance"]) == (3, 2.0)
    assert told["diffusers"]
    json.dumps(told, allow_nan=False)


def test_every_reference_of_vace_counts(vace: Generator) -> None:
    asked = request(references=3)
    first = vace.generate(asked).frames
    for number in range(3):
        assert changed(first, vace.generate(inverted(asked, number)).frames) > 0.001


@pytest.mark.parametrize(("frames", "references"), [(1, 1), (1, 3), (5, 4), (9, 2)])
def test_vace_takes_more_references_than_latent_frames(
    vace: Generator, frames: int, references: int
) -> None:
    asked = request(frames, references)
    result = vace.generate(asked)
    result.check(asked)
    assert result.effective["frames"] >= 4 * references - 3


@pytest.mark.parametrize("frames", [1, 2, 13, 14, 26])
def test_animate_makes_any_count_in_its_segments(animate: Generator, frames: int) -> None:
    asked = request(frames)
    animate.generate(asked).check(asked)


def test_animate_carries_five_frames() -> None:
    tiny = rehearsed(WanAnimate(WanAnimateSettings(carried_frames=5)))
    for frames in (1, 19):
        asked = request(frames)
        tiny.generate(asked).check(asked)


@pytest.mark.parametrize(("frames", "size"), [(7, (50, 70)), (1, (47, 33)), (13, (48, 64))])
def test_fitting_gives_vace_4n_plus_1_frames_and_comes_back(
    vace: Generator, frames: int, size: tuple[int, int]
) -> None:
    asked = replace(request(frames), size=size)
    fitted = fit(asked, vace.info)
    assert all(window.frames % 4 == 1 for window in fitted.requests)
    result = unfit([vace.generate(window) for window in fitted.requests], fitted)
    result.check(asked)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (replace(request(), size=(50, 64)), "multiples of 16"),
        (request(4), r"4n\+1 frames"),
        (request(85), "at most 81"),
        (request(references=9), "at most 8 references"),
    ],
)
def test_vace_refuses_what_is_not_fitted(vace: Generator, asked: Request, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        vace.generate(asked)


def test_the_face_is_heard_and_blank_where_the_driver_shows_none(animate: Generator) -> None:
    asked = request()
    with_face = animate.generate(asked)
    assert with_face.effective["frames_with_face"] == 5
    away = (replace(reference(), yaw_deg=180.0),)
    without = animate.generate(replace(asked, references=away))
    assert without.effective["frames_with_face"] == 0
    assert changed(with_face.frames, without.frames) > 0.001
    turned = replace(asked, yaw_deg=np.array([0, 45, 120, 180, -120], np.float32))
    assert animate.generate(turned).effective["frames_with_face"] == 2


def test_a_face_is_cropped_as_published() -> None:
    """Box of the landmarks widened to 1.3 of its area, three quarters of what is added above."""
    image = np.zeros((100, 200, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(200)[None], np.arange(100)[:, None]
    keypoints = np.full((133, 3), np.nan, np.float32)
    corners = [(100, 40), (140, 40), (100, 60), (140, 60)]
    keypoints[23:91] = [(*corners[i % 4], 1.0) for i in range(68)]
    crop = face_crop(Reference(image, keypoints, 0.0, "front"))
    assert crop is not None
    assert crop.shape == (512, 512, 3)
    more_x, more_y = 40 * (1.3**0.5 - 1), 20 * (1.3**0.5 - 1)
    left, right = int(100 - more_x / 2), int(140 + more_x / 2)
    top, bottom = int(40 - more_y * 3 / 4), int(60 + more_y / 4)
    assert abs(int(crop[256, 0, 0]) - left) <= 1
    assert abs(int(crop[256, -1, 0]) - (right - 1)) <= 1
    assert abs(int(crop[0, 256, 1]) - top) <= 1
    assert abs(int(crop[-1, 256, 1]) - (bottom - 1)) <= 1


def test_a_face_is_found_from_eyes_and_nose_where_there_are_no_landmarks() -> None:
    keypoints = pose(face=False)
    crop = face_crop(Reference(reference().image, keypoints, 0.0, "front"))
    assert crop is not None
    keypoints[1] = (np.nan, np.nan, 0)
    assert face_crop(Reference(reference().image, keypoints, 0.0, "front")) is None


def test_a_face_outside_its_picture_gives_no_crop() -> None:
    for shift in (-1000, 1000):
        keypoints = pose()
        keypoints[23:91, 0] += shift
        assert face_crop(Reference(reference().image, keypoints, None, None)) is None


def test_a_body_turned_away_shows_no_face_whatever_its_points() -> None:
    poses = np.stack([pose(), pose(), pose(), pose(face=False)])
    yaws = np.array([0.0, 170.0, np.nan, -100.0], np.float32)
    assert faces_seen(poses, yaws).tolist() == [True, False, True, False]
    assert face_crop(Reference(reference().image, pose(), 180.0, "back")) is None


def test_vace_poses_have_swapped_colours_a_face_and_no_hands() -> None:
    keypoints = pose()[None]
    keypoints[0, 91:133] = (60.0, 40.0, 1.0)
    picture = vace_poses(keypoints, SIZE, (480, 640))[0]
    assert picture.shape == (480, 640, 3)
    assert picture[380:420, 580:].max() == 0
    assert (picture[70:90, 340:380] > 200).all(-1).any()  # white landmarks
    # The right shoulder's limb is the first: red as DWPose draws it, blue as VACE got it.
    red, _, blue = picture[160:163, 270:290].reshape(-1, 3).max(0)
    assert (red, blue) == (0, 153)


def test_animate_draws_toes_and_no_landmarks_and_skips_what_is_missing() -> None:
    keypoints = pose()
    keypoints[18], keypoints[21] = keypoints[17], keypoints[20]
    drawn = animate_poses(keypoints[None], SIZE, (480, 640))[0]
    at_ankle = drawn[440:460, 390:410].reshape(-1, 3)
    assert (at_ankle == [153, 0, 51]).all(-1).any()  # 0.6 of (255, 0, 85): left ankle to toes
    bare = keypoints.copy()
    bare[23:91] = np.nan
    assert (animate_poses(bare[None], SIZE, (480, 640))[0] == drawn).all()
    bare[:, 2] = 0
    assert not animate_poses(bare[None], SIZE, (480, 640)).any()
    one_shoulder = keypoints.copy()
    one_shoulder[5] = (np.nan, np.nan, 0)
    animate_poses(one_shoulder[None], SIZE, (480, 640))


def test_values_that_are_no_numbers_are_an_error(vace: Generator) -> None:
    broken = WanVace().rehearsal()
    broken.load("cpu", "float32")
    assert isinstance(broken, WanVace)
    next(broken._pipeline.vae.decoder.parameters()).fill_(float("nan"))
    with pytest.raises(ItemError, match="no numbers"):
        broken.generate(request())
