"""Write what other programs answer on the tests' networks to `tests/golden/pose_peers.npz`.

    python -m tests.golden.regenerate_pose_peers --official DIR --moore DIR --mimicmotion DIR \\
        --rtmlib DIR

OFFICIAL holds onnxdet.py and onnxpose.py of IDEA-Research/DWPose, branch onnx; MOORE and
MIMICMOTION those of their repositories (src/dwpose, mimicmotion/dwpose); RTMLIB the unpacked wheel
of rtmlib 0.0.16. Each runs in the colour order its repository feeds it. Tests never run this.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from tests.onnx_graphs import (
    BODY,
    coloured_person,
    detector_graph,
    random_detector,
    random_simcc,
    simcc_graph,
)

GOLDEN = Path(__file__).parent / "pose_peers.npz"
SIZES_HW = ((320, 240), (211, 423), (640, 640), (50, 37), (1000, 300), (97, 1201))
Graphs = dict[str, Path]
Answers = dict[str, np.ndarray]


def graphs(folder: Path) -> Graphs:
    """The networks all programs run."""
    return {
        "coco": random_detector(folder / "coco.onnx", seed=1),
        "humanart": random_detector(folder / "humanart.onnx", seed=2, classes=1),
        "end2end": detector_graph(folder / "end2end.onnx", end2end=True),
        "frames": detector_graph(folder / "frames.onnx"),
        "bins": random_simcc(folder / "bins.onnx", seed=3),
        "dots": simcc_graph(folder / "dots.onnx", colour_order="bgr"),
    }


def images() -> list[np.ndarray]:
    """RGB: blocks of colour under noise, of sizes larger, smaller and just as the networks'."""
    rng = np.random.default_rng(7)
    return [_noise(rng, *size) for size in SIZES_HW]


def _noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    blocks = rng.integers(0, 256, (height // 20 + 1, width // 20 + 1, 3))
    blocks = blocks.repeat(20, 0).repeat(20, 1)[:height, :width]
    return (blocks + rng.integers(-40, 41, blocks.shape)).clip(0, 255).astype(np.uint8)


def boxes_in(image: np.ndarray) -> np.ndarray:
    """3 4: within the image, across its border, and thin; float64, as the ports' detectors give."""
    height, width = image.shape[:2]
    corners = ((0.2, 0.1, 0.7, 0.9), (-0.3, 0.4, 0.55, 1.4), (0.31, 0.05, 0.47, 0.83))
    return np.float32(np.array(corners) * (width, height, width, height)).astype(np.float64)


def figures() -> tuple[np.ndarray, np.ndarray]:
    """Frames f h w 3 of two coloured figures, and where their keypoints are, f 2 23 2."""
    rng = np.random.default_rng(9)
    frames = np.full((3, 480, 700, 3), 120, np.uint8)
    keypoints = np.full((2, 3, 133, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    spots = np.stack(np.meshgrid(np.arange(5) * 45, np.arange(5) * 70), -1).reshape(-1, 2)[:BODY]
    for person in range(2):
        jitter = rng.uniform(-8, 8, (3, BODY, 2))
        keypoints[person, :, :BODY, :2] = spots + jitter + (60 + 340 * person, 80)
        keypoints[person, :, :BODY, 2] = 1
        coloured_person(frames, keypoints[person], person, radius_px=6)
    return frames, keypoints[:, :, :BODY, :2].transpose(1, 0, 2, 3)


def ports(folder: Path, models: Graphs, flip: bool) -> Iterator[tuple[str, np.ndarray]]:
    """A DWPose port's answers; `flip`: it is fed BGR."""
    det, pose = _module(folder, "onnxdet"), _module(folder, "onnxpose")
    sessions = {name: _session(path) for name, path in models.items() if name != "end2end"}
    step = -1 if flip else 1
    for i, image in enumerate(images()):
        fed = np.ascontiguousarray(image[..., ::step])
        for name in ("coco", "humanart"):
            yield from _named(f"{name}/{i}", _port_boxes(det, sessions[name], fed))
        yield from _named(f"bins/{i}", pose.inference_pose(sessions["bins"], boxes_in(image), fed))
    if flip:  # the dots' network takes BGR
        for i, image in enumerate(figures()[0]):
            fed = np.ascontiguousarray(image[..., ::-1])
            boxes = det.inference_detector(sessions["frames"], fed)
            yield from _named(f"chain/{i}", pose.inference_pose(sessions["dots"], boxes, fed))


def _port_boxes(det: Any, session: Any, fed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `inference_detector` returns, and the scores it throws away."""
    kept: list[np.ndarray] = []
    with _recorded(det, "multiclass_nms", kept.append):
        boxes = det.inference_detector(session, fed)
    rows = kept[0]
    rows = rows[(rows[:, 5] == 0) & (rows[:, 4] > 0.3)]
    assert np.array_equal(rows[:, :4], boxes)
    return rows[:, :4], rows[:, 4]


def rtmlib(folder: Path, models: Graphs) -> Iterator[tuple[str, np.ndarray]]:
    """rtmlib's answers, fed BGR as its examples do."""
    sys.path.insert(0, str(folder))
    package = importlib.import_module("rtmlib")
    yolox = importlib.import_module("rtmlib.tools.object_detection.yolox")
    detectors = {n: package.YOLOX(str(models[n])) for n in ("coco", "humanart", "end2end")}
    pose = package.RTMPose(str(models["bins"]), model_input_size=(288, 384))
    for i, image in enumerate(images()):
        fed = np.ascontiguousarray(image[..., ::-1])
        for name in ("coco", "humanart"):
            kept: list[Any] = []
            with _recorded(yolox, "multiclass_nms", kept.append):
                boxes = detectors[name](fed)
            rows = kept[0][0] if kept[0][0] is not None else np.empty((0, 6))
            assert np.array_equal(rows[:, :4], boxes.reshape(-1, 4))
            yield from _named(f"{name}/{i}", (rows[:, :4], rows[:, 4]))
        yield from _named(f"bins/{i}", pose(fed, bboxes=boxes_in(image)))
    whole = package.Wholebody(
        det=str(models["end2end"]), pose=str(models["dots"]), pose_input_size=(288, 384)
    )
    for i, image in enumerate(figures()[0]):
        fed = np.ascontiguousarray(image[..., ::-1])
        yield f"end2end/{i}/0", detectors["end2end"](fed)
        yield from _named(f"chain/{i}", whole(fed))


class _recorded:  # noqa: N801 - read as a verb in a with statement
    """While it lasts, what a module's function returns is handed to `keep` as well."""

    def __init__(self, module: Any, name: str, keep: Callable[[Any], None]) -> None:
        self.module, self.name, self.keep = module, name, keep
        self.original = getattr(module, name)

    def __enter__(self) -> None:
        def spy(*args: Any, **kwargs: Any) -> Any:
            answer = self.original(*args, **kwargs)
            self.keep(answer)
            return answer

        setattr(self.module, self.name, spy)

    def __exit__(self, *_: object) -> None:
        setattr(self.module, self.name, self.original)


def _named(prefix: str, arrays: tuple[np.ndarray, ...]) -> Iterator[tuple[str, np.ndarray]]:
    for i, array in enumerate(arrays):
        yield f"{prefix}/{i}", array


def _module(folder: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{folder.name}_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _session(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def main() -> None:
    """Overwrite the golden file."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("official", "moore", "mimicmotion", "rtmlib"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    folders = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = graphs(Path(folder))
        answers: Answers = {}
        for peer, found in (
            ("official", ports(folders.official, models, flip=True)),
            ("moore", ports(folders.moore, models, flip=True)),
            ("mimicmotion", ports(folders.mimicmotion, models, flip=False)),
            ("rtmlib", rtmlib(folders.rtmlib, models)),
        ):
            answers |= {f"{peer}/{name}": array.astype(np.float32) for name, array in found}
    moore = {name: answers.pop(name) for name in list(answers) if name.startswith("moore/")}
    for name, array in moore.items():  # the same code in the same colour order
        np.testing.assert_array_equal(array, answers[name.replace("moore/", "official/")])
    np.savez_compressed(GOLDEN, opencv=np.array(cv2.__version__), **answers)


if __name__ == "__main__":
    main()
