"""The clips that go into the dataset, each in its split, and the rejects of those that do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mrfashion.artefacts import content_hash
from mrfashion.grouping import Candidate, Grouped, Looks, group
from mrfashion.splits import uneven
from mrfashion.tables import Placement, Reject
from mrfashion.ties import Origin
from mrfashion.viewing import Posed
from mrfashion.views import coverage

if TYPE_CHECKING:
    from mrfashion.curation import CurateConfig

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


def place(
    posed: Sequence[Posed],
    references: Mapping[str, dict[str, Any]],
    frozen: Mapping[str, Placement],
    config: CurateConfig,
) -> Placed:
    """Drop copies and bridges and give every other clip its split.

    `references` is what `find_references` gave for each clip that it could read.
    """
    prints = {clip.clip_id: clip.shot.span.fingerprint for clip in posed}
    looks = Looks(prints, references, frozen)
    by_id = {clip.clip_id: clip for clip in sorted(posed, key=lambda clip: clip.clip_id)}
    settings = (config.splits, config.duplicates, config.garments)
    grouped = group([_candidate(clip) for clip in by_id.values()], looks, *settings)
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
