"""What the requests of some samples carry beside pixels: poses and yaws, as one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import content_hash
from mrfashion.errors import InputRefused, SchemaError
from mrfashion.manifest import Dataset
from mrfashion.tables import Sample


def array_hash(array: NDArray[Any]) -> str:
    """Hash of an array's dtype, shape and values."""
    digest = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def conditions_hash(dataset: Dataset, samples: Sequence[Sample]) -> str:
    """Changes when a pose, a yaw or the geometry of a clip that a sample names changes.

    The samples table and the clips' bytes stay the same when poses are estimated again, and
    generations from both must not stand side by side.
    """
    references = sorted({name for sample in samples for name in sample.reference_ids})
    clips = {sample.clip_id for sample in samples} | {name.split("/")[0] for name in references}
    return content_hash(
        {
            "clips": {name: _clip(dataset, name) for name in sorted(clips)},
            "references": {name: _reference(dataset, name) for name in references},
        }
    )


def _clip(dataset: Dataset, clip_id: str) -> list[Any]:
    clip = dataset.clip(clip_id)
    geometry = [clip.height, clip.width, clip.frames, clip.fps]
    try:
        keypoints = array_hash(dataset.keypoints(clip_id))
    except SchemaError:
        raise
    except InputRefused:
        keypoints = None  # no row: the samples that need it fail one by one
    try:
        yaw = array_hash(dataset.yaw_deg(clip_id))
    except KeyError:
        yaw = None
    return [geometry, keypoints, yaw]


def _reference(dataset: Dataset, reference_id: str) -> list[Any] | None:
    row = dataset.references.get(reference_id)
    return None if row is None else [row.clip_id, row.frame, repr(row.yaw_deg), row.view]
