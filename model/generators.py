"""The networks of model/ as entrants: ProFashion, its ablations, and published networks.

generator = "profashion"              # my-run.toml, for `--entrant my-run.toml`
[settings]
checkpoint = "run/network.safetensors"
[settings.sampling]
steps = 20
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from model.config import Aggregation, BetaSchedule, load_network_config
from model.generator import MAX_REFERENCES, NetworkGenerator
from model.network_source import Checkpoint, Published
from model.sampling_settings import Memory, SamplingChoices, SamplingSettings, published_sampling
from mrfashion.errors import ConfigError
from mrfashion.generation import Generator, GeneratorInfo


@dataclass(frozen=True, slots=True)
class ProFashionSettings:
    """What an entrant file of this family may say."""

    checkpoint: Path | None = None  # a file
    autoencoder: Path | None = None  # folder of sd-vae-ft-mse; None: the hub's cache
    sampling: SamplingChoices = field(default_factory=SamplingChoices)
    memory: Memory = field(default_factory=Memory)


class ProFashionGenerator(NetworkGenerator):
    """The method of the paper; its ablations differ in how they aggregate, which is trained in."""

    Settings = ProFashionSettings
    registered: ClassVar[str] = "profashion"
    aggregation: ClassVar[Aggregation] = "pose-aware"
    summary: ClassVar[str] = "mixes references by pose, place by place"

    def __init__(self, settings: ProFashionSettings | None = None, name: str | None = None) -> None:
        """ConfigError where the checkpoint aggregates otherwise than this generator's name says."""
        settings = settings or ProFashionSettings()
        wanted = replace(load_network_config("sd15"), aggregation=self.aggregation)
        source = Checkpoint(settings.checkpoint, settings.autoencoder, wanted)
        if (trained := source.config.aggregation) != self.aggregation:
            raise ConfigError(
                f"{settings.checkpoint} was trained with aggregation {trained!r}; "
                f"{self.registered} needs {self.aggregation!r}. Choose another `generator`"
            )
        info = GeneratorInfo(
            name=name or self.registered,
            kind="learned",
            summary=self.summary,
            version=1,
            max_references=MAX_REFERENCES,
            code_licence="Apache-2.0",
            weights_licence="the checkpoint's own; see docs/licences.md",
            citation="arXiv 2505.06537",
        )
        super().__init__(info, source, SamplingSettings(), settings.sampling, settings.memory)


class NearestGenerator(ProFashionGenerator):
    """Takes at each place the one reference in the likest pose."""

    registered, aggregation = "profashion-nearest", "nearest"
    summary = "ablation: at each place the reference in the likest pose"


class MeanGenerator(ProFashionGenerator):
    """Weighs all references alike."""

    registered, aggregation = "profashion-mean", "mean"
    summary = "ablation: the mean of all references"


class ConcatGenerator(ProFashionGenerator):
    """Attends to all tokens of all references."""

    registered, aggregation = "profashion-concat", "concat"
    summary = "ablation: all references side by side"


class SingleGenerator(ProFashionGenerator):
    """Sees the one reference that the protocol's reduction rule gives it."""

    registered, aggregation = "profashion-single", "single"
    summary = "ablation: one reference"


@dataclass(frozen=True, slots=True)
class PublishedSettings:
    """What an entrant file of a published network may say; a folder of None: the hub's cache."""

    folder: Path | None = None  # of the four files their authors published
    image_encoder: Path | None = None  # of sd-image-variations-diffusers
    autoencoder: Path | None = None  # of sd-vae-ft-mse
    beta_schedule: BetaSchedule | None = None  # None: what their authors sample with
    sampling: SamplingChoices = field(default_factory=SamplingChoices)
    memory: Memory = field(default_factory=Memory)


class PublishedGenerator(NetworkGenerator):
    """A released network of one reference, run by model/sampling.py (docs/departures.md)."""

    Settings = PublishedSettings
    registered: ClassVar[str]
    preset: ClassVar[str]  # of network and sampling
    summary: ClassVar[str]
    weights_licence: ClassVar[str]
    citation: ClassVar[str]

    def __init__(self, settings: PublishedSettings | None = None, name: str | None = None) -> None:
        settings = settings or PublishedSettings()
        config = load_network_config(self.preset)
        betas = settings.beta_schedule or config.diffusion.beta_schedule
        config = replace(config, diffusion=replace(config.diffusion, beta_schedule=betas))
        folders = settings.folder, settings.image_encoder, settings.autoencoder
        info = GeneratorInfo(
            name=name or self.registered,
            kind="learned",
            summary=self.summary,
            version=1,
            max_references=1,
            code_licence="Apache-2.0",
            weights_licence=self.weights_licence,
            citation=self.citation,
        )
        super().__init__(
            info,
            Published(self.preset, config, *folders),
            published_sampling(self.preset),
            settings.sampling,
            settings.memory,
        )


class MooreGenerator(PublishedGenerator):
    """Moore-AnimateAnyone's."""

    registered, preset = "animate-anyone-moore", "moore"
    summary = "AnimateAnyone as Moore Threads trained it: one reference"
    weights_licence = "Apache-2.0 by their model card"
    citation = "arXiv 2311.17117, github.com/MooreThreads/Moore-AnimateAnyone"


class MusePoseGenerator(PublishedGenerator):
    """MusePose's: Moore's network, trained on longer windows."""

    registered, preset = "musepose", "musepose"
    summary = "MusePose: one reference, windows of 48 frames"
    weights_licence = "CreativeML OpenRAIL-M by their model card; non-commercial by their README"
    citation = "github.com/TMElyralab/MusePose"


GENERATORS: dict[str, Callable[..., Generator]] = {
    "profashion": ProFashionGenerator,
    "profashion-nearest": NearestGenerator,
    "profashion-mean": MeanGenerator,
    "profashion-concat": ConcatGenerator,
    "profashion-single": SingleGenerator,
    "animate-anyone-moore": MooreGenerator,
    "musepose": MusePoseGenerator,
}
