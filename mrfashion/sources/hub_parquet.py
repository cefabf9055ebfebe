"""Parquet files with a Video column as `datasets` writes it: `struct<bytes, path>`.

One row group is in memory at a time; of the path in a row the suffix is used, and no more.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mrfashion.errors import ItemError
from mrfashion.executors import Executor, Value
from mrfashion.media import VIDEO_SUFFIXES
from mrfashion.sources.apart import value_of
from mrfashion.sources.hub_metadata import plain
from mrfashion.sources.hub_shard import Entry, Shard, dropped, put, source_of, unreadable
from mrfashion.sources.notes import NAMES, note_of
from mrfashion.sources.source import failed

# Of a row group, unpacked; Arrow holds it up to twice. `datasets` writes 10 videos to a group.
MAX_GROUP_BYTES = 2 << 30
BROKEN = (pa.ArrowException, OSError, ValueError, MemoryError)  # at bytes that are no Parquet
# Page by page: a row group of small pages is never whole in memory.
STREAMED: dict[str, Any] = {"pre_buffer": False, "buffer_size": 1 << 20}


def read_parquet(shard: Shard, executor: Executor) -> Iterator[Entry]:
    """Take the videos of a file out; a damaged row group is one failure, and the next is read."""
    try:
        layout = value_of(executor, _layout, shard)
    except ItemError as error:
        yield failed(shard.name, error)
        return
    if layout["column"] is None:
        yield dropped(shard.name, "no video column", "needed: struct<bytes, path>")
        return
    take = partial(_take_group, shard=shard, column=layout["column"])
    for group, first in enumerate(layout["firsts"]):
        try:
            yield from map(shard.entry, value_of(executor, take, (group, first))["rows"])
        except ItemError as error:
            yield failed(f"{shard.name}#{first}", error)


def _layout(shard: Shard) -> Value:
    """The video column of a file, and the first row of each of its groups."""
    try:
        file = pq.ParquetFile(shard.path)
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    except BROKEN as error:
        raise unreadable(shard, error) from None
    firsts = [0, *accumulate(groups)][: len(groups)]
    return {"column": video_column(file.schema_arrow), "firsts": firsts}


def video_column(schema: pa.Schema) -> str | None:
    """The column that `datasets` calls a Video; else the one of its shape, if there is just one."""
    shaped = [field.name for field in schema if _is_file(field.type)]
    if features := _features(schema):
        shaped = [name for name in shaped if features.get(name) == "Video"]
    if "video" in shaped:
        return "video"
    return shaped[0] if len(shaped) == 1 else None


def _is_file(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    fields = {field.name: field.type for field in kind}
    data = fields.get("bytes", pa.null())
    return "path" in fields and (pa.types.is_binary(data) or pa.types.is_large_binary(data))


def _features(schema: pa.Schema) -> dict[str, str]:
    """Column => its type's name, from the header of `datasets`; empty where there is none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature["_type"] for name, feature in features.items() if "_type" in feature}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _take_group(place: tuple[int, int], shard: Shard, column: str) -> Value:
    """(row group, its first row) => its entries, as rows of a listing."""
    group, first = place
    entries: list[Entry] = []
    file = pq.ParquetFile(shard.path, **STREAMED)
    if why := _too_large(file.metadata.row_group(group)):
        entries.append(dropped(f"{shard.name}#{first}", "too large", why))
        return {"rows": [shard.row(entry) for entry in entries]}
    try:
        for record in _records(shard, file, group, column):
            entries.append(_row(shard, record, column, first + len(entries)))
    except ItemError as error:
        entries.append(failed(f"{shard.name}#{first + len(entries)}", error))
    return {"rows": [shard.row(entry) for entry in entries]}


def _too_large(group: pq.RowGroupMetaData) -> str:
    """Why a row group is not unpacked; empty where it may be."""
    size = sum(group.column(i).total_uncompressed_size for i in range(group.num_columns))
    if size <= MAX_GROUP_BYTES:
        return ""
    return f"its row group unpacks to {size} bytes; allowed: {MAX_GROUP_BYTES}; write smaller ones"


def _records(
    shard: Shard, file: pq.ParquetFile, group: int, column: str
) -> Iterator[dict[str, Any]]:
    known = [field.name for field in file.schema_arrow if field.name in NAMES and plain(field)]
    try:
        for batch in file.iter_batches(1, [group], [column, *known], use_threads=False):
            yield from batch.to_pylist()
    except BROKEN as error:
        raise unreadable(shard, error) from None


def _row(shard: Shard, record: dict[str, Any], column: str, number: int) -> Entry:
    item_id = f"{shard.name}#{number}"
    video = record[column] or {}
    data, path = video.get("bytes"), video.get("path") or ""
    if not data:
        text = "the row holds a path to another place, or nothing" if path else "the row is empty"
        return dropped(item_id, "no video", text)
    if len(data) > shard.limits.bytes:
        text = f"{len(data)} bytes; allowed: {shard.limits.bytes}"
        return dropped(item_id, "too large", text)
    suffix = posixpath.splitext(path)[1].lower()
    if suffix not in VIDEO_SUFFIXES:
        suffix = ".mp4"  # only a name: the bytes decide what it is
    place = shard.place(number, suffix)
    put(place, [data])
    return source_of(item_id, place, note_of(record))
