"""Run entrants over the samples of a task: `mrfashion generate DATASET --entrant NAME --out RUNS`.

Makers write videos under temporary names (benchmark/maker.py); this process alone puts them in
their place and keeps the journal. So a kill of any process at any moment costs the videos in hand
and nothing else, and the same command goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.attempts import Failed
from benchmark.entrants import make_entrants
from benchmark.executors import EXECUTORS
from benchmark.frozen_protocol import PROTOCOL_FILE, Protocol, require_task, save_protocol
from benchmark.generations import JOURNAL_FILE, Generations, Item, Made
from benchmark.maker import Work
from benchmark.planning import FORCED, Part, Planned, Planner, forecast, require_room
from benchmark.protocol import (
    Task,
    TaskOptions,
    make_task,
    refuse_other_task,
    save_task,
    task_samples,
)
from benchmark.running import Running
from benchmark.summary import Summary, Tally
from mrfashion.artefacts import folder_lock, sweep_temporaries
from mrfashion.environment import RunLog, environment, now_utc
from mrfashion.errors import MissingRequirement
from mrfashion.generation import Generator
from mrfashion.manifest import Dataset
from mrfashion.progress import Progress, silent
from mrfashion.tables import Sample

logger = logging.getLogger(__name__)


def generate(
    dataset_root: str | Path,
    runs_root: str | Path,
    entrant_names: Sequence[str],
    asked: TaskOptions | Protocol | None = None,
    *,
    running: Running | None = None,
    dry_run: bool = False,
    progress: Progress[Any] = silent,
    tell: Callable[[str], None] = logger.info,
) -> Summary:
    """Make what is missing of every entrant's videos, write the table, and say what was done.

    Entrants are names or entrant files. A protocol as `asked` must be frozen with this dataset,
    and goes into the run folder. `tell` hears the plan before anything is made.

    A failing item becomes a row; wrong input or a missing requirement stops the run before it
    starts.
    """
    how, runs = running or Running(), Path(runs_root)
    how.require_devices()
    entrants = _ready(entrant_names)
    dataset = Dataset(dataset_root)
    protocol = asked if isinstance(asked, Protocol) else None
    options = asked.task if isinstance(asked, Protocol) else asked or TaskOptions()
    task = make_task(dataset, runs, options)
    if protocol:
        require_task(protocol, task)
    i, n = how.shard
    samples = task_samples(dataset, task)[i::n][: how.limit]
    run = _Run(dataset, runs, task, samples, entrants, how, progress)
    if dry_run and not (runs / JOURNAL_FILE).exists():
        return run.plan(None)[1]
    with folder_lock(runs):
        sweep_temporaries(runs)
        refuse_other_task(runs, task)
        generations = Generations(runs, task)
        parts, plan = run.plan(generations)
        if dry_run:
            return plan
        tell(plan.text())
        if not how.force:  # new videos take the place of old ones
            require_room(plan, runs)
        save_task(runs, task)
        if protocol:
            save_protocol(runs / PROTOCOL_FILE, protocol)
        return run.execute(parts, generations)


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of `generate`."""

    dataset: Dataset
    runs: Path
    task: Task
    samples: list[Sample]
    entrants: dict[str, Generator]
    how: Running
    progress: Progress[Any]

    def plan(self, past: Generations | None) -> tuple[list[Part], Summary]:
        """What is to make, and what it will cost."""
        how = self.how
        planner = Planner(self.dataset, self.task, past, how.devices[0], how.dtype, how.force)
        samples = self.progress(self.samples, "plan", len(self.samples))
        parts = planner.parts(self.entrants, samples)
        return parts, forecast(parts, self.task, self.runs, past)

    def execute(self, parts: list[Part], generations: Generations) -> Summary:
        """Make what is missing; whatever stops it, table and log tell what there is."""
        how, tallies = self.how, dict[str, Tally]()
        log = RunLog(
            self.runs,
            environment=environment("cpu" if how.where == "ray" else how.devices[0]),
            devices=list(how.devices),
            executor=how.where,
            entrants=[part.entrant.name for part in parts],
            shard=list(how.shard),
            task_hash=self.task.task_hash,
        )
        status = "stopped"
        try:
            for part in parts:
                tally = tallies[part.entrant.name] = Tally(planned=len(part.planned))
                self._execute_part(part, generations, tally)
            status = "complete"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            sweep_temporaries(self.runs)
            generations.write_table({k: v for part in parts for k, v in part.keys().items()})
            summary = Summary(self.task.task_hash, tallies)
            log.write(status=status, ended=now_utc(), summary=summary.to_json()["entrants"])
        return summary

    def _execute_part(self, part: Part, generations: Generations, tally: Tally) -> None:
        generations.enter(part.entrant)
        for planned in part.planned:
            _note(planned, generations, tally)
        jobs = part.jobs(self.how.batch)
        if not jobs:
            return
        reasons = {p.order.item.key: p.standing.reason for p in part.planned}
        work = Work(
            dataset=self.dataset.root.resolve(),
            runs=self.runs.resolve(),
            task=self.task,
            entrant=part.which,
            entrant_hash=part.entrant.hash,
            devices=self.how.devices,
            dtype=self.how.dtype,
            batch=self.how.batch,
            timeout_s=self.how.timeout_s,
        )

        def label() -> str:
            return part.entrant.name + (f" ({tally.failed} failed)" if tally.failed else "")

        with closing(EXECUTORS[self.how.where](work, jobs)) as finished:
            for order, outcome in self.progress(finished, label, sum(map(len, jobs))):
                _keep(order.item, outcome, reasons[order.item.key], generations, tally)


def _note(planned: Planned, generations: Generations, tally: Tally) -> None:
    """What needs no maker: counts, unbuilt requests, and videos that no longer count."""
    item, standing = planned.order.item, planned.standing
    if planned.unbuilt:
        generations.fail_once(item, planned.unbuilt)
    if standing.state != "todo":
        tally.count(standing.state, standing.reason)
    elif standing.reason != FORCED:  # else the old video counts until the new one is there
        generations.lose(item, standing.reason)


def _keep(
    item: Item, outcome: Made | Failed, reason: str, generations: Generations, tally: Tally
) -> None:
    generations.lose(item, reason)
    failed = generations.store(item, outcome) if isinstance(outcome, Made) else outcome
    if failed:
        generations.fail(item, failed)
        tally.count("failed", failed.code)
    else:
        tally.count("ok", reason)


def _ready(names: Sequence[str]) -> dict[str, Generator]:
    """Entrants by name or file; MissingRequirement where one cannot run here."""
    entrants = dict(zip(dict.fromkeys(names), make_entrants(names), strict=True))
    for which, generator in entrants.items():
        if missing := generator.check():
            raise MissingRequirement(f"entrant {which!r} cannot run here: {'; '.join(missing)}")
    return entrants
