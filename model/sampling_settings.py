"""How videos are sampled: what a person may set, apart from the code that does it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from mrfashion.config import load_config

if TYPE_CHECKING:
    from model.config import NetworkConfig

Sampler = Literal["ddim", "dpm-solver++"]


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How videos are sampled; precision and device are those of the network.

    On a small card `offload`, then lower `window` and `chunk`: they bound what it holds at once,
    however long the video.
    """

    sampler: Sampler = "ddim"
    steps: int = 35
    guidance: float = 2.0  # Our choice: MimicMotion's; 1 is without, at half the time
    shared_noise: float = 0.0  # share of the start noise's variance that all frames have in common
    window: int = 16  # frames denoised together: the clips of stage 2
    overlap: int = 4  # frames that neighbouring windows have in common at least
    chunk: int = 8  # pictures decoded at once, and read at once where offloaded
    guide_at_once: bool = False  # both halves of guidance in one pass: more memory, fewer launches
    offload: bool = False  # what frames are told, and frames, wait in main memory: slower

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("window", 1), ("chunk", 1), ("overlap", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} is {value}; allowed: at least {least}")
        if self.overlap >= self.window:
            raise ValueError(f"overlap is {self.overlap}; allowed: less than window {self.window}")
        if not 0 <= self.shared_noise <= 1:
            raise ValueError(f"shared_noise is {self.shared_noise}; allowed: 0 to 1")
        if not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise ValueError(f"guidance is {self.guidance}; allowed: 0 or more, 1 for none")

    def by(self, memory: Memory) -> SamplingSettings:
        """The same pixels, by other means."""
        return replace(self, **{f.name: getattr(memory, f.name) for f in fields(memory)})

    def within(self, motion_frames: int) -> SamplingSettings:
        """With windows that a network's motion modules see at once."""
        window = min(self.window, motion_frames)
        return replace(self, window=window, overlap=min(self.overlap, window - 1))

    def check(self, config: NetworkConfig) -> None:
        """ValueError where a network cannot sample like that."""
        if self.window > (most := config.unet.motion_frames):
            raise ValueError(f"window is {self.window}; this network's motion sees {most} frames")
        if self.steps > (most := config.diffusion.train_steps):
            raise ValueError(f"steps is {self.steps}; this network was trained on {most}")


@dataclass(frozen=True, slots=True)
class SamplingChoices:
    """What a person may set of an entrant's sampling; None: as its authors run it."""

    sampler: Sampler | None = None
    steps: int | None = None
    guidance: float | None = None
    shared_noise: float | None = None
    window: int | None = None
    overlap: int | None = None

    def over(self, own: SamplingSettings) -> SamplingSettings:
        """The method's own settings, changed; ValueError where they do not fit together."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(own, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Memory:
    """What bounds memory and decides no pixels; see SamplingSettings."""

    chunk: int = 8
    guide_at_once: bool = False
    offload: bool = False


def sampling_record(sampling: SamplingSettings) -> dict[str, Any]:
    """What of it decides pixels, plain JSON."""
    return {f.name: getattr(sampling, f.name) for f in fields(SamplingChoices)}


def published_sampling(preset: str) -> SamplingSettings:
    """Steps, guidance and windows that a published network's authors run it with."""
    return load_config(SamplingSettings, preset, "model.configs.sampling")
