"""`mrfashion study export`: from a run folder to sheets that raters can be sent.

STUDY/sheets/            what raters get: rater-01.xlsx, .csv, INSTRUCTIONS.txt, clips/, references/
STUDY/plan.json          who rates what, in which order; names no entrant
STUDY/key.private.json   blind id -> entrant and sample; stays here
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.protocol import Task, load_task, open_dataset
from benchmark.requests import asked_fps, asked_size
from benchmark.results import GENERATIONS
from benchmark.study import clips
from benchmark.study.criteria import CRITERIA, SCALE_ID
from benchmark.study.instructions import instruction_lines
from benchmark.study.key import KEY_FILE, Key, KeyClip, StudyOptions, load_key, make_key, save_key
from benchmark.study.plan import (
    PLAN_FILE,
    Plan,
    PlannedClip,
    PlannedSet,
    Sheet,
    draw_sheets,
    load_plan,
    save_plan,
)
from benchmark.study.selection import Selection, select
from benchmark.study.sheet_csv import sheet_csv
from benchmark.study.sheet_xlsx import sheet_xlsx
from benchmark.targets import load_target
from mrfashion.artefacts import folder_lock, inside, sha256_file, sweep_temporaries, write_atomic
from mrfashion.errors import ConfigError, HashMismatch, InputRefused, ItemError
from mrfashion.letterbox import Size
from mrfashion.manifest import Dataset
from mrfashion.progress import Progress, silent
from mrfashion.tables import Sample

SHEETS_FOLDER = "sheets"
FORMATS = ("xlsx", "csv")


@dataclass(frozen=True)
class Summary:
    """What an export did."""

    study_id: str
    rows: int  # of one sheet
    raters: int
    samples: int
    written: int  # files
    reused: int
    left_out: dict[str, str]  # sample id -> why nobody rates it
    sheets: Path  # the folder to send


@dataclass(frozen=True)
class Work:
    """One call of `export`."""

    runs: Path
    root: Path
    dataset: Dataset
    task: Task
    selection: Selection
    key: Key
    size: Size

    @property
    def sheets(self) -> Path:
        """The folder that raters get."""
        return self.root / SHEETS_FOLDER


def export(
    runs_root: str | Path,
    out: str | Path,
    options: StudyOptions,
    *,
    formats: Sequence[str] = FORMATS,
    dataset_root: str | Path | None = None,
    progress: Progress[Any] = silent,
) -> Summary:
    """Write a study, or go on with one; InputRefused where `out` holds another plan."""
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"format is {name!r}; allowed: {', '.join(FORMATS)}")
    runs, root = Path(runs_root), Path(out)
    task = load_task(runs)
    if dataset_root is not None:
        task = replace(task, dataset=str(Path(dataset_root).resolve()))
    dataset = open_dataset(runs, task)
    path = runs / "generations.parquet"
    if GENERATIONS.metadata(path).get("task_hash") != task.task_hash:
        raise InputRefused(f"{path} is of another task than task.json; generate again")
    selection = select(dataset, task, GENERATIONS.read(path), options)
    _refuse_foreign(root)
    with folder_lock(root):
        sweep_temporaries(root)
        key = _key(root, selection, task, options)
        sizes = [asked_size(dataset, sample, task) for sample in selection.samples]
        work = Work(runs, root, dataset, task, selection, key, clips.common_size(sizes))
        return _write(work, formats, progress)


def _refuse_foreign(root: Path) -> None:
    """A folder that is neither new nor a study is left alone."""
    there = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if KEY_FILE not in there and there - {".lock"}:
        what = f"{PLAN_FILE} without {KEY_FILE}" if PLAN_FILE in there else "other files"
        raise InputRefused(f"{root} holds {what}; restore the key, or choose another --out")


def _key(root: Path, selection: Selection, task: Task, options: StudyOptions) -> Key:
    """The study's key; an earlier one must be of the same videos and options."""
    if not (root / KEY_FILE).exists():
        key = make_key(list(selection.shown), task.task_hash, options)
        save_key(root, key)
        return key
    key = load_key(root)
    now = make_key(list(selection.shown), task.task_hash, options, key.secret)
    if key != now:
        there, here = asdict(key.options), asdict(options)
        other = [f"{n}: {there[n]} there, {here[n]} now" for n in there if there[n] != here[n]]
        what = "; ".join(other) or "the run folder's videos are not those it was made of"
        raise InputRefused(f"{root} holds another study ({what}); choose another --out")
    return key


def _write(work: Work, formats: Sequence[str], progress: Progress[Any]) -> Summary:
    made = [_picture(work, sample) for sample in work.selection.samples]
    # In the order of blind ids, so that the files' times tell nothing.
    hidden = work.key.clips
    made += [_clip(work, clip) for clip in progress(hidden, "encoding clips", len(hidden))]
    plan = _plan(work)
    _save_or_compare(work, plan)
    made += list(_sheets(work, plan, formats))
    return Summary(
        study_id=plan.study_id,
        rows=len(hidden),
        raters=len(plan.sheets),
        samples=len(work.selection.samples),
        written=sum(made),
        reused=len(made) - sum(made),
        left_out=work.selection.left_out,
        sheets=work.sheets,
    )


def _save_or_compare(work: Work, plan: Plan) -> None:
    path = work.root / PLAN_FILE
    if not path.exists():
        save_plan(work.root, plan)
        return
    there = load_plan(work.root)
    for clip in plan.clips:
        if there.clip.get(clip.blind_id) != clip:
            name = work.sheets / clips.clip_path(clip.blind_id)
            raise HashMismatch(f"{name} is not the clip that was planned; remove it to redo it")
    if there != plan:
        raise InputRefused(f"{path} is of another release of mrfashion; choose another --out")


def _set_ids(work: Work) -> dict[str, str]:
    return {clip.sample_id: clip.set_id for clip in work.key.clips}


def _picture(work: Work, sample: Sample) -> bool:
    path = work.sheets / clips.picture_path(_set_ids(work)[sample.sample_id])
    if path.exists():
        return False
    pictures = clips.reference_pictures(work.dataset, sample)
    height = min(clips.PICTURE_HEIGHT_PX, max(picture.shape[0] for picture in pictures))
    write_atomic(path, clips.png(clips.strip(pictures, height)))
    return True


def _clip(work: Work, clip: KeyClip) -> bool:
    path = work.sheets / clips.clip_path(clip.blind_id)
    if path.exists():
        return False
    sample = work.dataset.samples[clip.sample_id]
    try:
        target = load_target(work.dataset, clip.sample_id, work.task)
    except ItemError as error:
        raise InputRefused(f"sample {clip.sample_id}: {error.text}; run curate again") from None
    if clip.entrant is None:
        clips.verified(target.path, clip.source_sha256)
        frames = target.frames()
    else:
        generation = work.selection.generations[clip.entrant, clip.sample_id]
        video = inside(work.runs, generation.path or "")
        frames = clips.video_frames(clips.verified(video, clip.source_sha256))
    clips.encode(path, frames, work.size, sample.frames, asked_fps(work.dataset, sample))
    return True


def _plan(work: Work) -> Plan:
    set_ids = _set_ids(work)
    sets = [
        PlannedSet(set_ids[s.sample_id], s.frames, asked_fps(work.dataset, s))
        for s in work.selection.samples
    ]
    planned = tuple(
        PlannedClip(c.blind_id, c.set_id, sha256_file(work.sheets / clips.clip_path(c.blind_id)))
        for c in work.key.clips
    )
    return Plan(
        study_id=work.key.study_id,
        scale_id=SCALE_ID,
        criteria=tuple(criterion.id for criterion in CRITERIA),
        seed=work.key.options.seed,
        task_hash=work.task.task_hash,
        size=work.size,
        sets=tuple(sorted(sets, key=lambda planned_set: planned_set.set_id)),
        clips=planned,
        sheets=draw_sheets(work.key),
    )


def _sheets(work: Work, plan: Plan, formats: Sequence[str]) -> Iterable[bool]:
    """Write the sheets that are not there; those that are may have been filled in."""
    thumbnails: dict[str, bytes] = {}
    for sheet in plan.sheets:
        for name in formats:
            path = work.sheets / f"{sheet.rater}.{name}"
            if not path.exists():
                thumbnails = thumbnails or _thumbnails(work)
                write_atomic(path, _sheet(plan, sheet, name, thumbnails))
                yield True
            else:
                yield False
    path = work.sheets / "INSTRUCTIONS.txt"
    there = path.exists()
    if not there:
        write_atomic(path, "\n".join(instruction_lines(plan.sheets[0])))
    yield not there


def _sheet(plan: Plan, sheet: Sheet, name: str, thumbnails: dict[str, bytes]) -> bytes:
    return sheet_csv(plan, sheet) if name == "csv" else sheet_xlsx(plan, sheet, thumbnails)


def _thumbnails(work: Work) -> dict[str, bytes]:
    set_ids = _set_ids(work)
    return {
        set_ids[sample.sample_id]: clips.png(
            clips.strip(clips.reference_pictures(work.dataset, sample), clips.THUMBNAIL_HEIGHT_PX)
        )
        for sample in work.selection.samples
    }
