"""What a training run is: a network, data and stages; TOML presets in model/configs/training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from model.config import NetworkConfig, load_network_config
from model.published_parts import AUTOENCODER, Sources
from model.sampling_settings import SamplingSettings
from model.training_data import DatasetData, TurntableData
from mrfashion.config import load_config, to_dict
from mrfashion.errors import ConfigError

PRESETS = "model.configs.training"
# What `also` may name: a stage of single frames never runs motion and flow.
PARTS = {
    1: (),
    2: ("pose_encoder", "reference_encoder", "image_encoder", "aggregator", "denoiser"),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps of one kind: 1 moves all but motion and flow on single frames, 2 those two on clips.

    `batch` is of one process and one pass; a step averages over `accumulation` passes of all.
    """

    number: Literal[1, 2]
    steps: int
    learning_rate: float
    batch: int = 8  # samples: a person and references, read once
    frames: int = 16  # of a sample; in stage 1 single ones, each at its own noise level
    accumulation: int = 1
    warmup: int = 0  # steps of rising learning rate
    schedule: Literal["cosine", "flat"] = "cosine"  # to zero at the last step
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    also: tuple[str, ...] = ()  # parts that move beside the stage's own, see profashion.STAGES
    also_rate: float = 0.1  # their share of the learning rate
    offset_rate: float = 1.0  # times the learning rate: of what tells the flow's offsets
    null: float = 0.1  # share of samples without references, for guidance (Moore: of batches)
    flow_weight: float = 0.1  # lambda of the flow's loss
    shared_noise: float = 0.0  # share of the noise's variance that a clip's frames have in common
    ema: float = 0.999  # decay of the moving average, which is what samples, validates and ships

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "frames", "accumulation"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}; allowed: at least 1")
        for name in ("null", "also_rate", "shared_noise", "ema"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {value}; allowed: 0 to 1")
        for name in ("learning_rate", "offset_rate", "max_grad_norm"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name} is {value}; allowed: more than 0")
        for name in ("weight_decay", "flow_weight"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                raise ValueError(f"{name} is {value}; allowed: at least 0")
        if not 0 <= self.warmup <= self.steps:
            raise ValueError(f"warmup is {self.warmup}; allowed: 0 to steps {self.steps}")
        if unknown := [part for part in self.also if part not in PARTS[self.number]]:
            allowed = ", ".join(PARTS[self.number]) or "none"
            raise ValueError(f"also is {unknown} in stage {self.number}; allowed: {allowed}")
        if self.single and self.shared_noise:
            raise ValueError("shared_noise is of clips; stage 1 has single frames")

    @property
    def single(self) -> bool:
        """Whether frames stand alone: drawn anywhere in a clip, without motion and flow."""
        return self.number == 1

    def rate(self, step: int) -> float:
        """Learning rate of step 0, 1, ..."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "flat":
            return self.learning_rate
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True, slots=True)
class Watch:
    """What is shown of a run, in steps; it decides no weight, so a resumed run may change it."""

    log_every: int = 10  # losses are fetched from the device together
    validate_every: int = 1000
    picture_every: int = 1000
    save_every: int = 500
    pictures: int = 4  # held-out clips on a strip
    sampling: SamplingSettings = field(default_factory=lambda: SamplingSettings(steps=10))

    def __post_init__(self) -> None:
        for name in ("log_every", "validate_every", "picture_every", "save_every", "pictures"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} is {value}; allowed: at least 1")

    def sampling_of(self, stage: Stage) -> SamplingSettings:
        """Held-out clips start from noise as shared as the stage's own."""
        return replace(self.sampling, shared_noise=stage.shared_noise)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One run: `stages` in turn, each from the moving average that the last one ended with."""

    stages: tuple[Stage, ...]
    network: str = "small"  # a preset in model/configs, or a .toml file
    seed: int = 0
    turntable: TurntableData | None = None  # data: this, or a dataset
    dataset: DatasetData | None = None
    published: Sources | None = None  # where Stable Diffusion's weights lie; none: random weights
    autoencoder: str = AUTOENCODER  # a folder or hub id, for networks with one
    precision: Literal["float32", "bf16"] = "float32"  # of the passes; weights are float32
    checkpointing: bool = False  # less memory, more time
    compile: bool = False  # torch.compile of both U-Nets: minutes at the start
    record: bool = False  # on a GPU, passes as CUDA graphs: small networks wait for the CPU
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        if self.record and any(stage.accumulation > 1 for stage in self.stages):
            raise ValueError("record takes one pass a step; allowed: accumulation 1")
        numbers = [stage.number for stage in self.stages]
        if not numbers or numbers != sorted(set(numbers)):
            raise ValueError(f"stages are numbered {numbers}; allowed: 1, 2, or 1 then 2")
        if (self.turntable is None) == (self.dataset is None):
            raise ValueError("give one table of data: [turntable] or [dataset]")

    @property
    def data(self) -> TurntableData | DatasetData:
        """The one that is given."""
        data = self.turntable or self.dataset
        assert data is not None
        return data

    def overridden(self, root: Path | None = None, seed: int | None = None) -> TrainingConfig:
        """With another dataset folder or seed; ConfigError where there is no dataset."""
        changed = self if seed is None else replace(self, seed=seed)
        if root is None:
            return changed
        if self.dataset is None:
            raise ConfigError("a dataset is named, and the config has no table [dataset]")
        return replace(changed, dataset=replace(self.dataset, root=root))

    def decisive(self) -> dict[str, Any]:
        """Plain JSON of what decides the weights; data further tell their own `identity`."""
        values = {name: value for name, value in to_dict(self).items() if name != "watch"}
        for table in (values["turntable"], values["dataset"]):
            for name in ("workers", "root") if table else ():
                table.pop(name, None)
        return values


def load_training_config(path_or_preset: str | Path) -> tuple[TrainingConfig, NetworkConfig]:
    """A TOML file or a preset, and the network it names. ConfigError where they are wrong."""
    config = load_config(TrainingConfig, path_or_preset, PRESETS)
    network = config.network
    beside = Path(path_or_preset).parent / network
    if network.endswith(".toml") and beside.is_file():
        config = replace(config, network=str(beside))
    return config, load_network_config(config.network)
