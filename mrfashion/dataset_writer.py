"""The last stage of curation: views, split groups, splits and samples, written as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrfashion import tables
from mrfashion.artefacts import content_hash
from mrfashion.config import to_dict
from mrfashion.manifest import KEYPOINT_PART, MASK_PART, VIEW_PART
from mrfashion.media import VideoInfo
from mrfashion.poses.cache import pack
from mrfashion.poses.sidecar import Sidecar
from mrfashion.samples import make_samples
from mrfashion.sources.source import UNKNOWN_LICENCE, Source
from mrfashion.splits import assign, split_groups
from mrfashion.survey import Span
from mrfashion.views import coverage

if TYPE_CHECKING:
    from mrfashion.pipeline import CurateConfig, Summary

VIEW_MODEL = 1  # version of the rule that turns keypoints into yaw


@dataclass(frozen=True, eq=False)
class Posed:
    """A clip with its keypoints and yaw: all the tables need to know of it."""

    source: Source
    source_sha256: str
    info: VideoInfo
    span: Span
    clip: dict[str, Any]  # path, sha256, width, height
    sidecar: Sidecar
    yaw_deg: NDArray[np.float32]  # f, NaN where it abstained
    confidence: NDArray[np.float32]  # f

    @property
    def garment_group(self) -> str:
        """The group its source names; else the video is a group of its own."""
        meta = self.sidecar.meta.get("garment_group")
        return self.source.garment_group or meta or self.source.source_id

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what the reference candidates see of the poses."""
        xy, score = pack(self.sidecar.keypoints)
        yaw = np.nan_to_num(self.yaw_deg, nan=999.0).tolist()
        return content_hash([xy.hex(), score.hex(), yaw, self.garment_group])


def write(
    root: Path,
    config: CurateConfig,
    posed: Sequence[Posed],
    references: Sequence[tables.ReferenceCandidate],
    summary: Summary,
) -> None:
    """Write every table of the dataset; samples last, since their presence means it is whole."""
    (root / "samples.parquet").unlink(missing_ok=True)
    clips = _split(posed, config)
    samples = make_samples(clips, references, config.samples)
    header = {"config_hash": content_hash(to_dict(config))}
    header["input_hash"] = content_hash(sorted({clip.source_sha256 for clip in clips}))
    _write_poses(root, posed, header)
    tables.CLIPS.write(root / "clips.parquet", clips, **header)
    tables.REFERENCES.write(root / "references.parquet", references, **header)
    tables.REJECTS.write(root / "rejects.parquet", summary.rejects, **header)
    tables.FAILURES.write(root / "failures.parquet", summary.failures, **header)
    tables.SAMPLES.write(root / "samples.parquet", samples, **header)
    summary.kept, summary.samples = len(clips), len(samples)
    summary.splits = dict(sorted(Counter(clip.split for clip in clips).items()))


def _write_poses(root: Path, posed: Sequence[Posed], header: dict[str, Any]) -> None:
    made: dict[str, Any] = {
        "estimator": "sidecar",
        "weights_sha256": [],
        "colour_order": None,
        "box_policy": None,
        "score_rule": "as the sidecar says",
        "layout": "coco-wholebody-133",
    }
    tables.KEYPOINTS.write(root / KEYPOINT_PART, map(_keypoint_row, posed), **header, **made)
    tables.VIEWS.write(root / VIEW_PART, map(_view_row, posed), **header, view_model=VIEW_MODEL)
    masks = [_mask_row(p) for p in posed if p.sidecar.mask is not None]
    tables.MASKS.write(root / MASK_PART, masks, **header)


def _keypoint_row(posed: Posed) -> tables.KeypointRow:
    keypoints = posed.sidecar.keypoints
    xy, score = pack(keypoints)
    boxes = [value for frame in keypoints for value in _box(frame)]
    clip, frames = posed.clip, len(keypoints)
    return tables.KeypointRow(
        posed.span.clip_id, frames, clip["width"], clip["height"], posed.info.fps, xy, score,
        tuple(boxes), (1.0,) * frames,
    )  # fmt: skip


def _view_row(posed: Posed) -> tables.ViewRow:
    yaw = tuple(None if np.isnan(value) else float(value) for value in posed.yaw_deg)
    return tables.ViewRow(posed.span.clip_id, yaw, tuple(map(float, posed.confidence)))


def _mask_row(posed: Posed) -> tables.MaskRow:
    mask = posed.sidecar.mask
    assert mask is not None
    frames, height, width = mask.shape
    return tables.MaskRow(posed.span.clip_id, frames, height, width, np.packbits(mask).tobytes())


def _box(keypoints: NDArray[np.float32]) -> list[float]:
    """Smallest box around all known keypoints => x0, y0, x1, y1; empty frames give zeros."""
    known = keypoints[..., 2] > 0
    if not known.any():
        return [0.0, 0.0, 0.0, 0.0]
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
    source, span, info, meta = posed.source, posed.span, posed.info, posed.sidecar.meta
    numerator, denominator = map(int, info.time_base.split("/"))
    seconds = numerator / denominator
    views, fraction = coverage(posed.yaw_deg, info.fps)
    licence = source.licence if source.licence != UNKNOWN_LICENCE else meta.get("licence")
    return tables.Clip(
        clip_id=span.clip_id,
        source_id=source.source_id,
        source_sha256=posed.source_sha256,
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
        person_box_xyxy_px=tuple(_box(posed.sidecar.keypoints.reshape(-1, 3))),
        garment_group=posed.garment_group,
        split_group="",
        split="",
        views=views,
        view_fraction=fraction,
        measurements=span.measurements,
    )
