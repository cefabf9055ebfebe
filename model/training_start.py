"""What a run starts from: random weights, published ones, or a network trained before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.checkpoint import load_network
from model.codec import Codec, PixelUnshuffle, build_codec
from model.config import NetworkConfig
from model.profashion import ProFashion
from model.training_config import TrainingConfig
from mrfashion.config import to_dict
from mrfashion.errors import ConfigError


def start(
    config: TrainingConfig, wanted: NetworkConfig, init: Path | None
) -> tuple[ProFashion, Codec]:
    """Network and codec on the CPU; what no file gives starts from the run's seed.

    MissingRequirement or InputRefused where published files or `init` are not right.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return _network(config, wanted, init), _codec(config, wanted)


def _network(config: TrainingConfig, wanted: NetworkConfig, init: Path | None) -> ProFashion:
    if init is not None:
        return continued(init, wanted)
    if config.published is None:
        return ProFashion(wanted)
    from model.published import load_stable_diffusion

    return load_stable_diffusion(wanted, config.published).network


def continued(path: Path, wanted: NetworkConfig) -> ProFashion:
    """A trained network as the start of one that may differ in its flow alone.

    ConfigError naming every other difference.
    """
    trained = load_network(path)
    if problems := different(to_dict(trained.config), to_dict(wanted), but=("flow",)):
        raise ConfigError(
            f"{path} holds another network: {'; '.join(problems)}; only flow may differ"
        )
    network = ProFashion(wanted)
    names = network.state_dict().keys()
    weights = {name: t for name, t in trained.state_dict().items() if name in names}
    lacking = [name for name in names if name not in weights]
    odd = [name for name in lacking if network.part_of(name) != "flow"]
    assert not odd, f"configurations agree but weights do not: {odd[:5]}"
    network.load_state_dict(weights, strict=False)
    return network


def different(got: Any, wanted: Any, name: str = "", but: tuple[str, ...] = ()) -> list[str]:
    """What differs between two values of plain JSON, in words; names in `but` may."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        return [
            text
            for key in sorted(got.keys() | wanted.keys())
            if (path := f"{name}.{key}" if name else key) not in but
            for text in different(got.get(key), wanted.get(key), path, but)
        ]
    return [] if got == wanted else [f"{name} is {got!r}, wanted {wanted!r}"]


def _codec(config: TrainingConfig, wanted: NetworkConfig) -> Codec:
    codec = build_codec(wanted.codec)
    if isinstance(codec, PixelUnshuffle) or config.published is None:
        return codec
    from model.published import load_autoencoder

    return load_autoencoder(wanted.codec, config.autoencoder)
