"""Videos made elsewhere as generations of a named entrant: `mrfashion import FOLDER`.

They are decoded, checked and written losslessly like any other generation, so that score and
report work. The bytes of a video are part of its key: a changed file is imported again, and an
import tells about every sample of the task, so videos of two imports never mix under one name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

from benchmark.attempts import Answer, Failed, guarded
from benchmark.frozen_protocol import PROTOCOL_FILE, Protocol, require_task, save_protocol
from benchmark.generations import (
    ENTRANTS_FILE,
    JOURNAL_FILE,
    Generations,
    Item,
    Made,
    encode,
)
from benchmark.import_matching import Found, Matched, Problem, match
from benchmark.import_report import Report
from benchmark.import_source import Source
from benchmark.imported_videos import LOSSLESS, Asked, Video, digest, read_video
from benchmark.protocol import (
    TASK_FILE,
    Task,
    TaskOptions,
    load_task,
    make_task,
    refuse_other_task,
    save_task,
    task_samples,
)
from benchmark.reduction import kept_references
from benchmark.requests import asked_fps, asked_size, build_request
from mrfashion.artefacts import (
    content_hash,
    folder_lock,
    read_object,
    sha256_file,
    sweep_temporaries,
)
from mrfashion.environment import RunLog, environment, now_utc
from mrfashion.errors import ConfigError
from mrfashion.generation import Result
from mrfashion.manifest import Dataset
from mrfashion.progress import Progress, silent
from mrfashion.tables import Sample


def import_folder(
    source: Source,
    dataset_root: str | Path,
    runs_root: str | Path,
    asked: TaskOptions | Protocol | None = None,
    *,
    dry_run: bool = False,
    progress: Progress[Sample] = silent,
) -> Report:
    """Import what a folder holds of a task's videos, write the table, and say what was done.

    Without `asked` the task is that of the run folder, if it has one. A sample without a sound
    video becomes a failed row; a path that leaves the folder stops the import before it starts.
    """
    dataset, runs = Dataset(dataset_root), Path(runs_root)
    task = _task(dataset, runs, asked)
    samples = task_samples(dataset, task)
    matched = match(source.folder, {sample.sample_id for sample in samples}, source.manifest)
    report = Report(task.task_hash, source.name, len(samples), problems=list(matched.problems))
    shown = progress(samples, source.name, len(samples))
    if dry_run and not (runs / JOURNAL_FILE).exists():
        _Import(source, dataset, task, matched, report, None).plan(shown)
        return report
    with folder_lock(runs):
        refuse_other_task(runs, task)
        _refuse_generated(source, runs)
        generations = Generations(runs, task)
        run = _Import(source, dataset, task, matched, report, generations)
        if dry_run:
            run.plan(shown)
            return report
        sweep_temporaries(runs)
        save_task(runs, task)
        if isinstance(asked, Protocol):
            save_protocol(runs / PROTOCOL_FILE, asked)
        run.execute(shown)
    return report


def _task(dataset: Dataset, runs: Path, asked: TaskOptions | Protocol | None) -> Task:
    if asked is None and (runs / TASK_FILE).exists():
        held = load_task(runs)
        asked = TaskOptions(**{f.name: getattr(held, f.name) for f in fields(TaskOptions)})
    options = asked.task if isinstance(asked, Protocol) else asked or TaskOptions()
    task = make_task(dataset, runs, options)
    if isinstance(asked, Protocol):
        require_task(asked, task)
    return task


def _refuse_generated(source: Source, runs: Path) -> None:
    """ConfigError where the name is that of an entrant which was generated here."""
    path = runs / ENTRANTS_FILE
    known = read_object(path, "restore it").get(source.name) if path.exists() else None
    if known is not None and known.get("settings", {}).get("imported") is not True:
        raise ConfigError(f"{runs} holds videos that {source.name!r} generated; choose a name")


@dataclass(slots=True)
class _Import:
    """One import, inside the folder's lock; without `generations` the folder is yet to be."""

    source: Source
    dataset: Dataset
    task: Task
    matched: Matched
    report: Report
    generations: Generations | None
    current: dict[tuple[str, str], str] = field(default_factory=dict)  # entrant, sample => key

    def plan(self, samples: Iterable[Sample]) -> None:
        """Check every file, and write nothing."""
        for sample in samples:
            item, found = self._claim(sample)
            if isinstance(found, Found) and not self._reused(item):
                self.report.imported += isinstance(self._read(item, found), Video)

    def execute(self, samples: Iterable[Sample]) -> None:
        """Import what is not; whatever stops it, table and log tell what there is."""
        generations, manifest = self._generations, self.source.manifest
        log = RunLog(
            generations.runs,
            environment=environment(),
            imported=self.source.name,
            manifest_sha256=sha256_file(manifest) if manifest else None,
            task_hash=self.task.task_hash,
        )
        generations.enter(self.source.entrant)
        status = "stopped"
        try:
            for sample in samples:
                self._import(sample)
            status = "complete"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            generations.write_table(self.current)
            log.write(status=status, ended=now_utc(), summary=self.report.to_json())

    def _import(self, sample: Sample) -> None:
        item, found = self._claim(sample)
        self._lose_others(item)
        if isinstance(found, Found) and self._reused(item):
            return
        outcome: Made | Failed | None = (
            self._made(item, found) if isinstance(found, Found) else found
        )
        if isinstance(outcome, Made):
            self._generations.lose(item, "its video was gone")
            outcome = self._generations.store(item, outcome)
        if outcome:
            self._generations.fail_once(item, outcome)
        else:
            self.report.imported += 1

    def _claim(self, sample: Sample) -> tuple[Item, Found | Failed]:
        """The sample as an item of this import, and its file, or why it has none."""
        found = self._file(sample)
        video = None
        if isinstance(found, Found):
            sha256 = digest(found)
            video = [sha256, found.declared]
            found = self._promised(found, sha256)
        kept = guarded(f"request of {sample.sample_id}", partial(self._references, sample))
        decisive = [self.task.task_hash, sample.sample_id, self.source.entrant.identity, video]
        item = Item(
            key=content_hash({"imported": decisive}),
            entrant=self.source.entrant,
            sample_id=sample.sample_id,
            garment_group=sample.garment_group,
            seed=self.task.seed,
            reference_ids=sample.reference_ids if isinstance(kept, Failed) else kept,
            frames=sample.frames,
            size=asked_size(self.dataset, sample, self.task),
            fps=asked_fps(self.dataset, sample),
        )
        self.current[self.source.name, sample.sample_id] = item.key
        return item, kept if isinstance(kept, Failed) else found

    def _file(self, sample: Sample) -> Found | Failed:
        if found := self.matched.found.get(sample.sample_id):
            return found
        problems = self.matched.problems
        return next(p.failed for p in problems if p.sample_id == sample.sample_id)

    def _promised(self, found: Found, sha256: str) -> Found | Failed:
        """The file, if it holds the bytes that the manifest promises."""
        if found.sha256 in (None, sha256):
            return found
        got, asked = f"sha256 {sha256}", str(found.sha256)
        return self._problem(Problem("hash_mismatch", found.sample_id, found.path, got, asked))

    def _references(self, sample: Sample) -> tuple[str, ...]:
        """Those that the task's rule leaves a method that takes so many."""
        most = self.source.max_references
        if len(sample.reference_ids) <= most:
            return sample.reference_ids
        request = build_request(self.dataset, sample, self.task)
        kept = kept_references(request, self.task.reduction, most)
        return tuple(sample.reference_ids[index] for index in kept)

    def _reused(self, item: Item) -> bool:
        reused = bool(self.generations) and self._generations.standing(item).state == "reused"
        self.report.reused += reused
        return reused

    def _read(self, item: Item, found: Found) -> Video | Failed:
        asked = Asked(item.frames, item.size, item.fps)
        read = guarded(item.sample_id, partial(read_video, found, asked, self.source.fit))
        return self._problem(read) if isinstance(read, Problem) else read

    def _made(self, item: Item, found: Found) -> Made | Failed:
        video = self._read(item, found)
        if isinstance(video, Failed):
            return video
        effective = {
            "transport": "folder",
            "path": found.path,
            "codec": video.codec,
            "size": list(video.size),
            "fit": self.source.fit,
            "note": self.source.note,
            "declared": found.declared,
        }
        lossy = (
            () if video.codec in LOSSLESS else (f"decoded from {video.codec}, which loses detail",)
        )
        result = Result(video.frames, item.fps, effective=effective, warnings=lossy)
        make = partial(encode, self._generations.runs, item, Answer(result, 0.0, None))
        made = guarded(item.sample_id, make)
        return made if isinstance(made, Failed) else dataclasses.replace(made, seconds=None)

    def _problem(self, problem: Problem) -> Failed:
        self.report.problems.append(problem)
        return problem.failed

    def _lose_others(self, item: Item) -> None:
        """Videos of earlier imports under this name and sample no longer count."""
        for row in self._generations.journal.rows():
            same = (row["entrant"], row["sample_id"]) == (item.entrant.name, item.sample_id)
            if same and row["key"] != item.key and row["status"] == "ok":
                other = dataclasses.replace(item, key=row["key"])
                self._generations.lose(other, "another import came after it")

    @property
    def _generations(self) -> Generations:
        assert self.generations is not None
        return self.generations
