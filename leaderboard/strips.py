"""Contact strips: a few clips as rows of frames, references, target and every entrant.

The clips are chosen by view and name, never by score. Names stay out of the pictures: the page
writes them beside, as text.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from benchmark.clip_scores import ALL
from benchmark.protocol import Task
from benchmark.results import Generation
from benchmark.targets import Target, load_target
from leaderboard.board import Board, ClipPictures, Strip
from leaderboard.rows import Results
from leaderboard.wording import STRATUM_TITLES, amount
from mrfashion.artefacts import inside, sha256_file, write_atomic
from mrfashion.generation import Frames
from mrfashion.manifest import Dataset
from mrfashion.media import read_frames
from mrfashion.tables import Sample
from mrfashion.views import VIEWS

CLIPS, FRAMES = 4, 8
HEIGHT_PX, GAP_PX = 160, 4
FOLDER = "strips"


@dataclass(frozen=True)
class Run:
    """Where the pictures come from."""

    root: Path
    dataset: Dataset
    task: Task
    generations: Sequence[Generation]
    results: Results


def draw_strips(run: Run, board: Board, out: Path, clips: int = CLIPS) -> tuple[ClipPictures, ...]:
    """Write the strips of up to `clips` samples below `out`."""
    names = {g.sample_id for g in run.generations}
    samples = [run.dataset.samples[name] for name in sorted(names & set(run.dataset.samples))]
    chosen = choose(run.dataset, samples, clips)
    pictures = tuple(_clip(run, board, s, out, number) for number, s in enumerate(chosen, 1))
    used = {strip.path for clip in pictures for strip in clip.strips}
    for path in (out / FOLDER).glob("clip-*.png"):  # of an earlier report
        if f"{FOLDER}/{path.name}" not in used:
            path.unlink()
    return pictures


def choose(dataset: Dataset, samples: Sequence[Sample], count: int) -> list[Sample]:
    """By turns the sample that shows most of a view, new garment groups first; ties by name."""
    chosen: list[Sample] = []
    for turn in range(min(count, len(samples))):
        view = VIEWS[turn % len(VIEWS)]
        seen = {sample.garment_group for sample in chosen}

        def standing(
            sample: Sample, view: str = view, seen: set[str] = seen
        ) -> tuple[bool, float, str]:
            last = sample.start + sample.frames * sample.stride
            views = dataset.frame_views(sample.clip_id)[sample.start : last : sample.stride]
            return sample.garment_group in seen, -views.count(view) / len(views), sample.sample_id

        chosen.append(min((s for s in samples if s not in chosen), key=standing))
    return chosen


def _clip(run: Run, board: Board, sample: Sample, out: Path, number: int) -> ClipPictures:
    target = load_target(run.dataset, sample.sample_id, run.task)
    count = min(FRAMES, len(target.indices))
    picks = np.linspace(0, len(target.indices) - 1, count).round().astype(int).tolist()
    of_sample = {g.entrant: g for g in run.generations if g.sample_id == sample.sample_id}
    prefix = f"{FOLDER}/clip-{number}"
    strips = [
        _references(run.dataset, sample, out, f"{prefix}-references.png"),
        _target(target, picks, out, f"{prefix}-target.png"),
    ]
    for index, entrant in enumerate(board.entrants, 1):
        path = f"{prefix}-entrant-{index:02d}.png"
        value = run.results.values(entrant, board.headline, ALL).get(sample.sample_id)
        column = board.column(board.headline)
        scored = "no score" if value is None else f"{column.title} {amount(value, column)}"
        strips.append(_entrant(run, entrant, of_sample.get(entrant), scored, picks, out, path))
    return ClipPictures(
        sample_id=sample.sample_id,
        caption=f"Garment group {sample.garment_group}. Frames {', '.join(map(str, picks))} of "
        f"{len(target.indices)}; the columns show the same moments. Every row had the same "
        "driving poses; only the generator differs. Scores are of this clip.",
        strips=tuple(strips),
    )


def _references(dataset: Dataset, sample: Sample, out: Path, path: str) -> Strip:
    rows = [dataset.references[reference_id] for reference_id in sample.reference_ids]
    images = [dataset.frames(row.clip_id, [row.frame])[0] for row in rows]
    views = ", ".join(_view(row.view) for row in rows)
    return _strip(
        "References", views, f"{len(rows)} reference pictures: {views}", images, out, path
    )


def _target(target: Target, picks: Sequence[int], out: Path, path: str) -> Strip:
    frames = list(target.frames())
    runs = [(view, len(list(same))) for view, same in groupby(target.views[i] for i in picks)]
    views = ", ".join(_view(view) + (f" × {count}" if count > 1 else "") for view, count in runs)
    images = [frames[i] for i in picks]
    return _strip(
        "Target", views, f"{len(picks)} frames of the real clip: {views}", images, out, path
    )


def _entrant(
    run: Run,
    entrant: str,
    generation: Generation | None,
    scored: str,
    picks: Sequence[int],
    out: Path,
    path: str,
) -> Strip:
    if generation is None or generation.path is None or generation.video_sha256 is None:
        reason = "not attempted" if generation is None else f"failed: {generation.error}"
        return Strip(entrant, reason, None, "", 0, 0)
    video = inside(run.root, generation.path)
    if not video.is_file() or sha256_file(video) != generation.video_sha256:
        return Strip(entrant, "the video is missing or was changed", None, "", 0, 0)
    images = list(_frames(video, picks, generation.frames))
    given = len(generation.reference_ids)
    detail = f"{scored}, given {given} reference{'' if given == 1 else 's'}"
    alt = f"the same {len(picks)} moments as made by {entrant}"
    return _strip(entrant, detail, alt, images, out, path)


def _frames(video: Path, picks: Sequence[int], available: int) -> Frames:
    return read_frames(video, [pick for pick in picks if pick < available])


def _view(view: str | None) -> str:
    return STRATUM_TITLES[view or "undetermined"].lower()


def _strip(
    label: str, detail: str, alt: str, images: Sequence[np.ndarray], out: Path, path: str
) -> Strip:
    from PIL import Image

    thumbnails = [_thumbnail(image) for image in islice(images, FRAMES)]
    gap = np.full((HEIGHT_PX, GAP_PX, 3), 255, np.uint8)
    parts = [part for thumbnail in thumbnails for part in (thumbnail, gap)][:-1]
    strip = np.concatenate(parts, axis=1)
    data = io.BytesIO()
    Image.fromarray(strip).save(data, "PNG", compress_level=6)
    write_atomic(out / path, data.getvalue())
    return Strip(label, detail, path, alt, strip.shape[1], strip.shape[0])


def _thumbnail(image: np.ndarray) -> np.ndarray:
    """h w 3 => HEIGHT_PX high; small frames grow without smoothing, so that pixels stay honest."""
    from PIL import Image

    height, width = image.shape[:2]
    smooth = Image.Resampling.LANCZOS if height > HEIGHT_PX else Image.Resampling.NEAREST
    size = (max(1, round(width * HEIGHT_PX / height)), HEIGHT_PX)
    return np.asarray(Image.fromarray(image).resize(size, smooth))
