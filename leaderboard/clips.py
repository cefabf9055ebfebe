"""A few clips to look at: which, from which references, and as players and strips.

The clips are chosen by view and name, never by score. Names stay out of files and pictures: the
page writes them beside, as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from benchmark.clip_scores import ALL
from benchmark.protocol import Task
from benchmark.requests import asked_fps
from benchmark.results import Generation
from benchmark.targets import Target, load_target
from leaderboard.board import Board, ClipPictures, Player, ReferencePicture, Strip
from leaderboard.players import Film, absent, film
from leaderboard.rows import Results
from leaderboard.wording import STRATUM_TITLES, amount, phrase
from mrfashion.artefacts import inside, sha256_file
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.pages import degrees, remove_others
from mrfashion.pictures import side_by_side, thumbnail, write_png
from mrfashion.tables import Sample
from mrfashion.views import VIEWS

CLIPS, STRIP_FRAMES = 4, 8
HEIGHT_PX = 160
VIDEOS, STRIPS, REFERENCES = "videos", "strips", "references"


@dataclass(frozen=True)
class Run:
    """Where the pictures come from."""

    root: Path
    dataset: Dataset
    task: Task
    generations: Sequence[Generation]
    results: Results


def draw_clips(run: Run, board: Board, out: Path, clips: int = CLIPS) -> tuple[ClipPictures, ...]:
    """Write the pictures and videos of up to `clips` samples below `out`."""
    names = {g.sample_id for g in run.generations}
    samples = [run.dataset.samples[name] for name in sorted(names & set(run.dataset.samples))]
    chosen = choose(run.dataset, samples, clips)
    drawn = tuple(_clip(run, board, s, out, place) for place, s in enumerate(chosen, 1))
    kept: dict[str, set[str]] = {VIDEOS: set(), STRIPS: set(), REFERENCES: set()}
    for clip in drawn:
        for path in _paths(clip):
            folder, name = path.split("/")
            kept[folder].add(name)
    for folder, keep in kept.items():
        remove_others(out / folder, keep, ".png", ".mp4")
    return drawn


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


def _clip(run: Run, board: Board, sample: Sample, out: Path, place: int) -> ClipPictures:
    target = load_target(run.dataset, sample.sample_id, run.task)
    count = min(STRIP_FRAMES, len(target.indices))
    picks = np.linspace(0, len(target.indices) - 1, count).round().astype(int).tolist()
    fps = asked_fps(run.dataset, sample)
    name = f"clip-{place}"
    shown = [_target(target, picks, fps, out, f"{name}-target")]
    of_sample = {g.entrant: g for g in run.generations if g.sample_id == sample.sample_id}
    for index, entrant in enumerate(board.entrants, 1):
        scored = _score(run.results, board, entrant, sample.sample_id)
        file = f"{name}-entrant-{index:02d}"
        shown.append(_entrant(run, entrant, of_sample.get(entrant), scored, picks, out, file))
    return ClipPictures(
        sample_id=sample.sample_id,
        caption=f"Garment group {sample.garment_group}, {len(target.indices)} frames at "
        f"{fps:g} a second. References from {_origin(sample)}. Every entrant had the same driving "
        "poses; only the generator differs. Scores are of this clip.",
        fps=fps,
        views=tuple(_view(view) for view in target.context.views),
        references=_references(run.dataset, sample, out, name),
        players=tuple(player for player, _ in shown),
        strips=tuple(strip for _, strip in shown),
    )


def _paths(clip: ClipPictures) -> list[str]:
    paths = [p for player in clip.players for p in (player.path, player.poster)]
    paths += [strip.path for strip in clip.strips]
    return [path for path in (*paths, *(r.path for r in clip.references)) if path is not None]


def _origin(sample: Sample) -> str:
    return "this clip" if sample.reference_source == "same_clip" else "another clip of the garment"


def _references(
    dataset: Dataset, sample: Sample, out: Path, name: str
) -> tuple[ReferencePicture, ...]:
    pictures = []
    for place, reference_id in enumerate(sample.reference_ids, 1):
        row = dataset.references[reference_id]
        image = thumbnail(dataset.frames(row.clip_id, [row.frame])[0], HEIGHT_PX)
        path = f"{REFERENCES}/{name}-{place}.png"
        write_png(out / path, image)
        view = _view(row.view)
        yaw = "" if row.yaw_deg is None else degrees(row.yaw_deg)
        alt = f"Reference picture {place}: {view}"
        height, width = image.shape[:2]
        pictures.append(ReferencePicture(view, yaw, path, alt, width, height))
    return tuple(pictures)


def _target(
    target: Target, picks: Sequence[int], fps: float, out: Path, name: str
) -> tuple[Player, Strip]:
    made = film(out, f"{VIDEOS}/{name}", target.frames(), fps, picks)
    runs = [
        (view, len(list(same))) for view, same in groupby(target.context.views[i] for i in picks)
    ]
    views = ", ".join(_view(view) + (f" × {count}" if count > 1 else "") for view, count in runs)
    alt = f"{len(picks)} frames of the real clip: {views}"
    return made.player("Target", "the real video"), _strip("Target", views, alt, made, out, name)


def _entrant(
    run: Run,
    entrant: str,
    generation: Generation | None,
    scored: str,
    picks: Sequence[int],
    out: Path,
    name: str,
) -> tuple[Player, Strip]:
    why = _why_absent(run, generation)
    if generation is None or generation.path is None or why is not None:
        return absent(entrant, why or "no video"), Strip(entrant, why or "no video", None, "", 0, 0)
    frames = (frame.image for frame in decode(inside(run.root, generation.path)))
    made = film(out, f"{VIDEOS}/{name}", frames, generation.fps, picks)
    detail = f"{scored}, given {_given(run.dataset, generation)}"
    alt = f"the same {len(picks)} moments as made by {entrant}"
    return made.player(entrant, detail), _strip(entrant, detail, alt, made, out, name)


def _why_absent(run: Run, generation: Generation | None) -> str | None:
    if generation is None:
        return "not attempted"
    if generation.path is None or generation.video_sha256 is None:
        return f"failed: {generation.error}"
    video = inside(run.root, generation.path)
    if not video.is_file() or sha256_file(video) != generation.video_sha256:
        return "the video is missing or was changed"
    return None


def _given(dataset: Dataset, generation: Generation) -> str:
    """How many references the entrant took, and which, where it took one."""
    ids = generation.reference_ids
    if len(ids) != 1:
        return f"{len(ids)} references"
    row = dataset.references.get(ids[0])
    return "1 reference" if row is None else f"1 reference ({_view(row.view)})"


def _score(results: Results, board: Board, entrant: str, sample_id: str) -> str:
    value = results.values(entrant, board.headline, ALL).get(sample_id)
    column = board.column(board.headline)
    return "no score" if value is None else f"{phrase(column)} {amount(value, column)}"


def _strip(label: str, detail: str, alt: str, made: Film, out: Path, name: str) -> Strip:
    path = f"{STRIPS}/{name}.png"
    strip = side_by_side(made.picked, HEIGHT_PX)
    write_png(out / path, strip)
    return Strip(label, detail, path, alt, strip.shape[1], strip.shape[0])


def _view(view: str | None) -> str:
    return STRATUM_TITLES[view or "undetermined"].lower()
