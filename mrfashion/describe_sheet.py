"""The contact sheet of a dataset: a few clips as frames, and the references chosen from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mrfashion.describe_facts import ReferenceShot, SheetClip
from mrfashion.manifest import Dataset
from mrfashion.pages import remove_others
from mrfashion.pictures import side_by_side, thumbnail, write_png
from mrfashion.references import explained
from mrfashion.tables import Clip, ReferenceCandidate
from mrfashion.views import VIEWS

FOLDER = "sheet"
FRAMES = 6
HEIGHT_PX = 192
SMALL_PX = 96  # of what was not chosen


def draw_sheet(dataset: Dataset, out: Path, count: int) -> tuple[SheetClip, ...]:
    """Write the pictures of up to `count` clips below `out`."""
    drawn = tuple(
        _clip(dataset, clip, out, place)
        for place, clip in enumerate(choose(list(dataset.clips.values()), count), 1)
    )
    paths = [clip.path for clip in drawn] + [
        shot.path for clip in drawn for shot in (*clip.references, *clip.runners_up)
    ]
    remove_others(out / FOLDER, {Path(path).name for path in paths}, ".png")
    return drawn


def choose(clips: list[Clip], count: int) -> list[Clip]:
    """By turns the clip that shows most of a view, new garment groups first; ties by id."""
    chosen: list[Clip] = []
    for turn in range(min(count, len(clips))):
        view = VIEWS[turn % len(VIEWS)]
        seen = {clip.garment_group for clip in chosen}
        standing = {
            clip.clip_id: (clip.garment_group in seen, -clip.view_fraction.get(view, 0.0))
            for clip in clips
        }
        left = [clip for clip in clips if clip not in chosen]
        chosen.append(min(left, key=lambda clip: (*standing[clip.clip_id], clip.clip_id)))
    return chosen


def _clip(dataset: Dataset, clip: Clip, out: Path, place: int) -> SheetClip:
    rows = [row for row in dataset.references.values() if row.clip_id == clip.clip_id]
    chosen, others = _chosen(rows), _runners_up(rows)
    spaced = np.linspace(0, clip.frames - 1, min(FRAMES, clip.frames)).round()
    picks: list[int] = spaced.astype(int).tolist()
    wanted = sorted({*picks, *(row.frame for row in (*chosen, *others))})
    images = dict(zip(wanted, dataset.frames(clip.clip_id, wanted), strict=True))
    strip = side_by_side([images[frame] for frame in picks], HEIGHT_PX)
    path = f"{FOLDER}/clip-{place:02d}.png"
    write_png(out / path, strip)

    def shot(row: ReferenceCandidate, height_px: int) -> ReferenceShot:
        name = f"{FOLDER}/clip-{place:02d}-frame-{row.frame:04d}.png"
        picture = thumbnail(images[row.frame], height_px)
        write_png(out / name, picture)
        return _shot(row, name, picture.shape[1], picture.shape[0])

    views = dataset.frame_views(clip.clip_id)
    return SheetClip(
        clip_id=clip.clip_id,
        source_id=clip.source_id,
        garment_group=clip.garment_group,
        split=clip.split,
        frames=tuple(picks),
        frame_views=tuple(views[frame] for frame in picks),
        path=path,
        width=strip.shape[1],
        height=strip.shape[0],
        references=tuple(shot(row, HEIGHT_PX) for row in chosen),
        runners_up=tuple(shot(row, SMALL_PX) for row in others),
        not_chosen=dict(sorted(Counter(row.reason for row in rows if row.reason).items())),
    )


def _chosen(rows: Iterable[ReferenceCandidate]) -> list[ReferenceCandidate]:
    ranked = [(row.rank, row.frame, row) for row in rows if row.rank is not None]
    return [row for _, _, row in sorted(ranked, key=lambda place: place[:2])]


def _runners_up(rows: Iterable[ReferenceCandidate]) -> list[ReferenceCandidate]:
    """The best candidate of each view that was not chosen, in the order of VIEWS."""
    best_first = sorted(
        (row for row in rows if row.rank is None), key=lambda row: (-row.score, row.frame)
    )
    first = {row.view: row for row in reversed(best_first)}
    return [first[view] for view in VIEWS if view in first]


def _shot(row: ReferenceCandidate, path: str, width: int, height: int) -> ReferenceShot:
    return ReferenceShot(
        path=path,
        width=width,
        height=height,
        view=row.view,
        rank=row.rank,
        frame=row.frame,
        yaw_deg=row.yaw_deg,
        score=row.score,
        parts=dict(sorted(row.parts.items())),
        why_not=explained(row),
    )
