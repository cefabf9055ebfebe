"""LPIPS: how far two images lie apart in the layers of a trunk (Zhang et al. 2018, Eq. 1).

`network(name, weights, device)` gives the one instance of the process; its weights are verified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.backbones.alexnet import AlexNet
from benchmark.backbones.feature_cache import FeatureCache, Features
from benchmark.backbones.repeatable import repeatable
from benchmark.backbones.shift_tolerant import ShiftTolerantAlexNet, ShiftTolerantVGG16
from benchmark.backbones.squeezenet import SqueezeNet
from benchmark.backbones.trunk import Trunk, convolution, load_strictly, read_state
from benchmark.backbones.vgg16 import VGG16
from mrfashion.artefacts import content_hash
from mrfashion.errors import InputRefused
from mrfashion.weights import recorded, weights_path

TRUNKS: Mapping[str, Callable[[], Trunk]] = {
    "lpips-alex": AlexNet,
    "lpips-vgg": VGG16,
    "lpips-squeeze": SqueezeNet,
    "st-lpips-alex": ShiftTolerantAlexNet,
    "st-lpips-vgg": ShiftTolerantVGG16,
}
EPSILON = 1e-10  # of lpips 0.1.4; torchmetrics adds 1e-8 under the root instead
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of RGB in [-1, 1]
RENAMED = (  # as published => as here
    (r"features\..+", r"trunk.\g<0>"),
    (r"net\.slice\d\.(.+)", r"trunk.features.\1"),
    (r"lin(\d)\.model\.1\.weight", r"heads.\1.weight"),
    (r"scaling_layer\.(shift|scale)", r"\1"),
)
CACHE_BYTES = 1 << 30  # of features of target frames, for each network

_loading = Lock()
_networks: dict[str, PerceptualDistance] = {}


class PerceptualDistance(nn.Module):
    """A trunk and a weight for each channel of its tapped layers."""

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(
            convolution(channels, 1, 1, bias=False) for channels in trunk.CHANNELS
        )
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))
        self.targets = FeatureCache(CACHE_BYTES)

    @torch.inference_mode()
    def features(self, images: Tensor, low: float = -1.0) -> Features:
        """b h w 3, uint8 => the layers of the images brought to [low, 1], of length one along c."""
        with repeatable(self.shift.device):
            x = images.to(self.shift.device).permute(0, 3, 1, 2).float()
            x = x / (255 / (1 - low)) + low
            layers = self.trunk((x - self.shift) / self.scale)
            return tuple(x / (x.norm(dim=1, keepdim=True) + EPSILON) for x in layers)

    def target_features(self, images: Tensor, low: float = -1.0) -> Features:
        """The same, kept: every entrant of a sample is compared with the same frames."""
        seen = sha256(f"{tuple(images.shape)} {low} ".encode())
        seen.update(images.numpy().tobytes())
        return self.targets.get(seen.hexdigest(), lambda: self.features(images, low))

    @torch.inference_mode()
    def forward(self, one: Features, other: Features, size: Sequence[int] | None = None) -> Tensor:
        """Two batches' layers => b distances; with `size` (h, w) means of maps enlarged to it."""
        with repeatable(self.shift.device):
            total = self.shift.new_zeros(len(one[0]))
            for head, a, b in zip(self.heads, one, other, strict=True):
                apart = head((a - b).square_())
                if size is not None:
                    apart = F.interpolate(apart, tuple(size), mode="bilinear", align_corners=False)
                total += apart.mean((1, 2, 3))
            return total


def network(name: str, weights: Sequence[str], device: str) -> PerceptualDistance:
    """The network `name` with these weight files; MissingRequirement where one is not here."""
    with _loading:
        key = content_hash([name, device, recorded(weights)])
        if key not in _networks:
            _networks[key] = load(name, [weights_path(row) for row in weights]).to(device)
        return _networks[key]


def load(name: str, paths: Sequence[Path]) -> PerceptualDistance:
    """The network `name` from its files; InputRefused unless they hold it whole."""
    distance = PerceptualDistance(TRUNKS[name]())
    state = {"shift": distance.shift, "scale": distance.scale}
    for path in paths:
        state |= _published(path, distance.trunk.DROPPED)
    load_strictly(distance, state, " and ".join(str(path) for path in paths))
    return distance.eval().requires_grad_(False)


def _published(path: Path, dropped: Sequence[str]) -> dict[str, Tensor]:
    """A published file's tensors under our names; InputRefused where two would share one."""
    kept = {key: tensor for key, tensor in read_state(path).items() if key not in dropped}
    renamed = {_renamed(key): tensor for key, tensor in kept.items()}
    if len(renamed) < len(kept):
        raise InputRefused(f"{path} names a layer twice: {', '.join(kept)}")
    return renamed


def _renamed(key: str) -> str:
    for pattern, name in RENAMED:
        if match := re.fullmatch(pattern, key):
            return match.expand(name)
    return key
