"""Run entrants over the samples of a task: `mrfashion generate DATASET --entrant NAME --out RUNS`.

An attempt enters the journal when it ends, so a kill at any moment costs the video in hand and
nothing else, and the same command goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.attempts import attempt, bugs_as_item_errors
from benchmark.entrants import make_entrant
from benchmark.frozen_protocol import PROTOCOL_FILE, Protocol, require_task, save_protocol
from benchmark.generations import (
    JOURNAL_FILE,
    Entrant,
    Generations,
    Item,
    Standing,
    as_entrant,
    generation_key,
)
from benchmark.protocol import (
    Task,
    TaskOptions,
    make_task,
    refuse_other_task,
    save_task,
    task_samples,
)
from benchmark.reduction import kept_references, with_references
from benchmark.requests import asked_fps, asked_size, build_request, request_digest
from mrfashion.artefacts import content_hash, folder_lock, sweep_temporaries
from mrfashion.environment import RunLog, environment, now_utc
from mrfashion.errors import ConfigError, ItemError, MissingRequirement
from mrfashion.generation import Generator, Request
from mrfashion.manifest import Dataset
from mrfashion.progress import Progress, silent
from mrfashion.tables import Sample

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(slots=True)
class Tally:
    """What became of one entrant's videos: planned = reused + ok + failed + todo."""

    planned: int = 0
    reused: int = 0
    ok: int = 0
    failed: int = 0
    todo: int = 0  # left by a dry run
    reasons: dict[str, int] = field(default_factory=dict)

    def count(self, state: str, reason: str, n: int = 1) -> None:
        """Add n videos in a state, and why they are in it."""
        setattr(self, state, getattr(self, state) + n)
        name = f"{state}: {reason}"
        self.reasons[name] = self.reasons.get(name, 0) + n


@dataclass(frozen=True, slots=True)
class Summary:
    """What `generate` did."""

    task_hash: str
    entrants: dict[str, Tally]

    @property
    def failed(self) -> int:
        """Videos that do not exist, over all entrants."""
        return sum(tally.failed for tally in self.entrants.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task_hash": self.task_hash,
            "entrants": {name: asdict(tally) for name, tally in self.entrants.items()},
        }


def generate(
    dataset_root: str | Path,
    runs_root: str | Path,
    entrant_names: Sequence[str],
    asked: TaskOptions | Protocol | None = None,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    force: bool = False,
    shard: tuple[int, int] = (0, 1),
    dry_run: bool = False,
    progress: Progress[Sample] = silent,
) -> Summary:
    """Make what is missing of every entrant's videos, write the table, and say what was done.

    A protocol as `asked` must be frozen with this dataset, and goes into the run folder.

    `shard` (i, n) takes every n-th sample from the i-th on, i from 0. A failing item becomes a
    row; wrong input or a missing requirement stops the run before it starts.
    """
    _check_options(device, dtype, shard)
    runs, names = Path(runs_root), list(dict.fromkeys(entrant_names))
    for name in names:
        _ready(name)
    dataset = Dataset(dataset_root)
    protocol = asked if isinstance(asked, Protocol) else None
    options = asked.task if isinstance(asked, Protocol) else asked or TaskOptions()
    task = make_task(dataset, runs, options)
    if protocol:
        require_task(protocol, task)
    samples = task_samples(dataset, task)[shard[0] :: shard[1]]
    if dry_run and not (runs / JOURNAL_FILE).exists():
        tallies = {name: Tally(planned=len(samples)) for name in names}
        for tally in tallies.values():
            tally.count("todo", "first attempt", len(samples))
        return Summary(task.task_hash, tallies)
    with folder_lock(runs):
        sweep_temporaries(runs)
        refuse_other_task(runs, task)
        if not dry_run:
            save_task(runs, task)
            if protocol:
                save_protocol(runs / PROTOCOL_FILE, protocol)
        generations = Generations(runs, task)
        run = _Run(dataset, task, samples, generations, device, dtype, force, progress)
        return run.plan(names) if dry_run else run.execute(names, shard)


@dataclass(slots=True)
class _Run:
    """One call of `generate`, inside the folder's lock."""

    dataset: Dataset
    task: Task
    samples: list[Sample]
    generations: Generations
    device: str
    dtype: str
    force: bool
    progress: Progress[Sample]
    digests: dict[str, str] = field(default_factory=dict)  # spares later entrants the decoding
    current: dict[tuple[str, str], str] = field(default_factory=dict)  # entrant, sample => key
    tallies: dict[str, Tally] = field(default_factory=dict)
    latest: Request | None = None  # its digest and its video need the same request

    def plan(self, names: list[str]) -> Summary:
        """What `execute` would do."""
        for name in names:
            entrant = as_entrant(_ready(name), self.device, self.dtype)
            tally = self.tallies[name] = Tally(planned=len(self.samples))
            for sample in self.progress(self.samples, name, len(self.samples)):
                try:
                    standing = self._standing(self._item(entrant, sample))
                    tally.count(standing.state, standing.reason)
                except ItemError as error:
                    tally.count("failed", error.code)
        return Summary(self.task.task_hash, self.tallies)

    def execute(self, names: list[str], shard: tuple[int, int]) -> Summary:
        """Make what is missing; whatever stops it, table and log tell what there is."""
        log = RunLog(
            self.generations.runs,
            environment=environment(self.device),
            entrants=names,
            shard=list(shard),
            task_hash=self.task.task_hash,
        )
        status = "stopped"
        try:
            for name in names:
                self._run_entrant(name)
            status = "complete"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self.generations.write_table(self.current)
            summary = Summary(self.task.task_hash, self.tallies)
            log.write(status=status, ended=now_utc(), summary=summary.to_json()["entrants"])
        return summary

    def _run_entrant(self, name: str) -> None:
        generator = _ready(name)
        entrant = as_entrant(generator, self.device, self.dtype)
        self.generations.enter(entrant)
        self.tallies[name] = tally = Tally(planned=len(self.samples))
        loaded = False
        for sample in self.progress(self.samples, name, len(self.samples)):
            try:
                item = self._item(entrant, sample)
            except ItemError as error:
                self._fail_unbuilt(entrant, sample, error, tally)
                continue
            standing = self._standing(item)
            if standing.state != "todo":
                tally.count(standing.state, standing.reason)
                continue
            if not loaded:
                generator.load(self.device, self.dtype)
                loaded = True
            self.generations.lose(item, standing.reason)
            self._make(generator, item, sample, standing.reason)

    def _make(self, generator: Generator, item: Item, sample: Sample, reason: str) -> None:
        tally = self.tallies[item.entrant.name]
        try:
            with bugs_as_item_errors(f"{item.entrant.name} at {item.sample_id}"):
                request = self._request(sample)
                kept = kept_references(request, self.task.reduction, generator.info.max_references)
                ids = tuple(sample.reference_ids[i] for i in kept)
                item = replace(item, reference_ids=ids)
                answer = attempt(generator, with_references(request, kept), self.device)
            # Outside: a disk that is full or gone is no bug of one item, and stops the run.
            self.generations.store(item, answer)
        except ItemError as error:
            self.generations.fail(item, error)
            tally.count("failed", error.code)
        else:
            tally.count("ok", reason)

    def _standing(self, item: Item) -> Standing:
        return Standing("todo", "forced") if self.force else self.generations.standing(item)

    def _item(self, entrant: Entrant, sample: Sample) -> Item:
        """The sample as an item of an entrant; ItemError if it cannot be asked."""
        if sample.sample_id not in self.digests:
            with bugs_as_item_errors(f"request of {sample.sample_id}"):
                self.digests[sample.sample_id] = request_digest(self._request(sample))
        key = generation_key(self.digests[sample.sample_id], self.task.reduction, entrant)
        return self._keyed(key, entrant, sample)

    def _request(self, sample: Sample) -> Request:
        if self.latest is None or self.latest.sample_id != sample.sample_id:
            self.latest = build_request(self.dataset, sample, self.task)
        return self.latest

    def _keyed(self, key: str, entrant: Entrant, sample: Sample) -> Item:
        self.current[entrant.name, sample.sample_id] = key
        return Item(
            key=key,
            entrant=entrant,
            sample_id=sample.sample_id,
            garment_group=sample.garment_group,
            seed=self.task.seed,
            reference_ids=sample.reference_ids,
            frames=sample.frames,
            size=asked_size(self.dataset, sample, self.task),
            fps=asked_fps(self.dataset, sample),
        )

    def _fail_unbuilt(
        self, entrant: Entrant, sample: Sample, error: ItemError, tally: Tally
    ) -> None:
        """A request that cannot be built has no content to hash: its key names the sample."""
        key = content_hash({"unbuilt": sample.sample_id, "entrant": entrant.identity})
        item = self._keyed(key, entrant, sample)
        last = self.generations.journal.last(key)
        if last is None or (last["error"], last["error_text"]) != (error.code, error.text):
            self.generations.fail(item, error)
        tally.count("failed", error.code)


def _ready(name: str) -> Generator:
    generator = make_entrant(name)
    missing = generator.check()
    if missing:
        raise MissingRequirement(f"entrant {name!r} cannot run here: {'; '.join(missing)}")
    return generator


def _check_options(device: str, dtype: str, shard: tuple[int, int]) -> None:
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", device):
        raise ConfigError(f"device is {device!r}; allowed: cpu, cuda or cuda:N")
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; allowed: {', '.join(DTYPES)}")
    if not 0 <= shard[0] < shard[1]:
        raise ConfigError(f"shard is {shard[0]}/{shard[1]}; allowed: i/N with i from 0 to N-1")
    if device != "cpu":
        _require_cuda(device)


def _require_cuda(device: str) -> None:
    import torch

    number = int(device.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        raise MissingRequirement(
            f"device {device} is not there: {torch.cuda.device_count()} CUDA devices, "
            f"PyTorch {torch.__version__}. Use --device cpu, or install a CUDA build"
        )
