"""AnimateDiff, ControlNet and IP-Adapter with random weights: of the true size, and tiny."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from baselines.animatediff_models import SCHEDULER, Networks, Tensors
from baselines.pipelines import PACKAGES
from baselines.published_models import missing_packages
from baselines.random_weights import randomised


@dataclass(frozen=True, slots=True)
class Sizes:
    """Arguments of the networks; what is absent is the default of diffusers or transformers."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    motion: dict[str, Any]
    controlnet: dict[str, Any]
    image_encoder: dict[str, Any]
    resampler: int = 768  # width of IP-Adapter Plus's; heads are 64 wide


TRUE = Sizes(
    # unet/config.json and vae/config.json of Stable Diffusion 1.5.
    unet={"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    vae={
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "sample_size": 512,
    },
    motion={},  # config.json of v1-5-2 is diffusers' default
    controlnet={"cross_attention_dim": 768, "attention_head_dim": 8},
    image_encoder={  # models/image_encoder/config.json: OpenCLIP ViT-H/14
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "patch_size": 14,
        "hidden_act": "gelu",
        "projection_dim": 1024,
    },
)
_NARROW = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
TINY = Sizes(
    unet={**_NARROW, "sample_size": 8, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")},
    vae={
        "block_out_channels": (8, 8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "norm_num_groups": 4,
        "sample_size": 64,
    },
    motion={
        "block_out_channels": (16, 32),
        "motion_layers_per_block": 1,
        "motion_num_attention_heads": 2,
        "motion_norm_num_groups": 8,
    },
    controlnet={**_NARROW, "conditioning_embedding_out_channels": (8, 8, 8, 8)},
    image_encoder={
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 56,
        "projection_dim": 8,
    },
    resampler=64,
)


@dataclass(frozen=True, slots=True)
class RandomAnimateDiff:
    """The same architecture with random weights; prompts are random embeddings of its width."""

    real_size: bool
    plus: bool = True  # of the two kinds of IP-Adapter

    def problems(self) -> list[str]:
        """Packages alone can be missing."""
        return missing_packages(*PACKAGES)

    def record(self) -> dict[str, Any]:
        """Told apart from every published model."""
        return {"random_weights": "real size" if self.real_size else "tiny"}

    def networks(self, texts: tuple[str, str], device: str, dtype: Any) -> Networks:
        """Each of a fixed seed."""
        import diffusers
        import torch
        from transformers import (
            CLIPImageProcessorPil,
            CLIPVisionConfig,
            CLIPVisionModelWithProjection,
        )

        sizes = TRUE if self.real_size else TINY
        seen = CLIPVisionConfig(**sizes.image_encoder)
        builds = {
            "vae": lambda: diffusers.AutoencoderKL(**sizes.vae),
            "unet": lambda: diffusers.UNet2DConditionModel(**sizes.unet),
            "motion_adapter": lambda: diffusers.MotionAdapter(**sizes.motion),
            "controlnet": lambda: diffusers.ControlNetModel(**sizes.controlnet),
            "image_encoder": lambda: CLIPVisionModelWithProjection(seen),
        }
        drawn = {
            name: randomised(build, device, dtype, seed)
            for seed, (name, build) in enumerate(builds.items())
        }
        rng = torch.Generator().manual_seed(len(drawn))
        width = sizes.unet["cross_attention_dim"]
        prompts = torch.randn((2, 1, 77, width), generator=rng).to(device, dtype)
        return Networks(
            {
                **drawn,
                "feature_extractor": CLIPImageProcessorPil(),
                "scheduler": diffusers.DDIMScheduler(**SCHEDULER),
            },
            self._ip_adapter(drawn["unet"], sizes, rng),
            *prompts,
        )

    def _ip_adapter(self, unet: Any, sizes: Sizes, rng: Any) -> dict[str, Tensors]:
        import torch

        def drawn(shapes: Iterator[tuple[str, tuple[int, ...]]]) -> Tensors:
            return {
                name: torch.randn(shape, generator=rng) / shape[-1] ** 0.5 for name, shape in shapes
            }

        width = sizes.unet["cross_attention_dim"]
        shapes = _plus_shapes if self.plus else _plain_shapes
        projection = drawn(shapes(sizes, width))
        return {"image_proj": projection, "ip_adapter": drawn(_attention_shapes(unet, width))}


def _plain_shapes(sizes: Sizes, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of what ip-adapter_sd15 makes of an image: four tokens."""
    yield "proj.weight", (4 * width, sizes.image_encoder["projection_dim"])
    yield "proj.bias", (4 * width,)
    yield "norm.weight", (width,)
    yield "norm.bias", (width,)


def _plus_shapes(sizes: Sizes, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """And of ip-adapter-plus_sd15: a resampler of four layers to sixteen tokens."""
    inner = sizes.resampler
    yield "latents", (1, 16, inner)
    yield "proj_in.weight", (inner, sizes.image_encoder["hidden_size"])
    yield "proj_in.bias", (inner,)
    yield "proj_out.weight", (width, inner)
    yield "proj_out.bias", (width,)
    yield "norm_out.weight", (width,)
    yield "norm_out.bias", (width,)
    for layer in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            yield f"layers.{layer}.{norm}.weight", (inner,)
            yield f"layers.{layer}.{norm}.bias", (inner,)
        yield f"layers.{layer}.0.to_q.weight", (inner, inner)
        yield f"layers.{layer}.0.to_kv.weight", (2 * inner, inner)
        yield f"layers.{layer}.0.to_out.weight", (inner, inner)
        yield f"layers.{layer}.1.1.weight", (4 * inner, inner)
        yield f"layers.{layer}.1.3.weight", (inner, 4 * inner)


def _attention_shapes(unet: Any, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Keys and values for every cross-attention; published numbers count self-attention too."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    for number, name in enumerate(names):
        if name.endswith("attn2"):
            channels = unet.get_submodule(name).to_k.out_features
            yield f"{number}.to_k_ip.weight", (channels, width)
            yield f"{number}.to_v_ip.weight", (channels, width)
