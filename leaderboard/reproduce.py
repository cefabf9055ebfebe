"""The commands that make a board again."""

from __future__ import annotations

import shlex

from leaderboard.board import Board

OPTIONS = {
    "size": "--size",
    "reduction rule": "--reduction",
    "seed": "--seed",
    "steps": "--steps",
    "guidance": "--guidance",
    "limit": "--limit",
}


def commands(board: Board) -> list[str]:
    """Shell lines; DATASET, RUNS and SITE are the reader's folders."""
    entrants = [f"--entrant {shlex.quote(name)}" for name in sorted(board.entrants)]
    options = [
        f"{option} {shlex.quote(board.protocol[name])}"
        for name, option in OPTIONS.items()
        if name in board.protocol
    ]
    splits = [f"--split {shlex.quote(s)}" for s in board.protocol.get("splits", "").split()]
    generate = ["mrfashion generate DATASET", *entrants, *splits, *options, "--out RUNS"]
    return [" ".join(generate), "mrfashion score RUNS", "mrfashion report RUNS --out SITE"]
