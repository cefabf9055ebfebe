"""The folder of a run: whose it is, its checkpoints, rows and pictures, and what it leaves.

config.json               what decides the weights: another run is refused
checkpoints/              the last two states to go on from
log.jsonl                 a row a step
validation.jsonl          a row a view, of held-out clips
pictures/, losses.png     strips of held-out clips, and curves
stage-N.safetensors       the network after a stage
network.safetensors       and after the last: what ships
run.json                  who ran what, on which machine, and what came out
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor

from model import training_log
from model.checkpoint import save_network
from model.codec import Codec
from model.config import NetworkConfig
from model.profashion import ProFashion
from model.sampling_settings import SamplingSettings
from model.training_config import TrainingConfig
from model.training_data import TrainingData
from model.training_log import Row
from model.training_start import different
from model.training_state import Learner, Position, newest, save
from model.validation import FrameScore, Sampled, by_view, frame_scores, sampled
from mrfashion.artefacts import (
    folder_lock,
    read_object,
    sha256_file,
    sweep_temporaries,
    write_json,
)
from mrfashion.config import to_dict
from mrfashion.environment import RunLog, environment, now_utc
from mrfashion.errors import InputRefused

if TYPE_CHECKING:
    from accelerate import Accelerator

START = Position(0, 0)


class Folder:
    """Written by the first process alone, and read by all."""

    def __init__(self, out: Path, accelerator: Accelerator) -> None:
        self.out, self.accelerator = out, accelerator
        self.checkpoints = out / "checkpoints"
        self._held = ExitStack()
        self._run: RunLog | None = None

    def __enter__(self) -> Self:
        if self.writes:
            self._held.enter_context(folder_lock(self.out))
            sweep_temporaries(self.out)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._run is not None and error is not None:
            self._run.write(
                status="stopped", ended=now_utc(), error=f"{type(error).__name__}: {error}"
            )
        self._held.close()

    @property
    def writes(self) -> bool:
        """Whether this process does."""
        return bool(self.accelerator.is_main_process)

    def claim(self, config: TrainingConfig, wanted: NetworkConfig, init: Path | None) -> None:
        """Make the folder this run's; InputRefused where it is another's, naming what differs."""
        decisive = {
            "training": config.decisive(),
            "network": to_dict(wanted),
            "init": None if init is None else sha256_file(init),
            "processes": self.accelerator.num_processes,
        }
        path = self.out / "config.json"
        if path.exists():
            there = read_object(path, missing="restore it")
            if problems := different(decisive, {k: there.get(k) for k in decisive}):
                raise InputRefused(
                    f"{self.out} holds another run: {'; '.join(problems[:8])}. "
                    "Choose another --out, or give what that run was given"
                )
        if self.writes:
            write_json(path, decisive | {"watch": to_dict(config.watch)})
            device = str(self.accelerator.device)
            self._run = RunLog(self.out, config=decisive, environment=environment(device))
        self.accelerator.wait_for_everyone()

    def resume(self, network: ProFashion) -> tuple[Position, dict[str, Tensor]]:
        """Load the newest checkpoint => where it stands, and the learner's tensors."""
        found = newest(self.checkpoints)
        at, tensors = found or (START, {})
        if found:
            own = {n.removeprefix("network/"): t for n, t in tensors.items() if "network/" in n}
            network.load_state_dict(own)
        if self.writes:
            for name in ("log", "validation"):
                training_log.cut(self.out / f"{name}.jsonl", at.stage, at.step)
        return at, {n: t for n, t in tensors.items() if not n.startswith("network/")}

    def same_data(self, at: Position | None, identity: dict[str, Any]) -> None:
        """InputRefused where a stage that was begun would go on with other data."""
        if at is not None and (problems := different(identity, at.data)):
            raise InputRefused(
                f"{self.out} was trained on other data: {'; '.join(problems[:8])}. "
                "Restore that data, or choose another --out"
            )
        if self._run is not None:
            self._run.write(data=identity)

    def save(self, at: Position, network: ProFashion, learner: Learner | None) -> None:
        """A checkpoint; without a learner, of a stage that is done."""
        if not self.writes:
            return
        if learner is None:
            save_network(network, self.out / f"stage-{at.stage}.safetensors")
        save(self.checkpoints, network, at, learner)

    def show(
        self,
        at: Position,
        network: ProFashion,
        codec: Codec,
        data: TrainingData,
        sampling: SamplingSettings,
        seed: int,
        *,
        score: bool,
        pictures: int,
    ) -> None:
        """Sample held-out clips, each process its share: score them, draw the first `pictures`."""
        from accelerate.utils import gather_object

        from model.training_pictures import write_losses, write_strip

        share = (self.accelerator.process_index, self.accelerator.num_processes)
        shown: list[Sampled] = []
        scores: list[FrameScore] = []
        for made in sampled(network, codec, data.validation(), sampling, seed, share):
            if sum(len(one.frames) for one in shown) < pictures:
                shown.append(made)
            elif not score:
                break
            if score:
                scores += frame_scores(made)
        scores = gather_object(scores)
        if not self.writes:
            return
        where = {"stage": at.stage, "step": at.step}
        if score:
            training_log.append(
                self.out / "validation.jsonl", (where | row for row in by_view(scores))
            )
        if shown:
            name = f"stage-{at.stage}-step-{at.step:07d}.png"
            write_strip(self.out / "pictures" / name, shown, pictures)
        write_losses(self.out / "losses.png", self.rows("log"), self.rows("validation"))

    def finish(self, trained: ProFashion | None) -> None:
        """Figures so far, and what ships where all stages are done."""
        if self._run is None:
            return
        if trained is not None:
            save_network(trained, self.out / "network.safetensors")
        self._run.write(
            status="stopped" if trained is None else "complete",
            ended=now_utc(),
            validation=self.last_validation(),
        )

    def rows(self, name: str) -> list[Row]:
        """Of `log` or `validation`."""
        return training_log.read(self.out / f"{name}.jsonl")

    def last_validation(self) -> list[Row]:
        """The newest rows of it; none yet: empty."""
        rows = self.rows("validation")
        where = [(row["stage"], row["step"]) for row in rows]
        return [row for row, at in zip(rows, where, strict=True) if at == where[-1]]
