"""Run folders whose videos are changed targets, written straight through the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmark.protocol import TaskOptions, make_task, save_task
from benchmark.results import GENERATIONS, Generation
from mrfashion import tables
from mrfashion.artefacts import sha256_file
from mrfashion.manifest import Dataset
from mrfashion.media import write_lossless

Change = Callable[[np.ndarray], np.ndarray]


def exact(frames: np.ndarray) -> np.ndarray:
    return frames


def noisy(frames: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 6, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def generation(runs: Path, sample: tables.Sample, entrant: str, frames: np.ndarray) -> Generation:
    path = f"videos/{entrant}/{sample.sample_id}.mkv"
    write_lossless(runs / path, frames, 12.0)
    return Generation(
        key=f"{entrant}-{sample.sample_id}",
        entrant=entrant,
        sample_id=sample.sample_id,
        garment_group=sample.garment_group,
        kind="learned",
        per_frame_copy=False,
        status="ok",
        attempt=1,
        seed=0,
        reference_ids=sample.reference_ids,
        path=path,
        video_sha256=sha256_file(runs / path),
        frames=len(frames),
        height=frames.shape[1],
        width=frames.shape[2],
        fps=12.0,
        effective="{}",
        reference_weights=None,
        seconds=1.0,
        peak_memory_bytes=None,
        warnings=(),
        error=None,
        error_text=None,
    )


def targets(dataset: Dataset, sample: tables.Sample) -> np.ndarray:
    return dataset.frames(sample.clip_id, range(sample.start, sample.start + sample.frames))


def write_runs(
    runs: Path,
    root: Path,
    changes: dict[str, Change],
    edit: Callable[[list[Generation]], None] = lambda rows: None,
    size: tuple[int, int] | None = None,
) -> Path:
    """A run folder whose entrants' videos are changed targets."""
    dataset = Dataset(root)
    task = make_task(dataset, runs, TaskOptions(size=size))
    save_task(runs, task)
    rows = [
        generation(runs, sample, entrant, change(targets(dataset, sample)))
        for entrant, change in changes.items()
        for sample in dataset.samples.values()
    ]
    edit(rows)
    GENERATIONS.write(runs / "generations.parquet", rows, task_hash=task.task_hash)
    return runs
