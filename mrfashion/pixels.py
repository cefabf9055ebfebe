"""The one way from pixels to the network's numbers, and the one way back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mrfashion.generation import Frames


def to_network(frames: Frames | Tensor) -> Tensor:
    """... h w c, uint8 => ... c h w, float32 in [-1, 1], where the frames are."""
    if isinstance(frames, np.ndarray):
        frames = torch.from_numpy(np.ascontiguousarray(frames))
    if frames.dtype != torch.uint8:
        raise ValueError(f"frames are {frames.dtype}; uint8 is needed")
    return frames.movedim(-1, -3).contiguous().to(torch.float32) / 127.5 - 1.0


def to_uint8(images: Tensor) -> Frames:
    """... c h w, float in [-1, 1] => ... h w c, uint8; half goes to even, beyond is clipped."""
    if not torch.isfinite(images).all():
        raise ValueError("images hold NaN or infinity, which no pixel value stands for")
    levels = ((images.detach().to(torch.float32) + 1.0) * 127.5).round().clamp(0, 255)
    pixels: Frames = levels.to(torch.uint8).movedim(-3, -1).contiguous().cpu().numpy()
    return pixels
