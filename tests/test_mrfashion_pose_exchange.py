"""Keypoints of other tools, as sidecars; and the pictures of `mrfashion pose show`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.__main__ import run
from mrfashion.errors import ExitCode, InputRefused
from mrfashion.manifest import Dataset
from mrfashion.media import probe, read_frames
from mrfashion.poses.drawing import LIMBS, draw_keypoints
from mrfashion.poses.exchange import BODIES, read_keypoints
from mrfashion.poses.sidecar import read_sidecar, sidecar_path
from tests.footage import FRAMES, turning_clip, write_footage

# OpenPose's own names, in its own order; the mapping is checked by name, not by place.
NAMES_25 = (
    "nose neck rshoulder relbow rwrist lshoulder lelbow lwrist midhip rhip rknee rankle lhip lknee "
    "lankle reye leye rear lear lbigtoe lsmalltoe lheel rbigtoe rsmalltoe rheel"
).split()
NAMES_18 = (
    "nose neck rshoulder relbow rwrist lshoulder lelbow lwrist rhip rknee rankle lhip lknee lankle "
    "reye leye rear lear"
).split()
OURS = (
    "nose leye reye lear rear lshoulder rshoulder lelbow relbow lwrist rwrist lhip rhip lknee "
    "rknee lankle rankle lbigtoe lsmalltoe lheel rbigtoe rsmalltoe rheel"
).split()


def person(count: int = 25, score: float = 0.9, **parts: list[float]) -> dict[str, Any]:
    """A body whose keypoint number i lies at (i, 10 i)."""
    flat = [value for i in range(count) for value in (i, 10 * i, score)]
    return {"pose_keypoints_2d": flat, **parts}


def write_folder(folder: Path, frames: list[list[dict[str, Any]]]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, people in enumerate(frames):
        path = folder / f"clip_{number:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


@pytest.mark.parametrize(("count", "names"), [(25, NAMES_25), (18, NAMES_18)])
def test_openpose_bodies_land_where_their_names_say(
    tmp_path: Path, count: int, names: list[str]
) -> None:
    (keypoints,) = read_keypoints(write_folder(tmp_path / "op", [[person(count)]]))
    for place, name in enumerate(OURS):
        if name in names:
            there = names.index(name)
            assert keypoints[place].tolist() == pytest.approx([there, 10 * there, 0.9])
        else:
            assert keypoints[place, 2] == 0
    assert np.isnan(keypoints[len(BODIES[count]) :, 0]).all()


def test_face_and_hands_come_along_and_zeros_are_missing(tmp_path: Path) -> None:
    hand = [1.0, 2.0, 0.5] * 21
    face = [3.0, 4.0, 0.7] * 70
    whole = person(25, hand_left_keypoints_2d=hand, face_keypoints_2d=face)
    whole["pose_keypoints_2d"][:3] = [0, 0, 0]
    (keypoints,) = read_keypoints(write_folder(tmp_path / "op", [[whole]]))
    assert np.isnan(keypoints[0, :2]).all()
    assert (keypoints[23:91] == np.float32([3.0, 4.0, 0.7])).all()
    assert (keypoints[91:112] == np.float32([1.0, 2.0, 0.5])).all()
    assert (keypoints[112:, 2] == 0).all()


def test_of_several_people_the_surest_is_taken_and_nobody_is_missing(tmp_path: Path) -> None:
    frames = [[person(18, 0.2), person(25, 0.8)], []]
    keypoints = read_keypoints(write_folder(tmp_path / "op", frames))
    assert keypoints[0, 0, 2] == pytest.approx(0.8)
    assert np.isnan(keypoints[1, :, :2]).all()
    assert (keypoints[1, :, 2] == 0).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "has no list `people`"),
        ('{"people": 3}', "has no list `people`"),
        ('{"people": [3]}', "an object is needed"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "not a flat list"),
        ('{"people": [{"pose_keypoints_2d": ["a", 2, 3]}]}', "not a rectangle of numbers"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "allowed: 18 or 25"),
        ('{"people": [{"pose_keypoints_2d": {"a": 1}}]}', "not a"),
    ],
)
def test_hostile_json_is_refused_by_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "0.json").write_text(text)
    with pytest.raises(InputRefused) as error:
        read_keypoints(tmp_path)
    assert message in str(error.value)
    assert "0.json" in str(error.value)


@pytest.mark.parametrize("name", ["keypoints.txt", "keypoints.npy", "empty"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    else:
        path.write_bytes(b"\x93NUMPY\x01\x00 nonsense")
    with pytest.raises(InputRefused):
        read_keypoints(path)


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputRefused, match="is no array"):
        read_keypoints(tmp_path / "k.npy")


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(1, 4), count=st.sampled_from([17, 23, 133]), seed=st.integers(0))
def test_arrays_and_json_read_alike(
    tmp_path_factory: pytest.TempPathFactory, frames: int, count: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.2, 1.5, (frames, count, 3)).astype(np.float32)
    np.save(folder / "k.npy", values)
    (folder / "k.json").write_text(json.dumps(values.tolist()))
    a, b = read_keypoints(folder / "k.npy"), read_keypoints(folder / "k.json")
    np.testing.assert_array_equal(a, b)
    assert ((a[..., 2] >= 0) & (a[..., 2] <= 1)).all()
    assert np.array_equal(np.isnan(a[..., 0]), a[..., 2] == 0)


def test_an_import_becomes_the_sidecar_curation_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_footage(tmp_path, "a", 0, sidecar=False)
    _, keypoints, _ = turning_clip(0, 40)
    np.save(tmp_path / "k.npy", keypoints)
    command = ["pose", "import", str(video), str(tmp_path / "k.npy"), "--licence", "CC0-1.0"]
    assert run(command) == ExitCode.COMPLETE
    assert capsys.readouterr().out.strip() == str(sidecar_path(video))
    sidecar = read_sidecar(sidecar_path(video))
    assert np.array_equal(sidecar.keypoints, keypoints, equal_nan=True)
    assert sidecar.meta == {"licence": "CC0-1.0"}
    np.save(tmp_path / "k.npy", keypoints[:-1])
    assert run(command) == ExitCode.REFUSED
    assert "has 23 frames" in capsys.readouterr().err
    assert run(["pose", "import", str(video), str(tmp_path / "none.npy")]) == ExitCode.REFUSED
    assert run(["pose", "import", str(tmp_path / "no.mp4"), str(tmp_path / "k.npy")]) == 4


def test_drawing_marks_known_joints_and_leaves_the_rest(tmp_path: Path) -> None:
    frames, keypoints, _ = turning_clip(0, 40)
    drawn = draw_keypoints(frames[0], keypoints[0])
    changed = (drawn != frames[0]).any(-1)
    for x, y, _ in keypoints[0, :17]:
        assert changed[round(float(y)), round(float(x))]
    assert not changed[:5].any()
    missing = keypoints[0].copy()
    missing[:] = (np.nan, np.nan, 0)
    assert np.array_equal(draw_keypoints(frames[0], missing), frames[0])
    assert np.array_equal(frames[0], turning_clip(0, 40)[0][0])  # the input is not drawn on
    far = keypoints[0].copy()
    far[5] = (1e7, -1e7, 1.0)
    assert draw_keypoints(frames[0], far).shape == frames[0].shape
    assert all(0 <= joint < 23 for limb in LIMBS for joint in limb[:2])


def test_left_and_right_have_their_own_colours() -> None:
    canvas = np.zeros((64, 64, 3), np.uint8)
    keypoints = np.full((133, 3), np.nan, np.float32)
    keypoints[:, 2] = 0
    left, right = keypoints.copy(), keypoints.copy()
    left[7], left[9] = (10, 30, 1.0), (50, 30, 1.0)
    right[8], right[10] = (10, 30, 1.0), (50, 30, 1.0)
    a, b = (draw_keypoints(canvas, k)[30, 30].astype(int) for k in (left, right))
    assert a[0] > a[2] + 100
    assert b[2] > b[0] + 100


def test_pose_show_writes_a_video_and_a_plot(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tiny_dataset / "clips" / "clip01.mp4"
    assert run(["pose", "show", str(clip), "--out", str(tmp_path), "--json"]) == ExitCode.COMPLETE
    (written,) = json.loads(capsys.readouterr().out)
    info = probe(Path(written["video"]))
    plain = Dataset(tiny_dataset).frames("clip01")
    assert len(read_frames(Path(written["video"]))) == FRAMES
    assert (info.height, info.width) == (plain.shape[1] * 8, plain.shape[2] * 8)
    assert Path(written["timeline"]).read_bytes().startswith(b"\x89PNG")


def test_pose_show_names_what_it_needs(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pose", "show", str(tmp_path / "x.mp4")]) == ExitCode.REFUSED
    assert "names no clip of a dataset" in capsys.readouterr().err
    assert run(["pose", "show", str(tiny_dataset / "clips" / "clip99.mp4")]) == ExitCode.USAGE
    assert "unknown clip 'clip99'" in capsys.readouterr().err
