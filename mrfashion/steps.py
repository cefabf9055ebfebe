"""What each stage of curation does to one item."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.appearance import Looking
from mrfashion.artefacts import CHUNK, sha256_file
from mrfashion.errors import ItemError
from mrfashion.limits import SourceLimits
from mrfashion.media import decode, write_clip
from mrfashion.references import ReferenceConfig, reference_candidates
from mrfashion.shot import KeptShot
from mrfashion.shots.runs import OneShot, ShotDetector
from mrfashion.survey import survey
from mrfashion.viewing import Posed

STILLS_FPS = 1e-3  # pictures lie far apart in time: no pose moves, none is too near to another


def file_looks(path: Path) -> list[int]:
    """Size and time of change, by which a file that changed is known; zeros where it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return [0, 0]
    return [stat.st_size, stat.st_mtime_ns]


def hash_source(path: Path, most: int) -> dict[str, Any]:
    """sha256 of a source's bytes, `most` of them: what is still being written may never end."""
    digest, left = hashlib.sha256(), most
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                left -= len(chunk)
                if left < 0:
                    text = f"it grew beyond {most} bytes ([limits] bytes)"
                    raise ItemError("source.too_large", text, retryable=True)
    except OSError as error:
        raise ItemError("source.unreadable", error.strerror or "", retryable=True) from None
    return {"sha256": digest.hexdigest()}


def survey_source(
    job: tuple[Path, str, bool], detector: ShotDetector, limits: SourceLimits
) -> dict[str, Any]:
    """(video, its sha256, whether it is one of pictures) => its shots, measured."""
    path, digest, stills = job
    return survey(path, digest, OneShot() if stills else detector, limits)


def encode_clips(shots: Sequence[KeptShot], root: Path, crf: int) -> dict[str, Any]:
    """Write the kept shots of one source in one pass over it."""
    frames = (frame.image for frame in decode(shots[0].source.path))
    clips, files = {}, {}
    position = 0
    for shot in sorted(shots, key=lambda shot: shot.span.first):
        skip, count = shot.span.first - position, shot.span.frames
        path = root / shot.path
        kept = (image[shot.crop.part] for image in islice(frames, skip, skip + count))
        written = write_clip(path, kept, shot.info.fps, crf)
        if written != count:
            raise ItemError("decode.truncated", f"{written} of {count} frames could be read")
        position = shot.span.last + 1
        height, width = shot.size
        clips[shot.span.clip_id] = {
            "path": shot.path,
            "sha256": sha256_file(path),
            "height": height,
            "width": width,
        }
        files[shot.path] = path.stat().st_size
    return {"clips": clips, "files": files}


def find_references(posed: Posed, root: Path, config: ReferenceConfig) -> dict[str, Any]:
    """Judge the frames of a clip as references, and note how its person looks."""
    first, last = posed.shot.span.first, posed.shot.span.last
    poses = posed.sidecar()
    fps = posed.shot.info.fps if posed.shot.source.stills is None else STILLS_FPS
    looking = Looking(poses.keypoints, posed.yaw_deg, fps, poses.mask)
    rows = reference_candidates(
        posed.clip_id,
        posed.garment_group,
        _shown(root / posed.clip["path"], looking),
        poses.keypoints,
        posed.yaw_deg,
        fps,
        config,
        cuts=(first > 0, last < posed.shot.source_frames - 1),
    )
    return {
        "rows": [asdict(row) for row in rows],
        "appearance": looking.text(),
    }


def _shown(path: Path, looking: Looking) -> Iterator[NDArray[np.uint8]]:
    """The frames of a clip, which `looking` sees too: one is in memory at a time."""
    for number, frame in enumerate(decode(path)):
        if number < len(looking.keypoints):  # else it is the clip that is wrong
            looking.see(number, frame.image)
        yield frame.image
