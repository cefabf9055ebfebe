"""From a run folder to a site that opens from the disk. The same inputs give the same bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.protocol import Task, load_task, open_dataset
from benchmark.results import GENERATIONS, SCORES
from leaderboard.board import Board
from leaderboard.build import build_board
from leaderboard.plots import draw_plots
from leaderboard.render import RENDERERS
from leaderboard.rows import read_results
from leaderboard.strips import Run, draw_strips
from mrfashion.artefacts import folder_lock, sha256_file, write_atomic, write_json
from mrfashion.errors import InputRefused, UnknownNameError

TITLE = "Multi-reference fashion video: board"
BOARD_FILE = "board.json"
BOARD_VERSION = 1


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
    formats: Sequence[str] = tuple(RENDERERS),
) -> Site:
    """Build the board of a run folder and write it in every format below `out`.

    The board's file is written first and each format from the same values; the page comes last.
    """
    for name in formats:
        if name not in RENDERERS:
            raise UnknownNameError("format", name, RENDERERS)
    root, site = Path(runs_root), Path(out)
    _refuse_strange(site)
    task = load_task(root)
    if dataset_root is not None:
        task = dataclasses.replace(task, dataset=str(Path(dataset_root).resolve()))
    files = {name: root / f"{name}.parquet" for name in ("generations", "scores")}
    generations = GENERATIONS.read(files["generations"])
    results = read_results(SCORES.read(files["scores"]), generations, task.task_hash)
    sources = {path.name: sha256_file(path) for path in files.values()}
    board = build_board(results, title, _protocol(task), sources)
    run = Run(root, open_dataset(root, task), task, generations, results)
    with folder_lock(site):
        plots = draw_plots(board, site)
        board = dataclasses.replace(board, plots=plots, pictures=draw_strips(run, board, site))
        write_json(site / BOARD_FILE, as_json(board))
        paths = {}
        for name, (file_name, render) in RENDERERS.items():
            if name in formats:
                paths[name] = site / file_name
                write_atomic(paths[name], render(board))
    return Site(board, site / BOARD_FILE, paths)


def as_json(board: Board) -> dict[str, Any]:
    """The board as plain JSON values."""
    return {"schema_version": BOARD_VERSION, **dataclasses.asdict(board)}


def _refuse_strange(site: Path) -> None:
    """A folder with other things in it is not ours to write into."""
    if site.exists() and (not site.is_dir() or any(site.iterdir())):
        ours = (site / BOARD_FILE).is_file() or [p.name for p in site.iterdir()] == [".lock"]
        if not ours:
            raise InputRefused(f"{site} holds other files; choose a new folder for --out")


def _protocol(task: Task) -> dict[str, str]:
    """The task's settings in words, for people and for the commands that repeat it."""
    words: dict[str, object] = {
        "splits": " ".join(task.splits),
        "size": None if task.size is None else f"{task.size[0]}x{task.size[1]}",
        "reduction rule": task.reduction,
        "seed": task.seed,
        "steps": task.steps,
        "guidance": task.guidance,
        "limit": task.limit,
    }
    return {name: str(value) for name, value in words.items() if value is not None}
