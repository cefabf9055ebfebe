"""The table of answers. It names no entrant: `key.private.json` does."""

from __future__ import annotations

from dataclasses import dataclass

from mrfashion.schema import Table

RATINGS_FILE = "ratings.parquet"
# Why a value is None ...
CANNOT_PLAY, MISSING, REJECTED = "cannot_play", "missing", "rejected"
# ... and what is odd about one that is there. Odd answers stay in.
NORMALISED, STRAIGHT_LINE, ZERO_VARIANCE = "normalised", "straight_line", "zero_variance"


@dataclass(frozen=True)
class Rating:
    """One question about one clip, as one rater answered it."""

    study_id: str
    rater: str  # pseudonym: the slot whose sheet came back
    blind_id: str
    video_sha256: str  # of the clip that was shown
    criterion: str
    scale_id: str
    value: int | None  # 1 to 5; None: `flags` says why
    flags: tuple[str, ...]
    sheet_id: str
    row_id: str
    position: int  # in the rater's order, from 1
    block: int
    source: str  # xlsx or csv
    raw_file_sha256: str  # of the file as received: raw/<sha256>.<ext>
    raw_row: int | None  # row in that file; None where it is not there


RATINGS = Table("ratings", 1, Rating, ("rater", "position", "criterion"))
