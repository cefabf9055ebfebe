"""Long video: told once, denoised in overlapping windows; nothing wraps to frame 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from model.profashion import ProFashion
from model.prototype_instantiator import Conditioning
from model.reference_encoder import References


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


def told_in_chunks(
    network: ProFashion, drawings: Tensor, references: References, chunk: int
) -> Conditioning:
    """What `network.condition` answers, in main memory, of `chunk` frames at a time.

    At 512x768 a frame's prototypes take 35 MB in half precision, and its pose as much on the way.
    """
    read, frames = network.read(references), drawings.shape[1]
    parts = []
    for start in range(0, frames, chunk):
        first = max(start - 1, 0)  # a neighbour on either side: flow looks there
        told = network.tell(drawings[:, first : start + chunk + 1].to(references.images), read)
        own = slice(start - first, min(start + chunk, frames) - first)
        parts.append(moved(told.frames(own), torch.device("cpu")))
    joined: Conditioning = _mapped(_joined, parts)
    return joined


def moved(told: Conditioning, device: torch.device) -> Conditioning:
    """The same on another device."""
    there: Conditioning = _mapped(lambda tensors: _moved(tensors[0], device), [told])
    return there


def _mapped(do: Callable[[list[Tensor]], Tensor], parts: Sequence[Any]) -> Any:
    """One structure like each of `parts`, of what their tensors at each place make together."""
    first = parts[0]
    if isinstance(first, Tensor):
        return do(list(parts))
    if isinstance(first, dict):
        return {key: _mapped(do, [part[key] for part in parts]) for key in first}
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        values = {name: _mapped(do, [getattr(part, name) for part in parts]) for name in names}
        return replace(first, **values)
    return first


def _joined(parts: list[Tensor]) -> Tensor:
    """Frames of all parts, b f ...; what has no frames, b s, is the same in each."""
    if parts[0].ndim == 2:
        return parts[0]
    if all(map(_same_in_all_frames, parts)):
        frames = sum(part.shape[1] for part in parts)
        return parts[0][:, :1].expand(-1, frames, *parts[0].shape[2:])
    return torch.cat(parts, dim=1)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    if _same_in_all_frames(tensor):
        return tensor[:, :1].to(device).expand_as(tensor)
    return tensor.to(device)


def _same_in_all_frames(tensor: Tensor) -> bool:
    """Whether frames only repeat one another: concatenated references, which fill no memory."""
    return tensor.ndim > 2 and tensor.stride(1) == 0
