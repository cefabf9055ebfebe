"""Does a dataset still hold what its tables say? `mrfashion verify DATASET`."""

from __future__ import annotations

from typing import Any

from mrfashion.artefacts import sha256_file
from mrfashion.errors import ItemError, MRFashionError
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.progress import Progress, silent


def verify(dataset: Dataset, progress: Progress[Any] = silent) -> list[str]:
    """What is wrong, in words; empty when every clip, keypoint and sample is as promised."""
    wrong = []
    for clip_id in progress(list(dataset.clips), "verify", len(dataset.clips)):
        try:
            wrong += _clip(dataset, clip_id)
        except MRFashionError as error:
            wrong.append(f"clip {clip_id}: {error}")
    return wrong + _samples(dataset) + _splits(dataset)


def _clip(dataset: Dataset, clip_id: str) -> list[str]:
    row, path = dataset.clip(clip_id), dataset.video_path(clip_id)
    if not path.is_file():
        return [f"clip {clip_id}: {row.path} is gone"]
    if sha256_file(path) != row.sha256:
        return [f"clip {clip_id}: {row.path} has other bytes than when it was written"]
    try:
        frames = sum(1 for _ in decode(path))
    except ItemError as error:
        return [f"clip {clip_id}: {error}"]
    lengths = {
        "video": frames,
        "keypoints": len(dataset.keypoints(clip_id)),
        "views": len(dataset.yaw_deg(clip_id)),
    }
    return [
        f"clip {clip_id}: {what} has {count} frames; the table says {row.frames}"
        for what, count in lengths.items()
        if count != row.frames
    ]


def _samples(dataset: Dataset) -> list[str]:
    wrong = []
    for sample in dataset.samples.values():
        last = sample.start + (sample.frames - 1) * sample.stride
        if sample.clip_id not in dataset.clips or last >= dataset.clip(sample.clip_id).frames:
            wrong.append(f"sample {sample.sample_id}: its frames are not in clip {sample.clip_id}")
        missing = [name for name in sample.reference_ids if name not in dataset.references]
        wrong += [f"sample {sample.sample_id}: reference {name} is missing" for name in missing]
    return wrong


def _splits(dataset: Dataset) -> list[str]:
    """No garment group, source or split group in two splits."""
    wrong = []
    for column in ("garment_group", "source_sha256", "split_group"):
        splits: dict[str, set[str]] = {}
        for clip in dataset.clips.values():
            splits.setdefault(getattr(clip, column), set()).add(clip.split)
        wrong += [
            f"{column} {name} is in splits {', '.join(sorted(found))}"
            for name, found in sorted(splits.items())
            if len(found) > 1
        ]
    return wrong
