"""One stage: its steps, for one run or for several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.training_config import Stage, Watch
from model.training_data import TrainingBatch, TrainingData, open_data
from model.training_passes import Eager, Recorded
from model.training_record import Record, Step
from model.training_state import Learner, Position
from model.training_step import Inputs, Losses, draw, inputs, losses

if TYPE_CHECKING:
    from accelerate import Accelerator

    from model.training import Run, Training


AHEAD = 200  # steps of a turn, at most: inputs wait on the device, 70 MB for 128 frames of 96x64


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What one step reads, whatever network takes it."""

    step: int
    passes: list[Inputs]
    timesteps: Tensor
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be written after a step; false where nothing is."""

    log: bool
    score: bool
    picture: bool
    save: bool

    @staticmethod
    def after(done: int, watch: Watch, stage: Stage) -> Due:
        """After `done` steps; all of it at the end."""
        every = (watch.log_every, watch.validate_every, watch.picture_every, watch.save_every)
        return Due(*(done == stage.steps or done % steps == 0 for steps in every))

    def __bool__(self) -> bool:
        return self.log or self.score or self.picture or self.save


class StageRun:
    """A run's part in a stage: its passes, moves, rows and checkpoints."""

    def __init__(self, run: Run, stage: Stage, learner: Learner, at: Position | None) -> None:
        self.run, self.stage, self.learner, self.at = run, stage, learner, at
        self.first = 0 if at is None else at.step
        self.record = Record(run.accelerator, stage, run.folder.out)
        eager = Eager(self._losses, learner.parameters, run.autocast, 1 / stage.accumulation)
        cuda = run.accelerator.device.type == "cuda"
        self.passes = Recorded(eager) if run.config.record and cuda else eager

    def begin(self, identity: dict[str, Any]) -> None:
        """InputRefused where the stage was begun with other data."""
        self.identity = identity
        self.run.folder.same_data(self.at, identity)

    def take(self, prepared: Prepared) -> None:
        """A step: its passes, whose gradients add up, and a move."""
        found = [Losses.mean([self.passes(given)]) for given in prepared.passes]
        average_gradients(self.learner.parameters, self.run.accelerator)
        norm = self.learner.update(prepared.step)
        taken = Step(Losses.mean(found), norm, prepared.timesteps, prepared.groups)
        self.record.keep(prepared.step + 1, taken)

    def _losses(self, given: Inputs) -> Losses:
        run = self.run
        return losses(run.network, run.network.config, run.scheduler, self.stage, given)

    def report(self, done: int, due: Due, data: TrainingData) -> None:
        """Write what is due after `done` steps."""
        self.record.flush()
        self._show(done, data, due.score, due.picture)
        if due.save and done < self.stage.steps:
            self.save(done)

    def _show(self, done: int, data: TrainingData, score: bool, picture: bool) -> None:
        """Held-out clips by the moving average: scores, a strip, and the curves so far."""
        if not (score or picture):
            return
        run = self.run
        seed, sampling = run.config.seed, run.config.watch.sampling_of(self.stage)
        with self.learner.averaged() as network, run.autocast(), _eager(run.config.compile):
            run.folder.show(
                Position(self.stage.number, done), network, run.codec, data, sampling, seed,
                score=score, pictures=run.config.watch.pictures if picture else 0,
            )  # fmt: skip

    def save(self, done: int) -> None:
        """A checkpoint to go on from."""
        at = Position(self.stage.number, done, self.identity)
        self.run.folder.save(at, self.run.network, self.learner)

    def stop(self, done: int) -> None:
        """Before the stage is over."""
        self.record.flush()
        self.save(done)

    def finish(self) -> None:
        """The moving average takes the network's place, and the next stage starts there."""
        self.learner.average.copy_to(self.learner.parameters)
        at = Position(self.stage.number, self.stage.steps, self.identity)
        self.run.folder.save(at, self.run.network, None)


class SideBySide:
    """The steps of a stage, each member's on the same batches and noise.

    They take turns of several steps: going from one recorded pass to another costs a third of a
    second (four networks, a step each in turn: 1.4 s on an H200; one alone: 0.045 s).
    A member that was stopped later than another waits for it.
    """

    def __init__(self, training: Training, members: Sequence[StageRun]) -> None:
        self.training, self.members = training, members
        self.run, self.stage = members[0].run, members[0].stage
        self.accelerator, config, stage = self.run.accelerator, self.run.config, self.stage
        self.data: TrainingData = open_data(
            config.data,
            batch=stage.batch,
            frames=stage.frames,
            consecutive=not stage.single,
            seed=config.seed,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
            device=self.accelerator.device,
        )
        identity = self.data.identity()
        for member in members:
            member.begin(identity)

    def go(self) -> bool:
        """What is left of the stage => whether it is done."""
        training, run, stage = self.training, self.run, self.stage
        first = min(member.first for member in self.members)
        batches = self.data.batches(first * stage.accumulation)
        left = training.steps_left()
        until = stage.steps if left is None else min(stage.steps, first + left)
        ahead = 1 if len(self.members) == 1 else AHEAD
        waiting: list[Prepared] = []
        steps = range(first, until)
        for step in training.progress(steps, f"train stage {stage.number}", len(steps)):
            waiting.append(self.prepare(step, batches))
            training.steps_done += 1
            due = Due.after(step + 1, run.config.watch, stage)
            if len(waiting) == ahead or due or step + 1 == until:
                self.take(waiting)
                waiting = []
            if due and self.report(step + 1, due):
                break
        if step + 1 < stage.steps:
            for member in self._at(step):
                member.stop(step + 1)
            return False
        for member in self.members:
            member.finish()
        return True

    def prepare(self, step: int, batches: Iterator[TrainingBatch]) -> Prepared:
        """What step 0, 1, ... of every member reads."""
        run, stage, n = self.run, self.stage, self.stage.batch
        config, device = run.network.config, self.accelerator.device
        words = (run.config.seed, stage.number, step, self.accelerator.process_index)
        draws = draw(stage, config, run.config.data.size, words, device)
        passes: list[Inputs] = []
        groups: list[str] = []
        for i in range(stage.accumulation):
            batch = next(batches)
            groups += batch.groups
            with run.autocast():
                part = draws.part(slice(i * n, (i + 1) * n))
                passes.append(inputs(config, run.codec, run.scheduler, stage, batch, part))
        return Prepared(step, passes, draws.timesteps, tuple(groups))

    def take(self, waiting: Sequence[Prepared]) -> None:
        """The steps of each member in turn."""
        for member in self.members:
            for one in waiting:
                if member.first <= one.step:
                    member.take(one)

    def report(self, done: int, due: Due) -> bool:
        """Write what is due after `done` steps => whether to stop."""
        members = self._at(done - 1)
        for member in members:
            member.report(done, due, self.data)
        for member in members:
            member.record.rest()
        return self.training.out_of_time()

    def _at(self, step: int) -> list[StageRun]:
        return [member for member in self.members if member.first <= step]


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
