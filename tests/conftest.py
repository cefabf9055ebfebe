"""Shared fixtures: a small dataset written straight through the tables, without the pipeline."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

# A worker a core: threads of torch and OpenBLAS beside them only fight. Read when they are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from mrfashion import manifest, tables
from mrfashion.artefacts import sha256_file
from mrfashion.media import write_clip
from mrfashion.parts import write_parts
from mrfashion.poses.cache import pack
from mrfashion.ranking import SLOTS
from mrfashion.views import VIEWS
from tests.footage import FPS, FRAMES, HEIGHT, WIDTH, turning_clip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """GPU tests skip where no CUDA device is; asking costs a torch import, so ask only then."""
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real footage; the test skips without it."""
    root = os.environ.get("MRFASHION_TEST_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("MRFASHION_TEST_DATA names no folder of real footage")
    return Path(root)


def write_dataset(root: Path, groups: int = 2) -> Path:
    """Two clips a garment group; each test sample's references come from the other clip."""
    clips, references, keypoint_rows, view_rows, masks, samples = [], [], [], [], [], []
    for number in range(groups * 2):
        clip_id, group = f"clip{number:02d}", f"g{number // 2:02d}"
        frames, keypoints, yaw = turning_clip(
            offset_deg=40.0 * number, hue=(40 + 15 * number) % 256
        )
        path = root / "clips" / f"{clip_id}.mp4"
        write_clip(path, frames, FPS)
        clips.append(_clip(clip_id, group, path))
        xy, score = pack(keypoints)
        keypoint_rows.append(
            tables.KeypointRow(
                clip_id, FRAMES, WIDTH, HEIGHT, FPS, xy, score, "sidecar", (), (), ()
            )
        )
        view_rows.append(tables.ViewRow(clip_id, tuple(map(float, yaw)), (1.0,) * FRAMES))
        bits = np.packbits((frames != 230).any(-1)).tobytes()
        masks.append(tables.MaskRow(clip_id, FRAMES, HEIGHT, WIDTH, bits))
        references += _references(clip_id, group, yaw)
        other = f"clip{number ^ 1:02d}"
        samples.append(_sample(clip_id, group, other))
    ids = {(r.clip_id, r.view): r.reference_id for r in references}
    samples = [
        replace(s, reference_ids=tuple(ids[(s.reference_ids[0], view)] for view in VIEWS))
        for s in samples
    ]
    tables.CLIPS.write(root / "clips.parquet", clips)
    tables.REFERENCES.write(root / "references.parquet", references)
    write_parts(tables.KEYPOINTS, root / manifest.KEYPOINT_PARTS, keypoint_rows)
    tables.VIEWS.write(root / manifest.VIEW_PART, view_rows)
    write_parts(tables.MASKS, root / manifest.MASK_PARTS, masks)
    tables.SPLITS.write(root / "splits.parquet", map(_placement, clips))
    tables.TIES.write(root / "ties.parquet", [])
    tables.REJECTS.write(root / "rejects.parquet", [])
    tables.FAILURES.write(root / "failures.parquet", [])
    tables.SAMPLES.write(root / "samples.parquet", samples)
    return root


def _clip(clip_id: str, group: str, path: Path) -> tables.Clip:
    return tables.Clip(
        clip_id=clip_id,
        source_id=f"test:{clip_id}",
        source_sha256="0" * 64,
        source_url=None,
        licence="CC0-1.0",
        terms=None,
        product_id=None,
        path=f"clips/{path.name}",
        sha256=sha256_file(path),
        start_pts=0,
        end_pts=FRAMES - 1,
        time_base="1/12",
        start_s=0.0,
        end_s=FRAMES / FPS,
        fps=FPS,
        frames=FRAMES,
        width=WIDTH,
        height=HEIGHT,
        person_box_xyxy_px=(8.0, 8.0, 44.0, 60.0),
        garment_group=group,
        split_group=group,
        split="test",
        views=VIEWS,
        view_fraction=dict.fromkeys(VIEWS, 0.25),
        measurements={},
    )


def _placement(clip: tables.Clip) -> tables.Placement:
    ids = (clip.clip_id, clip.source_sha256, clip.product_id, clip.garment_group)
    return tables.Placement(*ids, clip.split_group, clip.split, None, None)


def _references(clip_id: str, group: str, yaw: np.ndarray) -> list[tables.ReferenceCandidate]:
    rows = []
    for view, centre in zip(VIEWS, (0, 90, -90, 180), strict=True):
        frame = int(np.argmin(np.abs((yaw - centre + 180) % 360 - 180)))
        rows.append(
            tables.ReferenceCandidate(
                f"{clip_id}/{frame}",
                clip_id,
                group,
                frame,
                view,
                float(yaw[frame]),
                1.0,
                {},
                SLOTS.index(view) + 1,
                None,
            )
        )
    return rows


def _sample(clip_id: str, group: str, other: str) -> tables.Sample:
    return tables.Sample(
        sample_id=f"sample-{clip_id}",
        clip_id=clip_id,
        garment_group=group,
        split="test",
        start=4,
        frames=12,
        stride=1,
        reference_ids=(other,),
        reference_source="other_clip",
    )


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dataset folder of 2 garment groups, 4 clips of 24 frames at 48x64, 4 test samples."""
    return write_dataset(tmp_path_factory.mktemp("tiny"))
