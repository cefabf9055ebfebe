"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360), keys as torchvision names them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmark.backbones.trunk import Trunk, convolution


class SqueezeNet(Trunk):
    """The first ReLU output and those of six Fire modules."""

    CHANNELS = (64, 128, 256, 384, 384, 512, 512)
    TAPS = (1, 4, 7, 9, 10, 11, 12)
    DROPPED = ("classifier.1.weight", "classifier.1.bias")

    def __init__(self) -> None:
        super().__init__(_layers())


class Fire(nn.Module):
    """A 1x1 convolution, then 1x1 and 3x3 ones side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = convolution(channels, squeezed, 1)
        self.expand1x1 = convolution(squeezed, expanded, 1)
        self.expand3x3 = convolution(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """b c h w => b 2e h w."""
        x = self.squeeze(x).relu_()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu_()


def _layers() -> Iterator[nn.Module]:
    yield convolution(3, 64, 3, stride=2)
    yield nn.ReLU(inplace=True)
    yield nn.MaxPool2d(3, stride=2, ceil_mode=True)
    yield Fire(64, 16, 64)
    yield Fire(128, 16, 64)
    yield nn.MaxPool2d(3, stride=2, ceil_mode=True)
    yield Fire(128, 32, 128)
    yield Fire(256, 32, 128)
    yield nn.MaxPool2d(3, stride=2, ceil_mode=True)
    yield Fire(256, 48, 192)
    yield Fire(384, 48, 192)
    yield Fire(384, 64, 256)
    yield Fire(512, 64, 256)
