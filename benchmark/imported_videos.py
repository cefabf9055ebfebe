"""Frames of a video that somebody else made: exactly those asked for, or what is wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.import_matching import Found, Problem, Unlike
from mrfashion.artefacts import canonical_json, inside, sha256_file
from mrfashion.errors import ItemError
from mrfashion.generation import Frames
from mrfashion.letterbox import Size, letterbox
from mrfashion.limits import LIMITS
from mrfashion.media import decode, probe

Fit = Literal["none", "letterbox"]
LOSSLESS = ("ffv1", "png", "apng", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "qtrle", "magicyuv")
SAME_FPS = 5e-4  # relative: what containers round; 29.97 is not 30
COUNTED = 10_000  # frames beyond those asked for, before it is only "more"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sample asks of its video."""

    frames: int
    size: Size  # h, w
    fps: float


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """Frames in the asked size, and what they were read from."""

    frames: Frames
    codec: str
    size: Size  # before fitting


class _Wrong(Exception):
    """What is not as asked."""

    def __init__(self, what: Unlike, got: object, asked: object) -> None:
        super().__init__(what, got, asked)
        self.what, self.got, self.asked = what, str(got), str(asked)


def digest(found: Found) -> str:
    """sha256 of a file, or of the names and hashes of the pictures in a folder."""
    if not found.file.is_dir():
        return sha256_file(found.file)
    named = [[path.name, sha256_file(path)] for path in _pictures(found.file)]
    return hashlib.sha256(canonical_json(named).encode()).hexdigest()


def read_video(found: Found, asked: Asked, fit: Fit) -> Video | Problem:
    """The video of a sample, or why it is not."""
    try:
        if found.file.is_dir():
            return _from_pictures(found.file, asked, fit)
        return _from_file(found.file, asked, fit)
    except _Wrong as wrong:
        return Problem(wrong.what, found.sample_id, found.path, wrong.got, wrong.asked)
    except ItemError as error:
        return Problem("unreadable", found.sample_id, found.path, error.text, "a whole video")


def _from_file(path: Path, asked: Asked, fit: Fit) -> Video:
    info = probe(path)
    size = info.height, info.width
    if abs(info.fps - asked.fps) > SAME_FPS * asked.fps:
        raise _Wrong("wrong_fps", f"{info.fps:g} fps", f"{asked.fps:g} fps")
    images = (frame.image for frame in decode(path))
    return Video(_taken(images, size, asked, fit), info.codec, size)


def _from_pictures(folder: Path, asked: Asked, fit: Fit) -> Video:
    paths = _numbered(folder)
    if len(paths) != asked.frames:
        raise _Wrong("wrong_length", f"{len(paths)} pictures", f"{asked.frames}")
    first = _picture(paths[0])
    size = first.shape[0], first.shape[1]
    return Video(_taken(map(_picture, paths), size, asked, fit), "png", size)


def _taken(images: Iterator[NDArray[np.uint8]], size: Size, asked: Asked, fit: Fit) -> Frames:
    """Exactly the asked frames, each of the same size."""
    if fit == "none" and size != asked.size:
        raise _Wrong("wrong_size", _size_text(size), _size_text(asked.size))
    frames = np.empty((asked.frames, *asked.size, 3), np.uint8)
    count = 0
    for image in images:
        if count < asked.frames:
            if image.shape[:2] != size:
                got = f"{_size_text(image.shape)} in frame {count}"
                raise _Wrong("wrong_size", got, f"{_size_text(size)} as in the first")
            frames[count] = letterbox(image, asked.size)
        count += 1
        if count > asked.frames + COUNTED:
            raise _Wrong("wrong_length", f"more than {count - 1} frames", asked.frames)
    if count != asked.frames:
        raise _Wrong("wrong_length", f"{count} frames", asked.frames)
    return frames


def _pictures(folder: Path) -> list[Path]:
    """Files of a folder of pictures; UnsafePath where a link leads out of it."""
    return [inside(folder, path.name) for path in sorted(folder.iterdir()) if path.name[0] != "."]


def _numbered(folder: Path) -> list[Path]:
    """Pictures by the last number in their names, which must count on without a gap."""
    found: dict[int, Path] = {}
    for path in _pictures(folder):
        number = re.search(r"(\d+)\D*$", path.stem)
        if path.suffix.lower() != ".png" or number is None or int(number[1]) in found:
            raise _Wrong("unreadable", path.name, "PNG pictures, each of another number")
        found[int(number[1])] = path
    numbers = sorted(found)
    if not numbers:
        raise _Wrong("unreadable", "an empty folder", "PNG pictures")
    if lacking := set(range(numbers[0], numbers[-1] + 1)) - set(numbers):
        raise _Wrong("unreadable", f"no picture of number {min(lacking)}", "numbers without a gap")
    return [found[number] for number in numbers]


def _picture(path: Path) -> NDArray[np.uint8]:
    """h w 3 of a PNG file of 8 bits without transparency."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > LIMITS.pixels:
                raise _Wrong(
                    "unreadable", f"{path.name} of {picture.size}", f"{LIMITS.pixels} pixels"
                )
            if picture.mode not in ("RGB", "L", "P", "RGBA"):
                raise _Wrong("unreadable", f"{path.name} in {picture.mode}", "8 bits, RGB")
            if (
                picture.has_transparency_data
                and np.asarray(picture.convert("RGBA"))[..., 3].min() < 255
            ):
                raise _Wrong("unreadable", f"{path.name} with transparent pixels", "opaque ones")
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _Wrong("unreadable", f"{path.name}: {error}", "a PNG picture") from None


def _size_text(size: tuple[int, ...]) -> str:
    return f"{size[0]}x{size[1]} (HxW)"
