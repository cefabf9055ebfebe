"""Do the networks of set metrics load from their files, and give the answers others published?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.backbones.features import BACKBONES, extract, load
from benchmark.backbones.preprocessing import PREPROCESSINGS
from benchmark.backbones.repeatable import repeatable
from benchmark.frechet import frechet_distance
from benchmark.running import Running
from benchmark.set_metrics import SET_METRICS
from mrfashion.errors import InputRefused

NOISE_CLIPS, AT_ONCE = 128, 4


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """What somebody else's program printed of an input that anyone can make."""

    what: str
    value: float
    tolerance: float
    source: str
    slow: bool  # minutes on a CPU
    measure: Callable[[nn.Module], float]


def _black_from_white(network: nn.Module) -> float:
    """All clips of a side are equal, so covariances are 0 and one of each is enough.

    16 frames halve evenly: at other lengths the port's padding may not be TensorFlow's.
    """
    clip = torch.zeros((1, 16, 64, 64, 3), dtype=torch.uint8)
    recipe = PREPROCESSINGS["i3d-crop"]
    black, white = (extract(network, one, recipe) for one in (clip, clip + 255))
    return float((black - white).double().square().sum())


def _noise(network: nn.Module) -> float:
    """Uniform noise from 0 to 1, 224x224, straight into the network."""
    return frechet_distance(_noise_features(network, 1), _noise_features(network, 2))


def _noise_features(network: nn.Module, seed: int) -> np.ndarray:
    random, device = np.random.RandomState(seed), next(network.parameters()).device
    rows = []
    with torch.inference_mode(), repeatable(device):
        for _ in range(NOISE_CLIPS // AT_ONCE):
            clips = random.rand(AT_ONCE, 16, 224, 224, 3).astype(np.float32)
            x: Tensor = torch.from_numpy(clips).permute(0, 4, 1, 2, 3).to(device)
            rows.append(network(x).cpu().numpy())
    return np.concatenate(rows)


_OF_FVD = (
    KnownAnswer(
        "FVD of white clips from black ones",
        152.91750309134142,
        1.0,  # as far as it moves between versions of PyTorch, it says
        "common_metrics_on_video_quality, README",
        False,
        _black_from_white,
    ),
    KnownAnswer(
        "FVD of two sets of noise",
        10.138084766713924,
        1e-3,
        "universome/fvd-comparison, README",
        True,
        _noise,
    ),
)
KNOWN = {"i3d-400": _OF_FVD, "i3d-styleganv-torchscript": _OF_FVD}  # by row of the weights


def tried(row: str, path: Path, device: str, slow: bool) -> Iterator[str]:
    """What every network of a weight file did, in words; InputRefused where one is wrong."""
    Running(device=device, executor="here").require_devices()
    for name, backbone in BACKBONES.items():
        if backbone.weights != row:
            continue
        network = load(name, path).to(device)
        yield f"{name}: {_finite(name, network)}"
        if name.endswith("copies"):  # other variances than the publications computed with
            continue
        for known in KNOWN.get(row, ()):
            if slow or not known.slow:
                yield f"{name}: {_answer(network, known)}"


def _finite(name: str, network: nn.Module) -> str:
    """Features of a fixed clip, as the first metric that uses it prepares it."""
    recipes = [m.feature.recipe for m in SET_METRICS.values() if m.feature.backbone == name]
    recipe = recipes[0] if recipes else PREPROCESSINGS["i3d-squash"]  # VFID's network, of no metric
    clip = np.random.default_rng(0).integers(0, 256, (1, 16, 64, 48, 3), dtype=np.uint8)
    features = extract(network, torch.from_numpy(clip), recipe)
    if not features.isfinite().all():
        raise InputRefused(f"{name}: the features of noise hold NaN or infinity")
    known = KNOWN.get(BACKBONES[name].weights or "")
    return "loads to the last key" + ("" if known else "; no published answer")


def _answer(network: nn.Module, known: KnownAnswer) -> str:
    found = known.measure(network)
    if not abs(found - known.value) <= known.tolerance:
        raise InputRefused(
            f"{known.what} is {found:.6g}; {known.source} prints {known.value:.6g} +- "
            f"{known.tolerance:g}. These are not the weights it used"
        )
    return f"{known.what} is {found:.6g} ({known.source}: {known.value:.6g})"
