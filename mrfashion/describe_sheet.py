"""The contact sheet of a dataset: a few clips as frames, and the references chosen from them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from mrfashion.describe_facts import ReferenceShot, SheetClip
from mrfashion.manifest import Dataset
from mrfashion.pages import remove_others
from mrfashion.pictures import side_by_side, thumbnail, write_png
from mrfashion.tables import Clip, ReferenceCandidate
from mrfashion.views import VIEWS

FOLDER = "sheet"
FRAMES = 6
HEIGHT_PX = 128


def draw_sheet(dataset: Dataset, out: Path, count: int) -> tuple[SheetClip, ...]:
    """Write the pictures of up to `count` clips below `out`."""
    drawn = tuple(
        _clip(dataset, clip, out, place)
        for place, clip in enumerate(choose(list(dataset.clips.values()), count), 1)
    )
    paths = [clip.path for clip in drawn] + [r.path for clip in drawn for r in clip.references]
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
    chosen = sorted((row for row in rows if row.rank is not None), key=_order)
    spaced = np.linspace(0, clip.frames - 1, min(FRAMES, clip.frames)).round()
    picks: list[int] = spaced.astype(int).tolist()
    wanted = sorted({*picks, *(row.frame for row in chosen)})
    images = dict(zip(wanted, dataset.frames(clip.clip_id, wanted), strict=True))
    strip = side_by_side([images[frame] for frame in picks], HEIGHT_PX)
    path = f"{FOLDER}/clip-{place:02d}.png"
    write_png(out / path, strip)
    references = []
    for number, row in enumerate(chosen, 1):
        picture = thumbnail(images[row.frame], HEIGHT_PX)
        name = f"{FOLDER}/clip-{place:02d}-reference-{number:02d}.png"
        write_png(out / name, picture)
        references.append(_reference(row, name, picture.shape[1], picture.shape[0]))
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
        references=tuple(references),
        not_chosen=dict(sorted(Counter(row.reason for row in rows if row.reason).items())),
    )


def _order(row: ReferenceCandidate) -> tuple[int, int, int]:
    place = VIEWS.index(row.view) if row.view in VIEWS else len(VIEWS)
    return place, row.rank or 0, row.frame


def _reference(row: ReferenceCandidate, path: str, width: int, height: int) -> ReferenceShot:
    return ReferenceShot(
        path=path,
        width=width,
        height=height,
        view=row.view,
        rank=row.rank or 0,
        frame=row.frame,
        yaw_deg=row.yaw_deg,
        score=row.score,
        parts=dict(sorted(row.parts.items())),
    )
