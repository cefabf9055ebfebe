"""Published datasets that are damaged or hostile: Parquet files, cards, tables, links."""

from __future__ import annotations

import io
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mrfashion.poses.sidecar import SUFFIX
from tests.hostile_case import Case
from tests.hostile_names import TEXTS
from tests.hostile_tars import CORRUPT, NO_POSES, hub, writes
from tests.hostile_videos import encode, write_video

VIDEO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def parquet_bytes(rows: list[Any], kind: pa.DataType = VIDEO, **columns: list[Any]) -> bytes:
    """A file with a video column, two rows a group."""
    table = pa.table({"video": pa.array(rows, kind), **columns})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=2, compression="none", write_statistics=False)
    return bytes(sink.getvalue())


def parquets() -> Iterator[Case]:
    """Parquet files: damaged, of other columns, with rows that are no videos."""
    rows = [{"bytes": encode(f"row{i}"), "path": f"{i}.mp4"} for i in range(4)]
    whole = parquet_bytes(rows)
    good = {f"p.parquet#{i}": NO_POSES for i in range(4)}
    corrupt = {"p.parquet": CORRUPT}

    def made(name: str, data: bytes, expected: dict[str, str]) -> Case:
        return hub(f"parquet-{name}", writes({"p.parquet": data}), expected)

    yield made("good", whole, good)
    for percent in (1, 50, 99):
        yield made(f"cut-{percent}", whole[: len(whole) * percent // 100], corrupt)
    for name, data in {
        "empty": b"", "noise": random.Random(3).randbytes(3000), "magic": b"PAR1" * 3,
        "footer-long": whole[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1",
        "footer-zero": whole[:-8] + struct.pack("<I", 0) + b"PAR1",
        "footer-noise": whole[:-200] + random.Random(3).randbytes(190) + whole[-10:],
    }.items():  # fmt: skip
        yield made(name, data, {"p.parquet*": f"{CORRUPT}|sources: no video column"})
    at = whole.index(rows[2]["bytes"]) - 4  # its length
    torn = whole[:at] + b"\xff" * 4 + whole[at + 4 :]
    part = {k: good[k] for k in list(good)[:2]}
    yield made("page-damaged", torn, part | {"p.parquet#2": CORRUPT})
    strange: dict[str, tuple[Any, str]] = {
        "null": (None, "sources: no video"),
        "empty": ({"bytes": b"", "path": "e.mp4"}, "sources: no video"),
        "path-absolute": ({"bytes": None, "path": "/etc/passwd"}, "sources: no video"),
        "path-up": ({"bytes": None, "path": "../../outside/secret.mp4"}, "sources: no video"),
        "path-web": ({"bytes": None, "path": "http://127.0.0.1:9/x.mp4"}, "sources: no video"),
        "name-up": ({"bytes": encode("up"), "path": "../../../evil.mp4"}, NO_POSES),
        "name-suffix": ({"bytes": encode("suffix"), "path": "x.sh"}, NO_POSES),
        "name-nul": ({"bytes": encode("nul"), "path": "x\0.mp4"}, NO_POSES),
        "text": ({"bytes": b"no video", "path": "e.mp4"}, "probe.corrupt"),
    }
    for name, (row, expected) in strange.items():
        data = parquet_bytes([row, rows[0]])
        parts = {"p.parquet#0": expected, "p.parquet#1": NO_POSES}
        yield made(f"row-{name}", data, parts)
    no_column = {"p.parquet": "sources: no video column"}
    yield made("no-column", _table(a=[1, 2]), no_column)
    yield made("text-column", _table(video=["a.mp4", "b.mp4"]), no_column)
    yield made("list-column", parquet_bytes([[rows[0]]], pa.list_(VIDEO)), no_column)
    yield made("no-rows", parquet_bytes([]), {})
    for name, values in {
        "list": [["a"]], "struct": [{"a": 1}], "number": [7], "bytes": [b"\xff"], "null": [None],
    }.items():  # fmt: skip
        yield made(
            f"licence-{name}", parquet_bytes(rows[:1], license=values), {"p.parquet#0": NO_POSES}
        )
    for name, text in list(TEXTS.items())[:8]:
        yield made(
            f"licence-text-{name}",
            parquet_bytes(rows[:1], license=[text]),
            {"p.parquet#0": NO_POSES},
        )
    header = {b"huggingface": b'{"info": {"features": {"video": [[[[{}]]]]}}}'}
    table = pq.read_table(io.BytesIO(whole)).replace_schema_metadata(header)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    yield made("header-strange", bytes(sink.getvalue()), good)


def _table(**columns: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


HUB_TABLES = {  # of a VideoFolder with v.mp4: what the faults are; the video always comes through
    "metadata.csv": {
        "traversal": (
            b"file_name\n../../outside/secret.mp4\n",
            {":2": "sources: bad metadata row"},
        ),
        "absolute": (b"file_name\n/etc/passwd\n", {":2": "sources: bad metadata row"}),
        "missing": (b"file_name\nw.mp4\nv.mp4\n", {":2": "sources: bad metadata row"}),
        "twice": (b"file_name\nv.mp4\nv.mp4\n", {":3": "sources: bad metadata row"}),
        "no-name": (b"name\nv.mp4\n", {":2": "sources: bad metadata row"}),
        "cells": (b"file_name,a\nv.mp4,1,2,3\n", {":2": "sources: bad metadata row"}),
        "not-utf8": (b"file_name,license\nv.mp4,\xff\n", {"": "source.metadata"}),
        "long-field": (b"file_name,license\nv.mp4," + b"x" * 200_000, {"": "source.metadata"}),
        "open-quote": (b'file_name,license\nv.mp4,"CC0\n', {"": "source.metadata"}),
        "empty": (b"", {}),
    },
    "metadata.jsonl": {
        "broken-line": (
            b'{"file_name": \n{"file_name": "v.mp4"}\n',
            {":1": "sources: bad metadata row"},
        ),
        "deep-line": (
            b"[" * 90_000 + b'\n{"file_name": "v.mp4"}\n',
            {":1": "sources: bad metadata row"},
        ),
        "list-line": (b'["v.mp4"]\n', {":1": "sources: bad metadata row"}),
        "number-name": (b'{"file_name": 7}\n', {":1": "sources: bad metadata row"}),
        "nul-name": (b'{"file_name": "v\\u0000.mp4"}\n', {":1": "sources: bad metadata row"}),
        "half-name": (b'{"file_name": "\\ud800.mp4"}\n', {":1": "sources: bad metadata row"}),
        "long-line": (b" " * (2 << 20) + b"\n", {"": "source.metadata"}),
        "not-utf8": (b'{"file_name": "\xff"}\n', {":1": "sources: bad metadata row"}),
    },
    "metadata.parquet": {
        "cut": (_table(file_name=["v.mp4"])[:60], {"": "source.metadata"}),
        "empty": (b"", {"": "source.metadata"}),
        "number-name": (_table(file_name=[7]), {":1": "sources: bad metadata row"}),
        "list-name": (_table(file_name=[["v.mp4"]]), {":1": "sources: bad metadata row"}),
        "no-columns": (_table(a=[1]), {":1": "sources: bad metadata row"}),
    },
}


def hub_folders() -> Iterator[Case]:
    """VideoFolders with faulty tables and cards, and files that are none."""
    for table, cases in HUB_TABLES.items():
        for name, (data, faults) in cases.items():

            def make(folder: Path, table: str = table, data: bytes = data) -> None:
                write_video(folder, "v.mp4", encode(folder.name))
                (folder / table).write_bytes(data)

            expected = {f"{table}{place}": word for place, word in faults.items()}
            kind = table.partition(".")[2]
            yield hub(f"hub-{kind}-{name}", make, {"v.mp4": "kept"} | expected)
    yield from _hub_links()


def _hub_links() -> Iterator[Case]:
    out = "sources: links out of its folder"

    def with_video(make: Callable[[Path], None]) -> Callable[[Path], None]:
        def both(folder: Path) -> None:
            write_video(folder, "v.mp4", encode(folder.name))
            make(folder)

        return both

    def linked(name: str) -> Callable[[Path], None]:
        return with_video(lambda folder: (folder / name).symlink_to("../../outside/secret.mp4"))

    def pipe(name: str) -> Callable[[Path], None]:
        return with_video(lambda folder: os.mkfifo(folder / name))

    def written(name: str, data: bytes) -> Callable[[Path], None]:
        return with_video(lambda folder: (folder / name).write_bytes(data) and None)

    v = {"v.mp4": "kept"}
    for name in ("w.mp4", "w.tar", "w.parquet", "README.md", "metadata.csv"):
        yield hub(f"hub-link-{name}", linked(name), v | {name: out})
    for name in ("w.mp4", "w.tar", "w.parquet", "README.md", "metadata.csv"):
        yield hub(f"hub-pipe-{name}", pipe(name), v | {name: "source.unreadable"})
    yield hub("hub-other", written("w.zip", b"PK"), v | {"w.zip": "sources: not a video"})
    yield hub(
        "hub-script", written("load.py", b"import os"), v | {"load.py": "sources: not a video"}
    )
    yield hub("hub-card-binary", written("README.md", bytes(range(256)) * 9), v)
    yield hub(
        "hub-card-html", written("README.md", b"---\nlicense: <script>alert(1)</script>\n---\n"), v
    )
    bomb = b"---\na: &a [x]\n" + b"b: &b [*a,*a]\n" * 99 + b"license: *b\n---\n"
    yield hub("hub-card-aliases", written("README.md", bomb), v)
    side = with_video(lambda folder: (folder / f"w{SUFFIX}").write_bytes(b"x") and None)
    yield hub("hub-lone-sidecar", side, v)
