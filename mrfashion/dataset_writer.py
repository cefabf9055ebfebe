"""The last stage of curation: views, split groups, splits and samples, written as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrfashion import tables, viewing
from mrfashion.artefacts import content_hash
from mrfashion.inventory import INVENTORY, write_inventory
from mrfashion.manifest import KEYPOINT_PARTS, MASK_PARTS, VIEW_PART
from mrfashion.parts import write_parts
from mrfashion.placing import Placed
from mrfashion.poses.cache import STEPS_PER_PX, pack
from mrfashion.samples import Drawn, make_samples
from mrfashion.sources.source import UNKNOWN_LICENCE
from mrfashion.viewing import Posed, box_of, numbers
from mrfashion.views import coverage, turning

if TYPE_CHECKING:
    from mrfashion.curation import CurateConfig, Summary


def write(
    root: Path,
    config: CurateConfig,
    placed: Placed,
    references: Mapping[str, dict[str, Any]],
    summary: Summary,
) -> None:
    """Write every table of the dataset; samples last, since their presence means it is whole.

    `references` holds the candidates of each clip, as `find_references` gives them. Of the big
    tables few rows are in memory at a time.
    """
    for name in (INVENTORY, "samples.parquet"):
        (root / name).unlink(missing_ok=True)
    posed, deal = placed.posed, placed.grouped.deal
    drawn = _draw_samples(posed, deal, references, config)
    header = {"config_hash": config.hash(), **placed.header}
    header["input_hash"] = content_hash(sorted({p.shot.source_sha256 for p in posed}))
    _write_poses(root, posed, summary.estimators, header)
    clips = (_clip(p, deal) for p in posed)
    tables.CLIPS.write_in_order(root / "clips.parquet", clips, **header)
    candidates = (row for p in posed for row in _candidates(references, p.clip_id))
    tables.REFERENCES.write_in_order(root / "references.parquet", candidates, **header)
    tables.SPLITS.write_in_order(root / "splits.parquet", placed.placements(), **header)
    tables.TIES.write(root / "ties.parquet", placed.grouped.ties, **header)
    tables.REJECTS.write(root / "rejects.parquet", summary.rejects, **header)
    tables.FAILURES.write(root / "failures.parquet", summary.failures, **header)
    tables.SAMPLES.write(
        root / "samples.parquet", drawn.samples, **header, without_sample=drawn.skipped
    )
    write_inventory(root)
    summary.kept, summary.samples = len(posed), len(drawn.samples)
    skipped = Counter(f"clips without: {why}" for why in drawn.skipped.values())
    summary.notes |= {"samples": dict(sorted(skipped.items()))} if skipped else {}
    summary.splits = dict(sorted(Counter(split for _, split in deal.values()).items()))


def _candidates(
    references: Mapping[str, dict[str, Any]], clip_id: str
) -> list[tables.ReferenceCandidate]:
    rows = references[clip_id]["rows"] if clip_id in references else []
    return [tables.ReferenceCandidate(**row) for row in rows]


def _draw_samples(
    posed: Sequence[Posed],
    deal: Mapping[str, tuple[str, str]],
    references: Mapping[str, dict[str, Any]],
    config: CurateConfig,
) -> Drawn:
    """Samples of the evaluated splits, whose clips share no group with the others."""
    evaluated = [p for p in posed if deal[p.clip_id][1] in config.samples.splits]
    clips = [_clip(p, deal) for p in evaluated]
    rows = (row for clip in clips for row in _candidates(references, clip.clip_id))
    return make_samples(clips, rows, {p.clip_id: p.yaw_deg for p in evaluated}, config.samples)


def _write_poses(
    root: Path, posed: Sequence[Posed], estimators: dict[str, Any], header: dict[str, Any]
) -> None:
    made = {"estimators": estimators, "layout": "coco-wholebody-133"}
    rows = map(_keypoint_row, posed)
    write_parts(tables.KEYPOINTS, root / KEYPOINT_PARTS, rows, **header, **made)
    views = map(_view_row, posed)
    made_by = {**header, "view_model": viewing.VIEW_MODEL}
    tables.VIEWS.write_in_order(root / VIEW_PART, views, **made_by)
    write_parts(tables.MASKS, root / MASK_PARTS, _mask_rows(posed), **header)


def _keypoint_row(posed: Posed) -> tables.KeypointRow:
    sidecar = posed.sidecar()
    xy, score = pack(sidecar.keypoints)
    boxes: Iterable[Iterable[float | None]] = map(box_of, sidecar.keypoints)
    if sidecar.boxes_xyxy_px is not None:
        boxes = sidecar.boxes_xyxy_px
    return tables.KeypointRow(
        clip_id=posed.clip_id,
        frames=sidecar.frames,
        width=posed.clip["width"],
        height=posed.clip["height"],
        fps=posed.shot.info.fps,
        xy=xy,
        score=score,
        estimator=posed.origin,
        person_boxes_xyxy_px=tuple(_eighth(value) for box in boxes for value in box),
        detector_scores=_numbers(sidecar.detector_scores, sidecar.frames),
        people=_counts(sidecar.people, sidecar.frames),
    )


def _counts(values: NDArray[np.int16] | None, frames: int) -> tuple[int | None, ...]:
    if values is None:
        return (None,) * frames
    return tuple(None if value < 0 else int(value) for value in values)


def _numbers(values: NDArray[np.float32] | None, frames: int) -> tuple[float | None, ...]:
    return (None,) * frames if values is None else tuple(numbers(values))


def _eighth(px: float | None) -> float | None:
    """A pixel as exactly as keypoints are stored: more digits would be noise, and 6 bytes each."""
    if px is None or np.isnan(px):
        return None
    return round(float(px) * STEPS_PER_PX) / STEPS_PER_PX


def _view_row(posed: Posed) -> tables.ViewRow:
    yaw = tuple(numbers(posed.yaw_deg))
    return tables.ViewRow(posed.clip_id, yaw, tuple(map(float, posed.confidence)))


def _mask_rows(posed: Sequence[Posed]) -> Iterator[tables.MaskRow]:
    for clip in posed:
        mask = clip.sidecar().mask
        if mask is not None:
            frames, height, width = mask.shape
            bits = np.packbits(mask).tobytes()
            yield tables.MaskRow(clip.clip_id, frames, height, width, bits)


def _clip(posed: Posed, deal: Mapping[str, tuple[str, str]]) -> tables.Clip:
    shot, meta = posed.shot, posed.meta
    source, span, info = shot.source, shot.span, shot.info
    numerator, denominator = map(int, info.time_base.split("/"))
    seconds = numerator / denominator
    views, fraction = coverage(posed.yaw_deg, info.fps)
    split_group, split = deal[span.clip_id]
    licence = source.licence if source.licence != UNKNOWN_LICENCE else meta.get("licence")
    return tables.Clip(
        clip_id=span.clip_id,
        source_id=source.source_id,
        source_sha256=shot.source_sha256,
        source_url=source.url or meta.get("source_url"),
        licence=licence or UNKNOWN_LICENCE,
        terms=source.terms or meta.get("terms"),
        product_id=posed.product_id,
        path=posed.clip["path"],
        sha256=posed.clip["sha256"],
        start_pts=span.start_pts,
        end_pts=span.end_pts,
        time_base=info.time_base,
        start_s=span.start_pts * seconds,
        end_s=span.end_pts * seconds + 1 / info.fps,
        fps=info.fps,
        frames=span.frames,
        width=posed.clip["width"],
        height=posed.clip["height"],
        person_box_xyxy_px=posed.box,
        garment_group=posed.garment_group,
        split_group=split_group,
        split=split,
        views=views,
        view_fraction=fraction,
        measurements=shot.measurements | turning(posed.yaw_deg, info.fps),
        still=source.stills is not None,
    )
