"""Our networks against other programs on the same weights, in the setting that reproduces each.

What the others answered lies in `tests/golden/pose_peers.npz`; see `regenerate_pose_peers.py`.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mrfashion.poses import simcc, yolox
from mrfashion.poses.onnx_session import OnnxConfig, OnnxSession
from mrfashion.poses.simcc import KeypointConfig, KeypointNetwork
from mrfashion.poses.yolox import Detections, DetectorConfig, PersonDetector
from tests.golden.regenerate_pose_peers import GOLDEN, boxes_in, figures, graphs, images

DETECTORS = {
    "official": yolox.OFFICIAL,
    "mimicmotion": yolox.MIMICMOTION,
    "rtmlib": yolox.RTMLIB,
}
NETWORKS = {"official": simcc.OFFICIAL, "mimicmotion": simcc.MIMICMOTION, "rtmlib": simcc.RTMLIB}
# float32 has 1.2e-7 relative; sigmoid and exp of two machines differ in the last bit or two.
RELATIVE = 1e-6
POSITION_PX = 2e-4  # of coordinates up to 1600 px: an ulp and a half


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OnnxSession]:
    models = graphs(tmp_path_factory.mktemp("graphs"))
    return {name: OnnxSession(path, OnnxConfig(threads=1)) for name, path in models.items()}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def same_crops(golden: dict[str, np.ndarray]) -> None:
    """OpenCV 4 warps at places rounded to 1/32 px, which moves crops, the peers' like ours."""
    peers = str(golden["opencv"])
    if cv2.__version__.split(".")[0] != peers.split(".")[0]:
        pytest.skip(f"OpenCV {cv2.__version__} warps otherwise than {peers}, which the peers had")


def assert_same_detections(found: Detections, boxes: np.ndarray, scores: np.ndarray) -> None:
    order = np.argsort(-scores, kind="stable")  # rtmlib lists class by class
    np.testing.assert_allclose(found.scores, scores[order], rtol=RELATIVE)
    np.testing.assert_allclose(found.boxes_xyxy_px, boxes[order], rtol=RELATIVE, atol=POSITION_PX)


def assert_same_keypoints(
    xy: np.ndarray, scores: np.ndarray, peer_xy: np.ndarray, peer_scores: np.ndarray
) -> None:
    present = peer_scores > 0
    np.testing.assert_array_equal(np.isfinite(xy).all(-1), present)
    np.testing.assert_allclose(xy[present], peer_xy[present], rtol=0, atol=POSITION_PX)
    np.testing.assert_allclose(scores, peer_scores.clip(0), rtol=RELATIVE)


@pytest.mark.parametrize("network", ["coco", "humanart"])
@pytest.mark.parametrize("peer", list(DETECTORS))
def test_detections_are_the_peers(
    peer: str, network: str, sessions: dict[str, OnnxSession], golden: dict[str, np.ndarray]
) -> None:
    found = PersonDetector(sessions[network], DETECTORS[peer]).detect(images())
    assert sum(len(one.scores) for one in found) > 100
    for i, one in enumerate(found):
        key = f"{peer}/{network}/{i}"
        assert_same_detections(one, golden[f"{key}/0"], golden[f"{key}/1"])


@pytest.mark.usefixtures("same_crops")
@pytest.mark.parametrize("peer", list(NETWORKS))
def test_keypoints_are_the_peers(
    peer: str, sessions: dict[str, OnnxSession], golden: dict[str, np.ndarray]
) -> None:
    network = KeypointNetwork(sessions["bins"], NETWORKS[peer])
    missing = 0
    for i, image in enumerate(images()):
        boxes = boxes_in(image)
        xy, scores = network.look([image] * len(boxes), boxes)
        key = f"{peer}/bins/{i}"
        assert_same_keypoints(xy, scores, golden[f"{key}/0"], golden[f"{key}/1"])
        missing += int((scores == 0).sum())
    assert missing
    assert scores.max() > 1


@pytest.mark.usefixtures("same_crops")
@pytest.mark.parametrize(
    ("peer", "network", "config"),
    [("official", "frames", yolox.OFFICIAL), ("rtmlib", "end2end", yolox.RTMLIB_END2END)],
)
def test_detector_and_keypoints_together_are_the_peers(
    peer: str,
    network: str,
    config: DetectorConfig,
    sessions: dict[str, OnnxSession],
    golden: dict[str, np.ndarray],
) -> None:
    """Also with rtmlib's chair: an end-to-end COCO detector's labels it never looks at."""
    detector = PersonDetector(sessions[network], config)
    dots = KeypointNetwork(sessions["dots"], NETWORKS[peer])
    for i, image in enumerate(figures()[0]):
        (found,) = detector.detect([image])
        xy, scores = dots.look([image] * len(found.scores), found.boxes_xyxy_px)
        peer_xy, peer_scores = golden[f"{peer}/chain/{i}/0"], golden[f"{peer}/chain/{i}/1"]
        assert len(xy) == (2 if peer == "official" else 3)
        mine, theirs = (np.argsort(p[:, 0, 0]) for p in (xy, peer_xy))
        assert_same_keypoints(xy[mine], scores[mine], peer_xy[theirs], peer_scores[theirs])


@pytest.mark.parametrize(
    "config", [KeypointConfig(), KeypointConfig("bgr", score_rule="mean"), KeypointConfig("rgb", 1)]
)
def test_another_setting_answers_otherwise(
    config: KeypointConfig, sessions: dict[str, OnnxSession], golden: dict[str, np.ndarray]
) -> None:
    """So the settings above are what reproduces the official port."""
    image = images()[0]
    boxes = boxes_in(image)
    xy, scores = KeypointNetwork(sessions["bins"], config).look([image] * 3, boxes)
    with pytest.raises(AssertionError):
        assert_same_keypoints(xy, scores, *(golden[f"official/bins/0/{n}"] for n in range(2)))
