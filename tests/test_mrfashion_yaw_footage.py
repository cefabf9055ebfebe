"""Views of real people through BlazePose, against what an eye saw.

Needs MRFASHION_TEST_DATA and the weights.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from mrfashion.errors import MRFashionError
from mrfashion.media import decode, probe
from mrfashion.poses.blazepose import BlazePose
from mrfashion.poses.blazepose_networks import DETECTOR
from mrfashion.views import view_of
from mrfashion.weights import weights_path
from mrfashion.yaw import Yaw, yaw_from_keypoints

pytestmark = pytest.mark.realdata
EVERY = 3  # frames, to take a third of the time


@pytest.fixture(scope="module")
def estimator() -> BlazePose:
    """Skip where the weights are not at hand; tests download nothing."""
    try:
        weights_path(DETECTOR)
    except MRFashionError as error:
        pytest.skip(str(error))
    return BlazePose()


def told(path: Path, estimator: BlazePose) -> Yaw:
    info = probe(path)
    fps = info.fps / EVERY
    frames = (frame.image for frame in islice(decode(path), None, None, EVERY))
    keypoints = estimator.track(frames, fps).keypoints
    return yaw_from_keypoints(keypoints, fps, (info.height, info.width))


def test_a_studio_turn_is_told_as_an_eye_saw_it(realdata: Path, estimator: BlazePose) -> None:
    """Labels are right to 3 frames; when written all front and back frames were answered."""
    name = "nc/videos/ubc_fashion.mp4"
    yaw = told(realdata / name, estimator).yaw_deg
    labels = json.loads((realdata / "refs" / "view_labels.json").read_text())[name]
    seen: dict[str, list[float]] = {word: [] for _, _, word in labels}
    for first, last, word in labels:
        seen[word] += yaw[-(-(first + 3) // EVERY) : (last - 3) // EVERY + 1].tolist()
    for word, other in (("front", "back"), ("back", "front")):
        answered = [angle for angle in seen[word] if np.isfinite(angle)]
        assert len(answered) >= 0.9 * len(seen[word])
        assert other not in {view_of(angle) for angle in answered}
        assert np.mean([view_of(angle) == word for angle in answered]) >= 0.9
    assert {view_of(angle) for angle in seen["profile_left"]} == {"facing-left"}
    assert {view_of(angle) for angle in seen["profile_right"]} == {"facing-right"}


def test_a_clip_without_a_head_never_flips(realdata: Path, estimator: BlazePose) -> None:
    """A front that turns to the left and shows the back; BlazePose labels the front as a back in
    70 % of its frames, so the rule answers next to nothing."""
    yaw = told(realdata / "nc/videos/vivid_1219222_detail.mp4", estimator).yaw_deg
    assert np.isnan(yaw).mean() >= 0.8
    answered = yaw[np.isfinite(yaw)]
    assert {view_of(float(angle)) for angle in answered} <= {"facing-left"}


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("tfjs_pose_squats.mp4", {"front"}),
        ("p2s_single_cam03.mp4", {"back", "facing-left"}),  # about -135, seen from behind
    ],
)
def test_people_who_do_not_turn_do_not_flip(
    realdata: Path, estimator: BlazePose, name: str, views: set[str]
) -> None:
    yaw = told(realdata / "videos" / name, estimator).yaw_deg
    assert np.isfinite(yaw).mean() >= 0.95
    assert {view_of(float(angle)) for angle in yaw[np.isfinite(yaw)]} <= views
    assert np.abs(np.diff(yaw[np.isfinite(yaw)])).max() < 45
