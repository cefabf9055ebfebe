"""The losses of steps on their way from the device to the log, and the stop where one is none."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.training_config import Stage
from model.training_log import Row, append
from model.training_step import Losses
from mrfashion.artefacts import write_json
from mrfashion.errors import Diverged

if TYPE_CHECKING:
    from accelerate import Accelerator

VALUES = ("loss", "diffusion", "flow", "grad_norm")


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a step leaves, still on the device."""

    losses: Losses
    grad_norm: Tensor
    timesteps: Tensor
    groups: tuple[str, ...]


class Record:
    """Fetches the values of several steps at once: each fetch waits for the device."""

    def __init__(self, accelerator: Accelerator, stage: Stage, out: Path) -> None:
        self.accelerator, self.stage, self.out = accelerator, stage, out
        self.waiting: list[tuple[int, Step]] = []  # by steps done
        self.since = time.monotonic()

    def keep(self, done: int, step: Step) -> None:
        """Remember the step that is the `done`th."""
        self.waiting.append((done, step))

    def flush(self) -> None:
        """Write the rows of the steps kept, means over all processes.

        Diverged where a value is no number: rows up to it are written, and beside the log what the
        step was trained on. Every process finds the same, for gradients are averaged.
        """
        if not self.waiting:
            return
        values = torch.stack([_values(step) for _, step in self.waiting])
        fetched = self.accelerator.reduce(values, "mean").tolist()
        now = time.monotonic()
        seconds = (now - self.since) / len(fetched)
        rows = [self._row(*one, seconds) for one in zip(self.waiting, fetched, strict=True)]
        bad = next((n for n, row in enumerate(rows) if not _finite(row)), len(rows))
        if self.accelerator.is_main_process:
            append(self.out / "log.jsonl", rows[:bad])
        if bad < len(rows):
            self._diverged(rows[bad], self.waiting[bad][1])
        self.waiting, self.since = [], now

    def rest(self) -> None:
        """Leave out of the steps' seconds what was done since the last flush."""
        self.since = time.monotonic()

    def _row(self, kept: tuple[int, Step], values: list[float], seconds: float) -> Row:
        done, step = kept
        stage, passes = self.stage, self.accelerator.num_processes
        row: Row = {"stage": stage.number, "step": done, **dict(zip(VALUES, values, strict=True))}
        if step.losses.flow is None:
            row["flow"] = None
        return row | {
            "lr": stage.rate(done - 1),
            "seconds": seconds,
            "samples_per_s": stage.batch * stage.accumulation * passes / max(seconds, 1e-9),
            "peak_memory_bytes": peak_memory(self.accelerator.device),
        }

    def _diverged(self, row: Row, step: Step) -> None:
        rank = self.accelerator.process_index
        path = self.out / f"diverged-{rank}.json"
        told: dict[str, Any] = {k: str(v) if k in VALUES else v for k, v in row.items()}
        write_json(
            path, told | {"groups": step.groups, "timesteps": step.timesteps.flatten().tolist()}
        )
        wrong = ", ".join(f"{name} is {row[name]}" for name in VALUES if _odd(row[name]))
        raise Diverged(
            f"stage {row['stage']}, step {row['step']}: {wrong}. {path} names the samples; "
            "checkpoints are from before. Lower learning_rate or max_grad_norm, or train in "
            "float32, in another --out"
        )


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device's tensors on CUDA, of the whole process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _values(step: Step) -> Tensor:
    losses = step.losses
    flow = torch.zeros_like(losses.total) if losses.flow is None else losses.flow
    values = (losses.total, losses.diffusion, flow, step.grad_norm)
    return torch.stack([value.detach().float() for value in values])


def _odd(value: float | None) -> bool:
    return value is not None and not math.isfinite(value)


def _finite(row: Row) -> bool:
    return not any(_odd(row[name]) for name in VALUES)
