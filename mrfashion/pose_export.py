"""Keypoints of a dataset's clips, written for other tools: a folder a clip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mrfashion.errors import ConfigError, InputRefused
from mrfashion.manifest import Dataset
from mrfashion.overlay import find_clip
from mrfashion.poses.exchange import FORMATS, format_of
from mrfashion.poses.exchange.poses import Poses
from mrfashion.progress import Progress, silent

Files = dict[str, bytes]


def export(
    names: Sequence[str],
    out: Path,
    form: str,
    force: bool = False,
    progress: Progress[Any] = silent,
) -> list[Path]:
    """Write the clips that `names` name (`DATASET`, `DATASET/clips/ID.mp4`) => their folders.

    A folder appears whole or not at all. One of the same content is left alone; of other content,
    InputRefused unless `force`.
    """
    write = format_of(form).write
    if write is None:
        known = ", ".join(name for name, made in FORMATS.items() if made.write)
        raise ConfigError(f"format {form!r} is only read; allowed: {known}")
    found = list(dict.fromkeys(clip for name in names for clip in _clips(name)))
    if len({clip_id for _, clip_id in found}) < len(found):
        raise InputRefused("two datasets hold a clip of the same id; export them one at a time")
    datasets = {root: Dataset(root) for root, _ in found}
    folders = []
    for root, clip_id in progress(found, "export", len(found)):
        clip = datasets[root].clip(clip_id)
        poses = Poses(datasets[root].keypoints(clip_id), (clip.height, clip.width), clip.fps)
        folders.append(out / clip_id)
        _place(folders[-1], dict(write(clip_id, poses)), force)
    return folders


def _clips(name: str) -> Iterator[tuple[Path, str]]:
    """Dataset folder and id of each clip that a name stands for."""
    if (Path(name) / "samples.parquet").is_file():
        for clip_id in Dataset(name).clips:
            yield Path(name), clip_id
    else:
        dataset, clip_id = find_clip(name)
        yield dataset.root, clip_id


def _place(folder: Path, files: Files, force: bool) -> None:
    if folder.exists():
        if _holds(folder, files):
            return
        if not force:
            raise InputRefused(f"{folder} holds something else; choose another --out, or --force")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _holds(folder: Path, files: Files) -> bool:
    """Is exactly this in the folder, and nothing else?"""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(files):
        return False
    return all((folder / name).read_bytes() == data for name, data in files.items())
