"""Human ratings of the same task, read for the page."""

from __future__ import annotations

from pathlib import Path

from benchmark.study.key import load_key
from benchmark.study.summary import StudyScore, study_summary
from mrfashion.errors import InputRefused

REAL_VIDEO = "Real video"


def read_study(study_root: Path, task_hash: str) -> tuple[StudyScore, ...]:
    """What raters said; InputRefused where they were shown the videos of another task."""
    shown = load_key(study_root).task_hash
    if shown != task_hash:
        raise InputRefused(
            f"{study_root} shows videos of task {shown}; this board is of {task_hash}. Make the "
            "report of the run folder that the study was exported from"
        )
    return tuple(study_summary(study_root))


def criteria(scores: tuple[StudyScore, ...]) -> list[tuple[str, list[StudyScore]]]:
    """Titles of the questions, in their order, each with its rows."""
    titles = dict.fromkeys(score.title for score in scores)
    return [(title, [score for score in scores if score.title == title]) for title in titles]
