"""FPI, the flow-enhanced prototype instantiator: the denoiser and what its attention reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from model.backbone import CONTEXT, level_of, motion_unet, self_attention_names, zero
from model.config import NetworkConfig
from model.keypoint_flow import neighbours, sample
from model.prototype_aggregator import Prototypes, no_prototypes


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """All that a denoising step is told; the same at every step."""

    pose: Tensor  # b f c h w, added behind the first convolution
    prototypes: Prototypes
    offsets: dict[int, Tensor]  # by level: b f g 2 h_l w_l; empty: no flow

    def null(self) -> Conditioning:
        """Without references, for guidance: the pose stays."""
        tokens = self.prototypes.tokens
        return replace(self, prototypes=no_prototypes(tokens))

    def frames(self, some: slice) -> Conditioning:
        """That of a window."""
        offsets = {level: maps[:, some] for level, maps in self.offsets.items()}
        prototypes = self.prototypes.frames(some)
        return Conditioning(self.pose[:, some], prototypes, offsets)

    def apart(self) -> Conditioning:
        """That of (b f) clips of one frame each, which has no neighbour to flow from."""
        pose = rearrange(self.pose, "b f c h w -> (b f) 1 c h w")
        return Conditioning(pose, self.prototypes.apart(), {})


class PrototypeInstantiator(nn.Module):
    """A stock motion U-Net whose attention processors read prototypes and follow the flow."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.unet = motion_unet(config)
        self.flow_attention = nn.ModuleDict()
        channels, heads = config.unet.channels, config.unet.heads
        processors = dict(self.unet.attn_processors)
        for name in self_attention_names(self.unet):
            level, flow = level_of(name, len(channels)), None
            if config.flow != "off":
                flow = FlowAttention(channels[level], heads[level])
                self.flow_attention[name.replace(".", "/")] = flow  # a ModuleDict takes no dots
            processors[f"{name}.processor"] = SpatialAttention(name, level, flow)
            processors[f"{name[:-1]}2.processor"] = GlobalAttention()
        self.unet.set_attn_processor(processors)

    def forward(self, latents: Tensor, timestep: Tensor | int, told: Conditioning) -> Tensor:
        """Noisy latents b f c h w at timesteps b => velocity b f c h w."""
        posed = torch.cat([latents, told.pose.to(latents.dtype)], dim=2)
        velocity: Tensor = self.unet(
            rearrange(posed, "b f c h w -> b c f h w"),
            timestep,
            rearrange(told.prototypes.tokens, "b f n d -> (b f) n d"),
            cross_attention_kwargs={CONTEXT: told},
        ).sample
        return velocity.movedim(1, 2)


class SpatialAttention:
    """Self-attention over [own tokens; fine prototype], and beside it along the flow.

    Without a prototype and with flow at its zero start this is the stock output to the bit.
    """

    def __init__(self, name: str, level: int, flow: FlowAttention | None) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        self.name, self.level, self.flow, self.stock = name, level, flow, AttnProcessor2_0()

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        context: Conditioning | None = None,
    ) -> Tensor:
        """(b f) n c => the same shape."""
        assert context is not None, "the denoiser is called through PrototypeInstantiator"
        keys, mask = _with_prototype(hidden_states, context.prototypes, self.name)
        attended: Tensor = self.stock(attn, hidden_states, keys, mask)
        if self.flow is None or self.level not in context.offsets:
            return attended
        video = rearrange(hidden_states, "(b f) n c -> b f n c", b=len(context.pose))
        followed: Tensor = self.flow(video, context.offsets[self.level])
        return attended + rearrange(followed, "b f n c -> (b f) n c")


class GlobalAttention:
    """Cross-attention to the global tokens of the references that a sample has."""

    def __init__(self) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        self.stock = AttnProcessor2_0()

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        context: Conditioning | None = None,
    ) -> Tensor:
        """(b f) n c => the same shape."""
        mask = None
        if context is not None and context.prototypes.tokens_valid is not None:
            mask = _token_mask(context.prototypes.tokens_valid, context.prototypes.tokens)
        attended: Tensor = self.stock(attn, hidden_states, encoder_hidden_states, mask)
        return attended


class FlowAttention(nn.Module):
    """Each token attends to where the flow says it was and will be. Starts as a residual of 0."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v, self.to_out = (
            nn.Linear(channels, channels, bias=False) for _ in range(4)
        )
        zero(self.to_out)

    def forward(self, video: Tensor, offsets: Tensor) -> Tensor:
        """Tokens b f n c along offsets b f g 2 h w => b f n c; 0 where there is no neighbour."""
        _, exists = neighbours(video.shape[1], video.device)
        query = rearrange(self.to_q(video), "b f n (head d) -> b f 1 n head d", head=self.heads)
        # Sampling is linear: projecting first projects each token once.
        key, value = (self._followed(to(video), offsets) for to in (self.to_k, self.to_v))
        scores = (query * key).sum(dim=-1).float() * query.shape[-1] ** -0.5
        missing = ~exists[:, :, None, None]  # f g 1 1, of b f g n head
        weights = scores.masked_fill(missing, torch.finfo(scores.dtype).min).softmax(dim=2)
        weights = (weights * ~missing).to(value.dtype)
        found = (weights[..., None] * value).sum(dim=2)
        out: Tensor = self.to_out(rearrange(found, "b f n head d -> b f n (head d)"))
        return out

    def _followed(self, tokens: Tensor, offsets: Tensor) -> Tensor:
        """Tokens b f n c of the neighbours, b f g n head d."""
        b, f, _, _, h, w = offsets.shape
        index, _ = neighbours(f, tokens.device)
        maps = rearrange(tokens, "b f (h w) c -> b f c h w", h=h)[:, index]
        rows, columns = (torch.arange(size, device=tokens.device) for size in (h, w))
        here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=0)  # x, y; h w
        at = rearrange(here + offsets.float(), "b f g xy h w -> (b f g) (h w) xy")
        found = sample(rearrange(maps, "b f g c h w -> (b f g) c h w"), at)
        return rearrange(found, "(b f g) (head d) n -> b f g n head d", b=b, f=f, head=self.heads)


def _with_prototype(
    own: Tensor, prototypes: Prototypes, name: str
) -> tuple[Tensor | None, Tensor | None]:
    """Keys (b f) m c, and which of them count, (b f) 1 m; None: own tokens alone, all of them."""
    if name not in prototypes.fine:
        return None, None
    fine = prototypes.fine[name]
    keys = torch.cat([own, rearrange(fine, "b f n c -> (b f) n c").to(own.dtype)], dim=1)
    if prototypes.fine_valid is None:
        return keys, None
    mask = _token_mask(prototypes.fine_valid, fine)
    return keys, torch.cat([mask.new_ones(*mask.shape[:2], own.shape[1]), mask], dim=2)


def _token_mask(valid: Tensor, tokens: Tensor) -> Tensor:
    """Parts b s of tokens b f (s n) c => (b f) 1 (s n), bool."""
    n = tokens.shape[2] // valid.shape[1]
    return repeat(valid, "b s -> (b f) 1 (s n)", f=tokens.shape[1], n=n)
