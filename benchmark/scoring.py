"""From a run folder's videos to `scores.parquet`: resumable, one bad clip stops no other."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.clip_scores import ALL, StratumScore, score_clip
from benchmark.metrics import METRICS
from benchmark.metrics.spec import REGIONS, Metric
from benchmark.protocol import Task, load_task, open_dataset
from benchmark.results import GENERATIONS, SCORES, Generation, Score
from benchmark.targets import load_target
from mrfashion.artefacts import Journal, content_hash, folder_lock, inside, sha256_file
from mrfashion.errors import HashMismatch, InputRefused, ItemError, UnknownNameError, UnsafePath
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.progress import Progress, silent

JOURNAL_FILE, SCORES_FILE = "scores.jsonl", "scores.parquet"
GENERATIONS_FILE = "generations.parquet"
SCORING_VERSION = 1  # raised when the same videos and metrics would give other rows


@dataclass(frozen=True)
class Summary:
    """What a run of `score` did, in clips."""

    task_hash: str
    metric_ids: tuple[str, ...]
    scored: int  # measured now
    reused: int  # measured by an earlier run
    failed: dict[str, str]  # "<entrant>/<sample>" -> why a video could not be scored
    missing: int  # generations that failed: there is no video to score
    rows: int
    path: Path


@dataclass(frozen=True)
class Run:
    """One call of `score`."""

    root: Path
    dataset: Dataset
    task: Task
    metrics: tuple[Metric, ...]

    @property
    def metric_ids(self) -> tuple[str, ...]:
        """Ids of all metrics and regions, in the order of the columns."""
        return tuple(m.spec.metric_id(region) for m in self.metrics for region in REGIONS)


def score(
    runs_root: str | Path,
    *,
    dataset_root: str | Path | None = None,
    metrics: Sequence[str] | None = None,
    workers: int | None = None,
    progress: Progress[Any] = silent,
) -> Summary:
    """Score every finished generation of a run folder and write `scores.parquet`.

    The result depends neither on `workers` nor on the order in which clips finish.
    """
    root = Path(runs_root)
    task = load_task(root)
    run = Run(root, open_dataset(root, _moved(task, dataset_root)), task, _chosen(metrics))
    generations = _generations(root, task)
    with folder_lock(root):
        journal = Journal(root / JOURNAL_FILE)
        keys, refused = _keys(run, generations)
        due = {key: g for g in generations if (key := keys.get(_name(g))) and not journal.ok(key)}
        with _one_thread_a_worker():
            _work(run, journal, due, workers or os.cpu_count() or 1, progress)
        rows, failed = _rows(run, journal, generations, keys, refused)
        SCORES.write(
            root / SCORES_FILE, rows, task_hash=task.task_hash, metric_ids=list(run.metric_ids)
        )
    fresh = sum(keys.get(_name(g)) in due and _name(g) not in failed for g in generations)
    missing = sum(g.status != "ok" for g in generations)
    return Summary(
        task_hash=task.task_hash,
        metric_ids=run.metric_ids,
        scored=fresh,
        reused=len(generations) - missing - len(failed) - fresh,
        failed=failed,
        missing=missing,
        rows=len(rows),
        path=root / SCORES_FILE,
    )


def _generations(root: Path, task: Task) -> list[Generation]:
    path = root / GENERATIONS_FILE
    if GENERATIONS.metadata(path).get("task_hash") != task.task_hash:
        raise InputRefused(f"{path} is of another task than {root / 'task.json'}; generate again")
    return GENERATIONS.read(path)


def _moved(task: Task, dataset_root: str | Path | None) -> Task:
    """The task with its dataset found elsewhere, which decides nothing."""
    return (
        task if dataset_root is None else replace(task, dataset=str(Path(dataset_root).resolve()))
    )


def _chosen(names: Sequence[str] | None) -> tuple[Metric, ...]:
    for name in names or ():
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
    return tuple(METRICS[name] for name in METRICS if not names or name in names)


def _name(generation: Generation) -> str:
    return f"{generation.entrant}/{generation.sample_id}"


def _keys(run: Run, generations: Sequence[Generation]) -> tuple[dict[str, str], dict[str, str]]:
    """Journal key of each video, or why it has none. Equal videos of a sample share a key."""
    keys, refused, targets = {}, {}, {}
    for generation in generations:
        if generation.status != "ok":
            continue
        try:
            if generation.sample_id not in targets:
                targets[generation.sample_id] = load_target(
                    run.dataset, generation.sample_id, run.task
                ).digest()
        except (ItemError, UnknownNameError) as error:
            refused[_name(generation)] = str(error)
            continue
        parts = [generation.video_sha256, targets[generation.sample_id], list(run.metric_ids)]
        keys[_name(generation)] = content_hash([SCORING_VERSION, *parts])
    return keys, refused


def _work(
    run: Run,
    journal: Journal,
    due: dict[str, Generation],
    workers: int,
    progress: Progress[Future[None]],
) -> None:
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    try:
        futures = [pool.submit(_attempt, run, journal, key, g) for key, g in due.items()]
        for future in progress(as_completed(futures), "scoring", len(futures)):
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(run: Run, journal: Journal, key: str, generation: Generation) -> None:
    """Score one video into the journal; what is wrong with this one video becomes a row."""
    try:
        scores = score_video(run, generation)
    except ItemError as error:
        journal.append(key, "failed", error=error.code, text=error.text)
    except HashMismatch as error:
        journal.append(key, "failed", error="score.hash_mismatch", text=str(error))
    except UnsafePath as error:
        journal.append(key, "failed", error="score.unsafe_path", text=str(error))
    else:
        journal.append(key, "ok", scores=[asdict(score) for score in scores])


def score_video(run: Run, generation: Generation) -> list[StratumScore]:
    """Scores of one generated video against its target, both verified first."""
    if generation.path is None or generation.video_sha256 is None:
        raise ItemError("score.no_video", "the generation names no video")
    target = load_target(run.dataset, generation.sample_id, run.task)
    video = inside(run.root, generation.path)
    _verify(video, generation.video_sha256, generation.path)
    _verify(target.path, target.sha256, target.path.name)
    return score_clip(
        target.frames(),
        (frame.image for frame in decode(video)),
        target.masks,
        target.views,
        run.metrics,
    )


def _verify(path: Path, sha256: str, name: str) -> None:
    if not path.is_file():
        raise ItemError("score.no_video", f"{name} does not exist")
    if sha256_file(path) != sha256:
        raise HashMismatch(f"{name} is not the file that the table names; make it again")


def _rows(
    run: Run,
    journal: Journal,
    generations: Sequence[Generation],
    keys: dict[str, str],
    refused: dict[str, str],
) -> tuple[list[Score], dict[str, str]]:
    rows: list[Score] = []
    failed = dict(refused)
    for generation in generations:
        row = partial(
            Score,
            entrant=generation.entrant,
            sample_id=generation.sample_id,
            garment_group=generation.garment_group,
            task_hash=run.task.task_hash,
        )
        done = journal.last(keys.get(_name(generation), ""))
        if done and done["status"] == "ok":
            rows += [row(**asdict(score)) for score in _restored(journal, done)]
            continue
        if generation.status != "ok":
            note = f"not generated: {generation.error}"
        else:
            if done:
                failed[_name(generation)] = f"{done['error']}: {done['text']}"
            note = f"not scored: {failed[_name(generation)]}"
        rows += [row(**asdict(score)) for score in _not_measured(run, note)]
    return rows, failed


def _restored(journal: Journal, done: dict[str, Any]) -> list[StratumScore]:
    try:
        scores = [StratumScore(**score) for score in done["scores"]]
        if all(score.value is None or math.isfinite(score.value) for score in scores):
            return scores
    except (KeyError, TypeError):
        pass
    raise InputRefused(f"{journal.path} was edited; restore it, or remove it to score again")


def _not_measured(run: Run, note: str) -> list[StratumScore]:
    return [
        StratumScore(m.spec.metric_id(r), m.spec.name, r, ALL, None, 0, 0, note)
        for m in run.metrics
        for r in REGIONS
    ]


@contextmanager
def _one_thread_a_worker() -> Iterator[None]:
    """Many clips at once beat many threads on one. OpenCV's setting is global: put it back."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
