"""Pictures of strangers: decoded in full before they are believed, within stated sizes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.sources.web.refusal import Refusal

FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}  # what shops show; no exotic decoder
MOST_PIXELS = 35_000_000  # [limits] pixels; a bomb of a few kilobytes unpacks to gigabytes
MOST_SIDE = 16_384  # px; H.264 has no wider frames
LEAST_SIDE = 32  # px; smaller ones are buttons and spacers
WHITE = (255, 255, 255)  # what shines through where a picture is transparent


def read_still(path: Path) -> NDArray[np.uint8]:
    """A picture as shown => h w 3, uint8 RGB; Refusal where it is none, broken or too large."""
    image, _ = _decode(path)
    return image


def still_suffix(path: Path) -> str:
    """The suffix of a picture that can be decoded whole; Refusal otherwise."""
    _, name = _decode(path)
    return FORMATS[name]


def _decode(path: Path) -> tuple[NDArray[np.uint8], str]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=list(FORMATS)) as picture:
                _require_size(*picture.size)
                upright = ImageOps.exif_transpose(picture)
                return np.asarray(_opaque(upright)), str(picture.format)
    except Refusal:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refusal("too_large", f"a picture of more than {MOST_PIXELS} pixels") from None
    except UnidentifiedImageError:
        text = f"no picture of a kind that is read: {', '.join(FORMATS)}"
        raise Refusal("unreadable", text) from None
    except Exception as error:  # decoders meet bytes of strangers: anything may come
        raise Refusal("unreadable", f"a damaged picture: {type(error).__name__}") from None


def _require_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        text = f"a picture of {width}x{height}; allowed: {MOST_PIXELS} pixels, {MOST_SIDE} a side"
        raise Refusal("too_large", text)
    if min(width, height) < LEAST_SIDE:
        text = f"a picture of {width}x{height}; needed: {LEAST_SIDE} px each way"
        raise Refusal("unreadable", text)


def _opaque(picture: Any) -> Any:
    """RGB over white: a cut-out on nothing would have whatever colour its maker left there."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*WHITE, 255)), layer).convert("RGB")
