"""Videos and pictures as raters see them: encoded alike, named by blind id, nothing else inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mrfashion.artefacts import sha256_file
from mrfashion.errors import HashMismatch, InputRefused, ItemError
from mrfashion.letterbox import Size, letterbox, resized
from mrfashion.manifest import Dataset
from mrfashion.media import decode, write_clip
from mrfashion.tables import Sample

CLIPS_FOLDER, PICTURES_FOLDER = "clips", "references"
MAX_SIDE_PX = 1024  # of a clip: a rater's screen shows no more
PICTURE_HEIGHT_PX, THUMBNAIL_HEIGHT_PX = 512, 128
GAP_PX = 8
WHITE = 255


def clip_path(blind_id: str) -> str:
    """Where a clip lies, relative to the sheet."""
    return f"{CLIPS_FOLDER}/{blind_id}.mp4"


def picture_path(set_id: str) -> str:
    """Where the large reference pictures lie, relative to the sheet."""
    return f"{PICTURES_FOLDER}/{set_id}.png"


def common_size(sizes: Sequence[Size]) -> Size:
    """One even size, h w, that holds every clip at its own size, up to `MAX_SIDE_PX`."""
    height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    height, width = (max(2, round(side * scale / 2) * 2) for side in (height, width))
    return height, width


def verified(path: Path, sha256: str) -> Path:
    """The path, once its bytes are the promised ones."""
    if not path.is_file():
        raise InputRefused(f"{path} does not exist; run `mrfashion generate` again")
    if sha256_file(path) != sha256:
        raise HashMismatch(f"{path} is not the file that the table names; make it again")
    return path


def encode(
    path: Path, frames: Iterator[NDArray[np.uint8]], size: Size, count: int, fps: float
) -> None:
    """Write exactly `count` frames in `size`; InputRefused where the source has others.

    One codec, quality, pixel format and container for all; no metadata of the source survives,
    because only pixels are handed on.
    """
    try:
        write_clip(path, (letterbox(image, size) for image in _counted(frames, count)), fps)
    except ItemError as error:
        raise InputRefused(f"a video cannot be shown: {error.text}; make it again") from None


def video_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames of a generated video."""
    return (frame.image for frame in decode(path))


def _counted(frames: Iterator[NDArray[np.uint8]], count: int) -> Iterator[NDArray[np.uint8]]:
    for number, (_, image) in enumerate(zip_longest(range(count), frames)):
        if image is None or number == count:
            got = f"{number}" if image is None else f"more than {number}"
            raise ItemError("study.length", f"it has {got} frames; asked: {count}")
        yield image


def reference_pictures(dataset: Dataset, sample: Sample) -> list[NDArray[np.uint8]]:
    """The sample's reference pictures, in its order."""
    pictures = []
    for reference_id in sample.reference_ids:
        row = dataset.references.get(reference_id)
        if row is None:
            raise InputRefused(f"reference {reference_id} is in no table; run curate again")
        try:
            pictures.append(dataset.frames(row.clip_id, [row.frame])[0])
        except ItemError as error:
            raise InputRefused(f"reference {reference_id}: {error.text}") from None
    return pictures


def strip(pictures: Sequence[NDArray[np.uint8]], height: int) -> NDArray[np.uint8]:
    """Pictures side by side, scaled to one height, white between."""
    scaled = [
        resized(p, (height, max(1, round(p.shape[1] * height / p.shape[0])))) for p in pictures
    ]
    gap = np.full((height, GAP_PX, 3), WHITE, np.uint8)
    parts = [part for picture in scaled for part in (gap, picture)][1:]
    return np.concatenate(parts, axis=1)


def png(image: NDArray[np.uint8]) -> bytes:
    """A picture as PNG, pixels and nothing else."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
