"""The last stage of curation: views, split groups, splits and samples, written as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrfashion import tables
from mrfashion.artefacts import content_hash
from mrfashion.inventory import INVENTORY, write_inventory
from mrfashion.manifest import KEYPOINT_PARTS, MASK_PARTS, VIEW_PART
from mrfashion.parts import write_parts
from mrfashion.poses.cache import STEPS_PER_PX, pack
from mrfashion.poses.sidecar import Sidecar, read_sidecar
from mrfashion.samples import make_samples
from mrfashion.shot import KeptShot
from mrfashion.sources.source import UNKNOWN_LICENCE
from mrfashion.splits import assign, split_groups
from mrfashion.views import coverage, turning
from mrfashion.yaw import yaw_from_keypoints

if TYPE_CHECKING:
    from mrfashion.pipeline import CurateConfig, Summary

VIEW_MODEL = 2  # version of the rule that turns keypoints into yaw


@dataclass(frozen=True, eq=False)
class Posed:
    """A clip with its yaw, and where its keypoints lie: they are read one clip at a time."""

    shot: KeptShot
    clip: dict[str, Any]  # path, sha256, width, height
    origin: str  # sidecar, or the estimator's name
    path: Path  # of the keypoints
    yaw_deg: NDArray[np.float32]  # f, NaN where it abstained
    confidence: NDArray[np.float32]  # f
    box: tuple[float, ...]  # around all keypoints of the clip
    meta: dict[str, str]

    @property
    def clip_id(self) -> str:
        """Id of the clip."""
        return self.shot.span.clip_id

    @property
    def garment_group(self) -> str:
        """The group its source names; else the video is a group of its own."""
        source = self.shot.source
        return source.garment_group or self.meta.get("garment_group") or source.source_id

    @property
    def yaw_hash(self) -> str:
        """Changes where another view model sees another yaw, to 0.01 degrees."""
        return content_hash([_number(yaw) for yaw in self.yaw_deg.round(2)])

    def sidecar(self) -> Sidecar:
        """Keypoints and what else is known; read anew each time, so that few are in memory."""
        return read_sidecar(self.path)


def posed_clip(
    shot: KeptShot, clip: dict[str, Any], origin: str, path: Path, sidecar: Sidecar
) -> Posed:
    """A clip with the yaw its keypoints tell, or the sidecar's own where it brings one.

    `sidecar` is what `path` holds.
    """
    size_hw = (clip["height"], clip["width"])
    yaw, confidence = _yaw(sidecar, shot.info.fps, size_hw)
    box = _box(sidecar.keypoints.reshape(-1, 3))
    known = tuple(0.0 if value is None else value for value in box)
    return Posed(shot, clip, origin, path, yaw, confidence, known, sidecar.meta)


def _yaw(
    sidecar: Sidecar, fps: float, size_hw: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if sidecar.yaw_deg is None:
        return yaw_from_keypoints(sidecar.keypoints, fps, size_hw)
    known = np.isfinite(sidecar.yaw_deg)
    return sidecar.yaw_deg.astype(np.float32), known.astype(np.float32)


def write(
    root: Path,
    config: CurateConfig,
    posed: Sequence[Posed],
    references: Sequence[tables.ReferenceCandidate],
    estimators: dict[str, Any],
    summary: Summary,
) -> None:
    """Write every table of the dataset; samples last, since their presence means it is whole."""
    for name in (INVENTORY, "samples.parquet"):
        (root / name).unlink(missing_ok=True)
    clips = _split(posed, config)
    drawn = make_samples(clips, references, {p.clip_id: p.yaw_deg for p in posed}, config.samples)
    header = {"config_hash": config.hash()}
    header["input_hash"] = content_hash(sorted({clip.source_sha256 for clip in clips}))
    _write_poses(root, posed, estimators, header)
    tables.CLIPS.write(root / "clips.parquet", clips, **header)
    tables.REFERENCES.write(root / "references.parquet", references, **header)
    tables.REJECTS.write(root / "rejects.parquet", summary.rejects, **header)
    tables.FAILURES.write(root / "failures.parquet", summary.failures, **header)
    tables.SAMPLES.write(
        root / "samples.parquet", drawn.samples, **header, without_sample=drawn.skipped
    )
    write_inventory(root)
    summary.kept, summary.samples = len(clips), len(drawn.samples)
    skipped = Counter(f"clips without: {why}" for why in drawn.skipped.values())
    summary.notes |= {"samples": dict(sorted(skipped.items()))} if skipped else {}
    summary.splits = dict(sorted(Counter(clip.split for clip in clips).items()))


def _write_poses(
    root: Path, posed: Sequence[Posed], estimators: dict[str, Any], header: dict[str, Any]
) -> None:
    posed = sorted(posed, key=lambda p: p.clip_id)
    made = {"estimators": estimators, "layout": "coco-wholebody-133"}
    rows = map(_keypoint_row, posed)
    write_parts(tables.KEYPOINTS, root / KEYPOINT_PARTS, rows, **header, **made)
    tables.VIEWS.write(root / VIEW_PART, map(_view_row, posed), **header, view_model=VIEW_MODEL)
    write_parts(tables.MASKS, root / MASK_PARTS, _mask_rows(posed), **header)


def _keypoint_row(posed: Posed) -> tables.KeypointRow:
    sidecar = posed.sidecar()
    xy, score = pack(sidecar.keypoints)
    boxes: Iterable[Iterable[float | None]] = map(_box, sidecar.keypoints)
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
    return (None,) * frames if values is None else tuple(map(_number, values))


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _eighth(px: float | None) -> float | None:
    """A pixel as exactly as keypoints are stored: more digits would be noise, and 6 bytes each."""
    known = _number(px)
    return None if known is None else round(known * STEPS_PER_PX) / STEPS_PER_PX


def _view_row(posed: Posed) -> tables.ViewRow:
    yaw = tuple(map(_number, posed.yaw_deg))
    return tables.ViewRow(posed.clip_id, yaw, tuple(map(float, posed.confidence)))


def _mask_rows(posed: Sequence[Posed]) -> Iterator[tables.MaskRow]:
    for clip in posed:
        mask = clip.sidecar().mask
        if mask is not None:
            frames, height, width = mask.shape
            bits = np.packbits(mask).tobytes()
            yield tables.MaskRow(clip.clip_id, frames, height, width, bits)


def _box(keypoints: NDArray[np.float32]) -> list[float | None]:
    """Smallest box around all known keypoints => x0, y0, x1, y1; None where there is none."""
    known = keypoints[..., 2] > 0
    if not known.any():
        return [None] * 4
    xy = keypoints[known][:, :2]
    return [float(value) for value in (*xy.min(0), *xy.max(0))]


def _split(posed: Sequence[Posed], config: CurateConfig) -> list[tables.Clip]:
    clips = [_clip(p) for p in posed]
    ties = {
        clip.clip_id: [
            ("source", clip.source_sha256),
            ("garment", clip.garment_group),
            *([("product", clip.product_id)] if clip.product_id else []),
        ]
        for clip in clips
    }
    groups = split_groups(ties)
    splits = assign(groups, config.splits)
    return [
        replace(clip, split_group=groups[clip.clip_id], split=splits[groups[clip.clip_id]])
        for clip in clips
    ]


def _clip(posed: Posed) -> tables.Clip:
    shot, meta = posed.shot, posed.meta
    source, span, info = shot.source, shot.span, shot.info
    numerator, denominator = map(int, info.time_base.split("/"))
    seconds = numerator / denominator
    views, fraction = coverage(posed.yaw_deg, info.fps)
    licence = source.licence if source.licence != UNKNOWN_LICENCE else meta.get("licence")
    return tables.Clip(
        clip_id=span.clip_id,
        source_id=source.source_id,
        source_sha256=shot.source_sha256,
        source_url=source.url or meta.get("source_url"),
        licence=licence or UNKNOWN_LICENCE,
        terms=source.terms or meta.get("terms"),
        product_id=source.product_id or meta.get("product_id"),
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
        split_group="",
        split="",
        views=views,
        view_fraction=fraction,
        measurements=span.measurements | turning(posed.yaw_deg, info.fps),
    )
