"""From a run folder's videos to `scores.parquet`: resumable, one bad clip stops no other."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.clip_scores import ALL, StratumScore, score_clip
from benchmark.frozen_protocol import chosen_metrics, definitions_of
from benchmark.metrics.spec import Metric
from benchmark.protocol import Task, load_task, open_dataset
from benchmark.results import GENERATIONS, SCORES, Generation, Score
from benchmark.running import Running
from benchmark.set_scoring import SetRun, SetSummary, score_sets
from benchmark.targets import load_target, verify_file
from benchmark.threads import one_thread_a_worker
from mrfashion.artefacts import Journal, content_hash, folder_lock, inside
from mrfashion.errors import HashMismatch, InputRefused, ItemError, UnknownNameError, UnsafePath
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.progress import Progress, silent

JOURNAL_FILE, SCORES_FILE = "scores.jsonl", "scores.parquet"
GENERATIONS_FILE = "generations.parquet"
SCORING_VERSION = 2  # raised when the same videos and metrics would give other rows
ERROR_CODES = {HashMismatch: "score.hash_mismatch", UnsafePath: "score.unsafe_path"}


@dataclass(frozen=True)
class Summary:
    """What a run of `score` did, in clips."""

    task_hash: str
    metric_ids: tuple[str, ...]
    scored: int  # measured now
    reused: int  # measured by an earlier run
    failed: dict[str, str]  # "<entrant>/<sample>" -> why a video could not be scored
    missing: int  # generations that failed: there is no video to score
    lacking: dict[str, str]  # metric -> why it could not be measured here
    rows: int
    path: Path
    sets: SetSummary | None  # of metrics of sets, where any were asked for


@dataclass(frozen=True)
class Run:
    """One call of `score`."""

    root: Path
    dataset: Dataset
    task: Task
    metrics: tuple[Metric, ...]
    lacking: dict[str, str]  # metric -> what it lacks here, in words
    device: str

    @property
    def able(self) -> tuple[Metric, ...]:
        """The metrics that can be measured here."""
        return tuple(m for m in self.metrics if m.spec.name not in self.lacking)


@dataclass(frozen=True)
class Video:
    """A generated video and, by metric, the journal key of its scores."""

    generation: Generation
    keys: dict[str, str]

    @property
    def name(self) -> str:
        """Whose video of which sample."""
        return f"{self.generation.entrant}/{self.generation.sample_id}"


def score(
    runs_root: str | Path,
    *,
    dataset_root: str | Path | None = None,
    metrics: Sequence[str] | None = None,
    workers: int | None = None,
    device: str = "cpu",
    progress: Progress[Any] = silent,
) -> Summary:
    """Score every finished generation of a run folder and write `scores.parquet`.

    `metrics` are names of METRICS, SET_METRICS or bundles; by default the protocol's, else those of
    status `standard`. The result depends neither on `workers` nor on the order in which clips
    finish.
    """
    Running(device=device, executor="here").require_devices()
    root = Path(runs_root)
    task = load_task(root)
    chosen, of_sets = chosen_metrics(root, metrics)
    lacking = {m.spec.name: text for m in chosen if (text := m.missing())}
    dataset = open_dataset(root, _moved(task, dataset_root))
    run = Run(root, dataset, task, chosen, lacking, device)
    generations = _generations(root, task)
    with folder_lock(root):
        journal = Journal(root / JOURNAL_FILE)
        videos, refused = _videos(run, generations)
        due = _due(run, videos, journal)
        with one_thread_a_worker(any(m.spec.weights for m in run.able)):
            _work(run, journal, due, workers or os.cpu_count() or 1, progress)
        rows, failed = _rows(run, journal, generations, videos, refused)
        defined = definitions_of(chosen)
        if chosen:
            SCORES.write(root / SCORES_FILE, rows, task_hash=task.task_hash, metrics=defined)
        sets = SetRun(root, dataset, task, generations, device, progress)
        measured_sets = score_sets(sets, of_sets) if of_sets else None
    measured = {video.keys[metric.spec.name] for video, lacks in due for metric in lacks}
    now = [video for video in videos.values() if not measured.isdisjoint(video.keys.values())]
    fresh = sum(video.name not in failed for video in now)
    missing = sum(g.status != "ok" for g in generations)
    return Summary(
        task_hash=task.task_hash,
        metric_ids=tuple(defined),
        scored=fresh,
        reused=len(generations) - missing - len(failed) - fresh,
        failed=failed,
        missing=missing,
        lacking=lacking,
        rows=len(rows),
        path=root / SCORES_FILE,
        sets=measured_sets,
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


def _videos(run: Run, generations: Sequence[Generation]) -> tuple[dict[str, Video], dict[str, str]]:
    """Videos to score by name, and why others cannot be. Equal videos of a sample share keys."""
    videos, refused, digests = {}, {}, {}
    ids = {m.spec.name: [m.spec.metric_id(region) for region in m.spec.regions] for m in run.able}
    for generation in generations:
        if generation.status != "ok":
            continue
        sample_id = generation.sample_id
        try:
            if sample_id not in digests:
                digests[sample_id] = load_target(run.dataset, sample_id, run.task).digest()
        except (ItemError, UnknownNameError) as error:
            refused[Video(generation, {}).name] = str(error)
            continue
        seen = [SCORING_VERSION, generation.video_sha256, digests[sample_id]]
        keys = {name: content_hash([*seen, of_metric]) for name, of_metric in ids.items()}
        video = Video(generation, keys)
        videos[video.name] = video
    return videos, refused


def _due(run: Run, videos: dict[str, Video], journal: Journal) -> list[tuple[Video, list[Metric]]]:
    """What has yet to be measured; of equal videos only the first."""
    due: list[tuple[Video, list[Metric]]] = []
    taken: set[str] = set()
    for video in videos.values():
        lacks = [
            m
            for m in run.able
            if not journal.ok(key := video.keys[m.spec.name]) and key not in taken
        ]
        taken |= {video.keys[m.spec.name] for m in lacks}
        if lacks:
            due.append((video, lacks))
    # Sample by sample, as what is known of a target's frames is kept for the next entrant.
    return sorted(due, key=lambda entry: entry[0].generation.sample_id)


def _work(
    run: Run,
    journal: Journal,
    due: list[tuple[Video, list[Metric]]],
    workers: int,
    progress: Progress[Future[None]],
) -> None:
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    try:
        futures = [pool.submit(_attempt, run, journal, video, lacks) for video, lacks in due]
        for future in progress(as_completed(futures), "scoring", len(futures)):
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(run: Run, journal: Journal, video: Video, metrics: Sequence[Metric]) -> None:
    """Score one video into the journal; what is wrong with this one video becomes a row."""
    try:
        scores = score_video(run, video.generation, metrics)
    except (ItemError, HashMismatch, UnsafePath) as error:
        code = error.code if isinstance(error, ItemError) else ERROR_CODES[type(error)]
        text = error.text if isinstance(error, ItemError) else str(error)
        for metric in metrics:
            journal.append(video.keys[metric.spec.name], "failed", error=code, text=text)
        return
    for metric in metrics:
        of_metric = [asdict(score) for score in scores if score.metric == metric.spec.name]
        journal.append(video.keys[metric.spec.name], "ok", scores=of_metric)


def score_video(run: Run, generation: Generation, metrics: Sequence[Metric]) -> list[StratumScore]:
    """Scores of one generated video against its target, both verified first."""
    if generation.path is None or generation.video_sha256 is None:
        raise ItemError("score.no_video", "the generation names no video")
    target = load_target(run.dataset, generation.sample_id, run.task, run.device)
    video = inside(run.root, generation.path)
    verify_file(video, generation.video_sha256, generation.path)
    verify_file(target.path, target.sha256, target.path.name)
    generated = (frame.image for frame in decode(video))
    return score_clip(target.context, target.frames(), generated, metrics)


def _rows(
    run: Run,
    journal: Journal,
    generations: Sequence[Generation],
    videos: dict[str, Video],
    refused: dict[str, str],
) -> tuple[list[Score], dict[str, str]]:
    rows: list[Score] = []
    failed = dict(refused)
    for generation in generations:
        video = videos.get(Video(generation, {}).name, Video(generation, {}))
        for metric in run.metrics:
            done = journal.last(video.keys.get(metric.spec.name, ""))
            if done and done["status"] == "ok":
                scores = _restored(journal, done)
            else:
                if done and generation.status == "ok":
                    failed[video.name] = f"{done['error']}: {done['text']}"
                scores = _not_measured(metric, _why(run, metric, generation, failed, video.name))
            rows += [
                Score(
                    entrant=generation.entrant,
                    sample_id=generation.sample_id,
                    garment_group=generation.garment_group,
                    task_hash=run.task.task_hash,
                    **asdict(score),
                )
                for score in scores
            ]
    return rows, failed


def _why(
    run: Run, metric: Metric, generation: Generation, failed: dict[str, str], name: str
) -> str:
    if generation.status != "ok":
        return f"not generated: {generation.error}"
    if name in failed:
        return f"not scored: {failed[name]}"
    return f"not measured: {run.lacking[metric.spec.name]}"


def _restored(journal: Journal, done: dict[str, Any]) -> list[StratumScore]:
    try:
        scores = [StratumScore(**score) for score in done["scores"]]
        if all(score.value is None or math.isfinite(score.value) for score in scores):
            return scores
    except (KeyError, TypeError):
        pass
    raise InputRefused(f"{journal.path} was edited; restore it, or remove it to score again")


def _not_measured(metric: Metric, note: str) -> list[StratumScore]:
    spec = metric.spec
    return [
        StratumScore(spec.metric_id(region), spec.name, region, ALL, None, 0, 0, note)
        for region in spec.regions
    ]
