"""3D-ResNet-50 of Hara et al. 2018 (arXiv 1711.09577), whose features FID-VID compares."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.backbones.folding import NormNames, Published

BLOCKS = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # filters, how many, first stride
WIDENING = 4
NAMES = NormNames(1e-5)


class ResNet3D(nn.Module):
    """b 3 f 112 112, RGB minus its mean over Kinetics => b 2048; 16 frames, as it was trained."""

    IMAGES: ClassVar = False
    FEATURES: ClassVar = 512 * WIDENING

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, 7, (1, 2, 2), 3, device="meta")
        channels = 64
        for number, (filters, count, stride) in enumerate(BLOCKS, 1):
            blocks = []
            for first in (True, *[False] * (count - 1)):
                blocks.append(Bottleneck(channels, filters, stride if first else 1, first))
                channels = filters * WIDENING
            self.add_module(f"layer{number}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Means of the last maps."""
        x = F.max_pool3d(self.conv1(x).relu_(), 3, stride=2, padding=1)
        for number in range(1, len(BLOCKS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x.mean((2, 3, 4))


class Bottleneck(nn.Module):
    """1x1x1, 3x3x3 and 1x1x1 convolutions beside what came in, widened where it must be."""

    def __init__(self, channels: int, filters: int, stride: int, widened: bool) -> None:
        super().__init__()
        out = filters * WIDENING
        self.conv1 = nn.Conv3d(channels, filters, 1, device="meta")
        self.conv2 = nn.Conv3d(filters, filters, 3, stride, 1, device="meta")
        self.conv3 = nn.Conv3d(filters, out, 1, device="meta")
        shortcut = nn.Conv3d(channels, out, 1, stride, device="meta") if widened else None
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """b c f h w => b 4d f/s h/s w/s."""
        y = self.conv3(self.conv2(self.conv1(x).relu_()).relu_())
        return y.add_(self.shortcut(x)).relu_()  # type: ignore[no-any-return]


def convert(file: Published) -> dict[str, Tensor]:
    """`resnet-50-kinetics.pth`, saved with or without DataParallel's prefix => our names."""
    file.rename(r"^module\.", "")
    file.drop(r"fc\.(weight|bias)|.*\.num_batches_tracked")
    state = file.folded("conv1", "conv1.weight", "bn1", NAMES)
    for layer, (_, count, _) in enumerate(BLOCKS, 1):
        for block in (f"layer{layer}.{number}" for number in range(count)):
            for n in (1, 2, 3):
                state |= file.folded(
                    f"{block}.conv{n}", f"{block}.conv{n}.weight", f"{block}.bn{n}", NAMES
                )
        first = f"layer{layer}.0"
        state |= file.folded(
            f"{first}.shortcut", f"{first}.downsample.0.weight", f"{first}.downsample.1", NAMES
        )
    return state
