"""Networks from published weights: Stable Diffusion 1.5 and AnimateDiff, Moore's, MusePose's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

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
from model.published_files import read_weights
from model.published_parts import (
    AUTOENCODER,
    IMAGE_ENCODER,
    TWIN_FILES,
    TWINS,
    Part,
    Sources,
    autoencoder_file,
    image_encoder_part,
    stable_diffusion_parts,
    twin_part,
)
from mrfashion.errors import UnknownNameError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A network, and an account of every name in it and in the files it came from."""

    network: ProFashion  # float32, on the CPU
    taken: dict[str, tuple[str, ...]]  # by file: names in the network
    unused: dict[str, tuple[str, ...]]  # by file: names in it that nothing of ours reads
    fresh: tuple[str, ...]  # names in the network that start as training starts them


def load_stable_diffusion(
    config: NetworkConfig, sources: Sources | None = None, download: bool = False
) -> Loaded:
    """A network to train: both U-Nets, the image encoder and motion modules from `sources`.

    What Stable Diffusion does not have, such as the aggregator, is fresh. MissingRequirement where
    a file is not there, InputRefused where one does not fit.
    """
    return _assembled(config, stable_diffusion_parts(config, sources or Sources(), download))


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
    config = config or load_network_config(preset)
    parts = [twin_part(preset, place, source, download) for place in TWIN_FILES]
    return _assembled(config, [*parts, image_encoder_part(config, image_encoder, download)])


def load_autoencoder(
    config: CodecConfig, source: str = AUTOENCODER, download: bool = False
) -> Autoencoder:
    """The codec of Stable Diffusion, from a folder or hub id; errors as above."""
    path, codec = autoencoder_file(config, source, download), build_codec(config)
    assert isinstance(codec, Autoencoder), "only an autoencoder has a file"
    into = Place({name: tuple(t.shape) for name, t in codec.vae.state_dict().items()})
    codec.vae.load_state_dict(place(read_weights(path), into, str(path), autoencoder_name).tensors)
    return codec


def _assembled(config: NetworkConfig, parts: Sequence[Part]) -> Loaded:
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
