"""One clip as an export carries it: its video, keypoints, references, and what is known of it."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ItemError
from mrfashion.face_blur import FaceBlurConfig, face_circles, fill, held
from mrfashion.generation import Keypoints
from mrfashion.manifest import Dataset
from mrfashion.media import decode, write_clip
from mrfashion.tables import Clip, ReferenceCandidate

MISMATCH = "export.mismatch"
REFERENCE_FACTS = ("reference_id", "frame", "view", "yaw_deg", "rank", "score")
Discs = list[NDArray[np.float64]]  # of each frame, n 3: x, y, radius


@dataclass(frozen=True)
class ClipJob:
    """A clip to export, and its references in the order of their ranks."""

    clip_id: str
    references: tuple[ReferenceCandidate, ...]


@dataclass(frozen=True, eq=False)
class ExportedClip:
    """What leaves the dataset."""

    clip: Clip
    video: bytes  # mp4
    pictures: tuple[bytes, ...]  # PNG, of `references`
    references: tuple[ReferenceCandidate, ...]
    keypoints: Keypoints  # f 133 3
    yaw_deg: NDArray[np.float32]  # f
    mask: NDArray[np.bool_] | None  # f h w
    blurred_frames: int | None  # None where no face blur was asked for

    def facts(self) -> dict[str, Any]:
        """The row of the clip as plain JSON values, of the video as it is exported."""
        row = {**asdict(self.clip), "sha256": hashlib.sha256(self.video).hexdigest()}
        del row["path"]
        return {**row, "face_blurred_frames": self.blurred_frames}

    def reference_facts(self) -> list[dict[str, Any]]:
        """What is known of each picture."""
        return [{name: getattr(row, name) for name in REFERENCE_FACTS} for row in self.references]


def exported_clip(dataset: Dataset, job: ClipJob, blur: FaceBlurConfig | None) -> ExportedClip:
    """Read a clip, and cover its faces if asked; ItemError where that cannot be."""
    clip, path = dataset.clip(job.clip_id), dataset.video_path(job.clip_id)
    video = path.read_bytes()
    if hashlib.sha256(video).hexdigest() != clip.sha256:
        raise ItemError(MISMATCH, f"{clip.path} has other bytes than its row says")
    keypoints, yaw = dataset.keypoints(clip.clip_id), dataset.yaw_deg(clip.clip_id)
    discs = None if blur is None else _discs(clip, keypoints, yaw, blur)
    if discs is not None:
        video = _covered(path, clip, discs)
    return ExportedClip(
        clip=clip,
        video=video,
        pictures=_pictures(dataset, job, discs),
        references=job.references,
        keypoints=keypoints,
        yaw_deg=yaw,
        mask=dataset.mask(clip.clip_id),
        blurred_frames=None if discs is None else sum(len(disc) > 0 for disc in discs),
    )


def _discs(
    clip: Clip, keypoints: Keypoints, yaw: NDArray[np.float32], blur: FaceBlurConfig
) -> Discs:
    """What to cover in each frame. Pictures of a product page know nothing of each other."""
    if not clip.still:
        return held(face_circles(keypoints, yaw, clip.fps, blur), clip.fps, blur)
    alone = [slice(i, i + 1) for i in range(clip.frames)]
    circles = [face_circles(keypoints[i], yaw[i], clip.fps, blur) for i in alone]
    return [circle[np.isfinite(circle[:, 0])] for circle in circles]


def _covered(path: Path, clip: Clip, discs: Discs) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        covered = Path(folder) / path.name
        write_clip(covered, _filled(path, discs), clip.fps)
        return covered.read_bytes()


def _filled(path: Path, discs: Discs) -> Iterator[NDArray[np.uint8]]:
    for frame, disc in zip(decode(path), discs, strict=True):
        yield fill(frame.image, disc)


def _pictures(dataset: Dataset, job: ClipJob, discs: Discs | None) -> tuple[bytes, ...]:
    if not job.references:
        return ()
    wanted = [row.frame for row in job.references]
    images = zip(dataset.frames(job.clip_id, wanted), wanted, strict=True)
    return tuple(_png(image if discs is None else fill(image, discs[i])) for image, i in images)


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()
