"""From a run folder to a site that opens from the disk. The same inputs give the same bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.frozen_protocol import PROTOCOL_FILE, Protocol, protocol_of, save_protocol
from benchmark.protocol import Task, load_task, open_dataset, task_samples
from benchmark.results import GENERATIONS, SCORES
from benchmark.set_scoring import SET_SCORES_FILE
from benchmark.study.ratings import RATINGS_FILE
from leaderboard.board import Board
from leaderboard.build import build_board
from leaderboard.clips import CLIPS, Run, draw_clips
from leaderboard.plots import draw_plots
from leaderboard.render import RENDERERS
from leaderboard.rows import Results, read_results
from leaderboard.sets import read_sets
from leaderboard.study import read_study
from mrfashion.artefacts import folder_lock, sha256_file, write_atomic, write_json
from mrfashion.errors import UnknownNameError
from mrfashion.funnel import funnel_of
from mrfashion.pages import refuse_strange

TITLE = "Multi-reference fashion video: board"
BOARD_FILE = "board.json"
BOARD_VERSION = 3


@dataclass(frozen=True)
class Site:
    """What a report wrote."""

    board: Board
    board_path: Path
    paths: dict[str, Path]  # format -> file

    @property
    def page(self) -> Path | None:
        """The page to open, if it was asked for."""
        return self.paths.get("html")


def report(
    runs_root: str | Path,
    out: str | Path,
    *,
    dataset_root: str | Path | None = None,
    title: str = TITLE,
    clips: int = CLIPS,
    study_root: str | Path | None = None,
    formats: Sequence[str] = tuple(RENDERERS),
) -> Site:
    """Build the board of a run folder and write it in every format below `out`.

    `clips` clips are shown as videos. `study_root` is a folder of human ratings of this task. The
    board's file is written first and each format from the same values; the page comes last.
    """
    for name in formats:
        if name not in RENDERERS:
            raise UnknownNameError("format", name, RENDERERS)
    root, site = Path(runs_root), Path(out)
    refuse_strange(site, BOARD_FILE)
    task = load_task(root)
    if dataset_root is not None:
        task = dataclasses.replace(task, dataset=str(Path(dataset_root).resolve()))
    files = {name: root / f"{name}.parquet" for name in ("generations", "scores")}
    generations = GENERATIONS.read(files["generations"])
    results = read_results(SCORES.read(files["scores"]), generations, task.task_hash)
    sets = read_sets(root, results.entrants, task.task_hash)
    sources = {path.name: sha256_file(path) for path in files.values()}
    if sets:
        sources[SET_SCORES_FILE] = sha256_file(root / SET_SCORES_FILE)
    frozen, dataset = protocol_of(root), open_dataset(root, task)
    words = _protocol(task, frozen) | _part(results, len(task_samples(dataset, task)))
    board = dataclasses.replace(build_board(results, title, words, sources), sets=sets)
    if study_root is not None:
        study = read_study(Path(study_root), task.task_hash)
        sources[RATINGS_FILE] = sha256_file(Path(study_root) / RATINGS_FILE)
        board = dataclasses.replace(board, study=study)
    run = Run(root, dataset, task, generations, results)
    with folder_lock(site):
        plots = draw_plots(board, site)
        pictures = draw_clips(run, board, site, clips)
        board = dataclasses.replace(
            board, plots=plots, pictures=pictures, funnel=funnel_of(run.dataset)
        )
        write_json(site / BOARD_FILE, as_json(board))
        if frozen:
            save_protocol(site / PROTOCOL_FILE, frozen)
        paths = {}
        for name, (file_name, render) in RENDERERS.items():
            if name in formats:
                paths[name] = site / file_name
                write_atomic(paths[name], render(board))
    return Site(board, site / BOARD_FILE, paths)


def _part(results: Results, samples: int) -> dict[str, str]:
    """How much of the task was generated at all, where that is not the whole."""
    made = len(results.group_of)
    return {} if made == samples else {"part": f"{made} of the task's {samples} samples so far"}


def as_json(board: Board) -> dict[str, Any]:
    """The board as plain JSON values."""
    return {"schema_version": BOARD_VERSION, **dataclasses.asdict(board)}


def _protocol(task: Task, frozen: Protocol | None) -> dict[str, str]:
    """The task's settings in words, for people and for the commands that repeat it."""
    words: dict[str, object] = {
        "protocol": frozen and f"{frozen.title} ({frozen.protocol_hash})",
        "splits": " ".join(task.splits),
        "size": None if task.size is None else f"{task.size[0]}x{task.size[1]}",
        "reduction rule": task.reduction,
        "seed": task.seed,
        "steps": task.steps,
        "guidance": task.guidance,
        "limit": task.limit,
    }
    return {name: str(value) for name, value in words.items() if value is not None}
