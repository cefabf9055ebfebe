"""One stage: its steps, for one run or for several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.training_config import Stage
from model.training_data import TrainingBatch, TrainingData, open_data
from model.training_passes import Eager, Recorded
from model.training_record import Record, Step
from model.training_state import Learner, Position
from model.training_step import Inputs, Losses, draw, inputs, losses

if TYPE_CHECKING:
    from accelerate import Accelerator

    from model.training import Run, Training


class StageRun:
    """A run's part in a stage: its passes, moves, rows and checkpoints."""

    def __init__(self, run: Run, stage: Stage, learner: Learner, at: Position | None) -> None:
        self.run, self.stage, self.learner, self.at = run, stage, learner, at
        self.first = 0 if at is None else at.step
        self.record = Record(run.accelerator, stage, run.folder.out)
        eager = Eager(self._losses, learner.parameters, run.autocast, 1 / stage.accumulation)
        cuda = run.accelerator.device.type == "cuda"
        self.passes = Recorded(eager) if run.config.record and cuda else eager
        self.stream = torch.cuda.Stream() if cuda else None  # type: ignore[no-untyped-call]
        self.found: list[Losses] = []

    def begin(self, identity: dict[str, Any]) -> None:
        """InputRefused where the stage was begun with other data."""
        self.identity = identity
        self.run.folder.same_data(self.at, identity)

    def gather(self, given: Inputs) -> None:
        """One pass: its losses, and gradients that add up."""
        self.found.append(Losses.mean([self.passes(given)]))

    def move(self, step: int, timesteps: Tensor, groups: tuple[str, ...]) -> None:
        """By what step 0, 1, ... has gathered."""
        average_gradients(self.learner.parameters, self.run.accelerator)
        norm = self.learner.update(step)
        self.record.keep(step + 1, Step(Losses.mean(self.found), norm, timesteps, groups))
        self.found = []

    def _losses(self, given: Inputs) -> Losses:
        run = self.run
        return losses(run.network, run.network.config, run.scheduler, self.stage, given)

    def watch(self, done: int, data: TrainingData) -> bool:
        """Write what is due after `done` steps => whether anything was."""
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
        _wait(self.stream)
        self.record.flush()
        self._show(done, data, due["score"], due["picture"])
        if due["save"] and not ended:
            self.save(done)
        return True

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
        _wait(self.stream)
        self.record.flush()
        self.save(done)

    def finish(self) -> None:
        """The moving average takes the network's place, and the next stage starts there."""
        _wait(self.stream)
        self.learner.average.copy_to(self.learner.parameters)
        at = Position(self.stage.number, self.stage.steps, self.identity)
        self.run.folder.save(at, self.run.network, None)


class SideBySide:
    """The steps of a stage, each member's on the same batches and noise.

    On a GPU each has a stream of its own: kernels of small networks leave room for others', and
    the next batch is drawn meanwhile. A member that was stopped later than another waits for it.
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
        self.lent: list[tuple[Inputs, list[torch.cuda.Event]]] = []  # and when it had been read
        identity = self.data.identity()
        for member in members:
            member.begin(identity)

    def go(self) -> bool:
        """What is left of the stage => whether it is done."""
        training, stage = self.training, self.stage
        first = min(member.first for member in self.members)
        batches = self.data.batches(first * stage.accumulation)
        left = training.steps_left()
        until = stage.steps if left is None else min(stage.steps, first + left)
        steps = range(first, until)
        for step in training.progress(steps, f"train stage {stage.number}", len(steps)):
            self.step(step, batches)
            training.steps_done += 1
            if self.watch(step + 1):
                break
        if step + 1 < stage.steps:
            for member in self._at(step):
                member.stop(step + 1)
            return False
        for member in self.members:
            member.finish()
        return True

    def step(self, step: int, batches: Iterator[TrainingBatch]) -> None:
        """Step 0, 1, ...: as many passes as it accumulates, and one move, of every member."""
        run, stage, n = self.run, self.stage, self.stage.batch
        members, config, device = self._at(step), run.network.config, self.accelerator.device
        words = (run.config.seed, stage.number, step, self.accelerator.process_index)
        draws = draw(stage, config, run.config.data.size, words, device)
        groups: list[str] = []
        for i in range(stage.accumulation):
            batch = next(batches)
            groups += batch.groups
            with run.autocast():
                part = draws.part(slice(i * n, (i + 1) * n))
                given = inputs(config, run.codec, run.scheduler, stage, batch, part)
            self._lend(given, members)
        for member in members:
            with _beside(member.stream):
                member.move(step, draws.timesteps, tuple(groups))

    def _lend(self, given: Inputs, members: Sequence[StageRun]) -> None:
        """A pass of every member; the inputs before these make room once they have been read."""
        read = []
        for member in members:
            with _beside(member.stream):
                member.gather(given)
            if member.stream is not None:
                read.append(member.stream.record_event())
        for _, events in self.lent:
            for event in events:
                torch.cuda.current_stream().wait_event(event)
        self.lent = [(given, read)]

    def watch(self, done: int) -> bool:
        """Write what is due after `done` steps => whether to stop."""
        members = self._at(done - 1)
        written = [member.watch(done, self.data) for member in members]
        if not any(written):
            return False
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


def _beside(stream: torch.cuda.Stream | None) -> AbstractContextManager[Any]:
    """Work on a stream, after what the current one has been given so far."""
    if stream is None:
        return nullcontext()
    stream.wait_stream(torch.cuda.current_stream())
    return torch.cuda.stream(stream)


def _wait(stream: torch.cuda.Stream | None) -> None:
    """Let what comes next on the current stream come after the work of another."""
    if stream is not None:
        torch.cuda.current_stream().wait_stream(stream)


def _eager(compiled: bool) -> AbstractContextManager[Any]:
    """Other shapes than a step's are not worth a compilation."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()
