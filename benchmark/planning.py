"""What a run has to make: every entrant's videos, which are there, what the rest will cost."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmark.attempts import Failed, guarded
from benchmark.generations import (
    Entrant,
    Generations,
    Item,
    Standing,
    as_entrant,
    generation_key,
)
from benchmark.maker import Job, Order
from benchmark.protocol import Task
from benchmark.reduction import kept_references
from benchmark.requests import asked_fps, asked_size, build_request, request_digest
from benchmark.summary import Estimate, Summary, Tally, estimate, size_text
from mrfashion.artefacts import content_hash
from mrfashion.errors import InputRefused
from mrfashion.generation import Batched, Generator, Request
from mrfashion.manifest import Dataset
from mrfashion.tables import Sample

logger = logging.getLogger(__name__)
FORCED = "forced"  # the reason to make a video again that is there


@dataclass(frozen=True, slots=True)
class Planned:
    """An order and how it stands; `unbuilt` where the dataset does not give its request."""

    order: Order
    standing: Standing
    unbuilt: Failed | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One entrant's part of a plan."""

    which: str  # its name, or its file
    generator: Generator
    entrant: Entrant
    planned: list[Planned] = field(default_factory=list)

    @property
    def orders(self) -> list[Order]:
        """What is to make; what failed before comes last, lest it stop the run before the rest."""
        todo = [p for p in self.planned if p.standing.state == "todo"]
        return [p.order for p in sorted(todo, key=lambda p: p.standing.again)]

    def keys(self) -> dict[tuple[str, str], str]:
        """Entrant and sample => key."""
        items = [planned.order.item for planned in self.planned]
        return {(item.entrant.name, item.sample_id): item.key for item in items}

    def tally(self) -> Tally:
        """How the videos stand."""
        tally = Tally(planned=len(self.planned))
        for planned in self.planned:
            tally.count(planned.standing.state, planned.standing.reason)
        return tally

    def jobs(self, batch: int) -> list[Job]:
        """The orders, in batches of one size and frame count where the generator makes batches."""
        most = batch if isinstance(self.generator, Batched) else 1
        if most < batch:
            logger.warning("%s makes no batches; one video at a time", self.entrant.name)
        alike: dict[tuple[int, tuple[int, int]], list[Order]] = {}
        for order in self.orders:
            alike.setdefault((order.item.frames, order.item.size), []).append(order)
        return [
            tuple(orders[first : first + most])
            for orders in alike.values()
            for first in range(0, len(orders), most)
        ]


@dataclass(frozen=True, slots=True)
class Planner:
    """What planning needs of a run; `generations` is None where the run folder is yet to be."""

    dataset: Dataset
    task: Task
    generations: Generations | None
    device: str
    dtype: str
    force: bool

    def parts(self, entrants: dict[str, Generator], samples: Iterable[Sample]) -> list[Part]:
        """Every entrant's part; a sample's request is built once for all."""
        parts = [
            Part(which, generator, as_entrant(generator, self.device, self.dtype))
            for which, generator in entrants.items()
        ]
        for sample in samples:
            asked = guarded(f"request of {sample.sample_id}", partial(self._asked, sample))
            for part in parts:
                if isinstance(asked, Failed):
                    part.planned.append(self._unbuilt(part, sample, asked))
                else:
                    part.planned.append(self._planned(part, sample, *asked))
        return parts

    def _asked(self, sample: Sample) -> tuple[Request, str]:
        request = build_request(self.dataset, sample, self.task)
        return request, request_digest(request)

    def _planned(self, part: Part, sample: Sample, request: Request, digest: str) -> Planned:
        rule = self.task.reduction
        kept = kept_references(request, rule, part.generator.info.max_references)
        key = generation_key(digest, rule, part.entrant)
        ids = tuple(sample.reference_ids[i] for i in kept)
        order = Order(self._item(part.entrant, sample, key, ids), sample, kept)
        return Planned(order, self._standing(order.item))

    def _standing(self, item: Item) -> Standing:
        if self.force:
            return Standing("todo", FORCED)
        if self.generations is None:
            return Standing("todo", "first attempt")
        return self.generations.standing(item)

    def _unbuilt(self, part: Part, sample: Sample, failed: Failed) -> Planned:
        """A request that cannot be built has no content to hash: its key names the sample."""
        key = content_hash({"unbuilt": sample.sample_id, "entrant": part.entrant.identity})
        item = self._item(part.entrant, sample, key, sample.reference_ids)
        return Planned(Order(item, sample, ()), Standing("failed", failed.code), failed)

    def _item(
        self, entrant: Entrant, sample: Sample, key: str, reference_ids: tuple[str, ...]
    ) -> Item:
        return Item(
            key=key,
            entrant=entrant,
            sample_id=sample.sample_id,
            garment_group=sample.garment_group,
            seed=self.task.seed,
            reference_ids=reference_ids,
            frames=sample.frames,
            size=asked_size(self.dataset, sample, self.task),
            fps=asked_fps(self.dataset, sample),
        )


def forecast(parts: Sequence[Part], task: Task, runs: Path, past: Generations | None) -> Summary:
    """The plan as a summary, with what it will cost."""
    tallies = {}
    for part in parts:
        tally = tallies[part.entrant.name] = part.tally()
        tally.estimate = _estimate(part, past)
    return Summary(task.task_hash, tallies, shutil.disk_usage(_existing(runs)).free)


def require_room(plan: Summary, runs: Path) -> None:
    """InputRefused where even videos like the smallest finished ones would fill the disk."""
    estimates = [tally.estimate for tally in plan.entrants.values() if tally.estimate]
    least, free = sum(cost.least_bytes for cost in estimates), plan.free_bytes
    if free is not None and least > free:
        raise InputRefused(
            f"{runs}: the videos to make need {size_text(least)} or more, by the finished ones; "
            f"free: {size_text(free)}. Make room, choose another --out, or fewer with --limit"
        )


def _estimate(part: Part, past: Generations | None) -> Estimate:
    """By the entrant's own videos: another's are sharper or smoother."""
    videos = [(o.item.frames, o.item.size[0] * o.item.size[1]) for o in part.orders]
    own = past.finished(part.entrant) if past else []
    paces = [v.seconds / v.frames for v in own if v.seconds is not None]
    return estimate(videos, paces, [v.bytes / (v.frames * v.pixels) for v in own])


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.resolve().parents) if path.exists())
