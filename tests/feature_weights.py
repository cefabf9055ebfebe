"""Weight files of the set metrics' backbones as published, but random; what their peers make of
them; and features to compare.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.backbones.features import BACKBONES, filled, network
from benchmark.backbones.preprocessing import PREPROCESSINGS
from mrfashion.weights import missing_weights
from tests.golden.features import GOLDEN, SHAPES, random_clip, random_state

CLIP = torch.from_numpy(random_clip(1, 16))[None]


@cache
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@cache
@torch.inference_mode(False)
def _states(name: str) -> dict[str, Tensor]:
    return random_state(json.loads(SHAPES.read_text("utf-8"))[name])


def published_state(name: str) -> dict[str, Tensor]:
    """The tensors of a published file, random, under their published names."""
    return dict(_states(name))


def random_network(name: str, state: dict[str, Tensor] | None = None) -> nn.Module:
    """A backbone with the tensors of a file, or what is refused of them."""
    return filled(name, published_state(name) if state is None else state, "x.pth")


def published_network(name: str) -> nn.Module:
    """The real network; the test skips where its weights are not on this machine."""
    row = BACKBONES[name].weights
    if row and (problem := missing_weights(row)):
        pytest.skip(problem)
    return network(name, "cpu")


def run(module: nn.Module, preprocessing: str, images: bool = False) -> np.ndarray:
    """Features of the golden clip, of an image network those of its first two frames."""
    with torch.inference_mode():
        x = PREPROCESSINGS[preprocessing](CLIP[:, :2] if images else CLIP)
        return module(x.transpose(1, 2).flatten(0, 1) if images else x).numpy()


def apart(found: np.ndarray, want: np.ndarray) -> float:
    """Greatest difference, in units of the greatest number wanted."""
    return float(np.abs(found - want).max() / np.abs(want).max())
