"""AlexNet and VGG-16 as ST-LPIPS trained them: every stride is a blur that then drops pixels.

Ghildyal & Liu 2022, "Shift-tolerant Perceptual Similarity Metric", arXiv 2207.13686. Written from
the paper and the names and shapes in its checkpoints, which hold the filters too.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.backbones.trunk import Trunk, convolution
from benchmark.backbones.vgg16 import BLOCKS

PADDING = 2  # mirrored on each side; the 3x3 filter itself would need 1


class ShiftTolerantAlexNet(Trunk):
    """The five ReLU outputs."""

    CHANNELS = (64, 192, 384, 256, 256)
    TAPS = (2, 6, 10, 12, 14)

    def __init__(self) -> None:
        super().__init__(_alexnet())


class ShiftTolerantVGG16(Trunk):
    """The last ReLU output of each of the five blocks."""

    CHANNELS = tuple(filters for filters, _ in BLOCKS)
    TAPS = (3, 9, 17, 25, 33)

    def __init__(self) -> None:
        super().__init__(_vgg16())


class BlurPool(nn.Module):
    """Mirror the border, blur each channel, keep every second pixel."""

    filt: Tensor  # c 1 3 3

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", torch.empty(channels, 1, 3, 3, device="meta"))

    def forward(self, x: Tensor) -> Tensor:
        """b c h w => b c h/2+1 w/2+1, rounded down or up."""
        mirrored = F.pad(x, (PADDING,) * 4, mode="reflect")
        return F.conv2d(mirrored, self.filt, stride=2, groups=x.shape[1])


def _alexnet() -> Iterator[nn.Module]:
    yield convolution(3, 64, 11, padding=2)
    yield BlurPool(64)
    yield nn.ReLU(inplace=True)
    yield nn.MaxPool2d(3, stride=1)
    yield BlurPool(64)
    yield convolution(64, 192, 5, padding=2)
    yield nn.ReLU(inplace=True)
    yield nn.MaxPool2d(3, stride=1)
    yield BlurPool(192)
    yield convolution(192, 384, 3, padding=1)
    yield nn.ReLU(inplace=True)
    yield convolution(384, 256, 3, padding=1)
    yield nn.ReLU(inplace=True)
    yield convolution(256, 256, 3, padding=1)
    yield nn.ReLU(inplace=True)


def _vgg16() -> Iterator[nn.Module]:
    channels = 3
    for block, (filters, convolutions) in enumerate(BLOCKS):
        if block:
            yield nn.MaxPool2d(2, stride=1)
            yield BlurPool(channels)
        for _ in range(convolutions):
            yield convolution(channels, filters, 3, padding=1)
            yield nn.ReLU(inplace=True)
            channels = filters
