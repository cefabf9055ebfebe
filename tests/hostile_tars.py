"""WebDataset shards that are damaged or hostile, and what the hub's other cases share."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.hostile_case import Case
from tests.hostile_names import TEXTS
from tests.hostile_videos import encode

Data = bytes | Callable[[], bytes]
CORRUPT = "source.corrupt"
OUT = "sources: leaves its folder"
NO_POSES = "poses: no keypoints"  # of a video that was taken out and read to its end


def hub(name: str, make: Callable[[Path], None], expected: dict[str, str], file: str = "") -> Case:
    """A dataset of the Hub in a folder, or in one file of it."""
    return Case(name, make, expected, "hub:{}" + (f"/{file}" if file else ""))


def writes(files: Mapping[str, Data]) -> Callable[[Path], None]:
    """What writes files, made when it is called."""

    def make(folder: Path) -> None:
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data if isinstance(data, bytes) else data())

    return make


def tar_bytes(*members: tuple[str | tarfile.TarInfo, Data]) -> bytes:
    """A tar of members; a TarInfo brings its own kind and size."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, made in members:
            data = made if isinstance(made, bytes) else made()
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """A member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header with any size field, its checksum right."""
    fields = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    fields += size.ljust(12, b"\0") + b"00000000000\0" + b" " * 8 + kind
    block = fields.ljust(512, b"\0")
    return block[:148] + f"{sum(block):06o}\0 ".encode() + block[156:]


def tars() -> Iterator[Case]:
    """Shards; a sound video stands beside each fault, and must come through."""
    good = ("good.mp4", partial(encode, "good"))
    one = {"s.tar/good.mp4": NO_POSES}
    refused: dict[str, tuple[list[tuple[Any, bytes]], dict[str, str]]] = {
        "absolute": ([("/tmp/evil.mp4", b"x")], {"s.tar//tmp/evil.mp4#0": OUT}),
        "traversal": ([("../../evil.mp4", b"x")], {"s.tar/../../evil.mp4#0": OUT}),
        "traversal-deep": ([("a/../../e.mp4", b"x")], {"s.tar/a/../../e.mp4#0": OUT}),
        "link-then-file": (
            [special("d", tarfile.SYMTYPE, "/tmp"), ("d/e.mp4", b"x")],
            {"s.tar/d#0": "sources: not a file", "s.tar/d/e.mp4": "probe.corrupt"},
        ),
        "pickle": (
            [("e.pickle", b"\x80\x04."), ("f.pyd", b"\x80\x04.")],
            {"s.tar/e.pickle#0": "sources: pickle", "s.tar/f.pyd#1": "sources: pickle"},
        ),
        "named-twice": (
            [("e.mp4", b"x"), ("e.mp4", b"y")],
            {"s.tar/e.mp4": "probe.corrupt", "s.tar/e.mp4#1": "sources: named twice"},
        ),
        "key-again": (
            [("e.mp4", b"x"), ("f.mp4", b"z"), ("e.mp4", b"y")],
            {
                "s.tar/e.mp4": "probe.corrupt",
                "s.tar/f.mp4": "probe.corrupt",
                "s.tar/e.mp4#2": "sources: named twice",
            },
        ),
        "no-video": ([("e.jpg", b"x"), ("e.json", b"{}")], {"s.tar/e": "sources: no video"}),
        "empty-video": ([("e.mp4", b"")], {"s.tar/e.mp4": "probe.corrupt"}),
        "hidden": ([("._e.mp4", b"x"), (".git/e.mp4", b"x")], {}),
        "long-name": ([("n" * 3000 + ".mp4", b"x")], {"s.tar/nnn*": "probe.corrupt"}),
    }  # fmt: skip
    kinds = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}
    kinds |= {"block-device": tarfile.BLKTYPE, "fifo": tarfile.FIFOTYPE}
    for name, kind in kinds.items():
        member = special("e.mp4", kind, "/etc/passwd")
        refused[name] = ([member], {"s.tar/e.mp4#0": "sources: not a file"})
    for name, (members, expected) in refused.items():
        data = partial(tar_bytes, *members, good)
        yield hub(f"tar-{name}", writes({"s.tar": data}), one | expected)
    for name, text in TEXTS.items():
        file = f"{text.replace('/', '_').lstrip('.') or 'x'}.mp4"
        licence = {"license": text, "url": text, "product_id": text}
        members = [
            (file.partition(".")[0] + ".json", json.dumps(licence).encode()),
            (file, encode(file)),
        ]
        data = partial(tar_bytes, *members, good)
        yield hub(f"tar-name-{name}", writes({"s.tar": data}), one | {f"s.tar/{file}": NO_POSES})
    jsons = {
        "broken": b'{"license": ', "list": b"[1]", "deep": b"[" * 100_000, "long": b" " * (2 << 20),
        "not-utf8": b'{"a": "\xff"}', "number": b"9" * 5000, "empty": b"",
    }  # fmt: skip
    for name, text in jsons.items():
        data = partial(tar_bytes, ("e.json", text), ("e.mp4", partial(encode, name)), good)
        yield hub(
            f"tar-json-{name}", writes({"s.tar": data}), one | {"s.tar/e.mp4": "source.metadata"}
        )
    for name, text in {"nan": b'{"license": NaN}', "half": b'{"license": "\\ud800"}'}.items():
        data = partial(tar_bytes, ("e.json", text), ("e.mp4", partial(encode, name)), good)
        yield hub(f"tar-json-{name}", writes({"s.tar": data}), one | {"s.tar/e.mp4": NO_POSES})


def damaged_tars() -> Iterator[Case]:
    """Shards whose own structure is damaged or lies."""
    first, second = encode("first"), encode("second")
    whole = tar_bytes(("a.mp4", first), ("b.mp4", second))
    start = 512 + -(-len(first) // 512) * 512  # of b's header
    a = {"s.tar/a.mp4": NO_POSES}
    cuts = {
        "header": (100, {"s.tar": CORRUPT}),
        "first": (512 + 700, {"s.tar": CORRUPT, "s.tar/a.mp4": "source.truncated"}),
        "between": (start, a),
        "second-header": (start + 99, a | {"s.tar": CORRUPT}),
        "second": (start + 1400, a | {"s.tar": CORRUPT, "s.tar/b.mp4": "source.truncated"}),
        "end": (len(whole) - 1024, a | {"s.tar/b.mp4": NO_POSES}),
    }
    for name, (length, expected) in cuts.items():
        yield hub(f"tar-cut-{name}", writes({"s.tar": whole[:length]}), expected)
    heads = {
        "size-max": header("e.mp4", b"77777777777"),
        "size-negative": header("e.mp4", b"\xff" * 12),
        "size-base256": header("e.mp4", b"\x80" + b"\x7f" * 11),
        "size-letters": header("e.mp4", b"12345xyz"),
        "long-name-huge": header("././@LongLink", b"77777777777", b"L"),
        "pax-huge": header("PaxHeader", b"77777777777", b"x"),
        "pax-global-huge": header("PaxHeader", b"77777777777", b"g"),
        "pax-negative": header("PaxHeader", b"\xff" * 12, b"x"),
        "checksum": header("e.mp4", b"00000000001").replace(b"e.mp4", b"f.mp4"),
        "kind": header("e.mp4", b"00000000001", b"Z"),
        "sparse-old": header("e.mp4", b"00000000001", b"S"),
    }
    for name, head in heads.items():
        data = tar_bytes(("a.mp4", first))[:start] + head + bytes(4096)
        expected = "source.corrupt|source.truncated|sources: too large|sources: not a file"
        parts = a | {"s.tar*": f"{expected}|probe.corrupt"}
        yield hub(f"tar-head-{name}", writes({"s.tar": data}), parts)
    for name, data in {
        "empty": b"", "zeros": bytes(10240), "gzip": b"\x1f\x8b" + bytes(999),
        "noise": random.Random(3).randbytes(5000),
    }.items():  # fmt: skip
        expected = {} if name == "zeros" else {"s.tar": CORRUPT}
        yield hub(f"tar-{name}", writes({"s.tar": data}), expected)
    many = tar_bytes(*((f"{i:05d}.txt", b"") for i in range(3000)), ("z.mp4", encode("z")))
    empty = {f"s.tar/{i:05d}": "sources: no video" for i in range(3000)}
    yield hub("tar-many", writes({"s.tar": many}), empty | {"s.tar/z.mp4": NO_POSES})
