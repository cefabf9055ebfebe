"""The page of an audit: clips of val and test beside their nearest neighbours in train."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mrfashion.artefacts import folder_lock, write_atomic, write_json
from mrfashion.audit import SIGNALS, Audit, Checked, Neighbour, audit, just_beyond
from mrfashion.manifest import Dataset
from mrfashion.pages import refuse_strange, remove_others, render_page
from mrfashion.pictures import side_by_side, write_png
from mrfashion.progress import Progress, silent

JSON_FILE, PAGE_FILE, FOLDER = "audit.json", "index.html", "clips"
VERSION = 1
TITLE = "Audit of splits"
SHOWN = 200  # clips
BEYOND = 12  # pairs a signal
HEIGHT_PX = 96
MOMENTS = (1 / 6, 1 / 2, 5 / 6)  # of a clip


@dataclass(frozen=True, slots=True)
class Picture:
    """A few moments of a clip, side by side."""

    path: str  # relative to the page
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AuditSite:
    """What `write_audit` wrote."""

    audit: Audit
    json_path: Path
    page: Path


def write_audit(
    dataset_root: str | Path,
    out: str | Path,
    *,
    title: str = TITLE,
    clips: int = SHOWN,
    progress: Progress[Any] = silent,
) -> AuditSite:
    """Audit a dataset as a page that opens from the disk, and as JSON; `clips` are shown."""
    dataset, site = Dataset(dataset_root), Path(out)
    refuse_strange(site, JSON_FILE)
    with folder_lock(site):
        found = audit(dataset)
        shown = found.checked[:clips]
        beyond = {signal: just_beyond(found.checked, signal)[:BEYOND] for signal in SIGNALS}
        pictures = _pictures(dataset, site, _named(found, shown, beyond), progress)
        write_json(site / JSON_FILE, {"schema_version": VERSION, **asdict(found)})
        page = render_page(
            "mrfashion.templates",
            "audit",
            title=title,
            found=found,
            shown=shown,
            beyond=beyond,
            pictures=pictures,
            sources={name: dataset.clip(name).source_id for name in pictures},
            signals=SIGNALS,
        )
        write_atomic(site / PAGE_FILE, page)
    return AuditSite(found, site / JSON_FILE, site / PAGE_FILE)


def _named(
    found: Audit,
    shown: tuple[Checked, ...],
    beyond: dict[str, list[tuple[Checked, Neighbour]]],
) -> list[str]:
    """Clips whose pictures the page needs."""
    names = {name for leak in found.leaks for name in leak.clips[:2]}
    pairs = [pair for signal in SIGNALS for pair in beyond[signal]]
    for clip, neighbours in [(c, c.neighbours) for c in shown] + [(c, (n,)) for c, n in pairs]:
        names |= {clip.clip_id, *(n.clip_id for n in neighbours)}
    return sorted(names)


def _pictures(
    dataset: Dataset, site: Path, names: list[str], progress: Progress[Any]
) -> dict[str, Picture]:
    drawn = {}
    for name in progress(names, "pictures", len(names)):
        last = dataset.clip(name).frames - 1
        frames = dataset.frames(name, [round(last * share) for share in MOMENTS])
        strip = side_by_side(list(frames), HEIGHT_PX)
        path = f"{FOLDER}/{name}.png"
        write_png(site / path, strip)
        drawn[name] = Picture(path, strip.shape[1], strip.shape[0])
    remove_others(site / FOLDER, {f"{name}.png" for name in names}, ".png")
    return drawn
