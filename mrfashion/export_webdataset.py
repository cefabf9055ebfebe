"""Shards of clips as WebDataset reads them: a tar, each clip's members one after another."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import atomic_path
from mrfashion.export_clips import ExportedClip
from mrfashion.poses.array_files import npz_bytes

SUFFIX = ".tar"
MEMBERS = {  # after the clip's id and a dot
    "mp4": "the video",
    "json": "the row of clips.parquet, and `references`: a list of facts, one a picture",
    "npz": "arrays without pickle: keypoints f 133 3 (x, y in px, score 0 to 1; missing is NaN NaN "
    "0), yaw_deg f (NaN where it abstained), and mask f h w where the source brought one",
    "ref-00.png": "the first reference, ref-01.png the next",
}


def write_shard(path: Path, clips: Iterable[ExportedClip]) -> None:
    """Write clips as a tar, atomically: equal clips give equal bytes. One clip is in memory."""
    with (
        atomic_path(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for clip in clips:
            for name, data in _members(clip):
                member = tarfile.TarInfo(f"{clip.clip.clip_id}.{name}")  # no time, no owner
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def _members(clip: ExportedClip) -> Iterator[tuple[str, bytes]]:
    yield "mp4", clip.video
    facts = {**clip.facts(), "references": clip.reference_facts()}
    yield "json", json.dumps(facts, sort_keys=True, allow_nan=False).encode()
    arrays: dict[str, NDArray[np.generic]] = {"keypoints": clip.keypoints, "yaw_deg": clip.yaw_deg}
    if clip.mask is not None:
        arrays["mask"] = clip.mask
    yield "npz", npz_bytes(arrays, {})
    for number, picture in enumerate(clip.pictures):
        yield f"ref-{number:02d}.png", picture
