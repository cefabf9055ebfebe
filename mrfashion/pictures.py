"""Small pictures of frames for pages: the same bytes for the same frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import write_atomic

GAP_PX = 4
WHITE = 255

Image = NDArray[np.uint8]  # h w 3, RGB


def thumbnail(image: Image, height_px: int) -> Image:
    """h w 3 => `height_px` high; small frames grow without smoothing, so pixels stay honest."""
    from PIL import Image as Pillow

    height, width = image.shape[:2]
    smooth = Pillow.Resampling.LANCZOS if height > height_px else Pillow.Resampling.NEAREST
    size = (max(1, round(width * height_px / height)), height_px)
    return np.asarray(Pillow.fromarray(image).resize(size, smooth))


def side_by_side(images: Sequence[Image], height_px: int) -> Image:
    """Images in a row, each `height_px` high."""
    gap = np.full((height_px, GAP_PX, 3), WHITE, np.uint8)
    parts = [part for image in images for part in (thumbnail(image, height_px), gap)]
    return np.concatenate(parts[:-1], axis=1)


def write_png(path: Path, image: Image) -> None:
    """Write an image, whole or not at all."""
    from PIL import Image as Pillow

    data = io.BytesIO()
    Pillow.fromarray(image).save(data, "PNG", compress_level=6)
    write_atomic(path, data.getvalue())
