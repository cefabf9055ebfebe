"""Detector and keypoint network, alone and together, on frames whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from mrfashion.errors import ConfigError, InputRefused, ItemError
from mrfashion.poses.onnx_session import OnnxConfig, OnnxSession
from mrfashion.poses.simcc import KeypointConfig, KeypointNetwork
from mrfashion.poses.yolox import DetectorConfig, PersonDetector, grid
from mrfashion.sources.turntable.motion import sample_motion
from mrfashion.sources.turntable.renderer import Recording, render
from mrfashion.sources.turntable.texture import sample_identity
from tests.onnx_graphs import (
    BODY,
    CHAIR,
    SIDE,
    Graph,
    coloured_person,
    detector_graph,
    dimmed,
    random_detector,
    random_simcc,
    simcc_graph,
)

ONE = OnnxConfig(threads=1)
RADIUS_PX = 4.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def detector(folder: Path) -> PersonDetector:
    return PersonDetector(OnnxSession(detector_graph(folder / "detector.onnx"), ONE))


@pytest.fixture(scope="module")
def network(folder: Path) -> KeypointNetwork:
    return KeypointNetwork(OnnxSession(simcc_graph(folder / "dots.onnx"), ONE))


@pytest.fixture(scope="module", params=[(320, 240), (512, 384)], ids=str)
def footage(request: pytest.FixtureRequest) -> Recording:
    """A turning person."""
    clip = sample_identity(3), sample_motion(3, 6, 8, "turn")
    return render(*clip, request.param, flow=False).numpy()


def clear_dots(keypoints: np.ndarray) -> np.ndarray:
    """f 23: whose dot no other touches."""
    xy = keypoints[:, :BODY, :2]
    distance = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1)
    distance[:, np.arange(BODY), np.arange(BODY)] = np.inf
    return (distance > 2 * RADIUS_PX + 1).all(-1)


# Together.


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("end2end", [False, True])
def test_the_chain_finds_a_turning_person_to_a_pixel(
    batch: int | str, end2end: bool, footage: Recording, tmp_path: Path
) -> None:
    """From pixels to keypoints: box edges and keypoints within 1 px, half of these within 0.35."""
    path = detector_graph(tmp_path / "detector.onnx", batch, end2end=end2end)
    detector = PersonDetector(OnnxSession(path, ONE))
    network = KeypointNetwork(OnnxSession(simcc_graph(tmp_path / "dots.onnx", batch), ONE))
    frames = dimmed(footage.frames)
    truth = coloured_person(frames, footage.keypoints, radius_px=RADIUS_PX)
    found = detector.detect(list(frames))
    assert [len(one.scores) for one in found] == [1] * len(frames)
    np.testing.assert_allclose([one.scores[0] for one in found], 0.81, rtol=1e-5)
    boxes = np.concatenate([one.boxes_xyxy_px for one in found])
    np.testing.assert_allclose(boxes, truth, atol=1)
    xy, scores = network.look(list(frames), boxes)
    assert (scores[:, :BODY] > 0).mean() > 0.97  # all, but for dots that others cover
    assert (scores[:, BODY:] == 0).all()
    assert np.isnan(xy[:, BODY:]).all()
    clear = clear_dots(footage.keypoints)
    assert clear.sum() > 60
    assert (scores[:, :BODY][clear] > 0.99).all()
    off = np.linalg.norm(xy[:, :BODY] - footage.keypoints[:, :BODY, :2], axis=-1)[clear]
    assert off.max() < 1
    assert np.median(off) < 0.35


def test_each_of_two_persons_is_found_once_and_the_chair_never(
    detector: PersonDetector, network: KeypointNetwork
) -> None:
    frames, keypoints = np.full((2, 300, 500, 3), 120, np.uint8), np.zeros((2, 2, 133, 3))
    spread = np.stack(np.unravel_index(np.arange(BODY), (6, 4))[::-1], -1) * (40, 40)
    truth = []
    for person, frame_numbers in enumerate(([0, 1], [1])):
        keypoints[person, frame_numbers, :BODY, :2] = spread + np.array([40 + 270 * person, 40])
        keypoints[person, frame_numbers, :BODY, 2] = 1
        truth.append(coloured_person(frames, keypoints[person], person))
    alone, both = detector.detect(list(frames))
    np.testing.assert_allclose(alone.boxes_xyxy_px, truth[0][:1], atol=1)
    order = np.argsort(both.boxes_xyxy_px[:, 0])
    boxes = both.boxes_xyxy_px[order]
    np.testing.assert_allclose(boxes, [truth[0][1], truth[1][1]], atol=1)
    xy, _ = network.look([frames[1]] * 2, boxes)
    np.testing.assert_allclose(xy[:, :BODY], keypoints[:, 1, :BODY, :2], atol=1)
    anything = PersonDetector(detector.session, DetectorConfig(classes="all"))
    assert len(anything.detect([frames[0]])[0].scores) == 2  # the chair as well


def test_nobody_is_an_empty_answer_and_never_the_whole_image(
    detector: PersonDetector, network: KeypointNetwork
) -> None:
    (found,) = detector.detect([np.full((200, 100, 3), 120, np.uint8)])
    assert found.boxes_xyxy_px.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert detector.detect([]) == []
    xy, scores = network.look([], np.empty((0, 4)))
    assert xy.shape == (0, 133, 2)
    assert scores.shape == (0, 133)


@pytest.mark.parametrize("network_order", ["rgb", "bgr"])
def test_the_colour_order_is_the_one_that_is_set(network_order: str, tmp_path: Path) -> None:
    frames, keypoints = np.full((1, 300, 260, 3), 120, np.uint8), np.zeros((1, 133, 3))
    keypoints[0, :BODY, :2] = np.stack(np.unravel_index(np.arange(BODY), (6, 4))[::-1], -1) * 40
    keypoints[0, :BODY] += (50, 40, 1)
    boxes = coloured_person(frames, keypoints)
    path = simcc_graph(tmp_path / "dots.onnx", colour_order=network_order)
    session = OnnxSession(path, ONE)
    for fed in ("rgb", "bgr"):
        xy, _ = KeypointNetwork(session, KeypointConfig(colour_order=fed)).look(frames, boxes)
        right = np.linalg.norm(xy[0, :BODY] - keypoints[0, :BODY, :2], axis=-1) < 1
        assert right.all() if fed == network_order else right.mean() < 0.5


def test_batches_of_any_make_up_give_the_same_bits(folder: Path) -> None:
    """On the CPU; so a table does not depend on which clips shared a batch."""
    rng = np.random.default_rng(4)
    sizes = [(90, 160), (300, 200), (640, 640), (64, 48), (401, 77)]
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    detect = PersonDetector(OnnxSession(random_detector(folder / "r.onnx"), ONE)).detect
    for together, image in zip(detect(images), images, strict=True):
        (alone,) = detect([image])
        np.testing.assert_array_equal(together.boxes_xyxy_px, alone.boxes_xyxy_px)
        np.testing.assert_array_equal(together.scores, alone.scores)
    look = KeypointNetwork(OnnxSession(random_simcc(folder / "b.onnx"), ONE)).look
    boxes = np.array([(0.2 * w, 0.1 * h, 0.8 * w, 0.95 * h) for h, w in sizes])
    together = look(images, boxes)
    for i, image in enumerate(images):
        for whole, part in zip(together, look([image], boxes[i : i + 1]), strict=True):
            np.testing.assert_array_equal(whole[i], part[0])


# Refusals.

IMAGE = np.zeros((40, 30, 3), np.uint8)
NO_IMAGES = {
    "grey": IMAGE[..., 0],
    "with alpha": np.zeros((40, 30, 4), np.uint8),
    "floats": IMAGE.astype(np.float32),
    "empty": IMAGE[:0],
    "too long": np.zeros((1, 1 << 15, 3), np.uint8),
}


@pytest.mark.parametrize("name", list(NO_IMAGES))
def test_what_is_no_image_is_refused(
    name: str, detector: PersonDetector, network: KeypointNetwork
) -> None:
    with pytest.raises(ItemError, match=r"pose\.frame_shape"):
        detector.detect([IMAGE, NO_IMAGES[name]])
    with pytest.raises(ItemError, match=r"pose\.frame_shape"):
        network.look([NO_IMAGES[name]], np.array([[0, 0, 9, 9]]))


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 0, 3, 9), (0, 0, np.nan, 9), (0, -np.inf, 9, 9)])
def test_a_box_without_area_is_refused(box: tuple[float, ...], network: KeypointNetwork) -> None:
    with pytest.raises(ValueError, match="box"):
        network.look([IMAGE], np.array([box]))


def test_each_image_has_one_box(network: KeypointNetwork) -> None:
    with pytest.raises(ValueError, match="one each"):
        network.look([IMAGE], np.zeros((2, 4)))


@pytest.mark.parametrize(
    "box", [(-9e6, -9e6, -8e6, -8e6), (-1e30, -1e30, 1e30, 1e30), (3, 3, 3.001, 4)]
)
def test_a_box_of_any_size_anywhere_answers(
    box: tuple[float, ...], network: KeypointNetwork
) -> None:
    xy, scores = network.look([IMAGE], np.array([box]))
    assert xy.shape == (1, 133, 2)
    assert (np.isnan(xy).all(-1) == (scores == 0)).all()


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (DetectorConfig, {"colour_order": "grb"}),
        (DetectorConfig, {"classes": "chair"}),
        (DetectorConfig, {"score_threshold": 1.0}),
        (DetectorConfig, {"nms_threshold": float("nan")}),
        (KeypointConfig, {"colour_order": "RGB"}),
        (KeypointConfig, {"score_rule": "max"}),
        (KeypointConfig, {"padding": 0.0}),
        (KeypointConfig, {"simcc_split": float("inf")}),
    ],
)
def test_a_setting_out_of_range_is_named(make: Callable[..., object], wrong: dict) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}.*allowed"):
        make(**wrong)


# Answers of networks that are broken, or lie about their size.


def detector_that_says(path: Path, rows: np.ndarray) -> PersonDetector:
    """A detector whose first cells answer `rows` (m 85), whatever the image."""
    graph = Graph()
    cells = np.zeros((1, len(grid((SIDE, SIDE))), 85), np.float32)
    cells[0, : len(rows)] = rows
    nothing = graph("ReduceMax", graph("Mul", "input", 0.0), axes=[1, 2, 3], keepdims=1)
    answer = graph("Add", graph("Squeeze", nothing, np.array([3])), cells)
    outputs = {"output": (answer, ("batch", *cells.shape[1:]), TensorProto.FLOAT)}
    return PersonDetector(OnnxSession(graph.save(path, ("batch", 3, SIDE, SIDE), outputs), ONE))


def test_detections_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    rows = np.zeros((6, 85), np.float32)
    rows[:, 4:6] = 0.9
    rows[0, 0] = np.nan
    rows[1, 2] = 1e6  # its exponential overflows
    rows[2, 3] = np.inf
    rows[3, 4] = np.inf
    rows[4, 5] = np.nan
    found = detector_that_says(tmp_path / "d.onnx", rows).detect(
        [np.zeros((640, 640, 3), np.uint8)]
    )
    assert found[0].boxes_xyxy_px.tolist() == [[36, -4, 44, 4]]  # the sixth cell, of 8 px


def test_the_score_is_objectness_times_that_of_a_person(tmp_path: Path) -> None:
    rows = np.zeros((4, 85), np.float32)
    rows[:, 0] = np.arange(4) * 9  # apart
    rows[0, 4:6] = 0.9, 0.5
    rows[1, [4, 5 + CHAIR]] = 0.9
    rows[2, 4:6] = 0.5, 0.6  # 0.3 is not above 0.3
    rows[3, 4:6] = 0.8, 0.75
    (found,) = detector_that_says(tmp_path / "d.onnx", rows).detect([np.zeros((9, 9, 3), np.uint8)])
    np.testing.assert_allclose(found.scores, [0.6, 0.45], rtol=1e-6)


def test_a_detector_that_answers_in_another_size_is_refused(tmp_path: Path) -> None:
    graph = Graph()
    count = graph("Slice", graph("Shape", "input"), np.array([0]), np.array([1]))
    shape = graph.concat([count, np.array([7, 85])], 0)
    answer = graph("Expand", np.float32(1), shape)
    outputs = {"output": (answer, ("batch", "cells", "columns"), TensorProto.FLOAT)}
    path = graph.save(tmp_path / "d.onnx", ("batch", 3, SIDE, SIDE), outputs)
    with pytest.raises(InputRefused, match=r"answers with \(1, 7, 85\)"):
        PersonDetector(OnnxSession(path, ONE)).detect([IMAGE])
