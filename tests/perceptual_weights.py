"""Weight files for LPIPS as published, but random; and what the published code makes of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mrfashion import weights
from mrfashion.weight_row import Pin
from mrfashion.weight_trust import set_trust
from mrfashion.weights import WEIGHTS
from tests.golden.perceptual import GOLDEN, layer_name, random_tensor

ROWS = {
    "lpips-alex": ("lpips-alex-trunk", "lpips-alex-head"),
    "lpips-vgg": ("lpips-vgg-trunk", "lpips-vgg-head"),
    "lpips-squeeze": ("lpips-squeeze-trunk", "lpips-squeeze-head"),
    "st-lpips-alex": ("st-lpips-alex",),
    "st-lpips-vgg": ("st-lpips-vgg",),
}
SCALING = {
    "scaling_layer.shift": (-0.030, -0.088, -0.188),
    "scaling_layer.scale": (0.458, 0.448, 0.450),
}


@cache
def golden() -> list[dict[str, Any]]:
    return [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]


def cases(published: bool) -> list[dict[str, Any]]:
    kind = "published" if published else "random"
    return [row for row in golden() if row.get("weights") == kind]


def random_states(network: str) -> list[dict[str, torch.Tensor]]:
    """The state dict of each file of a network, with the published names and shapes."""
    files = next(row["files"] for row in golden() if row["network"] == network and "files" in row)
    return [{key: _tensor(key, shape) for key, shape in shapes.items()} for shapes in files]


def _tensor(key: str, shape: list[int]) -> torch.Tensor:
    if key in SCALING:
        return torch.tensor(SCALING[key]).view(shape)
    if key.startswith("classifier."):
        return torch.zeros(()).expand(shape)  # one number on disk
    return random_tensor(layer_name(key), tuple(shape))


def write_random(network: str, folder: Path) -> list[Path]:
    """A network's files, by the names they have in a weights folder."""
    paths = [folder / WEIGHTS[row].file for row in ROWS[network]]
    for path, state in zip(paths, random_states(network), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path)
    return paths


def trust_random(network: str) -> list[Path]:
    """The same in this machine's weights folder, vouched for."""
    folder = weights.weights_folder()
    paths = write_random(network, folder)
    for row, path in zip(ROWS[network], paths, strict=True):
        digest = weights.sha256_file(path)
        set_trust(folder, row, Pin(path.stat().st_size, digest))
    return paths
