"""From uint8 frames to what a backbone sees, as each publication does it.

The recipe is half of such a metric: a crop cuts off heads and feet, and another filter for the
resize moves FID by several points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

VALUES: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {  # subtracted, divided by
    "-1..1": ((127.5,), (127.5,)),
    "0..1": ((0.0,), (255.0,)),
    "0..255": ((0.0,), (1.0,)),
    "minus 128, over 128": ((128.0,), (128.0,)),
    "minus the mean of Kinetics": ((114.7748, 107.7354, 99.4750), (1.0,)),
    "minus the mean, over the deviation of ImageNet": (
        (123.675, 116.28, 103.53),
        (58.395, 57.12, 57.375),
    ),
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """A recipe; every field is part of what a metric that uses it is."""

    source: str  # who does it so
    size: tuple[int, int]  # height, width
    values: str  # of VALUES
    kernel: Literal["bilinear", "bicubic", "area", "tensorflow 1 bilinear"] = "bilinear"
    antialias: bool = False
    fit: Literal["squash", "crop"] = "squash"  # crop: shorter side to size, centre kept
    clipped: bool = False  # to 0..255 after the resize: a bicubic one overshoots
    stored_at: int | None = None  # cropped so before, antialiased, and cut down to whole numbers

    @property
    def id(self) -> str:
        """What a cache may go by."""
        kernel = self.kernel + (", antialiased" if self.antialias else "")
        kernel += ", clipped" if self.clipped else ""
        stored = f"stored at {self.stored_at}; " if self.stored_at else ""
        return f"{stored}{self.fit} to {self.size[0]}x{self.size[1]}, {kernel}, {self.values}"

    def __call__(self, clips: Tensor) -> Tensor:
        """b f h w 3, uint8, on any device => b 3 f h' w', float32."""
        if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[-1] != 3:
            got = f"{clips.dtype} {tuple(clips.shape)}"
            raise ValueError(f"clips are {got}; needed: uint8, b f h w 3, RGB")
        frames = clips.flatten(0, 1).permute(0, 3, 1, 2).float()
        if self.stored_at:
            side = (self.stored_at, self.stored_at)
            frames = _cropped(frames / 255, side, "bilinear", antialias=True).mul(255).floor()
        fitted = _cropped if self.fit == "crop" else _resized
        frames = fitted(frames, self.size, self.kernel, self.antialias)
        if self.clipped:
            frames = frames.clamp(0, 255)
        shift, scale = (torch.tensor(v, device=frames.device) for v in VALUES[self.values])
        frames = (frames - shift.view(-1, 1, 1)) / scale.view(-1, 1, 1)
        return frames.view(*clips.shape[:2], *frames.shape[1:]).transpose(1, 2)


def _resized(images: Tensor, size: tuple[int, int], kernel: str, antialias: bool) -> Tensor:
    if kernel == "tensorflow 1 bilinear":
        return _resized_as_tensorflow_1(images, size)
    if kernel == "area":
        return F.interpolate(images, size, mode="area")
    return F.interpolate(images, size, mode=kernel, align_corners=False, antialias=antialias)


def _cropped(images: Tensor, size: tuple[int, int], kernel: str, antialias: bool) -> Tensor:
    """The shorter side to that of the square `size`, the longer rounded up, the centre cut out."""
    side = size[0]
    height, width = images.shape[-2:]
    scale = side / min(height, width)
    whole = (
        (side, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), side)
    )
    images = _resized(images, whole, kernel, antialias)
    top, left = ((n - side) // 2 for n in whole)
    return images[..., top : top + side, left : left + side]


def _resized_as_tensorflow_1(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear with pixel 0 at 0, not at half a pixel: the picture moves up and to the left."""
    for axis, wanted in ((-2, size[0]), (-1, size[1])):
        given = images.shape[axis]
        place = torch.arange(wanted, device=images.device) * torch.tensor(
            given / wanted, dtype=torch.float32, device=images.device
        )
        low = place.long().clamp_max(given - 1)
        near = images.index_select(axis, low)
        far = images.index_select(axis, (low + 1).clamp_max(given - 1))
        part = (place - low).view(-1, 1) if axis == -2 else place - low
        images = near + (far - near) * part
    return images


_TO_224, _TO_299, _KINETICS, _PM1 = (224, 224), (299, 299), "minus the mean of Kinetics", "-1..1"
PREPROCESSINGS: Mapping[str, Preprocessing] = {
    "i3d-squash": Preprocessing("TATS, cd-fvd on arrays, StyleGAN-V", _TO_224, _PM1),
    "i3d-tensorflow": Preprocessing(
        "google-research frechet_video_distance", _TO_224, _PM1, "tensorflow 1 bilinear"
    ),
    "i3d-crop": Preprocessing(
        "VideoGPT, common_metrics_on_video_quality", _TO_224, _PM1, fit="crop"
    ),
    "i3d-disco": Preprocessing("DisCo", _TO_224, _PM1, "bicubic", antialias=True),
    "i3d-cdfvd-128": Preprocessing("cd-fvd on folders at 128", _TO_224, _PM1, stored_at=128),
    "i3d-cdfvd-256": Preprocessing("cd-fvd on folders at 256", _TO_224, _PM1, stored_at=256),
    "inception-pytorch-fid": Preprocessing("pytorch-fid 0.3.0", _TO_299, _PM1),
    "inception-clean": Preprocessing(
        "clean-fid 0.1.35", _TO_299, "minus 128, over 128", "bicubic", antialias=True, clipped=True
    ),
    "inception-torch-fidelity": Preprocessing(
        "torch-fidelity 0.4.0", _TO_299, "minus 128, over 128", "tensorflow 1 bilinear"
    ),
    "inception-torchmetrics": Preprocessing(
        "torchmetrics from 1.8", _TO_299, "minus 128, over 128", antialias=True
    ),
    "resnet3d-disco": Preprocessing("DisCo", (112, 112), _KINETICS, "bicubic", antialias=True),
    "videomae-squash": Preprocessing("cd-fvd on arrays", _TO_224, "0..1"),
    "videomae-cdfvd-128": Preprocessing("cd-fvd on folders at 128", _TO_224, "0..1", stored_at=128),
    "videomae-cdfvd-256": Preprocessing("cd-fvd on folders at 256", _TO_224, "0..1", stored_at=256),
    "efficientnet-squash": Preprocessing(
        "this toolkit", _TO_224, "minus the mean, over the deviation of ImageNet", antialias=True
    ),
    "transnet-squash": Preprocessing("this toolkit", (27, 48), "0..255", "area"),
}
