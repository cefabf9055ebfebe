"""Does a dataset still hold what its tables say? `mrfashion verify DATASET`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrfashion.artefacts import sha256_file
from mrfashion.errors import InputRefused, MRFashionError
from mrfashion.inventory import INVENTORY, TableEntry, all_table_files, read_inventory
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.progress import Progress, silent
from mrfashion.schema import Table
from mrfashion.tombstones import read_tombstones

LEAKS = ("garment_group", "source_sha256", "source_id", "product_id", "split_group")
LISTED = 3  # names in a note


@dataclass(frozen=True)
class TableState:
    """A file of a table as it was found."""

    path: str
    table: str
    schema_version: int
    current_version: int  # what this release writes; an older one is migrated on reading
    rows: int


@dataclass(frozen=True)
class Verification:
    """What was found; `wrong` is empty when everything is as it was written."""

    tables: tuple[TableState, ...]
    wrong: tuple[str, ...]
    notes: tuple[str, ...]  # what may be as it is


def verify(root: str | Path, progress: Progress[Any] = silent) -> Verification:
    """Read every table and hash and decode every clip of a dataset; InputRefused if it is none."""
    dataset = Dataset(root)
    states, wrong = _tables(dataset.root)
    notes = [] if (dataset.root / INVENTORY).is_file() else [_UNRECORDED]
    if not wrong:
        for clip_id in progress(list(dataset.clips), "verify", len(dataset.clips)):
            try:
                wrong += _clip(dataset, clip_id)
            except MRFashionError as error:
                wrong.append(f"clip {clip_id}: {error}")
        wrong += [*_strangers(dataset), *_references(dataset), *_samples(dataset)]
        wrong += [*_splits(dataset), *_links(dataset.root), *_come_back(dataset)]
        notes += _orphans(dataset)
    return Verification(tuple(states), tuple(wrong), tuple(notes))


_UNRECORDED = (
    f"{INVENTORY} is missing: an earlier release wrote the tables, so their bytes were not "
    "compared; run curate again to record them"
)


def _tables(root: Path) -> tuple[list[TableState], list[str]]:
    """Every table file read to its last row, and compared with what was recorded of it."""
    found = all_table_files(root)
    try:
        recorded = read_inventory(root)
    except InputRefused as error:
        return [], [str(error)]
    states, wrong = [], []
    for path, table in found.items():
        try:
            states.append(_state(root, path, table))
        except MRFashionError as error:
            wrong.append(f"table {path}: {error}")
            continue
        if recorded is not None:
            wrong += _compared(root, path, recorded.get(path), states[-1])
    gone = sorted(set(recorded or ()) - set(found))
    return states, wrong + [f"table {path} is gone" for path in gone]


def _state(root: Path, path: str, table: Table[Any]) -> TableState:
    file = table.open(root / path)
    rows = sum(1 for _ in file)
    return TableState(path, table.name, file.header["schema_version"], table.version, rows)


def _compared(root: Path, path: str, entry: TableEntry | None, state: TableState) -> Iterator[str]:
    if entry is None:
        yield f"table {path} was added after the dataset was finished"
    elif (entry.table, entry.schema_version, entry.rows) != (
        state.table,
        state.schema_version,
        state.rows,
    ):
        yield f"table {path} holds other rows than when it was written"
    elif entry.sha256 != sha256_file(root / path):
        yield f"table {path} has other bytes than when it was written"


def _clip(dataset: Dataset, clip_id: str) -> list[str]:
    row, path = dataset.clip(clip_id), dataset.video_path(clip_id)
    if not path.is_file():
        return [f"clip {clip_id}: {row.path} is gone"]
    if sha256_file(path) != row.sha256:
        return [f"clip {clip_id}: {row.path} has other bytes than when it was written"]
    shapes = [frame.image.shape for frame in decode(path)]
    mask = dataset.mask(clip_id)
    lengths = {
        "video": len(shapes),
        "keypoints": len(dataset.keypoints(clip_id)),
        "views": len(dataset.yaw_deg(clip_id)),
        "mask": row.frames if mask is None else len(mask),
    }
    wrong = [
        f"clip {clip_id}: {what} has {count} frames; the table says {row.frames}"
        for what, count in lengths.items()
        if count != row.frames
    ]
    if set(shapes) != {(row.height, row.width, 3)}:
        sizes = sorted({f"{w}x{h}" for h, w, _ in shapes})
        wrong.append(f"clip {clip_id}: frames are {sizes}; the table: {row.width}x{row.height}")
    return wrong


def _strangers(dataset: Dataset) -> Iterator[str]:
    """Rows about clips that are not in the dataset, in whichever table names clips."""
    for path, table in all_table_files(dataset.root).items():
        if "clip_id" not in table.arrow_schema().names:
            continue
        ids = dict.fromkeys(table.open(dataset.root / path).column("clip_id"))
        for name in [name for name in ids if name not in dataset.clips]:
            yield f"table {path}: a row is of clip {name}, which is not in the dataset"


def _references(dataset: Dataset) -> Iterator[str]:
    for row in dataset.references.values():
        if row.clip_id in dataset.clips and not 0 <= row.frame < dataset.clip(row.clip_id).frames:
            yield f"reference {row.reference_id}: its frame is not in clip {row.clip_id}"


def _samples(dataset: Dataset) -> Iterator[str]:
    for sample in dataset.samples.values():
        last = sample.start + (sample.frames - 1) * sample.stride
        if sample.clip_id not in dataset.clips or last >= dataset.clip(sample.clip_id).frames:
            yield f"sample {sample.sample_id}: its frames are not in clip {sample.clip_id}"
        for name in sample.reference_ids:
            if name not in dataset.references:
                yield f"sample {sample.sample_id}: reference {name} is missing"


def _splits(dataset: Dataset) -> Iterator[str]:
    """Nothing that ties clips together is in two splits."""
    for column in LEAKS:
        splits: dict[str, set[str]] = {}
        for clip in dataset.clips.values():
            if (name := getattr(clip, column)) is not None:
                splits.setdefault(name, set()).add(clip.split)
        for name, found in sorted(splits.items()):
            if len(found) > 1:
                yield f"{column} {name} is in splits {', '.join(sorted(found))}"


def _come_back(dataset: Dataset) -> Iterator[str]:
    """What was taken down and is there, or was never taken down to the end."""
    tombstones = read_tombstones(dataset.root)
    for source_id in tombstones.unfinished:
        yield f"the takedown of {source_id} was not finished: run it again"
    for clip in dataset.clips.values():
        if clip.source_id in tombstones.ids or clip.source_sha256 in tombstones.sha256:
            yield f"clip {clip.clip_id} is of {clip.source_id}, which was taken down"


def _links(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            yield f"{path.relative_to(root).as_posix()} links out of the dataset"


def _orphans(dataset: Dataset) -> Iterator[str]:
    """Files of clips that no row names: curate keeps what it encoded and then dropped."""
    kept = {clip.path for clip in dataset.clips.values()}
    found = [path.relative_to(dataset.root).as_posix() for path in _files(dataset.root / "clips")]
    orphans = [name for name in found if name not in kept]
    if orphans:
        more = "" if len(orphans) <= LISTED else ", ..."
        yield (
            f"{len(orphans)} files below clips/ belong to no kept clip, which curate may use "
            f"again: {', '.join(orphans[:LISTED])}{more}"
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
