"""Long video: overlapping windows whose velocities are blended; nothing wraps to frame 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Frames denoised together."""

    frames: slice
    shares: Tensor  # n: of each frame's blend; those of all windows sum to 1


def windows(frames: int, size: int, overlap: int) -> list[Window]:
    """Windows of `size` frames that cover a video, the last one clamped to its end.

    Shares follow a triangle (the weights of MimicMotion's tiles): a frame listens to the window
    it stands deepest in. A video of at most `size` frames is one window.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap is {overlap} of windows of {size}; allowed: 0 to {size - 1}")
    if frames < 1:
        raise ValueError(f"a video has at least one frame; got {frames}")
    size = min(size, frames)
    starts = [*range(0, frames - size, max(size - overlap, 1)), frames - size]
    rise = torch.arange(1.0, size + 1)
    triangle = torch.minimum(rise, rise.flip(0))
    total = torch.zeros(frames)
    for start in starts:
        total[start : start + size] += triangle
    slices = [slice(start, start + size) for start in starts]
    return [Window(some, triangle / total[some]) for some in slices]


def blended(denoise: Callable[[slice], Tensor], parts: Sequence[Window]) -> Tensor:
    """Velocities b f c h w of a whole video in float32, from those of each window."""
    frames = parts[-1].frames.stop
    whole: Tensor | None = None
    for part in parts:
        velocity = denoise(part.frames).float()
        if whole is None:
            whole = velocity.new_zeros(len(velocity), frames, *velocity.shape[2:])
        whole[:, part.frames] += part.shares.to(velocity.device)[:, None, None, None] * velocity
    assert whole is not None, "a video has at least one window"
    return whole
