"""A finished dataset on disk, opened for reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrfashion import tables
from mrfashion.artefacts import content_hash, inside, sha256_file
from mrfashion.errors import InputRefused, UnknownNameError
from mrfashion.generation import Frames, Keypoints
from mrfashion.media import read_frames
from mrfashion.parts import Parts
from mrfashion.poses.cache import frames_of, unpack
from mrfashion.views import view_of

KEYPOINT_PARTS = "keypoints"
VIEW_PART = "views/part-000.parquet"
MASK_PARTS = "masks"


class Dataset:
    """The tables and clips of a dataset folder, read when asked for.

    Every table of `curate` is there, or InputRefused names the missing one: the samples table is
    written last, so its presence means that the dataset is whole.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not (self.root / "samples.parquet").is_file():
            raise InputRefused(
                f"{self.root} is no finished dataset: samples.parquet is missing. "
                "Run `mrfashion curate SOURCE --out DATASET`, again if it was interrupted"
            )

    @cached_property
    def clips(self) -> dict[str, tables.Clip]:
        """Kept clips by id, in the order of their ids."""
        return {row.clip_id: row for row in tables.CLIPS.read(self.root / "clips.parquet")}

    @cached_property
    def references(self) -> dict[str, tables.ReferenceCandidate]:
        """Reference candidates by id."""
        rows = tables.REFERENCES.read(self.root / "references.parquet")
        return {row.reference_id: row for row in rows}

    @cached_property
    def samples(self) -> dict[str, tables.Sample]:
        """Evaluation samples by id, in the order of their ids."""
        return {row.sample_id: row for row in tables.SAMPLES.read(self.root / "samples.parquet")}

    @cached_property
    def rejects(self) -> list[tables.Reject]:
        """Items that a rule dropped."""
        return tables.REJECTS.read(self.root / "rejects.parquet")

    @cached_property
    def failures(self) -> list[tables.Failure]:
        """Items that could not be worked on."""
        return tables.FAILURES.read(self.root / "failures.parquet")

    @cached_property
    def samples_hash(self) -> str:
        """What decides the samples and their pixels: their rows and their clips' bytes."""
        names = sorted(
            {
                reference.split("/")[0]
                for s in self.samples.values()
                for reference in (s.clip_id, *s.reference_ids)
            }
        )
        videos = {name: self.clip(name).sha256 for name in names}
        return content_hash([sha256_file(self.root / "samples.parquet"), videos])

    def clip(self, clip_id: str) -> tables.Clip:
        """A clip's row; UnknownNameError if the dataset has none of that id."""
        if clip_id not in self.clips:
            raise UnknownNameError("clip", clip_id, self.clips)
        return self.clips[clip_id]

    def video_path(self, clip_id: str) -> Path:
        """Where a clip's video lies; never outside the dataset."""
        return inside(self.root, self.clip(clip_id).path)

    def frames(self, clip_id: str, indices: Sequence[int] | None = None) -> Frames:
        """Frames of a clip => f h w 3, uint8 RGB."""
        return read_frames(self.video_path(clip_id), indices)

    def keypoints(self, clip_id: str, frames: slice | range | None = None) -> Keypoints:
        """Keypoints of a clip, or of a range of its frames => f k 3; missing is (NaN, NaN, 0).

        The cost grows with the last frame asked for. IndexError where a range leaves the clip.
        """
        if clip_id not in self._keypoints:
            raise InputRefused(f"{self.root}: clip {clip_id} has no keypoints; run curate again")
        packed = self._keypoints.values(clip_id, "xy", "score")
        if frames is None:
            return unpack(**packed)
        wanted = _within(frames_of(**packed), frames)
        return unpack(**packed, upto=max(wanted, default=-1) + 1)[np.array(wanted, np.intp)]

    def yaw_deg(self, clip_id: str) -> NDArray[np.float32]:
        """Yaw of a clip => f, degrees in (-180, 180], NaN where the estimate abstained."""
        yaw = self._view_row(clip_id).yaw_deg
        return np.array([np.nan if value is None else value for value in yaw], np.float32)

    def confidence(self, clip_id: str) -> NDArray[np.float32]:
        """Confidence of a clip's yaw => f, 0..1, 0 where the estimate abstained."""
        return np.array(self._view_row(clip_id).confidence, np.float32)

    def frame_views(self, clip_id: str) -> list[str | None]:
        """View of every frame of a clip; None where the estimate abstained."""
        return [None if v is None else view_of(v) for v in self._view_row(clip_id).yaw_deg]

    def mask(self, clip_id: str) -> NDArray[np.bool_] | None:
        """Foreground of a clip => f h w, or None where its source brought no mask."""
        if clip_id not in self._masks:
            return None
        row = self._masks.values(clip_id, "frames", "height", "width", "bits")
        shape = row["frames"], row["height"], row["width"]
        bits = np.unpackbits(np.frombuffer(row["bits"], np.uint8), count=math.prod(shape))
        return bits.astype(bool).reshape(shape)

    def _view_row(self, clip_id: str) -> tables.ViewRow:
        if clip_id not in self._views:
            raise InputRefused(f"{self.root}: clip {clip_id} has no views; run curate again")
        return self._views[clip_id]

    @cached_property
    def _views(self) -> dict[str, tables.ViewRow]:
        return {row.clip_id: row for row in tables.VIEWS.read(self.root / VIEW_PART)}

    @cached_property
    def _keypoints(self) -> Parts[tables.KeypointRow]:
        return Parts(tables.KEYPOINTS, self.root / KEYPOINT_PARTS)

    @cached_property
    def _masks(self) -> Parts[tables.MaskRow]:
        return Parts(tables.MASKS, self.root / MASK_PARTS)


def _within(total: int, frames: slice | range) -> range:
    """The frames asked for, of `total`; a slice is cut to them as Python does, a range is not."""
    if isinstance(frames, slice):
        return range(total)[frames]
    if frames and not 0 <= min(frames) <= max(frames) < total:
        raise IndexError(f"{frames} leaves a clip of {total} frames")
    return frames
