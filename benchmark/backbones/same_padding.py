"""TensorFlow's SAME: as many positions as strides fit, the odd row of padding at the end."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def same_padded(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """b c and as many sides as the kernel has => the same with zeros around."""
    sides: list[int] = []
    for size, width, step in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // step) - 1) * step + width - size, 0)
        sides = [total // 2, total - total // 2, *sides]  # F.pad wants the last side first
    return F.pad(x, sides) if any(sides) else x
