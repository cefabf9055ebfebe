"""The commands that make a board again."""

from __future__ import annotations

import shlex

from benchmark.frozen_protocol import PROTOCOL_FILE
from leaderboard.board import Board

OPTIONS = {
    "size": "--size",
    "reduction rule": "--reduction",
    "seed": "--seed",
    "steps": "--steps",
    "guidance": "--guidance",
    "limit": "--first",
}


def commands(board: Board) -> list[str]:
    """Shell lines; DATASET, RUNS and SITE are the reader's folders, a protocol lies in SITE."""
    entrants = [f"--entrant {shlex.quote(name)}" for name in sorted(board.entrants)]
    return [
        " ".join(["mrfashion generate DATASET", *entrants, *_asked(board), "--out RUNS"]),
        "mrfashion score RUNS",
        "mrfashion report RUNS --out SITE",
    ]


def _asked(board: Board) -> list[str]:
    """A frozen protocol says it all; else the options of the task."""
    if "protocol" in board.protocol:
        return [f"--protocol {PROTOCOL_FILE}"]
    splits = [f"--split {shlex.quote(s)}" for s in board.protocol.get("splits", "").split()]
    return splits + [
        f"{option} {shlex.quote(board.protocol[name])}"
        for name, option in OPTIONS.items()
        if name in board.protocol
    ]
