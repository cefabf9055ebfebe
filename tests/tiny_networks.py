"""Networks and inputs small enough for tests of model/: frames of 32x24, all of it random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from model.codec import build_codec
from model.config import NetworkConfig, load_network_config
from model.profashion import ProFashion
from model.reference_encoder import References

H, W = 32, 24


def tiny(**changes: Any) -> NetworkConfig:
    """The preset with some switches changed."""
    return replace(load_network_config("tiny"), **changes)


def network(seed: int = 0, awake: bool = True, **changes: Any) -> ProFashion:
    """A random network; `awake` gives what starts at zero small random weights too."""
    torch.manual_seed(seed)
    built = ProFashion(tiny(**changes)).eval()
    if awake:
        with torch.no_grad():
            for parameter in built.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.1)
    return built


def references(b: int = 1, r: int = 3, seed: int = 1) -> References:
    """All different."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(b, r, 3, H, W, generator=random) * 2 - 1
    drawings = torch.rand(b, r, 3, H, W, generator=random)
    return References(images, build_codec(tiny().codec).encode(images), drawings)


def picked(shown: References, order: list[int], valid: Tensor | None = None) -> References:
    """Some of the references, in another order, perhaps several times."""
    return References(
        shown.images[:, order], shown.latents[:, order], shown.drawings[:, order], valid
    )


def drawings(b: int = 1, f: int = 2, seed: int = 2) -> Tensor:
    """b f 3 H W."""
    return torch.rand(b, f, 3, H, W, generator=torch.Generator().manual_seed(seed))


def latents(b: int = 1, f: int = 2, seed: int = 3) -> Tensor:
    """b f c h w."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(b, f, tiny().codec.latent_channels, H // 2, W // 2, generator=random)


def keypoints(b: int = 1, f: int = 2, seed: int = 4) -> Tensor:
    """b f 133 3: all seen, all moving, all within the frame."""
    random = torch.Generator().manual_seed(seed)
    xy = torch.rand(b, f, 133, 2, generator=random) * torch.tensor([W - 1.0, H - 1.0])
    return torch.cat([xy, torch.ones(b, f, 133, 1)], dim=-1)
