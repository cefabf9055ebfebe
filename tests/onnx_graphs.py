"""Small ONNX networks with the true signatures of YOLOX and SimCC, and footage they understand.

`random_detector` and `random_simcc` have random weights: their answers mean nothing and depend on
every pixel. They calculate with whole numbers wherever a sum is long, so that every machine gives
the same bits. `detector_graph` and `simcc_graph` find what `coloured_person` draws: a dot at each
keypoint in a colour of its own, inside a frame; with them a whole chain can be held to the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mrfashion.poses.crops import LETTERBOX_GREY, MEAN_RGB, STD_RGB
from mrfashion.poses.yolox import STRIDES, grid

KEYPOINTS = 133
POSE_HW = (384, 288)
SIDE = 640  # of the detector's images
BODY = 23  # keypoints that turntable footage labels: 17 of the body, 6 of the feet
LEVELS = (0, 128, 255)
# Colours on the faces of the cube without black and white: a mixture of one of them with a grey is
# far from every other.
PALETTE = np.array(
    [(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS if len({r, g, b}) > 1], np.uint8
)[:BODY]
FRAME_COLOURS = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)  # one a person
DIM = 0.25  # contrast that is left of the picture below: it has none of those colours
MATCH = 40.0  # levels: a pixel this far from a colour, in any channel, is not of it
CHAIR = 56  # in COCO
Shape = Sequence[int | str]


def coloured_person(
    frames: np.ndarray, keypoints: np.ndarray, person: int = 0, radius_px: float = 4
) -> np.ndarray:
    """f h w 3 and f 133 3 => boxes f 4 (xyxy, px) of the frames drawn around each figure.

    Draws into `frames`, which `dimmed` made; dots where a body or foot keypoint has a score,
    whoever is in front. A figure without keypoints is not there: nothing is drawn, the box is NaN.
    """
    boxes = np.full((len(frames), 4), np.nan, np.float32)
    for image, points, box in zip(frames, keypoints[:, :BODY], boxes, strict=True):
        there = points[:, 2] > 0
        if not there.any():
            continue
        for (x, y), colour in zip(points[there, :2], PALETTE[there], strict=True):
            place, radius = (round(float(x) * 16), round(float(y) * 16)), round(radius_px * 16)
            cv2.circle(image, place, radius, colour.tolist(), -1, cv2.LINE_AA, shift=4)
        margin = radius_px + 6
        low = np.rint(points[there, :2].min(0) - margin).clip(0)
        high = np.rint(points[there, :2].max(0) + margin).clip(None, np.array(image.shape[1::-1]))
        box[:] = (*low, *high)
        _draw_frame(image, *(int(edge) for edge in box), colour=FRAME_COLOURS[person])
    return boxes


def dimmed(frames: np.ndarray) -> np.ndarray:
    """A copy in low contrast, so that nothing in it has a colour of ours."""
    return np.rint(128 + (frames.astype(np.float32) - 128) * DIM).astype(np.uint8)


def _draw_frame(image: np.ndarray, x0: int, y0: int, x1: int, y1: int, colour: np.ndarray) -> None:
    """The outermost pixels of a box; thick enough to outlive the detector's 640 px."""
    thick = max(2, max(image.shape) // 250)
    inside = np.zeros(image.shape[:2], bool)
    inside[y0:y1, x0:x1] = True
    inside[y0 + thick : y1 - thick, x0 + thick : x1 - thick] = False
    image[inside] = colour


class Graph:
    """Nodes and constants of a network in the making; a call adds a node and names its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: str | np.ndarray | float, **attributes: Any) -> str:
        names = [i if isinstance(i, str) else self._constant(np.asarray(i)) for i in inputs]
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def _constant(self, array: np.ndarray) -> str:
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def concat(self, names: Sequence[str], axis: int) -> str:
        return self("Concat", *names, axis=axis)

    def save(self, path: Path, image: Shape, outputs: dict[str, tuple[str, Shape, int]]) -> Path:
        """`outputs`: published name -> (value, shape, element type)."""
        self.nodes += [helper.make_node("Identity", [v], [o]) for o, (v, _, _) in outputs.items()]
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "test",
            [info("input", TensorProto.FLOAT, list(image))],
            [info(name, kind, list(shape)) for name, (_, shape, kind) in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path


def sums_graph(path: Path, batch: int | str = "batch") -> Path:
    """The smallest network: adds up each image, n 3 4 4 => n 1."""
    graph = Graph()
    total = graph("ReduceSum", "input", np.array([1, 2, 3]), keepdims=0)
    total = graph("Unsqueeze", total, np.array([1]))
    return graph.save(path, (batch, 3, 4, 4), {"sum": (total, (batch, 1), TensorProto.FLOAT)})


# Networks that find what `coloured_person` draws.


def simcc_graph(path: Path, batch: int | str = "batch", colour_order: str = "rgb") -> Path:
    """Bins peak at the middle of each keypoint's dot; without a dot the score is 0.

    As dw-ll_ucoco_384.onnx: images n 3 384 288 => simcc_x n 133 576, simcc_y n 133 768. The 110
    keypoints of face and hands, which nobody draws, have a score of 0.
    """
    graph = Graph()
    levels = graph("Mul", "input", np.float32(STD_RGB)[:, None, None])
    levels = graph("Add", levels, np.float32(MEAN_RGB)[:, None, None])
    match = _match(graph, levels, PALETTE, colour_order)
    # Where dots touch, their mixture may be a third colour: thin seams, which this leaves behind.
    density = graph("AveragePool", match, kernel_shape=[7, 7], pads=[3] * 4, count_include_pad=1)
    weight = graph("Pow", density, np.float32(4))
    highest = graph("ReduceMax", density, axes=[2, 3], keepdims=0)
    score = graph("Unsqueeze", graph("Min", graph("Mul", highest, 4.0), 1.0), np.array([2]))
    axes = [_bins(graph, weight, score, axis, size) for axis, size in ((2, 288), (3, 384))]
    return _save_simcc(graph, path, *axes, batch=batch)


def _bins(graph: Graph, weight: str, score: str, summed_axis: int, size: int) -> str:
    """n 23 h w => n 133 2*size: peaks at the centre of mass along the axis that is left."""
    profile = graph("ReduceSum", weight, np.array([summed_axis]), keepdims=0)
    total = graph("ReduceSum", profile, np.array([2]), keepdims=1)
    moment = graph("Mul", profile, np.arange(size, dtype=np.float32))
    moment = graph("ReduceSum", moment, np.array([2]), keepdims=1)
    centre = graph("Div", moment, graph("Max", total, 1e-9))
    distance = graph("Abs", graph("Sub", np.arange(2 * size, dtype=np.float32) / 2, centre))
    peak = graph("Max", graph("Sub", 1.0, graph("Div", distance, float(size))), 0.0)
    return graph(
        "Pad", graph("Mul", peak, score), np.array([0, 0, 0, 0, KEYPOINTS - BODY, 0])
    )  # fmt: skip


def _match(graph: Graph, levels: str, colours: np.ndarray, colour_order: str) -> str:
    """n 3 h w in 0..255 => n colours h w: how much each pixel is of each colour, 0..1."""
    channel = [2, 1, 0] if colour_order == "bgr" else [0, 1, 2]
    pick = np.zeros((9, 3, 1, 1), np.float32)  # three levels a channel
    choose = np.zeros((len(colours), 9, 1, 1), np.float32)
    for c in range(3):
        pick[3 * c : 3 * c + 3, channel[c]] = 1 / MATCH
        for row, colour in zip(choose, colours, strict=True):
            row[3 * c + LEVELS.index(colour[c])] = 1
    off = graph("Abs", graph("Conv", levels, pick, -np.tile(LEVELS, 3) / MATCH))
    near = graph("Relu", graph("Sub", 1.0, off))
    return graph("Relu", graph("Conv", near, choose, np.full(len(colours), -2.0)))


def _save_simcc(graph: Graph, path: Path, x: str, y: str, batch: int | str) -> Path:
    height, width = POSE_HW
    outputs: dict[str, tuple[str, Shape, int]] = {
        "simcc_x": (x, (batch, KEYPOINTS, 2 * width), TensorProto.FLOAT),
        "simcc_y": (y, (batch, KEYPOINTS, 2 * height), TensorProto.FLOAT),
    }
    return graph.save(path, (batch, 3, height, width), outputs)


def detector_graph(
    path: Path, batch: int | str = "batch", colour_order: str = "bgr", *, end2end: bool = False
) -> Path:
    """Finds the frames that `coloured_person` draws, of up to two persons.

    As yolox_l.onnx: images n 3 640 640 => n 8400 85, each person seen from a cell of every stride,
    with scores 0.81, 0.64 and 0.49, and a chair as large as the picture, surer than any person. Or
    `end2end`, as yolox_m_8xb8-300e_humanart: dets n 6 5 and labels n 6, the chair among them.
    """
    graph = Graph()
    match = _match(graph, "input", FRAME_COLOURS, colour_order)
    (x0, x1), (y0, y1) = (_edges(graph, match, axis) for axis in (2, 3))
    seen = graph("ReduceSum", match, np.array([2, 3]), keepdims=0)
    seen = graph("Unsqueeze", graph("Min", graph("Div", seen, 50.0), 1.0), np.array([2]))
    box = graph.concat([x0, y0, x1, y1], 2)  # n 2 4
    if end2end:
        return _save_end2end(graph, path, box, seen, batch)
    rows = [_cells(graph, box, seen, stride, sure) for stride, sure in zip(
        STRIDES, (0.9, 0.8, 0.7), strict=True)]  # fmt: skip
    cells = graph.concat(rows, 1)
    return _save_yolox(graph, path, cells, 85, batch)


def _edges(graph: Graph, match: str, summed_axis: int) -> tuple[str, str]:
    """First and last edge of what matches, n 2 1 each; of no meaning where nothing does."""
    profile = graph("ReduceMax", match, axes=[summed_axis], keepdims=0)
    there = graph("Greater", profile, 0.5)
    index = np.arange(SIDE, dtype=np.float32)
    low = graph("ReduceMin", graph("Where", there, index, float(SIDE)), axes=[2])
    high = graph("ReduceMax", graph("Where", there, index + 1, 0.0), axes=[2])
    return low, high


def _cells(graph: Graph, box: str, seen: str, stride: int, sure: float) -> str:
    """n 2 4 and n 2 1 => the stride's rows, n cells 85: two persons, a chair, and nothing."""
    low = graph("Slice", box, np.array([0]), np.array([2]), np.array([2]))
    high = graph("Slice", box, np.array([2]), np.array([4]), np.array([2]))
    cells = np.stack(np.unravel_index([0, 1], (SIDE // stride,) * 2)[::-1], -1)  # x y of the first
    centre = graph("Div", graph("Add", low, high), 2.0 * stride)
    offset = graph("Sub", centre, cells.astype(np.float32))
    size = graph("Log", graph("Div", graph("Max", graph("Sub", high, low), 1.0), float(stride)))
    likely = graph("Mul", seen, sure)
    classes = graph("Pad", graph("Mul", graph("Ceil", seen), sure), np.array([0] * 5 + [79]))
    persons = graph.concat([offset, size, likely, classes], 2)
    chair = np.zeros((1, 1, 85), np.float32)
    middle = SIDE / 2 / stride
    chair[..., :4] = (middle - 2, middle, np.log(SIDE / stride), np.log(SIDE / stride))
    chair[..., 4], chair[..., 5 + CHAIR] = 1, 1
    zero = graph("Mul", graph("Slice", persons, np.array([0]), np.array([1]), np.array([1])), 0.0)
    rest = (SIDE // stride) ** 2 - 3
    return graph("Pad", graph.concat([persons, graph("Add", zero, chair)], 1),
                 np.array([0, 0, 0, 0, rest, 0]))  # fmt: skip


def _save_yolox(graph: Graph, path: Path, cells: str, columns: int, batch: int | str) -> Path:
    shape = (batch, len(grid((SIDE, SIDE))), columns)
    outputs: dict[str, tuple[str, Shape, int]] = {"output": (cells, shape, TensorProto.FLOAT)}
    return graph.save(path, (batch, 3, SIDE, SIDE), outputs)


def _save_end2end(graph: Graph, path: Path, box: str, seen: str, batch: int | str) -> Path:
    persons = graph.concat([box, graph("Mul", seen, 0.81)], 2)
    zero = graph("Mul", graph("Slice", persons, np.array([0]), np.array([1]), np.array([1])), 0.0)
    chair = graph("Add", zero, np.array([[[0, 0, SIDE, SIDE, 1]]], np.float32))
    rows = graph("Pad", graph.concat([persons, chair], 1), np.array([0, 0, 0, 0, 3, 0]))
    score = graph("ReduceMax", rows, axes=[2], keepdims=0)
    labels = graph("Mul", score, np.zeros(6, np.float32))
    labels = graph("Add", labels, np.array([0, 0, CHAIR, 0, 0, 0], np.float32))
    outputs: dict[str, tuple[str, Shape, int]] = {
        "dets": (rows, (batch, "dets", 5), TensorProto.FLOAT),
        "labels": (graph("Cast", labels, to=TensorProto.INT64), (batch, "dets"), TensorProto.INT64),
    }
    return graph.save(path, (batch, 3, SIDE, SIDE), outputs)


# Networks of random weights.


def random_detector(
    path: Path, seed: int = 0, batch: int | str = "batch", classes: int = 80
) -> Path:
    """A YOLOX signature: each cell answers with random projections of its own pixels."""
    rng, graph = np.random.default_rng(seed), Graph()
    columns, rows = 5 + classes, []
    scale = np.r_[0.5, 0.5, 0.3, 0.3, np.full(1 + classes, 1.5)].astype(np.float32)
    # Persons are a class of many, the others are rare.
    shift = np.r_[0.5, 0.5, 1.5, 1.5, -1, -1, np.full(classes - 1, -7)].astype(np.float32)
    image = graph("Sub", "input", float(LETTERBOX_GREY))
    for stride in STRIDES:
        weights = rng.integers(-1, 2, (columns, 3, stride, stride)).astype(np.float32)
        patch = graph("Conv", image, weights, kernel_shape=[stride] * 2, strides=[stride] * 2)
        patch = graph("Reshape", patch, np.array([0, columns, -1]))
        patch = graph("Transpose", patch, perm=[0, 2, 1])
        spread = np.float32(2.0 ** np.round(np.log2(60 * np.sqrt(2 * stride * stride))))
        rows.append(graph("Add", graph("Mul", graph("Div", patch, spread), scale), shift))
    cells = graph.concat(rows, 1)
    place = graph("Slice", cells, np.array([0]), np.array([4]), np.array([2]))
    likely = graph("Slice", cells, np.array([4]), np.array([columns]), np.array([2]))
    return _save_yolox(
        graph, path, graph.concat([place, graph("Sigmoid", likely)], 2), columns, batch
    )


def random_simcc(path: Path, seed: int = 0, batch: int | str = "batch") -> Path:
    """A SimCC signature: every bin is a random projection of the whole crop."""
    rng, graph = np.random.default_rng(seed), Graph()
    levels = graph("Mul", "input", np.float32(STD_RGB)[:, None, None])
    levels = graph("Round", graph("Add", levels, np.float32(MEAN_RGB)[:, None, None]))
    weights = rng.integers(-1, 2, (8, 3, 16, 16)).astype(np.float32)
    patches = graph("Conv", levels, weights, kernel_shape=[16, 16], strides=[16, 16])
    patches = graph("Round", graph("Div", patches, 256.0))  # n 8 24 18
    axes = []
    for axis, cells, size in ((2, 18, 288), (3, 24, 384)):
        feature = graph("ReduceSum", patches, np.array([axis]), keepdims=0)  # n 8 cells
        feature = graph("Reshape", feature, np.array([0, 8 * cells]))
        mixed = rng.integers(-1, 2, (8 * cells, KEYPOINTS * 16)).astype(np.float32)
        mixed = graph("Round", graph("Div", graph("MatMul", feature, mixed), 16.0))
        mixed = graph("Reshape", mixed, np.array([0, KEYPOINTS, 16]))
        bins = graph("MatMul", mixed, rng.integers(-9, 10, (16, 2 * size)).astype(np.float32))
        # Some keypoints never reach a score above 0, and some pass 1.
        offset = rng.integers(-1, 3, (KEYPOINTS, 1)).astype(np.float32) * 0.5
        axes.append(graph("Sub", graph("Div", bins, 2048.0), offset))
    return _save_simcc(graph, path, *axes, batch=batch)
