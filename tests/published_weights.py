"""Published weights at a tiny size, with the names and the layouts of the real ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from model.config import (
    CodecConfig,
    ImageEncoderConfig,
    NetworkConfig,
    PoseConfig,
    UNetConfig,
)

Tensors = dict[str, Tensor]
CONFIG = NetworkConfig(
    codec=CodecConfig(channels=(8, 8), groups=4),
    unet=UNetConfig((16, 32), (True, False), (2, 2), 1, 4, 12, (2, 2), 8),
    image_encoder=ImageEncoderConfig("clip", width=16, layers=2, heads=2, patch=4, size=16),
    pose=PoseConfig(channels=(8, 8), features=16),
)
UNET_FILE = "diffusion_pytorch_model.safetensors"
TAIL = ("conv_norm_out.", "conv_out.")  # which Moore's reference network lacks
TWIN = replace(CONFIG, aggregation="single", flow="off")
UNET = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "attention_head_dim": 2,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 12,
}
CLIP = {
    "hidden_size": 16,
    "intermediate_size": 64,
    "projection_dim": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
}
VAE: dict[str, Any] = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "layers_per_block": 2,
    "norm_num_groups": 4,
}


def scrambled(module: torch.nn.Module, seed: int) -> Any:
    """Every parameter different, so that a wrong place shows."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.2, generator=random)
    return module.eval()


def adapter() -> Any:
    return MotionAdapter((16, 32), 1, 1, 1, 1, 2, 4, 8)


def write_pipeline(root: Path) -> None:
    """Stable Diffusion's folder, with image encoder, autoencoder and motion modules."""
    scrambled(UNet2DConditionModel(**UNET), 1).save_pretrained(root / "unet")
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP))
    scrambled(clip, 2).save_pretrained(root / "image_encoder")
    scrambled(AutoencoderKL(**VAE), 3).save_pretrained(root / "vae")
    scrambled(adapter(), 4).save_pretrained(root / "motion")


def motion_shapes(at: str, c: int, frames: int) -> dict[str, tuple[int, ...]]:
    """One motion module of AnimateDiff, as its module definitions and Moore's name it."""
    t, b = f"{at}.temporal_transformer", f"{at}.temporal_transformer.transformer_blocks.0"
    shapes: dict[str, tuple[int, ...]] = {}
    for name in (f"{t}.norm", f"{b}.norms.0", f"{b}.norms.1", f"{b}.ff_norm"):
        shapes |= {f"{name}.weight": (c,), f"{name}.bias": (c,)}
    for i in (0, 1):
        attention = f"{b}.attention_blocks.{i}"
        shapes |= {f"{attention}.to_{name}.weight": (c, c) for name in "qkv"}
        shapes |= {f"{attention}.to_out.0.weight": (c, c), f"{attention}.to_out.0.bias": (c,)}
        shapes[f"{attention}.pos_encoder.pe"] = (1, frames, c)
    for name in (f"{t}.proj_in", f"{t}.proj_out"):
        shapes |= {f"{name}.weight": (c, c), f"{name}.bias": (c,)}
    shapes |= {f"{b}.ff.net.0.proj.weight": (8 * c, c), f"{b}.ff.net.0.proj.bias": (8 * c,)}
    return shapes | {f"{b}.ff.net.2.weight": (c, 4 * c), f"{b}.ff.net.2.bias": (c,)}


def all_motion_shapes(
    channels: tuple[int, ...], layers: int, frames: int, middle: bool = True
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for level, (down, up) in enumerate(zip(channels, channels[::-1], strict=True)):
        for i in range(layers):
            shapes |= motion_shapes(f"down_blocks.{level}.motion_modules.{i}", down, frames)
        for i in range(layers + 1):
            shapes |= motion_shapes(f"up_blocks.{level}.motion_modules.{i}", up, frames)
    if middle:
        shapes |= motion_shapes("mid_block.motion_modules.0", channels[-1], frames)
    return shapes


def guider_shapes(out: int, channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Moore's PoseGuider."""
    named = {"conv_in": (3, channels[0]), "conv_out": (channels[-1], out)}
    for i, (before, after) in enumerate(pairwise(channels)):
        named |= {f"blocks.{2 * i}": (before, before), f"blocks.{2 * i + 1}": (before, after)}
    weights = {f"{name}.weight": (b, a, 3, 3) for name, (a, b) in named.items()}
    return weights | {f"{name}.bias": (b,) for name, (_, b) in named.items()}


def sinusoid(frames: int, c: int) -> Tensor:
    position = torch.arange(frames)[:, None]
    rate = torch.exp(torch.arange(0, c, 2) * (-torch.log(torch.tensor(10000.0)) / c))
    return torch.stack([(position * rate).sin(), (position * rate).cos()], dim=-1).flatten(1)[None]


def motion_file(frames: int = 8, seed: int = 6) -> Tensors:
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in all_motion_shapes((16, 32), 1, frames).items():
        tensors[name] = torch.randn(shape, generator=random) * 0.2
        if name.endswith(".pe"):
            tensors[name] = sinusoid(frames, shape[-1])
    return tensors


def write_checkpoint(root: Path) -> None:
    """Moore's four files, and an image encoder beside them."""
    root.mkdir(exist_ok=True)
    reference, denoiser = (scrambled(UNet2DConditionModel(**UNET), s).state_dict() for s in (7, 8))
    kept = {name: t for name, t in reference.items() if not name.startswith(TAIL)}
    guider = {n: torch.randn(s) for n, s in guider_shapes(16, (8, 8)).items()}
    torch.save(kept, root / "reference_unet.pth")
    torch.save(denoiser, root / "denoising_unet.pth")
    torch.save(motion_file(), root / "motion_module.pth")
    torch.save(guider, root / "pose_guider.pth")
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP))
    scrambled(clip, 2).save_pretrained(root / "image_encoder")


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def former(name: str) -> str:
    """What an autoencoder's tensor was called before diffusers 0.12."""
    for today, once in (("to_q", "query"), ("to_k", "key"), ("to_v", "value")):
        name = name.replace(f".attentions.0.{today}.", f".attentions.0.{once}.")
    return name.replace(".attentions.0.to_out.0.", ".attentions.0.proj_attn.")
