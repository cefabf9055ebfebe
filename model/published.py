"""Networks from published weights: Stable Diffusion 1.5 and AnimateDiff, Moore's, MusePose's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.codec import Autoencoder, build_codec
from model.config import CodecConfig, NetworkConfig, load_network_config
from model.key_maps import (
    Place,
    Placed,
    animatediff_name,
    autoencoder_name,
    place,
    places,
)
from model.profashion import ProFashion
from model.published_files import (
    DIFFUSERS,
    TRANSFORMERS,
    check_settings,
    find_file,
    read_weights,
)
from model.sampling import SamplingSettings
from mrfashion.config import load_config
from mrfashion.errors import ConfigError, InputRefused, UnknownNameError

log = logging.getLogger(__name__)
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


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A network, and an account of every name in it and in the files it came from."""

    network: ProFashion  # float32, on the CPU
    taken: dict[str, tuple[str, ...]]  # by file: names in the network
    unused: dict[str, tuple[str, ...]]  # by file: names in it that nothing of ours reads
    fresh: tuple[str, ...]  # names in the network that start as training starts them


@dataclass(frozen=True, slots=True)
class _Part:
    """A file for a place of the network."""

    place: str
    path: Path


def load_stable_diffusion(
    config: NetworkConfig, sources: Sources | None = None, download: bool = False
) -> Loaded:
    """A network to train: both U-Nets, the image encoder and motion modules from `sources`.

    What Stable Diffusion does not have, such as the aggregator, is fresh. MissingRequirement where
    a file is not there, InputRefused where one does not fit.
    """
    sources = sources or Sources()
    unet = _checked(sources.unet, "unet", DIFFUSERS, _unet_settings(config), download)
    parts = [_Part("denoiser", unet), _Part("reference", unet)]
    parts.append(_image_encoder(config, sources.image_encoder, download))
    if sources.motion is not None:
        parts.append(_motion(config, sources.motion, download))
    return _assembled(config, parts)


def load_twin(
    preset: str,
    source: str | None = None,
    image_encoder: str = IMAGE_ENCODER,
    config: NetworkConfig | None = None,
    download: bool = False,
) -> Loaded:
    """Moore-AnimateAnyone's (`moore`) or MusePose's network (`musepose`) from its four files.

    They lie in `source`, its folder, by default that of the hub. Another `config` starts another
    network of the family from them; what they lack is fresh. Errors as `load_stable_diffusion`.
    """
    if preset not in TWINS:
        raise UnknownNameError("published network", preset, TWINS)
    config, (hub, folder) = config or load_network_config(preset), TWINS[preset]
    parts = []
    for where, stem in TWIN_FILES.items():
        files = [
            f"{at}{stem}{suffix}" for at in (folder, "") for suffix in (".safetensors", ".pth")
        ]
        parts.append(_Part(where, find_file(source or hub, list(dict.fromkeys(files)), download)))
    return _assembled(config, [*parts, _image_encoder(config, image_encoder, download)])


def published_sampling(preset: str) -> SamplingSettings:
    """Steps, guidance and windows that a published network's authors run it with."""
    return load_config(SamplingSettings, preset, "model.configs.sampling")


def load_autoencoder(
    config: CodecConfig, source: str = AUTOENCODER, download: bool = False
) -> Autoencoder:
    """The codec of Stable Diffusion, from a folder or hub id; errors as above."""
    codec = build_codec(config)
    if not isinstance(codec, Autoencoder):
        raise ConfigError(f"codec.kind is {config.kind!r}, which has no weights to load")
    settings = {
        "block_out_channels": config.channels,
        "norm_num_groups": config.groups,
        "scaling_factor": config.scale,
        "act_fn": "silu",
    }
    path = _checked(source, "vae", DIFFUSERS, settings, download)
    into = Place({name: tuple(t.shape) for name, t in codec.vae.state_dict().items()})
    codec.vae.load_state_dict(place(read_weights(path), into, str(path), autoencoder_name).tensors)
    return codec


def _assembled(config: NetworkConfig, parts: Sequence[_Part]) -> Loaded:
    """Checked as a whole before any memory is taken."""
    with torch.device("meta"):
        meta = ProFashion(config).state_dict()
    where = places({name: tuple(tensor.shape) for name, tensor in meta.items()})
    read = {path: read_weights(path) for path in dict.fromkeys(part.path for part in parts)}
    placed: list[tuple[str, Placed]] = []
    for part in parts:
        rename = animatediff_name if part.place == "motion" else str
        found = place(read[part.path], where[part.place], str(part.path), rename)
        placed.append((f"{part.place}: {part.path}", found))
    network = ProFashion(config)
    tensors = {name: tensor for _, found in placed for name, tensor in found.tensors.items()}
    fresh = network.load_state_dict(tensors, strict=False).missing_keys
    loaded = Loaded(
        network.eval(),
        {origin: tuple(found.tensors) for origin, found in placed},
        {origin: found.unused for origin, found in placed if found.unused},
        tuple(fresh),
    )
    log.info("%d tensors loaded, %d start fresh", len(tensors), len(fresh))
    return loaded


def _image_encoder(config: NetworkConfig, source: str, download: bool) -> _Part:
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
    path = _checked(source, "image_encoder", TRANSFORMERS, settings, download)
    return _Part("image_encoder", path)


def _motion(config: NetworkConfig, source: str, download: bool) -> _Part:
    """A diffusers MotionAdapter, or AnimateDiff's own file, which has no settings beside it."""
    if Path(source).is_file():
        return _Part("motion", Path(source))
    shape = config.unet
    settings = {
        "block_out_channels": shape.channels,
        "motion_num_attention_heads": shape.motion_heads,
        "motion_norm_num_groups": shape.groups,
        "motion_max_seq_length": shape.motion_frames,
        "use_motion_mid_block": shape.motion_middle,
    }
    return _Part("motion", _checked(source, "", DIFFUSERS, settings, download))


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


def _checked(
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
