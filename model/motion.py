"""AnimateDiff's motion modules: diffusers' own, normalised as AnimateDiff normalises."""

from __future__ import annotations

from typing import Any

from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from einops import rearrange
from torch import Tensor, nn


class MotionModule(AnimateDiffTransformer3D):  # type: ignore[misc]
    """Attention over the frames at each place; a lone frame passes as it is.

    Single frames teach stage 1, and there, as in AnimateAnyone, motion modules have no part.
    """

    @classmethod
    def adopt(cls, unet: nn.Module) -> None:
        """Make those of a U-Net such modules; weights and names stay."""
        found: list[Any] = [m for m in unet.modules() if type(m) is AnimateDiffTransformer3D]
        for module in found:
            module.__class__ = cls  # the U-Net's constructor names the class it builds
            module.norm = FrameNorm(module.norm.num_groups, module.in_channels, eps=1e-6)

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        timestep: Tensor | None = None,
        class_labels: Tensor | None = None,
        num_frames: int = 1,
        cross_attention_kwargs: dict[str, Any] | None = None,
    ) -> Tensor:
        """(b f) c h w => the same shape; blocks give `num_frames` by name or by place."""
        if num_frames == 1:
            return hidden_states
        moved: Tensor = super().forward(
            hidden_states,
            encoder_hidden_states,
            timestep,
            class_labels,
            num_frames,
            cross_attention_kwargs,
        )
        return moved


class FrameNorm(nn.GroupNorm):
    """Group norm of each frame by itself, as AnimateDiff trained its motion modules.

    diffusers normalises over all frames together, which changes what published weights compute
    and makes a frame depend on how long its window is.
    """

    def forward(self, video: Tensor) -> Tensor:
        """b c f h w => the same."""
        frames: Tensor = super().forward(rearrange(video, "b c f h w -> (b f) c h w"))
        return rearrange(frames, "(b f) c h w -> b c f h w", b=len(video))
