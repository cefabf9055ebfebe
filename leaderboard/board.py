"""The board: plain values from which every page, table and plot is rendered."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.study.summary import StudyScore
from mrfashion.funnel import Funnel

METHODS, COPIES = "Methods", "Per-frame copies"
SECTION_NOTES = {
    METHODS: "Generators that make each frame, and copies of one fixed reference.",
    COPIES: "These pick a reference frame anew for every target frame and copy it. They make no "
    "motion of their own, so they stand apart and are never marked against methods.",
}


FAMILIES = ("image", "motion", "pose", "view")


@dataclass(frozen=True, slots=True)
class Column:
    """A metric of one region."""

    metric_id: str
    metric: str
    family: str  # of FAMILIES: what the tables are split by, and by the region
    region: str
    title: str
    unit: str
    higher_is_better: bool
    decimals: int
    ranks: bool  # False: wrong by definition, shown only so that others' numbers are recognised
    definition: dict[str, str]


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A metric that no clip has a number of, and why."""

    title: str
    region: str
    note: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A mean over garment groups with its interval; no value: not measured, `note` says why."""

    metric_id: str
    stratum: str
    value: float | None
    low: float | None
    high: float | None
    method: str | None  # of the interval
    groups: int
    clips: int
    frames: int
    capped: int
    best: bool  # the best of its section, or not told apart from it
    note: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """An entrant."""

    entrant: str
    kind: str
    scored: int  # clips with a score
    missing: int  # clips of the task without one
    cells: tuple[Cell, ...]

    def cell(self, metric_id: str, stratum: str) -> Cell:
        """The entrant's cell of a column; every column has one in every stratum."""
        return next(c for c in self.cells if (c.metric_id, c.stratum) == (metric_id, stratum))


@dataclass(frozen=True, slots=True)
class Section:
    """Entrants that may be compared with each other, best first."""

    name: str
    note: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A clip of the task that an entrant has no score for."""

    entrant: str
    sample_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SetEntry:
    """Distance of an entrant's videos, taken together, from the targets."""

    entrant: str
    section: str  # METHODS or COPIES
    value: float | None  # None: not measured, `note` says why
    low: float | None
    high: float | None
    videos: int  # decides the number too: distances of sets fall with their size
    groups: int
    floor: float | None  # what halves of the same targets reach against each other
    floor_videos: int | None  # in each half
    best: bool  # the best of its section, or not told apart from it
    note: str | None


@dataclass(frozen=True, slots=True)
class SetPair:
    """The distance of one entrant less that of another, on the samples that both have."""

    entrant: str
    against: str
    value: float | None
    low: float | None
    high: float | None
    videos: int
    groups: int
    p: float | None  # two-sided, adjusted (Holm) for all pairs of the metrics of this status
    note: str | None


@dataclass(frozen=True, slots=True)
class SetTable:
    """A metric of sets: every entrant, best first, and the pairs within a section."""

    metric_id: str
    metric: str
    title: str
    decimals: int
    status: str  # standard, or comparability
    citation: str
    definition: dict[str, str]
    entries: tuple[SetEntry, ...]
    pairs: tuple[SetPair, ...]

    @property
    def note(self) -> str | None:
        """Why nobody has a number, where nobody has."""
        notes = [entry.note for entry in self.entries if entry.value is None]
        return notes[0] if len(notes) == len(self.entries) else None


@dataclass(frozen=True, slots=True)
class Strip:
    """Frames of one clip side by side: the target's or one entrant's."""

    label: str
    detail: str
    path: str | None  # relative to the page; None: there is no video
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ReferencePicture:
    """A reference that a clip was made from."""

    view: str  # in words
    detail: str
    path: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Player:
    """The video of the target or of an entrant: a copy for viewing, scores are of the original."""

    label: str
    detail: str
    path: str | None  # None: there is no video, `detail` says why
    poster: str | None  # its first frame
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ClipPictures:
    """All that is shown of one clip; the first player is the target."""

    sample_id: str
    caption: str
    fps: float
    views: tuple[str, ...]  # of each target frame, in words
    references: tuple[ReferencePicture, ...]
    players: tuple[Player, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of the numbers; they are all in the tables too."""

    path: str
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class Board:
    """One task, its entrants and their scores."""

    title: str
    task_hash: str
    protocol: dict[str, str]
    sources: dict[str, str]  # file of the run folder -> sha256
    level: float
    clips: int
    groups: int
    complete: bool  # every entrant has a score for every clip
    sentence: str
    aside: str | None  # what per-frame copies reach, for scale
    headline: str  # metric_id that orders the rows
    strata: tuple[str, ...]
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    missing: tuple[Missing, ...]
    unmeasured: tuple[Unmeasured, ...] = ()
    sets: tuple[SetTable, ...] = ()
    study: tuple[StudyScore, ...] = ()
    funnel: Funnel | None = None
    plots: tuple[Plot, ...] = ()
    pictures: tuple[ClipPictures, ...] = ()

    def column(self, metric_id: str) -> Column:
        """A column by its id."""
        return next(column for column in self.columns if column.metric_id == metric_id)

    @property
    def tables(self) -> tuple[tuple[Column, ...], ...]:
        """Columns that stand in one table: of one family and region, the headline's first."""
        headline = self.column(self.headline)
        groups: dict[tuple[str, str], list[Column]] = {(headline.family, headline.region): []}
        for column in sorted(self.columns, key=lambda c: FAMILIES.index(c.family)):
            groups.setdefault((column.family, column.region), []).append(column)
        return tuple(map(tuple, groups.values()))

    @property
    def entrants(self) -> tuple[str, ...]:
        """Names of all entrants, in the order of the tables."""
        return tuple(row.entrant for section in self.sections for row in section.rows)
