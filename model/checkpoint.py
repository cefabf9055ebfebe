"""A network in one file: safetensors, with the configuration it is built from in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from model.config import NetworkConfig
from mrfashion.artefacts import atomic_path, canonical_json
from mrfashion.config import from_dict, to_dict
from mrfashion.errors import ConfigError, InputRefused

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from model.profashion import ProFashion

FORMAT = "mrfashion-profashion-1"
SHOWN = 5  # names an error lists
Shapes = dict[str, tuple[int, ...]]


def save_network(network: ProFashion, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write all weights, in `dtype` where given, whole or not at all."""
    write_weights(network.state_dict(), network.config, path, dtype)


def write_weights(
    weights: Mapping[str, Tensor],
    config: NetworkConfig,
    path: Path,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a state dict, such as an average of one, with the configuration it belongs to."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().to("cpu", dtype) for name, tensor in weights.items()}
    header = {"format": FORMAT, "config": canonical_json(to_dict(config))}
    with atomic_path(path) as temporary:
        save_file({name: t.contiguous() for name, t in tensors.items()}, temporary, header)


def load_network(path: Path) -> ProFashion:
    """The network of a file, in float32 on the CPU, ready to generate.

    InputRefused where the file is not such a checkpoint, or a name or a shape is not what its
    own configuration says.
    """
    import torch
    from safetensors.torch import load_file

    from model.profashion import ProFashion

    config, shapes = read_header(path)
    with torch.device("meta"):  # takes no memory: a file cannot ask for more than it brings
        wanted = {name: tuple(t.shape) for name, t in ProFashion(config).state_dict().items()}
    if problems := differences(wanted, shapes):
        raise InputRefused(f"{path} does not fit its own configuration: {'; '.join(problems)}")
    network = ProFashion(config)
    network.load_state_dict(load_file(path))
    return network.eval()


def read_header(path: Path) -> tuple[NetworkConfig, Shapes]:
    """Configuration and shapes by name of a checkpoint, without its weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputRefused(f"{path} cannot be read as safetensors: {error}") from None
    if header.get("format") != FORMAT:
        raise InputRefused(f"{path} is of format {header.get('format')!r}; allowed: {FORMAT!r}")
    try:
        values = json.loads(header.get("config", ""))
        if not isinstance(values, dict):
            raise ValueError(f"configuration is a {type(values).__name__}; a table is needed")
        return from_dict(NetworkConfig, values, "configuration"), shapes
    except (ValueError, RecursionError, ConfigError) as error:
        raise InputRefused(f"{path} holds no usable configuration: {error}") from None


def differences(wanted: Shapes, got: Shapes) -> list[str]:
    """What keeps `got` from being loaded as `wanted`, in words; empty where nothing does."""
    both = wanted.keys() & got.keys()
    wrong = {n: f"{n} {got[n]}, needed {wanted[n]}" for n in both if got[n] != wanted[n]}
    kinds = {
        "missing": wanted.keys() - both,
        "unknown": got.keys() - both,
        "of another shape": wrong.values(),
    }
    return [
        f"{len(names)} {kind}: {', '.join(sorted(names)[:SHOWN])}"
        for kind, names in kinds.items()
        if names
    ]
