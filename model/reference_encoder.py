"""Reference pictures => features at every self-attention layer, and global tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from model.backbone import CONTEXT, reference_unet
from model.config import NetworkConfig
from model.image_encoder import image_encoder


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """What is shown of the dressed person. References pad at the end."""

    images: Tensor  # b r 3 H W in [-1, 1]
    latents: Tensor  # b r c h w, the codec's of the images
    drawings: Tensor  # b r 3 H W in [0, 1]
    valid: Tensor | None = None  # b r, bool; None: all. A sample with none is unconditional

    def first(self) -> References:
        """The first of each sample: all that a single-reference network looks at."""
        valid = None if self.valid is None else self.valid[:, :1]
        return References(self.images[:, :1], self.latents[:, :1], self.drawings[:, :1], valid)


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFeatures:
    """What the reference encoder read."""

    fine: dict[str, Tensor]  # by layer: b r n_l c_l, what its self-attention would read
    tokens: Tensor  # b r n d, global


class ReferenceEncoder(nn.Module):
    """A U-Net of the denoiser's shape, run once a reference at t = 0; it sees the image alone."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.image_encoder = image_encoder(config)
        self.unet = reference_unet(config)
        self.unet.set_attn_processor({name: Reading(name) for name in self.unet.attn_processors})

    def forward(self, references: References) -> ReferenceFeatures:
        """Features of every reference, padding included."""
        b = len(references.images)
        tokens = self.image_encoder(rearrange(references.images, "b r c h w -> (b r) c h w"))
        latents = rearrange(references.latents, "b r c h w -> (b r) c h w")
        bank: dict[str, Tensor] = {}
        start = torch.zeros(len(latents), device=latents.device)
        self.unet(latents, start, tokens, cross_attention_kwargs={CONTEXT: bank})
        fine = {name: rearrange(x, "(b r) n c -> b r n c", b=b) for name, x in bank.items()}
        return ReferenceFeatures(fine, rearrange(tokens, "(b r) n d -> b r n d", b=b))


class Reading:
    """Stock attention, which keeps what a self-attention layer reads."""

    def __init__(self, name: str) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        self.name, self.stock = name.removesuffix(".processor"), AttnProcessor2_0()

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        context: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """(b r) n c => the same shape."""
        if context is not None and encoder_hidden_states is None:
            context[self.name] = hidden_states
        attended: Tensor = self.stock(attn, hidden_states, encoder_hidden_states, attention_mask)
        return attended
