"""TransNet V2's features: a video network whose weights come in a package (`mrfashion[shots]`).

Not FVD's network, and its distances bear its own name: it lets a set metric be tried on real
features of motion where nothing but a package index can be reached.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class TransNetFeatures(nn.Module):
    """b 3 f 27 48, 0 to 255 => b 1024: what its heads would read, a mean over frames."""

    IMAGES: ClassVar = False
    FEATURES: ClassVar = 1024

    def __init__(self) -> None:
        from mrfashion.shots.transnet import load  # with OpenCV

        super().__init__()
        self.network = load()
        self.network.cls_layer1, self.network.cls_layer2 = nn.Identity(), None

    def forward(self, x: Tensor) -> Tensor:
        """The network takes whole numbers."""
        frames = x.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 4, 1)
        return self.network(frames.contiguous()).mean(1)  # type: ignore[no-any-return]
