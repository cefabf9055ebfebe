"""What a run folder was asked: one frozen task, whose hash says which scores compare."""

from __future__ import annotations

import math
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.conditions import conditions_hash
from benchmark.reduction import Rule, as_rule
from mrfashion.artefacts import content_hash, read_object, write_json
from mrfashion.config import from_dict, to_dict
from mrfashion.errors import ConfigError, InputRefused, UnknownNameError
from mrfashion.manifest import Dataset
from mrfashion.media import MAX_FPS
from mrfashion.tables import Sample

TASK_FILE = "task.json"
TASK_VERSION = 1
MAX_SIDE = 8192
SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,149}")  # sample ids become file names


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What a person chooses of a task."""

    splits: tuple[str, ...] = ("test",)
    size: tuple[int, int] | None = None  # h, w; None: the size of each target clip
    reduction: Rule = "front"
    seed: int = 0
    steps: int | None = None  # None: each generator's own default
    guidance: float | None = None
    limit: int | None = None  # the first N samples; None: all

    def __post_init__(self) -> None:
        as_rule(self.reduction)
        if self.size and not all(1 <= side <= MAX_SIDE for side in self.size):
            raise ConfigError(f"size is {self.size}; allowed: 1 to {MAX_SIDE} for h and w")
        if self.guidance is not None and not math.isfinite(self.guidance):
            raise ConfigError(f"guidance is {self.guidance}; allowed: a finite number")
        least = {"seed": 0, "steps": 1, "limit": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"{name} is {value}; allowed: {low} and above")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(TaskOptions):
    """What decides the pixels asked for. `limit` is None where no sample is left out."""

    dataset: str  # folder, relative to the run folder; where it lies decides nothing
    samples_hash: str  # samples table and the videos it names
    conditions_hash: str  # poses and yaws that the requests carry

    @property
    def task_hash(self) -> str:
        """Hash of everything but the dataset's place: a limited task has another one."""
        return content_hash({"task_version": TASK_VERSION, **_decisive(self)})


def make_task(dataset: Dataset, runs: Path, options: TaskOptions) -> Task:
    """The task that `options` ask of a dataset; InputRefused where it has no such samples."""
    samples_hash = _samples_hash(dataset)
    chosen = _of_splits(dataset, options.splits)
    complete = options.limit is None or options.limit >= len(chosen)
    options = replace(options, limit=None if complete else options.limit)
    return Task(
        **asdict(options),
        dataset=Path(os.path.relpath(dataset.root.resolve(), runs.resolve())).as_posix(),
        samples_hash=samples_hash,
        conditions_hash=conditions_hash(dataset, chosen[: options.limit]),
    )


def task_samples(dataset: Dataset, task: TaskOptions) -> list[Sample]:
    """The samples of a task, by id."""
    return _of_splits(dataset, task.splits)[: task.limit]


def open_dataset(runs: Path, task: Task) -> Dataset:
    """The dataset of a run folder; InputRefused if it is no longer the one that was run on."""
    dataset = Dataset(runs / task.dataset)
    if _samples_hash(dataset) != task.samples_hash:
        raise InputRefused(
            f"{dataset.root} holds other samples than {runs / TASK_FILE} was run on; "
            "restore the dataset, or generate again into another folder"
        )
    return dataset


def refuse_other_task(runs: Path, task: Task) -> None:
    """InputRefused if `runs` is the folder of another task; it names the fields that differ."""
    if not (runs / TASK_FILE).exists() and (runs / "generations.jsonl").exists():
        raise InputRefused(
            f"{runs} holds generations without {TASK_FILE}; restore it, or choose another --out"
        )
    if (runs / TASK_FILE).exists() and (differs := task_differences(load_task(runs), task)):
        what = "; ".join(f"{n}: {there!r} there, {now!r} now" for n, there, now in differs)
        raise InputRefused(f"{runs} holds another task ({what}); choose another --out")


def task_differences(one: Task, other: Task) -> list[tuple[str, Any, Any]]:
    """What keeps scores of two tasks from being compared: field, its value in each."""
    first, second = _decisive(one), _decisive(other)
    return [(name, first[name], second[name]) for name in first if first[name] != second[name]]


def save_task(runs: Path, task: Task) -> None:
    """Write `task.json`."""
    values = {"schema_version": TASK_VERSION, "task_hash": task.task_hash, **to_dict(task)}
    write_json(runs / TASK_FILE, values)


def load_task(runs: Path) -> Task:
    """Read `task.json`; InputRefused if it is missing, damaged or was edited."""
    path = runs / TASK_FILE
    values = read_object(path, "run `mrfashion generate` first")
    if values.pop("schema_version", None) != TASK_VERSION:
        raise InputRefused(f"{path} is no task of version {TASK_VERSION}; use the release's own")
    promised = values.pop("task_hash", None)
    try:
        task = from_dict(Task, values, TASK_FILE)
    except ConfigError as error:
        raise InputRefused(f"{path} was edited: {error}; restore it") from None
    if task.task_hash != promised:
        raise InputRefused(f"{path} was edited: its task_hash is not that of its values; restore")
    return task


def _decisive(task: Task) -> dict[str, Any]:
    return {name: value for name, value in to_dict(task).items() if name != "dataset"}


def _samples_hash(dataset: Dataset) -> str:
    try:
        return dataset.samples_hash
    except UnknownNameError as error:
        raise InputRefused(
            f"{dataset.root}: samples.parquet and clips.parquet differ: {error}; run curate again"
        ) from None


def _of_splits(dataset: Dataset, splits: tuple[str, ...]) -> list[Sample]:
    held = sorted({sample.split for sample in dataset.samples.values()})
    for split in splits:
        if split not in held:
            raise InputRefused(f"{dataset.root} has no samples of split {split!r}; it has {held}")
    chosen = [sample for _, sample in sorted(dataset.samples.items()) if sample.split in splits]
    for sample in chosen:
        clip = dataset.clip(sample.clip_id)
        sound = all(1 <= side <= MAX_SIDE for side in (clip.height, clip.width))
        if not sound or not 0 < clip.fps <= MAX_FPS:
            raise InputRefused(
                f"{dataset.root}: clip {clip.clip_id} is {clip.width}x{clip.height} at {clip.fps} "
                f"fps; allowed: sides 1 to {MAX_SIDE}, above 0 to {MAX_FPS} fps. Run curate again"
            )
        if not SAFE_ID.fullmatch(sample.sample_id):
            raise InputRefused(
                f"{dataset.root}: sample id {sample.sample_id!r} cannot name a file; allowed: "
                "letters, digits, '.', '_' and '-'. The table was edited or is not ours"
            )
    return chosen
