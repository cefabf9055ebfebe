"""What is asked of every method and how it is measured: a preset, frozen with a dataset.

`mrfashion protocol new DATASET --preset NAME --out FILE` writes one file that two groups can run
and know that their numbers compare: it pins samples, poses, sizes, seeds and metric definitions.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.metrics import BUNDLES, METRICS
from benchmark.metrics.spec import Metric, unlike
from benchmark.protocol import Task, TaskOptions, make_task, task_samples
from benchmark.set_metrics import SET_BUNDLES, SET_METRICS
from benchmark.set_metrics.spec import SetMetric
from mrfashion.artefacts import content_hash, read_object, write_json
from mrfashion.config import from_dict, load_config, to_dict
from mrfashion.errors import ConfigError, InputRefused, UnknownNameError
from mrfashion.manifest import Dataset

PRESETS = "benchmark.configs"
PROTOCOL_FILE = "protocol.json"  # in a run folder
VERSION = 1
Definable = Metric | SetMetric
KNOWN: Mapping[str, Definable] = ChainMap[str, Definable](METRICS, SET_METRICS)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A protocol without a dataset; a TOML file in `benchmark/configs`, or a user's own."""

    title: str
    about: str  # whose habit it follows, and why
    task: TaskOptions
    metrics: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ConfigError("metrics is empty; name at least one")
        _known(self.metrics)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A preset frozen with the samples of a dataset."""

    title: str
    about: str
    task: TaskOptions
    samples_hash: str
    conditions_hash: str
    samples: int
    garment_groups: int
    definitions: dict[str, Any]  # metric id -> all that its number depends on

    @property
    def protocol_hash(self) -> str:
        """Equal where task and definitions are; titles decide nothing."""
        decisive = [to_dict(self.task), self.samples_hash, self.conditions_hash]
        return content_hash([*decisive, sorted(self.definitions)])

    @property
    def metrics(self) -> tuple[Definable, ...]:
        """Its metrics; InputRefused where this release defines one otherwise."""
        names = dict.fromkeys(str(defined["name"]) for defined in self.definitions.values())
        chosen = _known(names)
        if differs := _differences(self.definitions, definitions_of(chosen)):
            raise InputRefused(
                f"the protocol defines metrics otherwise than this release: {'; '.join(differs)}. "
                "Use the release and the weights it was frozen with, or freeze a new one"
            )
        return chosen


def freeze(dataset: Dataset, preset: str | Path) -> Protocol:
    """The preset (a name, or a TOML file) frozen with the samples of a dataset."""
    chosen = load_config(Preset, preset, PRESETS)
    task = make_task(dataset, dataset.root, chosen.task)
    samples = task_samples(dataset, task)
    return Protocol(
        title=chosen.title,
        about=chosen.about,
        task=TaskOptions(**{f.name: getattr(task, f.name) for f in fields(TaskOptions)}),
        samples_hash=task.samples_hash,
        conditions_hash=task.conditions_hash,
        samples=len(samples),
        garment_groups=len({sample.garment_group for sample in samples}),
        definitions=definitions_of(_known(chosen.metrics)),
    )


def chosen_metrics(
    runs: Path, names: Sequence[str] | None
) -> tuple[tuple[Metric, ...], tuple[SetMetric, ...]]:
    """Metrics of clips and of sets: those asked for, else the folder's protocol's, else default."""
    if not names and (protocol := protocol_of(runs)):
        found = {metric.spec.name for metric in protocol.metrics}
    else:
        bundles = [*BUNDLES, *(name for name in SET_BUNDLES if name not in BUNDLES)]
        for name in names or ():
            if name not in KNOWN and name not in bundles:
                raise UnknownNameError("metric or bundle", name, [*KNOWN, *bundles])
        asked = names or ["default"]
        found = {m for name in asked for m in BUNDLES.get(name, () if name in bundles else (name,))}
        found |= {m for name in asked for m in SET_BUNDLES.get(name, ())}
    of_clips = tuple(metric for name, metric in METRICS.items() if name in found)
    return of_clips, tuple(metric for name, metric in SET_METRICS.items() if name in found)


def _known(names: Iterable[str]) -> tuple[Definable, ...]:
    """Metrics by name; UnknownNameError lists near ones."""
    for name in names:
        if name not in KNOWN:
            raise UnknownNameError("metric", name, KNOWN)
    return tuple(KNOWN[name] for name in names)


def definitions_of(metrics: Sequence[Definable]) -> dict[str, Any]:
    """Metric id => definition, of every region."""
    return {m.spec.metric_id(r): m.spec.defined(r) for m in metrics for r in m.spec.regions}


def require_task(protocol: Protocol, task: Task) -> None:
    """InputRefused unless the task is the protocol's; it names what differs."""
    asked = {**to_dict(protocol.task), "samples_hash": protocol.samples_hash}
    asked["conditions_hash"] = protocol.conditions_hash
    got = to_dict(task)
    if differs := [
        f"{n}: {asked[n]!r} frozen, {got[n]!r} here" for n in asked if asked[n] != got[n]
    ]:
        raise InputRefused(
            f"this dataset gives another task than the protocol: {'; '.join(differs)}. Get the "
            "dataset it was frozen with, or freeze a protocol of your own"
        )


def save_protocol(path: Path, protocol: Protocol) -> None:
    """Write a protocol as JSON."""
    values = {**asdict(protocol), "task": to_dict(protocol.task)}
    header = {"schema_version": VERSION, "protocol_hash": protocol.protocol_hash}
    write_json(path, header | values)


def load_protocol(path: Path) -> Protocol:
    """Read a protocol; InputRefused where it is missing, damaged or was edited."""
    values = read_object(path, "run `mrfashion protocol new` first")
    if values.pop("schema_version", None) != VERSION:
        raise InputRefused(f"{path} is no protocol of version {VERSION}; use the release's own")
    promised = values.pop("protocol_hash", None)
    definitions = values.pop("definitions", None)
    if not _are_definitions(definitions):
        raise InputRefused(f"{path} was edited: it defines no metrics; restore it")
    try:
        protocol = from_dict(_Stored, values, path.name).protocol(definitions)
    except ConfigError as error:
        raise InputRefused(f"{path} was edited: {error}; restore it") from None
    if protocol.protocol_hash != promised:
        raise InputRefused(f"{path} was edited: its hash is not that of its values; restore it")
    return protocol


def protocol_of(runs: Path) -> Protocol | None:
    """The protocol that a run folder was asked, if it was one."""
    path = runs / PROTOCOL_FILE
    return load_protocol(path) if path.exists() else None


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """A protocol's file without its definitions, which are free-form."""

    title: str
    about: str
    task: TaskOptions
    samples_hash: str
    conditions_hash: str
    samples: int
    garment_groups: int

    def protocol(self, definitions: dict[str, Any]) -> Protocol:
        return Protocol(
            **{f.name: getattr(self, f.name) for f in fields(self)}, definitions=definitions
        )


def _are_definitions(values: Any) -> bool:
    return isinstance(values, dict) and all(map(_is_definition, values.values()))


def _is_definition(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return False
    region, lines = value.get("region"), value.get("definition")
    place = isinstance(region, list) and len(region) == 2 and isinstance(region[0], str)
    return place and isinstance(lines, dict)


def _differences(frozen: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Metric and line by line, what a protocol and this release define otherwise."""
    by_place = {(d["name"], d["region"][0]): d for d in here.values()}
    found = []
    for defined in (frozen[metric_id] for metric_id in frozen if metric_id not in here):
        known = by_place.get((defined["name"], defined["region"][0]), {})
        if lines := [
            name for name, _, _ in unlike(*map(partial(_opened, defined), (defined, known)))
        ]:
            found.append(f"{defined['name']}/{defined['region'][0]} ({', '.join(lines)})")
    return found


def _opened(frozen: dict[str, Any], defined: dict[str, Any]) -> dict[str, Any]:
    """Without weights that nobody had pinned when the protocol was frozen: it asks for any.

    Scores made with them name their hash and compare only with scores of the same.
    """
    if None not in frozen.get("weights_sha256", {}).values():
        return defined
    return {name: line for name, line in defined.items() if not name.startswith("weights_")}
