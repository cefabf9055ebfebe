"""The page of a dataset: `mrfashion describe DATASET --out SITE`. Same dataset, same bytes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrfashion import describe_facts as facts
from mrfashion.artefacts import folder_lock, write_atomic, write_json
from mrfashion.describe_facts import Description
from mrfashion.describe_plots import draw_distributions
from mrfashion.describe_sheet import draw_sheet
from mrfashion.funnel import funnel_of
from mrfashion.manifest import Dataset
from mrfashion.pages import degrees, refuse_strange, render_page
from mrfashion.tables import CLIPS
from mrfashion.views import VIEWS

JSON_FILE, PAGE_FILE = "describe.json", "index.html"
VERSION = 2
SHEET_CLIPS = 8
TITLE = "Dataset"


@dataclass(frozen=True, slots=True)
class DescribedSite:
    """What `describe` wrote."""

    description: Description
    json_path: Path
    page: Path


def describe(
    dataset_root: str | Path, out: str | Path, *, title: str = TITLE, clips: int = SHEET_CLIPS
) -> DescribedSite:
    """Describe a dataset as a page that opens from the disk, and as JSON; `clips` are shown."""
    dataset, site = Dataset(dataset_root), Path(out)
    refuse_strange(site, JSON_FILE)
    with folder_lock(site):
        description = _describe(dataset, site, clips)
        write_json(site / JSON_FILE, as_json(description))
        plots = draw_distributions(description.distributions, site)
        page = render_page(
            "mrfashion.templates",
            "describe",
            title=title,
            facts=description,
            plots=list(zip(description.distributions, plots, strict=True)),
            view_names=VIEWS,
            parts_text=_parts_text,
            degrees=degrees,
        )
        write_atomic(site / PAGE_FILE, page)
    return DescribedSite(description, site / JSON_FILE, site / PAGE_FILE)


def as_json(description: Description) -> dict[str, Any]:
    """A description as plain JSON values."""
    return {"schema_version": VERSION, **dataclasses.asdict(description)}


def _describe(dataset: Dataset, site: Path, clips: int) -> Description:
    rows = list(dataset.clips.values())
    candidates = list(dataset.references.values())
    return Description(
        samples_hash=dataset.samples_hash,
        config_hash=CLIPS.metadata(dataset.root / "clips.parquet").get("config_hash"),
        clips=len(rows),
        garment_groups=len({clip.garment_group for clip in rows}),
        split_groups=len({clip.split_group for clip in rows}),
        videos=len({clip.source_id for clip in rows}),
        frames=sum(clip.frames for clip in rows),
        seconds=facts.seconds_of(rows),
        samples=len(dataset.samples),
        without_sample=facts.without_sample(dataset),
        references=sum(row.rank is not None for row in candidates),
        candidates=len(candidates),
        funnel=funnel_of(dataset),
        leaking_groups=facts.leaking_groups(dataset),
        splits=facts.split_rows(dataset),
        licences=facts.licence_rows(dataset),
        distributions=facts.distributions(dataset),
        sheet=draw_sheet(dataset, site, clips),
        rejects=tuple(dataset.rejects[: facts.LISTED]),
        rejects_in_all=len(dataset.rejects),
        failures=tuple(dataset.failures[: facts.LISTED]),
        failures_in_all=len(dataset.failures),
    )


def _parts_text(parts: dict[str, float]) -> str:
    """What lowers a reference's score, the weakest part first; parts of 1 lower nothing."""
    lowering = sorted((value, name) for name, value in parts.items() if value < 0.995)
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for value, name in lowering)
