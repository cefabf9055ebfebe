"""What each stage of curation does to one item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mrfashion.artefacts import sha256_file
from mrfashion.dataset_writer import Posed
from mrfashion.errors import ItemError
from mrfashion.media import VideoInfo, decode, read_frames, write_clip
from mrfashion.poses.sidecar import read_sidecar, sidecar_path, write_sidecar
from mrfashion.references import ReferenceConfig, reference_candidates
from mrfashion.shots.content import ContentCuts
from mrfashion.sources.source import Source
from mrfashion.survey import Span, survey


@dataclass(frozen=True)
class KeptShot:
    """A shot that passed the filters, on its way to becoming a clip."""

    source: Source
    source_sha256: str
    info: VideoInfo
    span: Span

    @property
    def path(self) -> str:
        """Where its clip lies in the dataset."""
        return f"clips/{self.span.clip_id}.mp4"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its clip: even, since 4:2:0 has no odd ones."""
        return self.info.height // 2 * 2, self.info.width // 2 * 2


def survey_source(job: tuple[Path, str], detector: ContentCuts) -> dict[str, Any]:
    """(video, its sha256) => its shots, measured."""
    path, digest = job
    return survey(path, digest, detector)


def encode_clips(shots: Sequence[KeptShot], root: Path, crf: int) -> dict[str, Any]:
    """Write the kept shots of one source in one pass over it."""
    frames = enumerate(frame.image for frame in decode(shots[0].source.path))
    clips, files = {}, {}
    position = 0
    for shot in sorted(shots, key=lambda shot: shot.span.first):
        skip, count = shot.span.first - position, shot.span.frames
        images = (image for _, image in islice(frames, skip, skip + count))
        path = root / shot.path
        written = write_clip(path, images, shot.info.fps, crf)
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


def cut_sidecar(shot: KeptShot, root: Path) -> dict[str, Any]:
    """Cut the shot's part out of its source's sidecar."""
    sidecar = read_sidecar(sidecar_path(shot.source.path))
    if sidecar.frames <= shot.span.last:
        raise ItemError(
            "sidecar.length",
            f"the sidecar has {sidecar.frames} frames; the shot ends at frame {shot.span.last}",
        )
    path = f"stages/poses/{shot.span.clip_id}.sidecar.npz"
    write_sidecar(root / path, sidecar.cut(shot.span.first, shot.span.last + 1, *shot.size))
    return {"path": path, "files": {path: (root / path).stat().st_size}}


def find_references(posed: Posed, root: Path, config: ReferenceConfig) -> dict[str, Any]:
    """Judge the frames of a clip as references."""
    rows = reference_candidates(
        posed.span.clip_id,
        posed.garment_group,
        read_frames(root / posed.clip["path"]),
        posed.sidecar.keypoints,
        posed.yaw_deg,
        posed.info.fps,
        config,
    )
    return {"rows": [asdict(row) for row in rows]}
