"""A file or folder of another tool, opened: what it holds, before anybody says what it means."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import InputRefused

MAX_BYTES = 256 << 20  # of a file, and of an unpacked array
MAX_JSON_BYTES = 64 << 20  # a clip of 20,000 frames; parsed it takes ten times that


@dataclass(frozen=True)
class Document:
    """A path and what lies there: a folder, an archive's or array's bytes, or parsed JSON."""

    path: Path
    kind: Literal["folder", "zip", "npy", "json"]
    value: Any = None

    def refused(self, text: str) -> InputRefused:
        """The error that names this file."""
        return InputRefused(f"{self.path}: {text}")

    def numbers(self, values: Any) -> NDArray[np.float32]:
        """Finite JSON numbers, in a list or a rectangle of lists, as an array."""
        try:
            array = np.array(values)
        except (ValueError, OverflowError):
            array = np.array("")
        if not array.size:
            return np.zeros(0, np.float32)
        plain = array.dtype.kind in "iuf"
        if not plain or not (np.abs(array.astype(np.float64)) < 1e9).all():
            raise self.refused("not a rectangle of finite numbers below 1e9")
        return array.astype(np.float32)

    def size(self, height: Any, width: Any) -> tuple[int, int] | None:
        """Height and width that the file says, None where it says neither."""
        if height is None and width is None:
            return None
        for side in (height, width):
            if isinstance(side, bool) or not isinstance(side, int | float) or not 1 <= side <= 1e5:
                raise self.refused(f"a frame of {height!r} x {width!r}; 1 to 100000 px are needed")
        return round(height), round(width)

    def rate(self, fps: Any) -> float | None:
        """Frames a second that the file says."""
        if fps is None:
            return None
        if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < math.inf:
            raise self.refused(f"fps is {fps!r}; a number above 0 is needed")
        return float(fps)


def open_document(path: Path) -> Document:
    """Read a file, or name a folder; InputRefused where it is none of what keypoints come in."""
    if path.is_dir():
        return Document(path, "folder")
    if not path.is_file():
        raise InputRefused(f"{path} is no file or folder; name keypoints that are there")
    with path.open("rb") as file:
        start = file.read(8)
    most = MAX_BYTES if start[:4] == b"PK\x03\x04" or start[:6] == b"\x93NUMPY" else MAX_JSON_BYTES
    if path.stat().st_size > most:
        raise InputRefused(f"{path}: over {most >> 20} MiB; split it into clips")
    data = path.read_bytes()
    if data[:4] == b"PK\x03\x04":
        return Document(path, "zip", data)
    if data[:6] == b"\x93NUMPY":
        return Document(path, "npy", data)
    return Document(path, "json", strict_json(data, path))


def strict_json(data: bytes, path: Path) -> Any:
    """JSON as the standard has it: no NaN, no key twice, no nesting without end."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{path} is no JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"a key is there twice in {[key for key, _ in pairs][:9]}")
    return values


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
