"""Training: stages in turn, on one process or several, going on where a run stopped.

`mrfashion train small --out RUN`; on several GPUs `accelerate launch -m mrfashion train ...`.
Runs that are to be compared train side by side, on the same batches and noise:
`mrfashion train small --vary aggregation=pose-aware,mean --out RUNS`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from model.codec import Autoencoder
from model.config import NetworkConfig
from model.diffusion import ddim_scheduler
from model.training_config import Stage, TrainingConfig
from model.training_folder import Folder
from model.training_log import Row
from model.training_stage import SideBySide, StageRun
from model.training_start import start
from model.training_state import Learner
from mrfashion.errors import ConfigError
from mrfashion.progress import Progress, silent

if TYPE_CHECKING:
    from accelerate import Accelerator

SHARED = ("codec", "pose", "diffusion")  # what a batch is made into before a network sees it


@dataclass(frozen=True, slots=True)
class Summary:
    """How far a run is."""

    done: bool  # all of it
    validation: list[Row]  # the newest, by view


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a run to do now; the schedule of learning rates does not know of it."""

    steps: int | None = None
    seconds: float | None = None


def train(
    config: TrainingConfig,
    wanted: NetworkConfig,
    out: Path,
    *,
    init: Path | None = None,
    device: str = "auto",
    limits: Limits | None = None,
    progress: Progress[Any] = silent,
) -> Summary:
    """Train into the folder `out`, or go on there, until all stages are done or `limits` reached.

    The weights that ship are `network.safetensors`. InputRefused where the folder holds another
    run; Diverged where a loss is no number.
    """
    made = train_together(
        config, {out: wanted}, init=init, device=device, limits=limits, progress=progress
    )
    return made[out]


def train_together(
    config: TrainingConfig,
    networks: Mapping[Path, NetworkConfig],
    *,
    init: Path | None = None,
    device: str = "auto",
    limits: Limits | None = None,
    progress: Progress[Any] = silent,
) -> dict[Path, Summary]:
    """Several runs of `train`, by folder, step by step beside each other.

    Each batch and its noise serve all, so the networks are all that they differ in, and people
    are rendered, decoded and drawn once. ConfigError where networks do not take the same inputs.
    """
    check_inputs(networks)
    accelerator = accelerator_on(device)
    with ExitStack() as held:
        runs = []
        for out, wanted in networks.items():
            folder = held.enter_context(Folder(out, accelerator))
            folder.claim(config, wanted, init)
            runs.append(Run(config, wanted, folder, init))
        done = Training(runs, limits or Limits(), progress).go()
        for run in runs:
            run.folder.finish(run.network if done else None)
        return {run.folder.out: Summary(done, run.folder.last_validation()) for run in runs}


def check_inputs(networks: Mapping[Path, NetworkConfig]) -> None:
    """ConfigError where a batch is not made into the same inputs for all networks."""
    (first, wanted), *others = networks.items()
    for out, other in others:
        wrong = [name for name in SHARED if getattr(other, name) != getattr(wanted, name)]
        if wrong:
            raise ConfigError(
                f"networks side by side share their {', '.join(SHARED)}; {first.name} and "
                f"{out.name} differ in {', '.join(wrong)}. Train them apart"
            )


def accelerator_on(device: str) -> Accelerator:
    """One process of a run; on several, the launcher says which device is whose."""
    from accelerate import Accelerator

    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)
    return Accelerator(cpu=device == "cpu")


class Run:
    """What all stages of a run share."""

    def __init__(
        self, config: TrainingConfig, wanted: NetworkConfig, folder: Folder, init: Path | None
    ) -> None:
        self.config, self.folder, self.accelerator = config, folder, folder.accelerator
        self.network, self.codec = start(config, wanted, init)
        self.network.to(self.accelerator.device).train()
        if isinstance(self.codec, Autoencoder):
            self.codec.vae.to(self.accelerator.device)
        if config.checkpointing:
            self.network.enable_gradient_checkpointing()
        if config.compile:
            self.network.instantiator.compile()
            self.network.reference_encoder.compile()
        self.scheduler = ddim_scheduler(wanted.diffusion)
        self.at, self._held = folder.resume(self.network)

    def stage(self, stage: Stage) -> StageRun | None:
        """What is left of a stage; None: nothing is."""
        if (stage.number, stage.steps) <= (self.at.stage, self.at.step):
            return None
        learner, at = Learner(self.network, stage), None
        if self.at.stage == stage.number:
            at = self.at
            learner.restore(self._held, at.step)
        self._held = {}
        return StageRun(self, stage, learner, at)

    def autocast(self) -> AbstractContextManager[Any]:
        """Passes in the configured precision."""
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.accelerator.device.type, torch.bfloat16)


class Training:
    """All stages of runs side by side, as far as the limits allow."""

    def __init__(self, runs: Sequence[Run], limits: Limits, progress: Progress[Any]) -> None:
        self.runs, self.limits, self.progress = runs, limits, progress
        self.started, self.steps_done = time.monotonic(), 0

    def go(self) -> bool:
        """Whatever is left => whether nothing is."""
        for stage in self.runs[0].config.stages:
            if self.steps_left() == 0 or self.out_of_time():
                return False
            members = [member for run in self.runs if (member := run.stage(stage))]
            if members and not SideBySide(self, members).go():
                return False
        return True

    def steps_left(self) -> int | None:
        """Of `--limit`."""
        return None if self.limits.steps is None else self.limits.steps - self.steps_done

    def out_of_time(self) -> bool:
        """Whether the seconds are spent, by the clocks of all processes."""
        if self.limits.seconds is None:
            return False
        accelerator = self.runs[0].accelerator
        spent = torch.tensor(time.monotonic() - self.started, device=accelerator.device)
        return bool(accelerator.reduce(spent, "mean") > self.limits.seconds)
