"""I3D, RGB: Inception-v1 inflated to video (Carreira & Zisserman 2017, arXiv 1705.07750).

FVD's features are its 400 logits of Kinetics. The published networks differ in one number: the
TensorFlow graph adds 1e-3 to each variance (so do StyleGAN-V's port of it and DisCo), the PyTorch
copies in VideoGPT, TATS and cd-fvd add 1e-5 to the very same weights.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.backbones.folding import NormNames, Published
from benchmark.backbones.same_padding import same_padded

TENSORFLOW_EPS, COPIES_EPS = 1e-3, 1e-5
# Filters of each branch: 1x1; 1x1 and 3x3; 1x1 and 3x3; 1x1 after the pool.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
UNITS = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
STEM = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
POOLS_BEFORE = {  # kernel and stride
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
# The other PyTorch port (hassony2's) and how piergiaj's, the commoner, calls the same.
PORTED_UNITS = dict(
    zip(
        UNITS,
        ("branch_0", "branch_1.0", "branch_1.1", "branch_2.0", "branch_2.1", "branch_3.1"),
        strict=True,
    )
)


class I3D(nn.Module):
    """b 3 f 224 224 in [-1, 1], of 9 frames or more => b 400."""

    IMAGES: ClassVar = False
    FEATURES: ClassVar = 400

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        stem = (Unit(3, 64, 7, 2), Unit(64, 64, 1), Unit(64, 192, 3))
        channels = 192
        for name, layer in zip(STEM, stem, strict=True):
            _with_pool(layers, name, layer)
        for name, filters in MIXED.items():
            _with_pool(layers, name, Mixed(channels, filters))
            channels = sum(filters[i] for i in (0, 2, 4, 5))
        self.layers = nn.Sequential(layers)
        self.logits = nn.Linear(channels, self.FEATURES, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """The logits, a mean over windows of two positions in time."""
        x = self.layers(x)
        if x.shape[2] < 2:
            raise ValueError("a clip of fewer than 9 frames; I3D needs 9, FVD is defined for 16")
        windows: Tensor = F.avg_pool3d(x, (2, *x.shape[3:]), stride=1)
        return self.logits(windows.mean((2, 3, 4)))  # type: ignore[no-any-return]


class Unit(nn.Conv3d):
    """A convolution with SAME padding and a ReLU."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int = 1) -> None:
        centred = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(channels, filters, kernel, stride, centred, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """b c f h w => b d f/s h/s w/s, rounded up."""
        if max(self.stride) > 1:
            x = same_padded(x, self.kernel_size, self.stride)
        return super().forward(x).relu_()


class Pool(nn.Module):
    """The greatest of each window, SAME padding; what comes in is not negative."""

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """b c f h w => b c f/s h/s w/s, rounded up."""
        return F.max_pool3d(same_padded(x, self.kernel, self.stride), self.kernel, self.stride)


class Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, channels: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        one, three_before, three, late_before, late, pooled = filters
        self.b0 = Unit(channels, one, 1)
        self.b1a, self.b1b = Unit(channels, three_before, 1), Unit(three_before, three, 3)
        self.b2a, self.b2b = Unit(channels, late_before, 1), Unit(late_before, late, 3)
        self.b3b = Unit(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """b c f h w => b d f h w."""
        greatest = F.max_pool3d(x, 3, stride=1, padding=1)
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(greatest))
        return torch.cat(branches, dim=1)


def _with_pool(layers: OrderedDict[str, nn.Module], name: str, layer: nn.Module) -> None:
    if name in POOLS_BEFORE:
        layers[f"pool_{name}"] = Pool(*POOLS_BEFORE[name])
    layers[name] = layer


def convert(file: Published, eps: float = TENSORFLOW_EPS) -> dict[str, Tensor]:
    """A published file => our names: piergiaj's port (`i3d_pretrained_400.pt`, `rgb_imagenet.pt`
    and what descends from them), or hassony2's, whose `i3dpt` StyleGAN-V's archive was made from.
    """
    file.drop(r".*\.num_batches_tracked")
    ported = next((key for key in file.left if key.endswith("conv3d_0c_1x1.conv3d.weight")), None)
    prefix = ported.removesuffix("conv3d_0c_1x1.conv3d.weight") if ported else ""
    head = f"{prefix}conv3d_0c_1x1" if ported else "logits"
    norm = "batch3d" if ported else "bn"
    state: dict[str, Tensor] = {}
    for name in STEM:
        at = f"{prefix}{name.lower()}" if ported else name
        state |= _unit(file, f"layers.{name}", at, norm, eps)
    for name in MIXED:
        for unit in UNITS:
            at = f"{prefix}{name.lower()}.{PORTED_UNITS[unit]}" if ported else f"{name}.{unit}"
            state |= _unit(file, f"layers.{name}.{unit}", at, norm, eps)
    state["logits.weight"] = file.take(f"{head}.conv3d.weight").flatten(1)
    state["logits.bias"] = file.take(f"{head}.conv3d.bias")
    return state


def _unit(file: Published, unit: str, at: str, norm: str, eps: float) -> dict[str, Tensor]:
    return file.folded(unit, f"{at}.conv3d.weight", f"{at}.{norm}", NormNames(eps))
