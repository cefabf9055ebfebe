"""BlazePose's two networks in LiteRT: an image goes in, detections or landmarks come out."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import MissingRequirement
from mrfashion.poses.blazepose_decode import (
    DETECTOR_SIDE,
    LANDMARK_SIDE,
    Detection,
    Landmarks,
    decode_detections,
    decode_landmarks,
)
from mrfashion.poses.blazepose_roi import Image, Roi, letterbox_roi
from mrfashion.weights import weights_path

DETECTOR, LANDMARKER = "blazepose-detection", "blazepose-landmark"  # rows of weights.WEIGHTS
PACKAGE = "ai_edge_litert"
INSTALL = "BlazePose runs in LiteRT: pip install ai-edge-litert"


def missing_package() -> str | None:
    """The command that installs the runtime, or None where it is there; imports nothing."""
    return None if importlib.util.find_spec(PACKAGE) else INSTALL


class Network:
    """One network, loaded; where its tensors lie is asked once, which takes 1 ms."""

    def __init__(self, path: Path, threads: int, outputs: tuple[int, ...]) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingRequirement(INSTALL) from None
        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        details = self._interpreter.get_output_details()
        self._outputs = [details[number]["index"] for number in outputs]

    def run(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """h w 3 => the outputs asked for."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class Networks:
    """Both networks. Not thread-safe: they write into tensors of their own."""

    def __init__(self, threads: int) -> None:
        self._detector = Network(weights_path(DETECTOR), threads, (0, 1))
        # Its other outputs are a mask and landmarks in metres.
        self._landmarker = Network(weights_path(LANDMARKER), threads, (0, 1, 3))

    def detect(self, image: Image, threshold: float) -> list[Detection]:
        """Persons of an image, the surest first; positions in 0..1 of `letterbox_roi`."""
        crop = letterbox_roi(image).crop(image, DETECTOR_SIDE, replicate=False)
        boxes, scores = self._detector.run(crop.astype(np.float32) / np.float32(127.5) - 1)
        return decode_detections(boxes[0], scores[0], threshold)

    def look(self, image: Image, roi: Roi) -> Landmarks:
        """Landmarks of the person in a square; positions in 0..1 of it."""
        crop = roi.crop(image, LANDMARK_SIDE, replicate=True)
        raw, presence, heatmap = self._landmarker.run(crop.astype(np.float32) / np.float32(255))
        return decode_landmarks(raw[0], float(presence[0, 0]), heatmap[0])
