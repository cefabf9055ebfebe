"""Who rates which clip, in which order and under which ids: `plan.json`, which names no entrant.

The plan is safe to send. What it hides is in `key.private.json` (see `key.py`). Together they make
one chain: sha256 of a video -> blind id -> row of a sheet -> row of `ratings.parquet`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from benchmark.study.key import Key, KeyClip
from mrfashion.artefacts import content_hash, read_object, write_json
from mrfashion.config import from_dict
from mrfashion.errors import ConfigError, InputRefused

PLAN_FILE = "plan.json"
PLAN_VERSION = 1
BLOCK_ROWS = 10  # a rater may rest after each block
Item = TypeVar("Item")


@dataclass(frozen=True)
class PlannedSet:
    """Reference pictures, and what the clips that go with them have in common."""

    set_id: str
    frames: int
    fps: float


@dataclass(frozen=True)
class PlannedClip:
    """A clip as raters know it."""

    blind_id: str  # also the name of its file
    set_id: str  # its reference pictures; clips of one sample share them
    sha256: str  # of the re-encoded file


@dataclass(frozen=True)
class PlannedRow:
    """One row of one sheet."""

    row_id: str  # R017-K3F9: number and check code
    blind_id: str
    block: int  # from 1


@dataclass(frozen=True)
class Sheet:
    """What one rater is sent."""

    sheet_id: str
    rater: str  # pseudonym, "rater-01"; also the name of the file
    rows: tuple[PlannedRow, ...]  # in the order of showing

    @cached_property
    def by_id(self) -> dict[str, PlannedRow]:
        """Rows by row id."""
        return {row.row_id: row for row in self.rows}

    @cached_property
    def position(self) -> dict[str, int]:
        """Place of each row id in the order of showing, from 1."""
        return {row.row_id: number for number, row in enumerate(self.rows, 1)}

    @cached_property
    def rows_hash(self) -> str:
        """Hash of the (row id, clip) list, which the sheet carries."""
        return content_hash([[row.row_id, row.blind_id] for row in self.rows])


@dataclass(frozen=True)
class Plan:
    """A study, blind."""

    study_id: str
    scale_id: str
    criteria: tuple[str, ...]
    seed: int
    task_hash: str  # of the run folder
    size: tuple[int, int]  # h, w of every clip
    sets: tuple[PlannedSet, ...]  # by set id
    clips: tuple[PlannedClip, ...]  # by blind id
    sheets: tuple[Sheet, ...]  # by rater

    @cached_property
    def clip(self) -> dict[str, PlannedClip]:
        """Clips by blind id."""
        return {clip.blind_id: clip for clip in self.clips}

    @cached_property
    def sheet(self) -> dict[str, Sheet]:
        """Sheets by sheet id."""
        return {sheet.sheet_id: sheet for sheet in self.sheets}

    @cached_property
    def plan_hash(self) -> str:
        """Hash of everything in the plan."""
        return content_hash({"plan_version": PLAN_VERSION, **asdict(self)})


def draw_sheets(key: Key) -> tuple[Sheet, ...]:
    """Every rater's rows: all clips, in an order of their own; equal keys give equal sheets."""
    return tuple(_sheet(key, f"rater-{slot:02d}") for slot in range(1, key.options.raters + 1))


def _sheet(key: Key, rater: str) -> Sheet:
    shuffled = sorted(key.clips, key=lambda c: key.draw(26, "order", rater, c.blind_id))
    ordered = spread(shuffled, _identity)
    rows = []
    for number, clip in enumerate(ordered, 1):
        code = key.draw(4, "row", rater, number, clip.blind_id)
        row_id = f"R{number:03d}-{code.upper()}"
        rows.append(PlannedRow(row_id, clip.blind_id, (number - 1) // BLOCK_ROWS + 1))
    return Sheet(f"sheet-{key.draw(10, 'sheet', rater)}", rater, tuple(rows))


def _identity(clip: KeyClip) -> str:
    return clip.set_id


def spread(items: Sequence[Item], identity: Callable[[Item], Hashable]) -> list[Item]:
    """The same items, no two neighbours of one identity where that is possible.

    Greedy: the first item, in the given order, that leaves the rest solvable.
    """
    waiting, order = list(items), list[Item]()
    counts = Counter(identity(item) for item in waiting)
    last: Hashable = None
    while waiting:
        chosen = next((i for i in waiting if _leaves_room(identity(i), last, counts)), None)
        if chosen is None:
            others = [i for i in waiting if identity(i) != last or not order]
            chosen = max(others or waiting, key=lambda i: counts[identity(i)])
        waiting.remove(chosen)
        last = identity(chosen)
        counts[last] -= 1
        order.append(chosen)
    return order


def _leaves_room(name: Hashable, last: Hashable, counts: Counter[Hashable]) -> bool:
    """Whether the rest can still be spread when `name` comes now."""
    if name == last:
        return False
    rest = counts.total() - 1
    return all(
        count - 1 <= rest // 2 if other == name else count <= (rest + 1) // 2
        for other, count in counts.items()
    )


def save_plan(root: Path, plan: Plan) -> None:
    """Write `plan.json`."""
    values = {"schema_version": PLAN_VERSION, "plan_hash": plan.plan_hash, **asdict(plan)}
    write_json(root / PLAN_FILE, values)


def load_plan(root: Path) -> Plan:
    """Read `plan.json`; InputRefused if it is missing, damaged or was edited."""
    path = root / PLAN_FILE
    values = read_object(path, "run `mrfashion study export` first")
    if values.pop("schema_version", None) != PLAN_VERSION:
        raise InputRefused(f"{path} is no plan of version {PLAN_VERSION}; use the release's own")
    promised = values.pop("plan_hash", None)
    try:
        plan = from_dict(Plan, values, PLAN_FILE)
    except ConfigError as error:
        raise InputRefused(f"{path} was edited: {error}; restore it") from None
    if plan.plan_hash != promised:
        raise InputRefused(f"{path} was edited: its plan_hash is not that of its values; restore")
    return plan
