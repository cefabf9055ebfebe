"""The keypoint cache: packing, parts, reading by clip and by range, files of version 1."""

import hashlib
import json
import multiprocessing
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion import parts, tables
from mrfashion.errors import InputRefused, ItemError, SchemaError
from mrfashion.generation import KEYPOINTS, Keypoints
from mrfashion.manifest import KEYPOINT_PARTS, Dataset
from mrfashion.parts import Parts, part_paths, write_parts
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.cache import LIMIT_PX, pack, unpack
from mrfashion.poses.dwpose import TopDown
from mrfashion.posing import PoseConfig
from tests.footage import FRAMES
from tests.historic.regenerate import any_keypoints, path_of
from tests.onnx_graphs import detector_graph, simcc_graph


def random_keypoints(frames: int, seed: int, reach_px: float = LIMIT_PX) -> Keypoints:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(-reach_px, reach_px, (frames, KEYPOINTS, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(0.01, 1, (frames, KEYPOINTS))
    keypoints[rng.random((frames, KEYPOINTS)) < 0.2] = (np.nan, np.nan, 0)
    return keypoints


def packed_as_version_1(keypoints: Keypoints) -> tuple[bytes, bytes]:
    """As version 1 was written: differences of int16 eighths, joint by joint; plain scores."""
    xy, score = bytearray(), bytearray()
    for axis in range(2):
        for joint in range(KEYPOINTS):
            before = 0
            for x, y, s in keypoints[:, joint]:
                now = round(float((x, y)[axis]) * 8) if s else 0
                xy += ((now - before + 2**15) % 2**16 - 2**15).to_bytes(2, "little", signed=True)
                before = now
    for joint in range(KEYPOINTS):
        score += bytes(round(float(s) * 255) for s in keypoints[:, joint, 2])
    return bytes(xy), bytes(score)


def row(clip_id: str, keypoints: Keypoints) -> tables.KeypointRow:
    xy, score = pack(keypoints)
    return tables.KeypointRow(
        clip_id, len(keypoints), 64, 48, 12.0, xy, score, "sidecar", (0.125, None), (None,), (1,)
    )


@settings(deadline=None, max_examples=30)
@given(
    frames=st.integers(0, 9),
    seed=st.integers(0, 99),
    upto=st.integers(0, 12),
    known=st.sampled_from([0, 1, 23, 133]),
)
def test_packing_keeps_a_sixteenth_of_a_pixel(
    frames: int, seed: int, upto: int, known: int
) -> None:
    keypoints = random_keypoints(frames, seed)
    keypoints[:, known:] = (np.nan, np.nan, 0)
    back = unpack(*pack(keypoints))
    assert np.array_equal(np.isnan(back), np.isnan(keypoints))
    error = np.nan_to_num(np.abs(back - keypoints))
    assert error[..., :2].max(initial=0) <= 1 / 16
    assert error[..., 2].max(initial=0) <= 0.5 / 255 + 1e-6
    assert np.array_equal(unpack(*pack(back)), back, equal_nan=True)
    part = unpack(*pack(keypoints), upto)
    assert np.array_equal(part, back[:upto], equal_nan=True)


def test_keypoints_beyond_int16_are_an_item_error() -> None:
    keypoints = np.full((1, KEYPOINTS, 3), 1.0, np.float32)
    keypoints[0, 3, 0] = LIMIT_PX + 1
    with pytest.raises(ItemError, match=r"pose\.out_of_range"):
        pack(keypoints)


@pytest.mark.parametrize(
    ("xy", "score"), [(0, b""), (0, b"\0"), (8, b"\2\1"), (4, b"\1\1\1"), (4 * 134, b"\x86" * 135)]
)
def test_a_row_of_other_sizes_is_refused(xy: int, score: bytes) -> None:
    with pytest.raises(SchemaError, match=rf"{xy} \+ {len(score)} bytes are no packed keypoints"):
        unpack(bytes(xy), score)


def test_what_is_never_known_is_not_packed() -> None:
    keypoints = random_keypoints(50, 0)
    keypoints[:, 23:] = (np.nan, np.nan, 0)
    xy, score = pack(keypoints)
    assert (len(xy), len(score)) == (4 * 23 * 50, 23 * 50 + 1)
    keypoints[:, :23] = (np.nan, np.nan, 0)
    assert np.array_equal(unpack(*pack(keypoints)), keypoints, equal_nan=True)


@settings(deadline=None, max_examples=60)
@given(
    bounds=st.tuples(*[st.none() | st.integers(-30, 30)] * 2),
    step=st.none() | st.integers(-5, 5).filter(bool),
)
def test_a_range_of_frames_equals_that_part_of_all(
    tiny_dataset: Path, bounds: tuple[int | None, int | None], step: int | None
) -> None:
    dataset, wanted = Dataset(tiny_dataset), slice(*bounds, step)
    whole = dataset.keypoints("clip01")
    assert len(whole) == FRAMES
    assert np.array_equal(dataset.keypoints("clip01", wanted), whole[wanted], equal_nan=True)
    frames = range(FRAMES)[wanted]
    assert np.array_equal(dataset.keypoints("clip01", frames), whole[wanted], equal_nan=True)


@pytest.mark.parametrize("frames", [range(FRAMES + 1), range(-1, 3), range(FRAMES, 0, -1)])
def test_a_range_out_of_the_clip_is_an_error(tiny_dataset: Path, frames: range) -> None:
    with pytest.raises(IndexError, match=f"a clip of {FRAMES} frames"):
        Dataset(tiny_dataset).keypoints("clip01", frames)


def test_parts_hold_at_most_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS_A_PART", 3)
    rows = [row(f"c{i}", random_keypoints(2, i)) for i in range(7)]
    write_parts(tables.KEYPOINTS, tmp_path, iter(rows), note="n")
    assert [len(tables.KEYPOINTS.read(path)) for path in part_paths(tmp_path)] == [3, 3, 1]
    assert {tables.KEYPOINTS.metadata(p)["note"] for p in part_paths(tmp_path)} == {"n"}
    read = Parts(tables.KEYPOINTS, tmp_path)
    assert list(read) == [r.clip_id for r in rows]
    for r in reversed(rows):
        assert read.values(r.clip_id, "score", "xy") == {"score": r.score, "xy": r.xy}
    assert "c7" not in read
    write_parts(tables.KEYPOINTS, tmp_path, rows[:3])
    assert [path.name for path in part_paths(tmp_path)] == ["part-000.parquet"]
    with pytest.raises(ValueError, match="in the order of"):
        write_parts(tables.KEYPOINTS, tmp_path, [*rows[1:4], rows[0]])


def test_a_thousandth_part_comes_last(tmp_path: Path) -> None:
    for number in (1000, 999, 101):
        (tmp_path / f"part-{number:03d}.parquet").touch()
    numbers = [int(path.stem[5:]) for path in part_paths(tmp_path)]
    assert numbers == [101, 999, 1000]


def test_no_rows_are_one_empty_part(tmp_path: Path) -> None:
    write_parts(tables.KEYPOINTS, tmp_path, [])
    assert list(Parts(tables.KEYPOINTS, tmp_path)) == []
    with pytest.raises(SchemaError, match="run the step that writes it"):
        list(Parts(tables.KEYPOINTS, tmp_path / "none"))


def test_a_key_in_two_parts_is_refused(tmp_path: Path) -> None:
    write_parts(tables.KEYPOINTS, tmp_path, [row("c", random_keypoints(1, 0))])
    shutil.copy(tmp_path / "part-000.parquet", tmp_path / "part-001.parquet")
    with pytest.raises(SchemaError, match="a clip_id is there twice"):
        list(Parts(tables.KEYPOINTS, tmp_path))


def read_hash(job: tuple[Dataset, str]) -> str:
    dataset, clip_id = job
    return hashlib.sha256(dataset.keypoints(clip_id).tobytes()).hexdigest()


def test_threads_and_worker_processes_read_alike(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "random"
    shutil.copytree(tiny_dataset, root)
    dataset = Dataset(root)
    monkeypatch.setattr(parts, "ROWS_A_PART", 3)
    rows = [row(clip_id, random_keypoints(40, i)) for i, clip_id in enumerate(dataset.clips)]
    write_parts(tables.KEYPOINTS, root / KEYPOINT_PARTS, rows)
    jobs = [(dataset, clip_id) for clip_id in dataset.clips]
    alone = [read_hash(job) for job in jobs]  # and so the files are open when handed on
    assert len(set(alone)) == len(alone)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read_hash, jobs * 50)) == alone * 50
    assert [read_hash(job) for job in pickle.loads(pickle.dumps(jobs))] == alone
    with multiprocessing.get_context("fork").Pool(2) as workers:
        assert workers.map(read_hash, jobs * 4, chunksize=1) == alone * 4


def test_a_dataset_of_version_1_reads_the_same(tiny_dataset: Path, tmp_path: Path) -> None:
    root = tmp_path / "old"
    shutil.copytree(tiny_dataset, root)
    now, path = Dataset(tiny_dataset), root / KEYPOINT_PARTS / "part-000.parquet"
    rows = []
    for r in tables.KEYPOINTS.read(path):
        xy, score = packed_as_version_1(now.keypoints(r.clip_id))
        rows.append(replace(r, xy=xy, score=score))
    replace(tables.KEYPOINTS, version=1, migrations={}).write(path, rows, config_hash="old")
    for clip_id in now.clips:
        for frames in (None, slice(3, 9, 2)):
            ours, theirs = (d.keypoints(clip_id, frames) for d in (now, Dataset(root)))
            assert np.array_equal(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("version", [1, 2])
def test_historic_keypoints_are_those_that_were_packed(version: int) -> None:
    (r,) = tables.KEYPOINTS.read(path_of(tables.KEYPOINTS, version))
    assert np.array_equal(unpack(r.xy, r.score), any_keypoints(r.frames), equal_nan=True)


def test_damaged_old_keypoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "part-000.parquet"
    old = replace(row("c", random_keypoints(2, 0)), xy=b"short")
    replace(tables.KEYPOINTS, version=1, migrations={}).write(path, [old])
    with pytest.raises(SchemaError, match=r"part-000\.parquet is damaged"):
        Parts(tables.KEYPOINTS, tmp_path).values("c", "xy")


def test_a_clip_without_keypoints_says_so(tiny_dataset: Path) -> None:
    with pytest.raises(InputRefused, match="clip no has no keypoints; run curate again"):
        Dataset(tiny_dataset).keypoints("no")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_header_says_what_made_the_keypoints(tmp_path: Path, name: str) -> None:
    """The header of a keypoint file holds every estimator's settings; these must be among them."""
    estimator = ESTIMATORS[name](PoseConfig())
    if isinstance(estimator, TopDown):  # it reads the weights it tells of
        files = detector_graph(tmp_path / "d.onnx"), simcc_graph(tmp_path / "p.onnx")
        estimator = TopDown(name, estimator.config, files)
    told = json.dumps(estimator.settings())
    for wanted in ("weights_sha256", "colour_order", "box_policy", "score_rule"):
        assert f'"{wanted}": ' in told, f"{name} does not record its {wanted}"
