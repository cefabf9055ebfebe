"""Orders in, finished videos out: what runs in this process, in others, and in Ray's actors."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmark.attempts import Answer, Failed, guarded
from benchmark.batches import Batches
from benchmark.entrants import make_entrant
from benchmark.generations import Item, Made, as_entrant, encode
from benchmark.protocol import Task
from benchmark.reduction import with_references
from benchmark.requests import build_request
from mrfashion.errors import InputRefused, ItemError
from mrfashion.generation import Request
from mrfashion.manifest import Dataset
from mrfashion.tables import Sample


@dataclass(frozen=True, slots=True)
class Order:
    """A video to make."""

    item: Item
    sample: Sample
    kept: tuple[int, ...]  # which of the sample's references the entrant gets


Job = tuple[Order, ...]  # what a maker is given at a time: one order, or a batch
Finished = tuple[Order, Made | Failed]
Making = Generator[Finished, None, None]  # in the order they end; closing it ends the makers


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One entrant's part of a run: all that a maker must know before its first order."""

    dataset: Path
    runs: Path
    task: Task
    entrant: str  # a name, or an entrant file
    entrant_hash: str  # what it was when the keys were made
    devices: tuple[str, ...]  # a maker each
    dtype: str
    batch: int = 1
    timeout_s: float | None = None  # of one video, where the maker can be killed


class Maker:
    """A loaded generator on a device. What it makes lies under temporary names in the run folder.

    It touches neither the journal nor finished videos, so killing it spoils nothing.
    """

    def __init__(self, work: Work, device: str) -> None:
        self.work = work
        self.dataset = Dataset(work.dataset)
        generator = make_entrant(work.entrant)
        if as_entrant(generator, device, work.dtype).hash != work.entrant_hash:
            raise InputRefused(
                f"entrant {work.entrant} has other settings or weights than when the run began; "
                "start it again, and leave its files alone while it runs"
            )
        if device.startswith("cuda:"):
            _select(device)
        generator.load(device, work.dtype)
        self.batches = Batches(generator, device, work.batch)

    def make(self, job: Job) -> list[Made | Failed]:
        """One finished video or failure an order; a disk that is gone is an OSError of the run."""
        asked = [guarded(f"request of {o.item.sample_id}", partial(self._request, o)) for o in job]
        answers = iter(self.batches.attempt([r for r in asked if isinstance(r, Request)]))
        return [
            self._encoded(order, request if isinstance(request, Failed) else next(answers))
            for order, request in zip(job, asked, strict=True)
        ]

    def _request(self, order: Order) -> Request:
        request = build_request(self.dataset, order.sample, self.work.task)
        return with_references(request, order.kept)

    def _encoded(self, order: Order, answer: Answer | Failed) -> Made | Failed:
        if isinstance(answer, Failed):
            return answer
        try:
            return encode(self.work.runs, order.item, answer)
        except ItemError as error:
            return Failed(error.code, error.text, error.retryable)


def _select(device: str) -> None:
    """Make it the current device: kernels of third parties do not always ask which one to use."""
    import torch

    torch.cuda.set_device(device)
