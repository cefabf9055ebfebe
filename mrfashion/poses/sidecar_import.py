"""A video and keypoints of another tool => the sidecar that curation reads."""

from __future__ import annotations

from pathlib import Path

from mrfashion.errors import InputRefused, ItemError
from mrfashion.media import decode
from mrfashion.poses.exchange import read_keypoints
from mrfashion.poses.sidecar import Sidecar, sidecar_path, write_sidecar


def import_sidecar(video: Path, keypoints: Path, meta: dict[str, str]) -> Path:
    """Write the sidecar of `video`; InputRefused unless there is one pose a frame."""
    if not keypoints.exists():
        raise InputRefused(f"{keypoints} does not exist; name a folder of JSON files, or an array")
    found = read_keypoints(keypoints)
    try:
        frames = sum(1 for _ in decode(video))
    except ItemError as error:
        raise InputRefused(f"{video}: {error}") from None
    if len(found) != frames:
        raise InputRefused(
            f"{keypoints} has {len(found)} frames, {video} has {frames}; one pose a frame is needed"
        )
    path = sidecar_path(video)
    write_sidecar(path, Sidecar(found, meta=meta))
    return path
