"""The two U-Nets, built from diffusers' own classes, and the names of their attention layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from model.config import NetworkConfig

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.models.unets.unet_motion_model import UNetMotionModel

CONTEXT = "context"  # the keyword by which the U-Nets hand our processors what they attend to


class PosedConv(nn.Conv2d):
    """A U-Net's first convolution, whose input may carry pose features behind its own channels.

    conv(latents) + pose: what a hook on it would do, without state, so that gradient
    checkpointing, compiling and several processes see a plain function.
    """

    def forward(self, latents: Tensor) -> Tensor:
        """(b f) c h w, or (b f) (c + channels out) h w => (b f) channels out h w."""
        if latents.shape[1] == self.in_channels:
            return super().forward(latents)
        latents, pose = torch.split(latents, [self.in_channels, self.out_channels], dim=1)
        return super().forward(latents) + pose


class Remember(nn.Module):
    """Stands where the reference encoder's last self-attention stood: keeps what it would read."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, tokens: Tensor, context: dict[str, Tensor], **_: Any) -> Tensor:
        """(b r) n c => the same, kept in `context`."""
        context[self.name] = tokens
        return tokens


def motion_unet(config: NetworkConfig) -> UNetMotionModel:
    """The denoiser. New motion modules are residuals of zero, as in AnimateDiff."""
    from diffusers.models.unets.unet_motion_model import UNetMotionModel

    from model.motion import MotionModule

    shape = config.unet
    unet = UNetMotionModel(
        down_block_types=_blocks("DownBlockMotion", shape.attention),
        up_block_types=_blocks("UpBlockMotion", shape.attention[::-1]),
        num_attention_heads=shape.heads,
        motion_num_attention_heads=shape.motion_heads,
        motion_max_seq_length=shape.motion_frames,
        use_motion_mid_block=shape.motion_middle,
        **_shared(config),
    )
    plain = unet.conv_in
    unet.conv_in = PosedConv(plain.in_channels, plain.out_channels, plain.kernel_size, padding=1)
    MotionModule.adopt(unet)
    for module in unet.modules():
        if isinstance(module, MotionModule):
            zero(module.proj_out)
    return unet


def reference_unet(config: NetworkConfig) -> UNet2DConditionModel:
    """The reference encoder, cut off behind the last features that a denoiser reads."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    shape = config.unet
    unet = UNet2DConditionModel(
        down_block_types=_blocks("DownBlock2D", shape.attention),
        up_block_types=_blocks("UpBlock2D", shape.attention[::-1]),
        attention_head_dim=shape.heads,  # of heads, in spite of its name
        **_shared(config),
    )
    _cut_tail(unet)
    return unet


def self_attention_names(unet: nn.Module) -> list[str]:
    """Names of the spatial self-attention layers, the same in both U-Nets."""
    names = (name for name, _ in unet.named_modules() if name.endswith(".attn1"))
    return [name for name in names if "motion_modules" not in name]


def level_of(name: str, levels: int) -> int:
    """Level, 0 the finest of `levels`, of a layer by its name in a U-Net."""
    block, index = name.split(".")[:2]
    if block == "mid_block":
        return levels - 1
    return int(index) if block == "down_blocks" else levels - 1 - int(index)


@torch.no_grad()
def zero(layer: nn.Module) -> nn.Module:
    """The same layer with all its parameters 0: a residual that training has to open."""
    for parameter in layer.parameters():
        parameter.zero_()
    return layer


def _blocks(plain: str, attention: tuple[bool, ...]) -> tuple[str, ...]:
    return tuple(f"CrossAttn{plain}" if attends else plain for attends in attention)


def _shared(config: NetworkConfig) -> dict[str, Any]:
    return {
        "in_channels": config.codec.latent_channels,
        "out_channels": config.codec.latent_channels,
        "block_out_channels": config.unet.channels,
        "layers_per_block": config.unet.layers,
        "norm_num_groups": config.unet.groups,
        "cross_attention_dim": config.unet.context,
    }


def _cut_tail(unet: UNet2DConditionModel) -> None:
    """Remove what lies behind the last self-attention's input: it could never learn."""
    last = [name for name in self_attention_names(unet) if name.startswith("up_blocks")][-1]
    unet.up_blocks = unet.up_blocks[: int(last.split(".")[1]) + 1]
    block = unet.up_blocks[-1]
    block.upsamplers = None
    block.attentions[-1].proj_out = nn.Identity()
    layer = block.attentions[-1].transformer_blocks[-1]
    layer.attn1, layer.norm2, layer.attn2 = Remember(last), None, None
    layer.norm3, layer.ff = nn.Identity(), nn.Identity()
    unet.conv_norm_out, unet.conv_out = None, nn.Identity()
