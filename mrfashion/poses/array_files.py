"""Arrays in files nobody vouches for: .npy bytes and .npz members, without pickle or belief.

What is wrong with them is a ValueError. Nothing is allocated on a header's word.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What reading a broken archive or header raises, beside ValueError and OSError.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,  # a compression, or a version, that zipfile does not know
    RuntimeError,  # an encrypted member
    SyntaxError,
    TypeError,
    OverflowError,
    tokenize.TokenError,
)


def npy_array(data: bytes, name: str) -> NDArray[Any]:
    """The array of a .npy file's bytes."""
    stream = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{name} is no array of format 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except BROKEN as error:
        raise ValueError(f"{name} is no array: {error}") from None
    body = stream.read()
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"{name} says {dtype} {shape}; plain numbers are needed")
    if math.prod(shape) * dtype.itemsize != len(body) or not dtype.itemsize:
        raise ValueError(f"{name} says {dtype} {shape} and holds {len(body)} bytes")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")


def member_bytes(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member, of at most `most` bytes; more than it says it unpacks to is never read."""
    if archive.namelist().count(name) != 1:
        raise ValueError(f"{name} is there {archive.namelist().count(name)} times; once is needed")
    if archive.getinfo(name).file_size > most:
        raise ValueError(f"{name} unpacks to more than {most} bytes")
    try:
        return archive.read(name)
    except BROKEN as error:
        raise ValueError(f"{name} does not unpack: {error}") from None


def npz_bytes(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str] | None = None) -> bytes:
    """An archive of arrays, as numpy.load reads it, and texts; equal values give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            body = io.BytesIO()
            np.save(body, array, allow_pickle=False)
            _add(archive, f"{name}.npy", body.getvalue())
        for name, text in (texts or {}).items():
            _add(archive, name, text.encode())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name)  # its date is 1980-01-01: no clock in the bytes
    archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=1)
