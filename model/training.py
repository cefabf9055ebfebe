"""Training: stages in turn, on one process or several, going on where a run stopped.

`mrfashion train small --out RUN`; on several GPUs `accelerate launch -m mrfashion train ...`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.codec import Autoencoder
from model.config import NetworkConfig
from model.diffusion import ddim_scheduler
from model.training_config import Stage, TrainingConfig
from model.training_data import TrainingBatch, TrainingData, open_data
from model.training_folder import Folder
from model.training_log import Row
from model.training_passes import Eager, Recorded
from model.training_record import Record, Step
from model.training_start import start
from model.training_state import Learner, Position
from model.training_step import Inputs, Losses, draw, inputs, losses
from mrfashion.progress import Progress, silent

if TYPE_CHECKING:
    from accelerate import Accelerator


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
    accelerator = accelerator_on(device)
    with Folder(out, accelerator) as folder:
        folder.claim(config, wanted, init)
        run = Run(config, wanted, folder, init, limits or Limits(), progress)
        done = run.go()
        folder.finish(run.network if done else None)
        return Summary(done, folder.last_validation())


def accelerator_on(device: str) -> Accelerator:
    """One process of a run; on several, the launcher says which device is whose."""
    from accelerate import Accelerator

    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)
    return Accelerator(cpu=device == "cpu")


class Run:
    """What all stages share."""

    def __init__(
        self,
        config: TrainingConfig,
        wanted: NetworkConfig,
        folder: Folder,
        init: Path | None,
        limits: Limits,
        progress: Progress[Any],
    ) -> None:
        self.config, self.folder, self.accelerator = config, folder, folder.accelerator
        self.limits, self.progress = limits, progress
        self.started, self.steps_done = time.monotonic(), 0
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

    def go(self) -> bool:
        """Whatever is left of the stages => whether nothing is."""
        at, held = self.folder.resume(self.network)
        for stage in self.config.stages:
            if (stage.number, stage.steps) <= (at.stage, at.step):
                continue
            if self.steps_left() == 0 or self.out_of_time():
                return False
            first = at.step if stage.number == at.stage else 0
            learner = Learner(self.network, stage)
            if first:
                learner.restore(held, first)
            held = {}
            if not StageRun(self, stage, learner, at if first else None).go(first):
                return False
        return True

    def autocast(self) -> AbstractContextManager[Any]:
        """Passes in the configured precision."""
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.accelerator.device.type, torch.bfloat16)

    def steps_left(self) -> int | None:
        """Of `--limit`."""
        return None if self.limits.steps is None else self.limits.steps - self.steps_done

    def out_of_time(self) -> bool:
        """Whether the seconds are spent, by the clocks of all processes."""
        if self.limits.seconds is None:
            return False
        spent = torch.tensor(time.monotonic() - self.started, device=self.accelerator.device)
        return bool(self.accelerator.reduce(spent, "mean") > self.limits.seconds)


class StageRun:
    """One stage's steps."""

    def __init__(self, run: Run, stage: Stage, learner: Learner, at: Position | None) -> None:
        self.run, self.stage, self.learner = run, stage, learner
        accelerator, config = run.accelerator, run.config
        self.data: TrainingData = open_data(
            config.data,
            batch=stage.batch,
            frames=stage.frames,
            consecutive=not stage.single,
            seed=config.seed,
            rank=accelerator.process_index,
            world=accelerator.num_processes,
            device=accelerator.device,
        )
        self.identity = self.data.identity()
        run.folder.same_data(at, self.identity)
        self.record = Record(accelerator, stage, run.folder.out)
        share = 1 / stage.accumulation
        eager = Eager(self.losses, learner.parameters, run.autocast, share)
        recorded = config.record and accelerator.device.type == "cuda"
        self.passes = Recorded(eager) if recorded else eager

    def go(self, first: int) -> bool:
        """Steps from `first` on => whether the stage is done."""
        run, stage = self.run, self.stage
        batches = self.data.batches(first * stage.accumulation)
        left = run.steps_left()
        until = stage.steps if left is None else min(stage.steps, first + left)
        done = first
        steps = range(first, until)
        for step in run.progress(steps, f"train stage {stage.number}", len(steps)):
            self.record.keep(done := step + 1, self.step(step, batches))
            run.steps_done += 1
            if self.watch(done):
                break
        if done < stage.steps:
            self.record.flush()
            self.save(done)
            return False
        self.finish()
        return True

    def step(self, step: int, batches: Iterator[TrainingBatch]) -> Step:
        """Step 0, 1, ...: as many passes as it accumulates, and one move."""
        run, stage = self.run, self.stage
        words = (run.config.seed, stage.number, step, run.accelerator.process_index)
        config, device = run.network.config, run.accelerator.device
        draws = draw(stage, config, run.config.data.size, words, device)
        found: list[Losses] = []
        groups: list[str] = []
        for n in range(stage.accumulation):
            batch, part = next(batches), draws.part(slice(n * stage.batch, (n + 1) * stage.batch))
            with run.autocast():
                given = inputs(config, run.codec, run.scheduler, stage, batch, part)
            found.append(Losses.mean([self.passes(given)]))
            groups += batch.groups
        average_gradients(self.learner.parameters, run.accelerator)
        return Step(Losses.mean(found), self.learner.update(step), draws.timesteps, tuple(groups))

    def losses(self, given: Inputs) -> Losses:
        """Of one pass."""
        run = self.run
        return losses(run.network, run.network.config, run.scheduler, self.stage, given)

    def watch(self, done: int) -> bool:
        """Write what is due after `done` steps => whether to stop."""
        watch, ended = self.run.config.watch, done == self.stage.steps
        due = {
            name: ended or done % every == 0
            for name, every in (
                ("log", watch.log_every),
                ("score", watch.validate_every),
                ("picture", watch.picture_every),
                ("save", watch.save_every),
            )
        }
        if not any(due.values()):
            return False
        self.record.flush()
        self.show(done, due["score"], due["picture"])
        if due["save"] and not ended:
            self.save(done)
        self.record.rest()
        return self.run.out_of_time()

    def show(self, done: int, score: bool, picture: bool) -> None:
        """Held-out clips by the moving average: scores, a strip, and the curves so far."""
        if not (score or picture):
            return
        run = self.run
        seed, sampling = run.config.seed, run.config.watch.sampling_of(self.stage)
        with self.learner.averaged() as network, run.autocast(), _eager(run.config.compile):
            run.folder.show(
                Position(self.stage.number, done), network, run.codec, self.data, sampling, seed,
                score=score, pictures=run.config.watch.pictures if picture else 0,
            )  # fmt: skip

    def save(self, done: int) -> None:
        """A checkpoint to go on from."""
        at = Position(self.stage.number, done, self.identity)
        self.run.folder.save(at, self.run.network, self.learner)

    def finish(self) -> None:
        """The moving average takes the network's place, and the next stage starts there."""
        self.learner.average.copy_to(self.learner.parameters)
        at = Position(self.stage.number, self.stage.steps, self.identity)
        self.run.folder.save(at, self.run.network, None)


def average_gradients(parameters: Sequence[Tensor], accelerator: Accelerator) -> None:
    """Mean over the processes, in one message.

    DistributedDataParallel would wait for the gradients of what a stage does not move.
    """
    if accelerator.num_processes == 1:
        return
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = accelerator.reduce(torch.cat([grad.flatten() for grad in grads]), "mean")
    parts = torch.split(flat, [grad.numel() for grad in grads])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def _eager(compiled: bool) -> AbstractContextManager[Any]:
    """Other shapes than a step's are not worth a compilation."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
