"""Which reference feeds which frame of a run's videos: `mrfashion explain RUNS --entrant NAME`.

What each frame takes of each reference is stored with the videos, so strips and the table by view
need no network. Maps over the picture do: they are computed again, without sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.entrants import entrant_identity, make_entrant
from benchmark.explain_figures import (
    SHOWN_FRAMES,
    SHOWN_MAPS,
    Maps,
    Shown,
    draw_maps,
    draw_strip,
    evenly,
    on_frame,
)
from benchmark.fitting import fit
from benchmark.generations import ENTRANTS_FILE, TABLE_FILE
from benchmark.protocol import Task, load_task, open_dataset
from benchmark.requests import build_request, sample_references, target_poses
from benchmark.results import GENERATIONS, Generation
from benchmark.view_weights import ViewWeight, Weighed, weights_by_view
from mrfashion.artefacts import inside, read_object, write_json
from mrfashion.errors import ConfigError, InputRefused, MissingRequirement, UnknownNameError
from mrfashion.generation import Explaining, Generator, Request, Unsupported
from mrfashion.manifest import Dataset
from mrfashion.media import read_frames
from mrfashion.progress import Progress, silent
from mrfashion.tables import Sample


@dataclass(frozen=True, slots=True)
class Summary:
    """What `explain` found and wrote."""

    entrant: str
    videos: int  # behind the table
    by_view: tuple[ViewWeight, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """One entrant's videos in a run folder."""

    root: Path
    task: Task
    dataset: Dataset
    rows: tuple[Generation, ...]  # with weights, by sample

    def sample(self, row: Generation) -> Sample:
        """What was asked, with the references the entrant was given."""
        return replace(self.dataset.samples[row.sample_id], reference_ids=row.reference_ids)


def explain(
    runs_root: str | Path,
    entrant: str,
    out: str | Path,
    *,
    dataset_root: str | Path | None = None,
    samples: Sequence[str] = (),
    limit: int = 3,
    maps: bool = False,
    device: str = "cpu",
    dtype: str = "float32",
    progress: Progress[Generation] = silent,
) -> Summary:
    """Draw `samples`, by default the first `limit`, and tabulate all videos by view.

    `entrant` is a name in the run, or an entrant file, which `maps` need where one configured it.
    InputRefused where the run holds no weights of it, or those of other settings.
    """
    out = Path(out)
    generator = make_entrant(entrant) if maps or entrant.endswith(".toml") else None
    run = _opened(Path(runs_root), generator.info.name if generator else entrant, dataset_root)
    drawn = _chosen(run, samples, limit)
    mapper = _mapper(run, generator, device, dtype) if maps and generator else None
    files: list[Path] = []
    for row in progress(drawn, "explain", len(drawn)):
        shown = _shown(run, row)
        files.append(out / f"{row.entrant}-{row.sample_id}-strip.png")
        draw_strip(shown, files[-1])
        if mapper is not None:
            files.append(out / f"{row.entrant}-{row.sample_id}-maps.png")
            draw_maps(shown, _maps(run, mapper, row), files[-1])
    by_view = weights_by_view(_weighed(run, row) for row in run.rows)
    files.append(out / f"{run.rows[0].entrant}.json")
    write_json(files[-1], _json(run, drawn, by_view))
    return Summary(run.rows[0].entrant, len(run.rows), tuple(by_view), tuple(files))


def _opened(root: Path, name: str, dataset_root: str | Path | None) -> _Run:
    task, table = load_task(root), root / TABLE_FILE
    if dataset_root is not None:
        task = replace(task, dataset=str(Path(dataset_root).resolve()))
    if GENERATIONS.metadata(table).get("task_hash") != task.task_hash:
        raise InputRefused(f"{table} is of another task than its task.json; generate again")
    rows = GENERATIONS.read(table)
    if name not in (names := {row.entrant for row in rows}):
        raise UnknownNameError("entrant of the run", name, names)
    own = [row for row in rows if row.entrant == name and row.reference_weights is not None]
    if not own:
        raise InputRefused(f"{table} holds no video of {name} with weights of its references")
    return _Run(root, task, open_dataset(root, task), tuple(own))


def _chosen(run: _Run, samples: Sequence[str], limit: int) -> list[Generation]:
    rows = {row.sample_id: row for row in run.rows}
    for sample in samples:
        if sample not in rows:
            raise UnknownNameError("sample with weights", sample, rows)
    return [rows[sample] for sample in samples] if samples else list(run.rows[:limit])


def _weights(row: Generation) -> NDArray[np.float32]:
    """f r, as stored row by row."""
    flat = np.array(row.reference_weights, np.float32)
    if flat.size != row.frames * len(row.reference_ids):
        raise InputRefused(f"{row.entrant} at {row.sample_id}: {flat.size} weights; generate again")
    return flat.reshape(row.frames, len(row.reference_ids))


def _weighed(run: _Run, row: Generation) -> Weighed:
    known = run.dataset.references
    views = tuple(known[name].view if name in known else None for name in row.reference_ids)
    _, yaw_deg = target_poses(run.dataset, run.sample(row))
    return Weighed(row.garment_group, _weights(row), yaw_deg, views)


def _shown(run: _Run, row: Generation) -> Shown:
    assert row.path is not None, "a video with weights has a place"
    sample = run.sample(row)
    picked = sorted({*evenly(row.frames, SHOWN_FRAMES), *evenly(row.frames, SHOWN_MAPS)})
    frames = read_frames(inside(run.root, row.path), picked)
    return Shown(
        title=f"{row.entrant}, {row.sample_id}",
        frames=dict(zip(picked, frames, strict=True)),
        yaw_deg=target_poses(run.dataset, sample)[1],
        references=sample_references(run.dataset, sample),
        weights=_weights(row),
    )


def _mapper(run: _Run, generator: Generator, device: str, dtype: str) -> Generator:
    """The generator, loaded, if it is the one that made the run's videos."""
    name, identity = generator.info.name, entrant_identity(generator)
    stored = read_object(run.root / ENTRANTS_FILE, "restore it").get(name)
    if not isinstance(stored, dict) or {key: stored.get(key) for key in identity} != identity:
        raise ConfigError(
            f"{name} ran with other settings or weights than it has now; name its entrant file, "
            "or leave out --maps"
        )
    if not isinstance(generator, Explaining):
        raise Unsupported(f"{name} weighs no places; leave out --maps")
    if missing := generator.check():
        raise MissingRequirement(f"{name} cannot run here: {'; '.join(missing)}")
    generator.load(device, dtype)
    return generator


def _maps(run: _Run, generator: Generator, row: Generation) -> Maps:
    request: Request = build_request(run.dataset, run.sample(row), run.task)
    fitted = fit(request, generator.info)
    if len(fitted.requests) != 1:
        raise Unsupported(f"{row.sample_id} is cut into windows; maps are of one")
    assert isinstance(generator, Explaining), "_mapper asked"
    levels = generator.explain(fitted.requests[0]).maps
    return {
        frame: {stride: on_frame(maps[frame], fitted.placement) for stride, maps in levels.items()}
        for frame in evenly(row.frames, SHOWN_MAPS)
    }


def _json(run: _Run, drawn: Sequence[Generation], by_view: Sequence[ViewWeight]) -> dict[str, Any]:
    videos = {}
    for row in drawn:
        weighed = _weighed(run, row)
        yaw = [None if np.isnan(deg) else round(deg, 2) for deg in weighed.frame_yaw_deg.tolist()]
        videos[row.sample_id] = {
            "reference_ids": list(row.reference_ids),
            "reference_views": list(weighed.reference_views),
            "frame_yaw_deg": yaw,
            "weights": [[round(w, 5) for w in line] for line in weighed.weights.tolist()],
        }
    return {
        "schema_version": 1,
        "entrant": run.rows[0].entrant,
        "task_hash": run.task.task_hash,
        "videos_in_table": len(run.rows),
        "by_view": [asdict(line) for line in by_view],
        "videos": videos,
    }
