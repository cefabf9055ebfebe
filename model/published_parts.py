"""Files of published weights for each place of a network, found and checked, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.config import CodecConfig, NetworkConfig
from model.published_files import DIFFUSERS, TRANSFORMERS, check_settings, find_file
from mrfashion.errors import ConfigError, InputRefused

AUTOENCODER = "stabilityai/sd-vae-ft-mse"
IMAGE_ENCODER = "lambdalabs/sd-image-variations-diffusers"
# Single-reference networks of AnimateAnyone's kind: hub id, and the folder of the files in it.
TWINS = {"moore": ("patrolli/AnimateAnyone", ""), "musepose": ("TMElyralab/MusePose", "MusePose/")}
TWIN_FILES = {
    "denoiser": "denoising_unet",
    "reference": "reference_unet",
    "motion": "motion_module",
    "guider": "pose_guider",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a network starts from: folders or hub ids (`owner/name@revision`).

    A folder is that of a pipeline, with `unet` or `image_encoder` in it, or the part's own.
    """

    unet: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"  # for both U-Nets
    image_encoder: str = IMAGE_ENCODER
    motion: str | None = "guoyww/animatediff-motion-adapter-v1-5-2"  # or AnimateDiff's own file


@dataclass(frozen=True, slots=True)
class Part:
    """A file for a place of the network."""

    place: str
    path: Path


def stable_diffusion_parts(
    config: NetworkConfig, sources: Sources, download: bool = False
) -> list[Part]:
    """Those of Stable Diffusion; errors as `model.published.load_stable_diffusion`."""
    unet = _file(sources.unet, "unet", DIFFUSERS, _unet_settings(config), download)
    parts = [Part("denoiser", unet), Part("reference", unet)]
    parts.append(image_encoder_part(config, sources.image_encoder, download))
    if sources.motion is not None:
        parts.append(_motion(config, sources.motion, download))
    return parts


def twin_part(preset: str, place: str, source: str | None = None, download: bool = False) -> Part:
    """One of a published twin's four files; errors as `model.published.load_twin`."""
    (hub, folder), stem = TWINS[preset], TWIN_FILES[place]
    names = [f"{at}{stem}{suffix}" for at in (folder, "") for suffix in (".safetensors", ".pth")]
    return Part(place, find_file(source or hub, list(dict.fromkeys(names)), download))


def autoencoder_file(
    config: CodecConfig, source: str = AUTOENCODER, download: bool = False
) -> Path:
    """The autoencoder's weights; errors as `model.published.load_autoencoder`."""
    if config.kind != "autoencoder-kl":
        raise ConfigError(f"codec.kind is {config.kind!r}, which has no weights to load")
    settings = {
        "block_out_channels": config.channels,
        "norm_num_groups": config.groups,
        "scaling_factor": config.scale,
        "act_fn": "silu",
    }
    return _file(source, "vae", DIFFUSERS, settings, download)


def image_encoder_part(
    config: NetworkConfig, source: str = IMAGE_ENCODER, download: bool = False
) -> Part:
    """CLIP's vision tower; errors as `model.published.load_twin`."""
    shape = config.image_encoder
    if shape.kind != "clip":
        raise ConfigError(f"image_encoder.kind is {shape.kind!r}; published weights need 'clip'")
    settings = {
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "image_size": shape.size,
        "patch_size": shape.patch,
        "projection_dim": config.unet.context,
        "hidden_act": "quick_gelu",
    }
    path = _file(source, "image_encoder", TRANSFORMERS, settings, download)
    return Part("image_encoder", path)


def _motion(config: NetworkConfig, source: str, download: bool) -> Part:
    """A diffusers MotionAdapter, or AnimateDiff's own file, which has no settings beside it."""
    if Path(source).is_file():
        return Part("motion", Path(source))
    shape = config.unet
    settings = {
        "block_out_channels": shape.channels,
        "motion_num_attention_heads": shape.motion_heads,
        "motion_norm_num_groups": shape.groups,
        "motion_max_seq_length": shape.motion_frames,
        "use_motion_mid_block": shape.motion_middle,
    }
    return Part("motion", _file(source, "", DIFFUSERS, settings, download))


def _unet_settings(config: NetworkConfig) -> dict[str, Any]:
    shape = config.unet
    return {
        "block_out_channels": shape.channels,
        "attention_head_dim": shape.heads,  # of heads, in spite of its name
        "norm_num_groups": shape.groups,
        "cross_attention_dim": shape.context,
        "layers_per_block": shape.layers,
        "act_fn": "silu",
        "use_linear_projection": False,
    }


def _file(
    source: str, part: str, names: Sequence[str], settings: Mapping[str, Any], download: bool
) -> Path:
    """The weights of a part, whose config.json agrees with `settings`."""
    folders = [f"{part}/", ""] if part else [""]
    described = find_file(source, [f"{at}config.json" for at in folders], download)
    weights = find_file(source, [f"{at}{name}" for at in folders for name in names], download)
    if weights.parent != described.parent:
        raise InputRefused(f"{described} describes other weights than {weights}")
    check_settings(described, settings)
    return weights
