"""The stages from sources to shots worth a clip: hash, survey, filter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mrfashion.config import to_dict
from mrfashion.crops import whole, without_bars
from mrfashion.curation import Run
from mrfashion.errors import ConfigError
from mrfashion.filters import CLIP_FILTERS
from mrfashion.filters.verdict import first_dropping
from mrfashion.media import VideoInfo
from mrfashion.shot import KeptShot
from mrfashion.sources.source import Source
from mrfashion.stages import Item, Values
from mrfashion.steps import file_looks, hash_source, survey_source
from mrfashion.survey import Span
from mrfashion.tombstones import read_tombstones, remove_made


def hash_all(run: Run, sources: Sequence[Source]) -> list[tuple[Source, str]]:
    """Content hash of every source; files are read again only when they look changed."""
    items, most = [], run.config.limits.bytes
    tombstones = read_tombstones(run.root)
    for source in sources:
        if source.source_id in tombstones.ids:
            remove_made(run.root, source.path)
            run.reject(source.source_id, source, "takedown", "taken down")
            continue
        looks = file_looks(source.path)
        if looks[0] > most:
            run.reject(source.source_id, source, "sources", "too large", looks[0], most)
        else:
            items.append(Item(source.source_id, source.source_id, looks, source.path))
    if len({item.item_id for item in items}) < len(items):
        raise ConfigError("two sources hold videos of the same name; rename a folder")
    hashes = run.stage("hash", 1, None, partial(hash_source, most=most), items)
    first: dict[str, Source] = {}
    for source in sources:
        if source.source_id not in hashes:
            continue
        digest = hashes[source.source_id]["sha256"]
        if digest in tombstones.sha256:
            run.reject(source.source_id, source, "takedown", "taken down", detail="a copy")
            continue
        original = first.setdefault(digest, source)
        if original is not source:
            run.reject(
                source.source_id,
                source,
                "duplicates",
                "exact copy",
                detail=f"of {original.source_id}",
            )
    return [(source, digest) for digest, source in first.items()]


def survey_all(run: Run, hashed: Sequence[tuple[Source, str]]) -> tuple[list[KeptShot], Values]:
    """The shots of every source, with what was measured of them, and the surveys."""
    items = []
    for source, digest in hashed:
        stills = source.stills is not None
        inputs = [digest, "stills"] if stills else digest
        job = (source.path, digest, stills)
        items.append(Item(source.source_id, source.source_id, inputs, job))
    work = partial(survey_source, detector=run.config.shots.chosen(), limits=run.config.limits)
    values = run.stage("survey", 7, to_dict(run.config.shots), work, items)
    shots = [
        _shot(run, source, digest, value["frames"], VideoInfo(**value["info"]), _span(span))
        for source, digest in hashed
        if (value := values.get(source.source_id))
        for span in value["spans"]
    ]
    return shots, values


def _span(fields: dict[str, Any]) -> Span:
    """Without its fingerprint, 2 kB: those who need it read the survey."""
    return Span(**{**fields, "fingerprint": None})


def _shot(
    run: Run, source: Source, digest: str, frames: int, info: VideoInfo, span: Span
) -> KeptShot:
    bars = run.config.bars.remove
    crop = without_bars(info, span.measurements) if bars else whole(info)
    return KeptShot(source, digest, frames, info, span, crop)


def filter_all(run: Run, shots: Sequence[KeptShot]) -> list[KeptShot]:
    """Pure, from stored measurements: a changed threshold costs no decoding."""
    kept = []
    for shot in shots:
        if shot.source.stills is not None:
            kept.append(shot)  # the rules of footage are not for pictures
        elif dropped := first_dropping(CLIP_FILTERS, run.config.filters, shot.measured):
            name, verdict = dropped
            why = (verdict.reason, verdict.measured, verdict.threshold)
            run.reject(shot.span.clip_id, shot.source, f"filter.{name}", *why)
        else:
            kept.append(shot)
    return kept
