"""AlexNet up to its fifth ReLU (Krizhevsky 2014, arXiv 1404.5997), keys as torchvision has them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from benchmark.backbones.trunk import Trunk, convolution


class AlexNet(Trunk):
    """The five ReLU outputs."""

    CHANNELS = (64, 192, 384, 256, 256)
    TAPS = (1, 4, 7, 9, 11)
    DROPPED = tuple(f"classifier.{n}.{part}" for n in (1, 4, 6) for part in ("weight", "bias"))

    def __init__(self) -> None:
        super().__init__(_layers())


def _layers() -> Iterator[nn.Module]:
    yield convolution(3, 64, 11, stride=4, padding=2)
    yield nn.ReLU(inplace=True)
    yield nn.MaxPool2d(3, stride=2)
    yield convolution(64, 192, 5, padding=2)
    yield nn.ReLU(inplace=True)
    yield nn.MaxPool2d(3, stride=2)
    yield convolution(192, 384, 3, padding=1)
    yield nn.ReLU(inplace=True)
    yield convolution(384, 256, 3, padding=1)
    yield nn.ReLU(inplace=True)
    yield convolution(256, 256, 3, padding=1)
    yield nn.ReLU(inplace=True)
