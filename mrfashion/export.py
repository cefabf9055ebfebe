"""A dataset in formats others read: `mrfashion export DATASET --format huggingface --out DIR`.

Shards are written one by one and kept; killed at any moment, the same call goes on. The card,
croissant.json and, last, export.json are there only when all shards are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mrfashion import export_huggingface, export_webdataset
from mrfashion.artefacts import (
    content_hash,
    folder_lock,
    sha256_file,
    sweep_temporaries,
    write_atomic,
    write_json,
)
from mrfashion.card import card
from mrfashion.croissant import croissant
from mrfashion.errors import (
    ConfigError,
    HashMismatch,
    InputRefused,
    ItemError,
    MRFashionError,
    UnknownNameError,
)
from mrfashion.executors import ExecutorConfig
from mrfashion.export_clips import MISMATCH, ExportedClip, exported_clip
from mrfashion.export_facts import Exported, ExportedFile
from mrfashion.export_plan import Shard, plan
from mrfashion.face_blur import NO_HEAD, FaceBlurConfig
from mrfashion.funnel import funnel_of
from mrfashion.inventory import all_table_files, table_files
from mrfashion.manifest import Dataset
from mrfashion.mentions import names_in
from mrfashion.pages import refuse_strange
from mrfashion.progress import Progress, silent
from mrfashion.rights import require_publishable
from mrfashion.schema import Table
from mrfashion.stages import Item, Stage
from mrfashion.tables import KEYPOINTS, TABLES, Clip

VERSION = 1  # of what a shard holds
RECORD = "export.json"
MARKER = ".mrfashion-export"  # from the first moment: a killed export is known again
IN_SHARDS = ("clips", "keypoints", "views")
LEFT_OUT = {  # tables that stay behind, and why
    "rejects": "names what is not in the export; the card counts it",
    "failures": "names what is not in the export; the card counts it",
}


@dataclass(frozen=True)
class Format:
    """How clips become shards."""

    suffix: str
    write: Callable[[Path, Iterable[ExportedClip]], None]


FORMATS = {
    "huggingface": Format(export_huggingface.SUFFIX, export_huggingface.write_shard),
    "webdataset": Format(export_webdataset.SUFFIX, export_webdataset.write_shard),
}


@dataclass(frozen=True)
class ExportConfig:
    """What is exported, and how."""

    format: str = "huggingface"
    splits: tuple[str, ...] = ()  # none: all
    publishable: bool = False
    blur_faces: bool = False
    face_blur: FaceBlurConfig = field(default_factory=FaceBlurConfig)
    shard_mb: int = 512  # of clips as stored; pictures and keypoints come on top
    name: str = "dataset"
    version: str = "1.0.0"  # semantic, for the card and Croissant

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UnknownNameError("format", self.format, FORMATS)
        if self.shard_mb < 1:
            raise ConfigError(f"shard_mb is {self.shard_mb}; allowed: 1 and more")
        parts = self.version.split(".")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise ConfigError(f"version is {self.version!r}; allowed: MAJOR.MINOR.PATCH")


def export(
    dataset_root: str | Path,
    out: str | Path,
    config: ExportConfig | None = None,
    *,
    workers: int = 1,
    progress: Progress[Any] = silent,
) -> Exported:
    """Export a dataset into the folder `out`, new or of an earlier export.

    A clip whose faces cannot be covered is left out, and the card says so. InputRefused where
    `publishable` meets a licence that does not allow it; MRFashionError where a shard failed.
    """
    config, dataset, site = config or ExportConfig(), Dataset(dataset_root), Path(out)
    clips = chosen_clips(dataset, config)
    _require_apart(dataset.root, site)
    refuse_strange(site, MARKER)
    with folder_lock(site):
        (site / MARKER).touch()
        sweep_temporaries(site)
        (site / RECORD).unlink(missing_ok=True)
        shards = planned(dataset, clips, config)
        values = _write_shards(dataset, site, shards, config, workers, progress)
        left_out = {k: v for value in values.values() for k, v in value["left_out"].items()}
        kept = [clip for clip in clips if clip.clip_id not in left_out]
        files = [
            ExportedFile(s.path, **{k: values[s.path][k] for k in ("sha256", "bytes", "rows")})
            for s in shards
        ]
        tables = _write_tables(dataset, site, {clip.clip_id for clip in kept})
        exported = _exported(dataset, config, kept, files, tables, left_out)
        _remove_others(site, {file.path for file in (*files, *tables)})
        write_atomic(site / "README.md", card(exported))
        write_json(site / "croissant.json", croissant(exported))
        write_json(site / RECORD, exported.record())
    return exported


def chosen_clips(dataset: Dataset, config: ExportConfig) -> list[Clip]:
    """The clips to export, by id; InputRefused where there is none, or one must not be."""
    splits = {clip.split for clip in dataset.clips.values()}
    if unknown := sorted(set(config.splits) - splits):
        raise InputRefused(f"no clip is in split {unknown[0]!r}; splits: {sorted(splits)}")
    clips = [c for c in dataset.clips.values() if not config.splits or c.split in config.splits]
    if not clips:
        raise InputRefused(f"{dataset.root} has no clip to export")
    if config.publishable:
        require_publishable(clips)
    return clips


def planned(dataset: Dataset, clips: Sequence[Clip], config: ExportConfig) -> list[Shard]:
    """The files that clips will lie in."""
    return plan(dataset, clips, FORMATS[config.format].suffix, config.shard_mb)


def _write_shards(
    dataset: Dataset,
    site: Path,
    shards: Sequence[Shard],
    config: ExportConfig,
    workers: int,
    progress: Progress[Any],
) -> Mapping[str, dict[str, Any]]:
    """What became of each shard; those of an earlier call with the same inputs are kept."""
    blur = config.face_blur if config.blur_faces else None
    inputs = [sha256_file(dataset.root / path) for path in sorted(all_table_files(dataset.root))]
    work = partial(_write_shard, root=dataset.root, site=site, format=config.format, blur=blur)
    settings = [config.format, None if blur is None else asdict(blur), inputs]
    items = []
    for shard in shards:
        clips = [dataset.clip(job.clip_id).sha256 for job in shard.clips]
        items.append(Item(shard.path, shard.path, content_hash(clips), shard))
    stage = Stage(site, "export", VERSION, settings, work)
    files = [dataset.video_path(job.clip_id) for shard in shards for job in shard.clips]
    with ExecutorConfig().open(workers, files) as executor:
        outcome = stage.run(items, progress=progress, executor=executor)
    for failure in outcome.failures:
        kind = HashMismatch if failure.error == MISMATCH else MRFashionError
        raise kind(f"{failure.item_id}: {failure.error}: {failure.text}; run it again to go on")
    return {shard.path: outcome.values[shard.path] for shard in shards}


def _write_shard(
    shard: Shard, root: Path, site: Path, format: str, blur: FaceBlurConfig | None
) -> dict[str, Any]:
    """Write a shard => its hash, size and rows, and the clips that could not be in it."""
    dataset, left_out = Dataset(root), dict[str, str]()
    path = site / shard.path

    def readable() -> Iterator[ExportedClip]:
        for job in shard.clips:
            try:
                yield exported_clip(dataset, job, blur)
            except ItemError as error:
                if error.code != NO_HEAD:  # it may be mended: ask again next time
                    raise ItemError(error.code, error.text, retryable=True) from None
                left_out[job.clip_id] = error.text

    FORMATS[format].write(path, readable())
    size = path.stat().st_size
    found = {"sha256": sha256_file(path), "bytes": size, "left_out": left_out}
    return {**found, "rows": len(shard.clips) - len(left_out), "files": {shard.path: size}}


def _write_tables(dataset: Dataset, site: Path, kept: set[str]) -> list[ExportedFile]:
    """The tables of clips that are not in the shards: their rows of the exported clips."""
    files = []
    for table in TABLES:
        if table.name in (*IN_SHARDS, *LEFT_OUT):
            continue
        path = site / "tables" / f"{table.name}.parquet"
        table.write(path, _rows(dataset, table, kept))
        size, rows = path.stat().st_size, len(table.open(path))
        files.append(ExportedFile(f"tables/{path.name}", sha256_file(path), size, rows))
    return files


def _rows(dataset: Dataset, table: Table[Any], kept: set[str]) -> Iterator[Any]:
    """Rows of exported clips, that name no clip that is not exported."""
    others, allowed = dataset.clips.keys() - kept, {None, *kept}
    for path in table_files(dataset.root, table):
        for row in table.open(path):
            if getattr(row, "clip_id", None) in allowed and others.isdisjoint(names_in(row)):
                yield row


def _exported(
    dataset: Dataset,
    config: ExportConfig,
    clips: Sequence[Clip],
    shards: Sequence[ExportedFile],
    tables: Sequence[ExportedFile],
    left_out: Mapping[str, str],
) -> Exported:
    header = KEYPOINTS.metadata(table_files(dataset.root, KEYPOINTS)[0])
    return Exported(
        name=config.name,
        version=config.version,
        format=config.format,
        publishable=config.publishable,
        faces_blurred=config.blur_faces,
        clips=tuple(clips),
        shards=tuple(shards),
        tables=tuple(tables),
        left_out=left_out,
        drops=funnel_of(dataset).drops,
        estimators=tuple(sorted(header.get("estimators", {}))),
        samples_hash=dataset.samples_hash,
    )


def _remove_others(site: Path, keep: set[str]) -> None:
    """Shards and tables of an earlier export with other settings."""
    for folder in ("data", "tables"):
        for path in sorted((site / folder).glob("*")):
            if path.relative_to(site).as_posix() not in keep:
                path.unlink()


def _require_apart(root: Path, site: Path) -> None:
    inner, outer = root.resolve(), site.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputRefused(f"{site} and {root} lie in each other; choose another --out")
