"""VideoMAE V2 (Wang et al. 2023, arXiv 2303.16727): content-debiased FVD's backbone.

Ge et al. 2024 (arXiv 2404.12391) take ViT-g/14, fine-tuned on Something-Something-v2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.backbones.folding import Published


@dataclass(frozen=True, slots=True)
class VideoMAEConfig:
    """Sizes of a video transformer; cubes of `tubelet` frames and `patch` pixels a side."""

    width: int = 1408
    depth: int = 40
    heads: int = 16
    hidden: int = 6144
    patch: int = 14
    tubelet: int = 2
    size: int = 224
    frames: int = 16
    eps: float = 1e-6


class VideoMAE(nn.Module):
    """b 3 16 224 224 in [0, 1] => b 1408: the mean over tokens, normalised."""

    IMAGES: ClassVar = False

    positions: Tensor  # n d

    def __init__(self, config: VideoMAEConfig | None = None) -> None:
        super().__init__()
        self.config = sizes = config or VideoMAEConfig()
        self.FEATURES = sizes.width
        cube = (sizes.tubelet, sizes.patch, sizes.patch)
        self.patch_embed = nn.Conv3d(3, sizes.width, cube, cube, device="meta")
        tokens = sizes.frames // sizes.tubelet * (sizes.size // sizes.patch) ** 2
        self.register_buffer("positions", _sinusoids(tokens, sizes.width), persistent=False)
        self.blocks = nn.Sequential(*(Block(sizes) for _ in range(sizes.depth)))
        self.fc_norm = nn.LayerNorm(sizes.width, sizes.eps, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """ValueError for another size or length than it knows positions of."""
        sizes = self.config
        wanted = (3, sizes.frames, sizes.size, sizes.size)
        if x.shape[1:] != wanted:
            raise ValueError(f"clips are {tuple(x.shape[1:])}; VideoMAE takes c f h w = {wanted}")
        tokens = self.patch_embed(x).flatten(2).transpose(1, 2) + self.positions
        return self.fc_norm(self.blocks(tokens).mean(1))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention among all tokens, then two layers on each."""

    def __init__(self, sizes: VideoMAEConfig) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.norm1 = nn.LayerNorm(width, sizes.eps, device="meta")
        self.qkv = nn.Linear(width, 3 * width, device="meta")
        self.proj = nn.Linear(width, width, device="meta")
        self.norm2 = nn.LayerNorm(width, sizes.eps, device="meta")
        self.fc1 = nn.Linear(width, sizes.hidden, device="meta")
        self.fc2 = nn.Linear(sizes.hidden, width, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """b n d => b n d."""
        b, n, d = x.shape
        parts = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + self.proj(seen)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))  # type: ignore[no-any-return]


def _sinusoids(tokens: int, width: int) -> Tensor:
    """n d: sines in even and cosines in odd places, frequencies falling to 1/10,000."""
    place = torch.arange(tokens, dtype=torch.float64)[:, None]
    exponent = torch.arange(width, dtype=torch.float64).div(2, rounding_mode="floor") * 2 / width
    angle = place / 10_000**exponent
    angle[:, 0::2], angle[:, 1::2] = angle[:, 0::2].sin(), angle[:, 1::2].cos()
    return angle.float()


def convert(file: Published, depth: int = 40) -> dict[str, Tensor]:
    """`vit_g_hybrid_pt_1200e_ssv2_ft.pth` => our names; the classes go. Keys have no bias there."""
    file.drop(r"head\.(weight|bias)")
    state: dict[str, Tensor] = {}
    for part in ("weight", "bias"):
        state[f"patch_embed.{part}"] = file.take(f"patch_embed.proj.{part}")
        state[f"fc_norm.{part}"] = file.take(f"fc_norm.{part}")
    for block in (f"blocks.{number}" for number in range(depth)):
        q, v = (file.take(f"{block}.attn.{name}_bias") for name in "qv")
        state[f"{block}.qkv.bias"] = torch.cat([q, torch.zeros_like(q), v])
        state[f"{block}.qkv.weight"] = file.take(f"{block}.attn.qkv.weight")
        for part in ("weight", "bias"):
            state[f"{block}.proj.{part}"] = file.take(f"{block}.attn.proj.{part}")
            for layer in ("fc1", "fc2"):
                state[f"{block}.{layer}.{part}"] = file.take(f"{block}.mlp.{layer}.{part}")
            for norm in ("norm1", "norm2"):
                state[f"{block}.{norm}.{part}"] = file.take(f"{block}.{norm}.{part}")
    return state
