"""VGG-16 up to its last ReLU (Simonyan & Zisserman 2014), keys as torchvision names them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from benchmark.backbones.trunk import Trunk, convolution

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters, convolutions


class VGG16(Trunk):
    """The last ReLU output of each of the five blocks."""

    CHANNELS = tuple(filters for filters, _ in BLOCKS)
    TAPS = (3, 8, 15, 22, 29)
    DROPPED = tuple(f"classifier.{n}.{part}" for n in (0, 3, 6) for part in ("weight", "bias"))

    def __init__(self) -> None:
        super().__init__(_layers())


def _layers() -> Iterator[nn.Module]:
    channels = 3
    for block, (filters, convolutions) in enumerate(BLOCKS):
        if block:
            yield nn.MaxPool2d(2, stride=2)
        for _ in range(convolutions):
            yield convolution(channels, filters, 3, padding=1)
            yield nn.ReLU(inplace=True)
            channels = filters
