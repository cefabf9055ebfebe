"""The clips that go into the dataset, each in its split, and the rejects of those that do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mrfashion.artefacts import content_hash
from mrfashion.errors import InputRefused, MRFashionError
from mrfashion.executors import Ended, Failed
from mrfashion.grouping import Candidate, Grouped, Looks, group
from mrfashion.splits import uneven
from mrfashion.tables import Placement, Reject
from mrfashion.ties import Origin
from mrfashion.viewing import Posed
from mrfashion.views import coverage

if TYPE_CHECKING:
    from mrfashion.curation import CurateConfig, Run

NEAR_DUPLICATES, SPLITS = "near-duplicates", "splits"  # stages of rejects


@dataclass(frozen=True)
class Placed:
    """Clips with a split each, and what was found on the way there."""

    posed: tuple[Posed, ...]  # by clip id
    grouped: Grouped
    looks: Looks
    rejects: tuple[Reject, ...]
    notes: dict[str, int]  # splits far from the share asked for, and how many clips they hold

    @property
    def header(self) -> dict[str, str]:
        """What decided the splits beside the config: what was dealt before, where anything was."""
        frozen = {name: [row.split_group, row.split] for name, row in self.looks.frozen.items()}
        return {"frozen_hash": content_hash(frozen)} if frozen else {}

    def placements(self) -> Iterator[Placement]:
        """Rows of splits.parquet, in order."""
        for clip in self.posed:
            split_group, split = self.grouped.deal[clip.clip_id]
            yield Placement(
                clip_id=clip.clip_id,
                source_sha256=clip.shot.source_sha256,
                product_id=clip.product_id,
                garment_group=clip.garment_group,
                split_group=split_group,
                split=split,
                fingerprint=self.looks.fingerprint(clip.clip_id),
                appearance=self.looks.appearance(clip.clip_id),
            )


class _Fingerprints(Mapping[str, str | None]):
    """Fingerprints of clips, read from the surveys when asked for."""

    def __init__(self, surveys: Mapping[str, dict[str, Any]], posed: Iterable[Posed]) -> None:
        self._surveys = surveys
        self._sources = {clip.clip_id: clip.shot.source.source_id for clip in posed}

    def __getitem__(self, clip_id: str) -> str | None:
        spans = self._surveys[self._sources[clip_id]]["spans"]
        found: str | None = next(s["fingerprint"] for s in spans if s["clip_id"] == clip_id)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def place(
    posed: Sequence[Posed],
    surveys: Mapping[str, dict[str, Any]],
    references: Mapping[str, dict[str, Any]],
    frozen: Mapping[str, Placement],
    run: Run,
) -> Placed:
    """Drop copies and bridges and give every other clip its split.

    `references` is what `find_references` gave for each clip that it could read. What compares
    all clips is a worker's, whose memory ends with it.
    """
    config = run.config
    looks = Looks(_Fingerprints(surveys, posed), references, frozen)
    by_id = {clip.clip_id: clip for clip in sorted(posed, key=lambda clip: clip.clip_id)}
    settings = (config.splits, config.duplicates, config.garments)
    work = partial(_grouped, looks=looks, settings=settings)
    grouped = _only(run.executor.map(work, [[_candidate(clip) for clip in by_id.values()]]))
    sources = {name: clip.shot.source.source_id for name, clip in by_id.items()}
    splits = {name: split for name, (_, split) in grouped.deal.items()}
    return Placed(
        posed=tuple(by_id[name] for name in by_id if name in grouped.deal),
        grouped=grouped,
        looks=looks,
        rejects=(*_copies(grouped, sources, config), *_bridges(grouped, sources, looks)),
        notes={
            f"clips in {split}, {getattr(config.splits, split):.0%} asked for": count
            for split, count in uneven(splits, config.splits).items()
        },
    )


def _grouped(candidates: Sequence[Candidate], looks: Looks, settings: Any) -> dict[str, Any]:
    try:
        return {"grouped": group(candidates, looks, *settings)}
    except InputRefused as error:
        return {"refused": str(error)}


def _only(outcomes: Iterator[tuple[int, Ended]]) -> Grouped:
    """The one outcome; an error of the whole run is raised again."""
    [(_, ended)] = outcomes
    if isinstance(ended, Failed):
        raise MRFashionError(f"clips could not be grouped: {ended.text}\n{ended.trace}")
    if "refused" in ended.value:
        raise InputRefused(ended.value["refused"])
    grouped: Grouped = ended.value["grouped"]
    return grouped


def _candidate(clip: Posed) -> Candidate:
    origin = Origin(
        clip_id=clip.clip_id,
        source_sha256=clip.shot.source_sha256,
        product_id=clip.product_id,
        garment_group=clip.garment_group,
        views=coverage(clip.yaw_deg, clip.shot.info.fps).views,
    )
    pixels = clip.clip["height"] * clip.clip["width"]
    if clip.shot.source.stills is not None:
        pixels = 0  # its pictures are the video's own frames: the video is what can be asked for
    return Candidate(origin, pixels, clip.shot.span.frames)


def _copies(grouped: Grouped, sources: Mapping[str, str], config: CurateConfig) -> Iterator[Reject]:
    for name, why in sorted(grouped.copies.items()):
        kept = why.to(name)
        detail = f"of {kept} in {sources[kept]}" + (", mirrored" if why.mirrored else "")
        threshold = config.duplicates.distance
        yield Reject(
            name, sources[name], NEAR_DUPLICATES, "near-duplicate", why.distance, threshold, detail
        )


def _bridges(grouped: Grouped, sources: Mapping[str, str], looks: Looks) -> Iterator[Reject]:
    for name, bridge in sorted(grouped.bridges.items()):
        one, other = (_group(looks, clip) for clip in (bridge.one, bridge.other))
        detail = f"tied to group {one} and to group {other}"
        yield Reject(name, sources[name], SPLITS, "bridges two splits", None, None, detail)


def _group(looks: Looks, clip_id: str) -> str:
    row = looks.frozen[clip_id]
    return f"{row.split_group} ({row.split}, by clip {clip_id})"
