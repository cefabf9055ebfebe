"""A finished dataset on disk, opened for reading."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion import tables
from mrfashion.artefacts import content_hash, inside, sha256_file
from mrfashion.errors import InputRefused, UnknownNameError
from mrfashion.generation import Frames, Keypoints
from mrfashion.media import read_frames
from mrfashion.poses.cache import unpack
from mrfashion.schema import Row, Table
from mrfashion.views import view_of

KEYPOINT_PART = "keypoints/part-000.parquet"
VIEW_PART = "views/part-000.parquet"
MASK_PART = "masks/part-000.parquet"


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

    def keypoints(self, clip_id: str) -> Keypoints:
        """Keypoints of a clip => f k 3, float32; missing is (NaN, NaN, 0)."""
        row = self._row(tables.KEYPOINTS, KEYPOINT_PART, clip_id)
        if row is None:
            raise InputRefused(f"{self.root}: clip {clip_id} has no keypoints; run curate again")
        return unpack(row.xy, row.score, row.frames)

    def yaw_deg(self, clip_id: str) -> NDArray[np.float32]:
        """Yaw of a clip => f, degrees in (-180, 180], NaN where the estimate abstained."""
        yaw = self._views[clip_id].yaw_deg
        return np.array([np.nan if value is None else value for value in yaw], np.float32)

    def confidence(self, clip_id: str) -> NDArray[np.float32]:
        """Confidence of a clip's yaw => f, 0..1, 0 where the estimate abstained."""
        return np.array(self._views[clip_id].confidence, np.float32)

    def frame_views(self, clip_id: str) -> list[str | None]:
        """View of every frame of a clip; None where the estimate abstained."""
        return [None if v is None else view_of(v) for v in self._views[clip_id].yaw_deg]

    def mask(self, clip_id: str) -> NDArray[np.bool_] | None:
        """Foreground of a clip => f h w, or None where its source brought no mask."""
        row = self._row(tables.MASKS, MASK_PART, clip_id)
        if row is None:
            return None
        size = row.frames * row.height * row.width
        bits = np.unpackbits(np.frombuffer(row.bits, np.uint8), count=size)
        return bits.astype(bool).reshape(row.frames, row.height, row.width)

    @cached_property
    def _views(self) -> dict[str, tables.ViewRow]:
        return {row.clip_id: row for row in tables.VIEWS.read(self.root / VIEW_PART)}

    def _row(self, table: Table[Row], part: str, clip_id: str) -> Row | None:
        index = self._groups(table, part).get(clip_id)
        return None if index is None else table.open(self.root / part).group(index)[0]

    def _groups(self, table: Table[Any], part: str) -> dict[str, int]:
        if part not in self._indices:
            ids = table.open(self.root / part).column("clip_id")
            self._indices[part] = {clip_id: index for index, clip_id in enumerate(ids)}
        return self._indices[part]

    @cached_property
    def _indices(self) -> dict[str, dict[str, int]]:
        return {}
