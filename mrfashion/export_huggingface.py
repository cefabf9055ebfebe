"""Shards of clips as `datasets` reads them: Parquet that says which column is a video, or pictures.

The key `huggingface` in a file's header is all that makes a column a video; `datasets` itself is
not needed to write it. A VideoFolder with pictures beside the videos fails in datasets 5.2.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mrfashion.artefacts import atomic_path
from mrfashion.export_clips import ExportedClip
from mrfashion.tables import Clip

SUFFIX = ".parquet"
GROUP_BYTES = 64 << 20  # of a row group in memory, here and for whoever reads one row
LISTED = 8  # a float in a list takes so many times its four bytes
Feature = dict[str, Any] | list[Any]
MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def value(dtype: str) -> Feature:
    """A plain value, as `datasets` describes it."""
    return {"dtype": dtype, "_type": "Value"}


def list_of(feature: Feature) -> Feature:
    """A list of them."""
    return {"feature": feature, "_type": "List"}


PLAIN = {str: "string", int: "int64", float: "float64", bool: "bool"}
VIDEO: Feature = {"decode": False, "_type": "Video"}
PAIRS = list_of({"name": value("string"), "value": value("float64")})
REFERENCE_FACTS = {
    "reference_id": value("string"),
    "frame": value("int64"),
    "view": value("string"),
    "yaw_deg": value("float64"),
    "rank": value("int64"),
    "score": value("float64"),
}


def features() -> dict[str, Feature]:
    """The columns: those of clips.parquet without its path, then what an export adds."""
    hints = typing.get_type_hints(Clip)
    columns = {name: _feature(hint) for name, hint in hints.items() if name != "path"}
    return columns | {
        "face_blurred_frames": value("int64"),
        "video": VIDEO,
        "references": list_of({"_type": "Image"}),
        "reference_facts": list_of(REFERENCE_FACTS),
        "keypoints": list_of(list_of(list_of(value("float32")))),
        "yaw_deg": list_of(value("float32")),
    }


def schema() -> pa.Schema:
    """The Arrow schema, with what `datasets` reads in its header."""
    header = {"info": {"features": features()}}
    fields = [(name, _arrow(feature)) for name, feature in features().items()]
    return pa.schema(fields, {b"huggingface": json.dumps(header).encode()})


def write_shard(path: Path, clips: Iterable[ExportedClip]) -> None:
    """Write clips as Parquet, atomically: equal clips give equal bytes."""
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema(), compression="zstd", use_dictionary=False) as writer,
    ):
        rows: list[dict[str, Any]] = []
        size = 0
        for clip in clips:
            rows.append(_row(clip))
            size += len(clip.video) + sum(map(len, clip.pictures)) + LISTED * clip.keypoints.nbytes
            if size >= GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(rows, schema()))
                rows, size = [], 0
        writer.write_table(pa.Table.from_pylist(rows, schema()))


def _row(clip: ExportedClip) -> dict[str, Any]:
    clip_id = clip.clip.clip_id
    facts = {name: _pairs(fact) for name, fact in clip.facts().items()}
    pictures = [
        {"bytes": picture, "path": f"{clip_id}.ref-{number:02d}.png"}
        for number, picture in enumerate(clip.pictures)
    ]
    return facts | {
        "video": {"bytes": clip.video, "path": f"{clip_id}.mp4"},
        "references": pictures,
        "reference_facts": clip.reference_facts(),
        "keypoints": clip.keypoints.tolist(),
        "yaw_deg": clip.yaw_deg.tolist(),
    }


def _pairs(fact: Any) -> Any:
    if isinstance(fact, dict):
        return [{"name": name, "value": fact[name]} for name in sorted(fact)]
    return fact


def _feature(hint: Any) -> Feature:
    if isinstance(hint, UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is dict:
        return PAIRS
    if typing.get_origin(hint) is tuple:
        return list_of(_feature(typing.get_args(hint)[0]))
    return value(PLAIN[hint])


def _arrow(feature: Any) -> pa.DataType:
    kind = feature.get("_type")
    if kind == "Value":
        return pa.type_for_alias(feature["dtype"])
    if kind == "List":
        return pa.list_(_arrow(feature["feature"]))
    if kind in ("Video", "Image"):
        return MEDIA
    return pa.struct([(name, _arrow(inner)) for name, inner in feature.items()])
