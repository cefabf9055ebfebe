"""Names, tables and sidecars of a folder that try what a shell, a page or a table might believe."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mrfashion.poses.array_files import npz_bytes
from mrfashion.poses.sidecar import SUFFIX, Sidecar, write_sidecar
from tests.footage import turning_clip
from tests.hostile_case import Case
from tests.hostile_videos import encode, number_of, write_video

TEXTS = {  # for names, licences, terms, ids: they are data, whatever they look like
    "html": "<script>alert(1)</script>",
    "attribute": "\" onerror='alert(1)' x=\"",
    "formula": "=cmd|' /C calc'!A0",
    "formula-at": "@SUM(1+1)",
    "shell": "$(touch pwned); `touch pwned` | & rm -rf",
    "template": "{{7*7}} {% raw %} ${7*7} %s %n",
    "terminal": "\x1b[2J\x1b]0;owned\x07 \x08\x7f",
    "bidi": "clip\u202egnp.4pm\u2066",
    "zero-width": "a\u200b\u200d\ufeffb\u2028c\u2029d",
    "newline": "one\ntwo\r\nthree\ttab",
    "emoji": "\U0001f457\U0001f3fd dress \u0130\u0131",
    "long": "n" * 200,
    "dots": "...",
    "backslash": "..\\..\\windows\\system32",
    "percent": "%2e%2e%2fetc%2fpasswd",
    "dash": "--out=elsewhere -rf",
    "comma": 'a,"b";c',
}


def names() -> Iterator[Case]:
    """Files called what they should not be, and licences likewise."""
    for name, text in TEXTS.items():
        file = f"{text.replace('/', '_')}.mp4"

        def make(folder: Path, file: str = file, text: str = text) -> None:
            (folder / file).write_bytes(encode(folder.name))
            _, keypoints, yaw = turning_clip(number_of(folder.name), 0)
            sides = ("licence", "terms", "product_id", "source_url")
            meta = dict.fromkeys(sides, text) | {"garment_group": f"{folder.name} {text}"}
            beside = Sidecar(keypoints, yaw, meta=meta)
            write_sidecar(folder / f"{file.removesuffix('.mp4')}{SUFFIX}", beside)

        # A name that begins with a dot is a hidden file: no input at all.
        yield Case(f"name-{name}", make, {} if file.startswith(".") else {file: "kept"})

    def raw(folder: Path) -> None:
        path = os.fsencode(folder) + b"/bad\xff\xfe.mp4"
        Path(os.fsdecode(path)).write_bytes(encode(folder.name))

    yield Case("name-not-utf8", raw, {"bad\\udcff\\udcfe.mp4": "sources: name is not UTF-8"})


def links() -> Iterator[Case]:
    """Links, loops and things that are no files."""
    out = "sources: links out of its folder"

    def video(folder: Path) -> None:
        (folder / "v.mp4").symlink_to("../../outside/secret.mp4")

    def loop(folder: Path) -> None:
        (folder / "v.mp4").symlink_to("v.mp4")

    def inner(folder: Path) -> None:
        write_video(folder, "a.mp4", encode(folder.name))
        (folder / "b.mp4").symlink_to("a.mp4")

    def of_folder(folder: Path) -> None:
        (folder / "deep").symlink_to("../../outside")

    def round_about(folder: Path) -> None:
        (folder / "deep").symlink_to(".")

    def sidecar(folder: Path) -> None:
        write_video(folder, "v.mp4", encode(folder.name))
        (folder / f"v{SUFFIX}").rename(folder.parent.parent / "outside" / "keypoints.npz")
        (folder / f"v{SUFFIX}").symlink_to("../../outside/keypoints.npz")

    def pipe_sidecar(folder: Path) -> None:
        write_video(folder, "v.mp4", encode(folder.name))
        (folder / f"v{SUFFIX}").unlink()
        os.mkfifo(folder / f"v{SUFFIX}")

    def folder_as_video(folder: Path) -> None:
        (folder / "v.mp4").mkdir()
        write_video(folder / "v.mp4", "w.mp4", encode(folder.name))

    yield Case("link-video", video, {"v.mp4": out})
    yield Case("link-loop", loop, {"v.mp4": f"{out}|sources: not a file"})
    yield Case("link-inside", inner, {"a.mp4": "kept", "b.mp4": "kept"})
    yield Case("link-folder", of_folder, {"deep": out})
    yield Case("link-folder-round-about", round_about, {"deep": "sources: not a file"})
    yield Case("link-sidecar", sidecar, {"v.mp4": out})
    yield Case("link-sidecar-pipe", pipe_sidecar, {"v.mp4": "poses: no keypoints"})
    yield Case("folder-called-mp4", folder_as_video, {"v.mp4/w.mp4": "kept"})


TABLES = {  # of a plain folder: the whole of it is refused, with the line
    "columns": b"file_name,colour\nv.mp4,red\n",
    "no-file-name": b"name\nv.mp4\n",
    "traversal": b"file_name\n../../outside/secret.mp4\n",
    "absolute": b"file_name\n/etc/passwd\n",
    "missing": b"file_name\nw.mp4\n",
    "short-row": b"file_name,licence\nv.mp4,CC0,more,and more\n",
    "not-utf8": b"file_name,licence\nv.mp4,\xff\xfe\n",
    "open-quote": b'file_name,licence\nv.mp4,"CC0\n',
    "long-field": b"file_name,licence\nv.mp4," + b"x" * 200_000,
    "binary": bytes(range(256)) * 20,
    "utf16": "file_name,licence\nv.mp4,CC0\n".encode("utf-16"),
    "nul-name": b"file_name\nv\0.mp4\n",
    "long-name": b"file_name\n" + b"v" * 5000 + b".mp4\n",
}


def folder_tables() -> Iterator[Case]:
    """metadata.csv of a plain folder."""
    for name, data in TABLES.items():

        def make(folder: Path, data: bytes = data) -> None:
            write_video(folder, "v.mp4", encode(folder.name))
            (folder / "metadata.csv").write_bytes(data)

        yield Case(f"table-csv-{name}", make, {"": "refused"})

    def formulas(folder: Path) -> None:
        write_video(folder, "v.mp4", encode(folder.name))
        text = 'file_name,licence,product_id\nv.mp4,"=HYPERLINK(""http://x"")","\'+1"\n'
        (folder / "metadata.csv").write_text(text)

    def nul(folder: Path) -> None:
        write_video(folder, "v.mp4", encode(folder.name))
        (folder / "metadata.csv").write_bytes(b"file_name,licence\nv.mp4,a\0b\n")

    yield Case("table-csv-nul", nul, {"v.mp4": "kept"})
    yield Case("table-csv-formulas", formulas, {"v.mp4": "kept"})


def good_arrays(seed: str) -> dict[str, np.ndarray]:
    """What a right sidecar holds."""
    _, keypoints, yaw = turning_clip(number_of(seed), 0)
    return {"keypoints": keypoints, "yaw_deg": yaw}


META = {"meta.json": '{"version": 1}'}


def _header(text: str, body: bytes = b"") -> bytes:
    """A .npy file with any header."""
    head = text.encode() + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + body


def _npz(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


class Evil:
    """Its pickle would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def sidecars() -> Iterator[Case]:
    """Files beside a sound video that say they are its keypoints."""
    shape = {"descr": "<f4", "fortran_order": False, "shape": (24, 17, 3)}
    arrays = good_arrays("sidecar")
    keypoints = arrays["keypoints"]
    meta = META["meta.json"].encode()

    def header(**changes: object) -> bytes:
        return raw(_header(repr(shape | changes), bytes(4896)))

    def raw(keypoints_npy: bytes, meta_json: bytes = meta) -> bytes:
        return _npz({"keypoints.npy": keypoints_npy, "meta.json": meta_json})

    def instead(**changed: np.ndarray) -> bytes:
        return npz_bytes(arrays | changed, META)

    def filled(value: float) -> np.ndarray:
        return np.full_like(keypoints, value)

    whole, sound = npz_bytes(arrays, META), _npy(keypoints)
    evil = np.array([Evil()], object)
    long_meta = b'{"version":1,"a":"' + b"x" * 99999 + b'"}'
    corrupt, shaped, values = "sidecar.corrupt", "sidecar.shape", "sidecar.values"
    nobody = "filter.present: no person found"
    files: dict[str, tuple[bytes, str]] = {
        "empty": (b"", corrupt),
        "noise": (random.Random(7).randbytes(2000), corrupt),
        "cut": (whole[: len(whole) // 2], corrupt),
        "flipped": (whole[:200] + b"\xff" * 40 + whole[240:], corrupt),
        "pickle": (pickle.dumps(Evil()), corrupt),
        "pickled-array": (raw(_npy(evil)), corrupt),
        "huge-shape": (header(shape=(1 << 40, 133, 3)), corrupt),
        "negative-shape": (header(shape=(-24, 17, 3)), corrupt),
        "zero-items": (header(shape=(0, 17, 3)), corrupt),
        "object-type": (header(descr="|O"), corrupt),
        "code-in-header": (raw(_header("__import__('os')")), corrupt),
        "deep-header": (raw(_header("(" * 5000)), corrupt),
        "texts": (raw(_npy(np.full((24, 17, 3), "x"))), shaped),
        "no-keypoints": (_npz({"meta.json": meta}), corrupt),
        "no-meta": (_npz({"keypoints.npy": sound}), corrupt),
        "meta-list": (raw(sound, b"[]"), corrupt),
        "meta-deep": (raw(sound, b"[" * 60000), corrupt),
        "meta-long": (raw(sound, long_meta), corrupt),
        "meta-number": (raw(sound, b'{"version":1,"licence":7}'), corrupt),
        "meta-surrogate": (raw(sound, b'{"version":1,"licence":"\\ud800"}'), corrupt),
        "bomb": (raw(_header(repr(shape)) + bytes(64 << 20)), corrupt),
        "wrong-layout": (instead(keypoints=keypoints[:, :50]), shaped),
        "wrong-length": (npz_bytes({"keypoints": keypoints[:7]}, META), "sidecar.length"),
        "yaw-length": (instead(yaw_deg=np.zeros(3, np.float32)), shaped),
        "yaw-nan": (instead(yaw_deg=np.full(24, np.nan, np.float32)), "kept"),
        "yaw-huge": (instead(yaw_deg=np.full(24, 1e30, np.float32)), values),
        "mask-small": (instead(mask=np.ones((24, 2, 2), bool)), shaped),
        "all-nan": (instead(keypoints=filled(np.nan)), nobody),
        "infinite": (instead(keypoints=filled(np.inf)), nobody),
        "far-away": (instead(keypoints=filled(3e38)), values),
    }
    for name, (data, expected) in files.items():

        def make(folder: Path, data: bytes = data) -> None:
            (folder / "v.mp4").write_bytes(encode(folder.name))
            (folder / f"v{SUFFIX}").write_bytes(data)

        yield Case(f"sidecar-{name}", make, {"v.mp4": expected})
