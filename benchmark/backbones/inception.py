"""The Inception-v3 of FID: TensorFlow's graph of 2015-12-05 (Szegedy et al., arXiv 1512.00567).

It differs from other Inceptions in its pools: averages leave the border out, and the last block
takes the greatest instead. One network, two published files of the same weights: pytorch-fid's
state dict, in torchvision's names, and NVIDIA's TorchScript archive, which clean-fid uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.backbones.folding import NormNames, Published

TORCHVISION = NormNames(1e-3)
NVIDIA = NormNames(1e-3, scale=None, shift="beta", mean="mean", variance="var")


@dataclass(frozen=True, slots=True)
class Step:
    """One convolution of a branch: pytorch-fid's name for it, NVIDIA's, and what it is."""

    name: str
    nvidia: str
    filters: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1  # without padding where it is 2


@dataclass(frozen=True, slots=True)
class Fork:
    """Two convolutions of the same input, one beside the other."""

    left: Step
    right: Step


@dataclass(frozen=True, slots=True)
class Pool:
    """A 3x3 window: `average` without the border or `greatest`, of stride 1; or `halving`."""

    kind: str


Branch = Sequence[Step | Fork | Pool]
THREE, FIVE, WIDE, TALL = (3, 3), (5, 5), (1, 7), (7, 1)


def _block_a(pooled: int) -> Sequence[Branch]:
    return (
        (Step("branch1x1", "conv", 64),),
        (Step("branch5x5_1", "tower.conv", 48), Step("branch5x5_2", "tower.conv_1", 64, FIVE)),
        (
            Step("branch3x3dbl_1", "tower_1.conv", 64),
            Step("branch3x3dbl_2", "tower_1.conv_1", 96, THREE),
            Step("branch3x3dbl_3", "tower_1.conv_2", 96, THREE),
        ),
        (Pool("average"), Step("branch_pool", "tower_2.conv", pooled)),
    )


def _block_b() -> Sequence[Branch]:
    return (
        (Step("branch3x3", "conv", 384, THREE, 2),),
        (
            Step("branch3x3dbl_1", "tower.conv", 64),
            Step("branch3x3dbl_2", "tower.conv_1", 96, THREE),
            Step("branch3x3dbl_3", "tower.conv_2", 96, THREE, 2),
        ),
        (Pool("halving"),),
    )


def _block_c(narrow: int) -> Sequence[Branch]:
    return (
        (Step("branch1x1", "conv", 192),),
        (
            Step("branch7x7_1", "tower.conv", narrow),
            Step("branch7x7_2", "tower.conv_1", narrow, WIDE),
            Step("branch7x7_3", "tower.conv_2", 192, TALL),
        ),
        (
            Step("branch7x7dbl_1", "tower_1.conv", narrow),
            Step("branch7x7dbl_2", "tower_1.conv_1", narrow, TALL),
            Step("branch7x7dbl_3", "tower_1.conv_2", narrow, WIDE),
            Step("branch7x7dbl_4", "tower_1.conv_3", narrow, TALL),
            Step("branch7x7dbl_5", "tower_1.conv_4", 192, WIDE),
        ),
        (Pool("average"), Step("branch_pool", "tower_2.conv", 192)),
    )


def _block_d() -> Sequence[Branch]:
    return (
        (
            Step("branch3x3_1", "tower.conv", 192),
            Step("branch3x3_2", "tower.conv_1", 320, THREE, 2),
        ),
        (
            Step("branch7x7x3_1", "tower_1.conv", 192),
            Step("branch7x7x3_2", "tower_1.conv_1", 192, WIDE),
            Step("branch7x7x3_3", "tower_1.conv_2", 192, TALL),
            Step("branch7x7x3_4", "tower_1.conv_3", 192, THREE, 2),
        ),
        (Pool("halving"),),
    )


def _block_e(pool: str) -> Sequence[Branch]:
    return (
        (Step("branch1x1", "conv", 320),),
        (
            Step("branch3x3_1", "tower_conv", 384),
            Fork(
                Step("branch3x3_2a", "tower_mixed_conv", 384, (1, 3)),
                Step("branch3x3_2b", "tower_mixed_conv_1", 384, (3, 1)),
            ),
        ),
        (
            Step("branch3x3dbl_1", "tower_1_conv", 448),
            Step("branch3x3dbl_2", "tower_1_conv_1", 384, THREE),
            Fork(
                Step("branch3x3dbl_3a", "tower_1_mixed_conv", 384, (1, 3)),
                Step("branch3x3dbl_3b", "tower_1_mixed_conv_1", 384, (3, 1)),
            ),
        ),
        (Pool(pool), Step("branch_pool", "tower_2_conv", 192)),
    )


BLOCKS = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _block_b(),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _block_d(),
    "Mixed_7b": _block_e("average"),
    "Mixed_7c": _block_e("greatest"),
}
STEM = {  # channels, filters, kernel, stride, padding
    "Conv2d_1a_3x3": (3, 32, 3, 2, 0),
    "Conv2d_2a_3x3": (32, 32, 3, 1, 0),
    "Conv2d_2b_3x3": (32, 64, 3, 1, 1),
    "Conv2d_3b_1x1": (64, 80, 1, 1, 0),
    "Conv2d_4a_3x3": (80, 192, 3, 1, 0),
}
HALVED_AFTER = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")


class Inception(nn.Module):
    """b 3 299 299 in [-1, 1] => b 2048, the means of the last maps (`pool_3`)."""

    IMAGES: ClassVar = True
    FEATURES: ClassVar = 2048

    def __init__(self) -> None:
        super().__init__()
        for name, sizes in STEM.items():
            self.add_module(name, Unit(*sizes))
        channels = 192
        for name, branches in BLOCKS.items():
            block = Mixed(channels, branches)
            self.add_module(name, block)
            channels = block.channels

    def forward(self, x: Tensor) -> Tensor:
        """Layer after layer, in the order they were made."""
        for name, layer in self.named_children():
            x = layer(x)
            if name in HALVED_AFTER:
                x = F.max_pool2d(x, 3, stride=2)
        return x.mean((2, 3))


class Unit(nn.Conv2d):
    """A convolution and a ReLU."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int | tuple[int, int],
        stride: int,
        padding: int | tuple[int, int],
    ) -> None:
        super().__init__(channels, filters, kernel, stride, padding, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """b c h w => b d h' w'."""
        return super().forward(x).relu_()


class Mixed(nn.Module):
    """Branches side by side; `channels` come out."""

    def __init__(self, channels: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.branches, self.channels = branches, 0
        for branch in branches:
            width = channels
            for step in branch:
                for unit in _units(step):
                    self.add_module(unit.name, _made(width, unit))
                width = sum(unit.filters for unit in _units(step)) or width
            self.channels += width

    def forward(self, x: Tensor) -> Tensor:
        """b c h w => b d h' w'."""
        return torch.cat([self._along(branch, x) for branch in self.branches], dim=1)

    def _along(self, branch: Branch, x: Tensor) -> Tensor:
        for step in branch:
            if isinstance(step, Pool):
                x = _pooled(step.kind, x)
            else:
                x = torch.cat([self.get_submodule(unit.name)(x) for unit in _units(step)], dim=1)
        return x


def _units(step: Step | Fork | Pool) -> tuple[Step, ...]:
    if isinstance(step, Fork):
        return step.left, step.right
    return (step,) if isinstance(step, Step) else ()


def _made(channels: int, step: Step) -> Unit:
    padding = (step.kernel[0] // 2, step.kernel[1] // 2) if step.stride == 1 else 0
    return Unit(channels, step.filters, step.kernel, step.stride, padding)


def _pooled(kind: str, x: Tensor) -> Tensor:
    if kind == "average":
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return F.max_pool2d(x, 3, *((1, 1) if kind == "greatest" else (2, 0)))


def convert(file: Published) -> dict[str, Tensor]:
    """pytorch-fid's file or NVIDIA's => our names, which are the former's; the classes go."""
    nvidia = "layers.conv.weight" in file
    file.drop(r"(fc|output)\.(weight|bias)|.*\.num_batches_tracked")
    state: dict[str, Tensor] = {}
    for number, name in enumerate(STEM):
        theirs = "layers.conv" + (f"_{number}" if number else "")
        state |= _unit(file, name, theirs if nvidia else None)
    for number, (block, branches) in enumerate(BLOCKS.items()):
        theirs = "layers.mixed" + (f"_{number}" if number else "")
        for unit in (unit for branch in branches for step in branch for unit in _units(step)):
            at = f"{theirs}.{unit.nvidia}" if nvidia else None
            state |= _unit(file, f"{block}.{unit.name}", at)
    return state


def _unit(file: Published, unit: str, nvidia: str | None) -> dict[str, Tensor]:
    if nvidia:
        return file.folded(unit, f"{nvidia}.weight", nvidia, NVIDIA)
    return file.folded(unit, f"{unit}.conv.weight", f"{unit}.bn", TORCHVISION)
