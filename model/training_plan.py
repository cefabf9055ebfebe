"""What a run would do: its settings in full, how large the network is, how much it would see."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from model.config import NetworkConfig
from model.profashion import ProFashion
from model.training_config import Stage, TrainingConfig
from mrfashion.config import to_dict


def plan(config: TrainingConfig, wanted: NetworkConfig) -> dict[str, Any]:
    """Plain JSON; takes no memory for weights."""
    with torch.device("meta"):
        network = ProFashion(wanted)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    parts: Counter[str] = Counter()
    for name, size in sizes.items():
        parts[network.part_of(name)] += size
    return {
        "training": to_dict(config),
        "network": to_dict(wanted),
        "parameters": {"all": sum(sizes.values()), **parts},
        "stages": [_stage(stage, network, sizes) for stage in config.stages],
    }


def _stage(stage: Stage, network: ProFashion, sizes: dict[str, int]) -> dict[str, Any]:
    """Frames seen are those of one process."""
    moved = network.trainable(stage.number, stage.also)
    samples = stage.steps * stage.batch * stage.accumulation
    return {
        "number": stage.number,
        "steps": stage.steps,
        "parameters_moved": sum(sizes[name] for name in moved),
        "samples_seen": samples,
        "frames_seen": samples * stage.frames,
    }
