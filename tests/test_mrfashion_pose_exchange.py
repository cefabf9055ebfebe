"""Keypoints of other tools, as sidecars; and the pictures of `mrfashion pose show`."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.__main__ import run
from mrfashion.errors import ExitCode, InputRefused, UnknownNameError
from mrfashion.manifest import Dataset
from mrfashion.media import probe, read_frames
from mrfashion.poses.cache import pack, unpack
from mrfashion.poses.drawing import LIMBS, draw_keypoints
from mrfashion.poses.exchange import FORMATS, read_poses
from mrfashion.poses.exchange.openpose import BODIES
from mrfashion.poses.exchange.poses import Poses
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
    (keypoints,) = read_poses(write_folder(tmp_path / "op", [[person(count)]])).keypoints
    for place, name in enumerate(OURS):
        if name in names:
            there = names.index(name)
            assert keypoints[place].tolist() == pytest.approx([there, 10 * there, 0.9])
        else:
            assert keypoints[place, 2] == 0
    assert np.isnan(keypoints[len(BODIES[count]) :, 0]).all()


def test_face_and_hands_come_along_and_zeros_are_missing(tmp_path: Path) -> None:
    hand = [1.0, 2.0, 0.5] * 21
    feet = [value for i in range(6) for value in (i, 50, 0.6)]
    face = [3.0, 4.0, 0.7] * 70
    whole = person(25, hand_left_keypoints_2d=hand, face_keypoints_2d=face)
    whole["pose_keypoints_2d"][:3] = [0, 0, 0]
    (keypoints,) = read_poses(write_folder(tmp_path / "op", [[whole]])).keypoints
    assert np.isnan(keypoints[0, :2]).all()
    assert (keypoints[23:91] == np.float32([3.0, 4.0, 0.7])).all()
    assert (keypoints[91:112] == np.float32([1.0, 2.0, 0.5])).all()
    assert (keypoints[112:, 2] == 0).all()
    whole = person(18, foot_keypoints_2d=feet)
    (keypoints,) = read_poses(write_folder(tmp_path / "feet", [[whole]])).keypoints
    assert keypoints[17:23, 0].tolist() == list(range(6))


def test_of_several_people_the_surest_is_taken_and_nobody_is_missing(tmp_path: Path) -> None:
    frames = [[person(18, 0.2), person(25, 0.8)], []]
    keypoints = read_poses(write_folder(tmp_path / "op", frames)).keypoints
    assert keypoints[0, 0, 2] == pytest.approx(0.8)
    assert np.isnan(keypoints[1, :, :2]).all()
    assert (keypoints[1, :, 2] == 0).all()


WRONG_JSON = [
    ("nonsense", "is no JSON"),
    ("[" * 100_000, "is no JSON"),
    ("[]", "has no list `people`"),
    ('{"people": 3}', "has no list `people`"),
    ('{"people": [3]}', "a person is no object"),
    ('{"people": [{}]}', "a person is no object with `pose_keypoints_2d`"),
    ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "not a flat list"),
    ('{"people": [{"pose_keypoints_2d": ["a", 2, 3]}]}', "not a rectangle of finite numbers"),
    ('{"people": [{"pose_keypoints_2d": ["1", "2", "3"]}]}', "not a rectangle of finite numbers"),
    ('{"people": [{"pose_keypoints_2d": [true, true, true]}]}', "not a rectangle of finite"),
    ('{"people": [{"pose_keypoints_2d": [null, 2, 3]}]}', "not a rectangle of finite numbers"),
    ('{"people": [{"pose_keypoints_2d": [1e999, 2, 3]}]}', "not a rectangle of finite numbers"),
    ('{"people": [{"pose_keypoints_2d": [1e300, 2, 3]}]}', "not a rectangle of finite numbers"),
    (
        '{"people": [{"pose_keypoints_2d": [1' + 400 * "0" + ", 2, 3]}]}",
        "not a rectangle of finite",
    ),
    ('{"people": [{"pose_keypoints_2d": [' + 5000 * "9" + ", 2, 3]}]}", "is no JSON"),
    ('{"people": [{"pose_keypoints_2d": [NaN, 2, 3]}]}', "NaN is no number"),
    ('{"people": [{"pose_keypoints_2d": [-Infinity, 2, 3]}]}', "-Infinity is no number"),
    ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "allowed: 18 or 25"),
    ('{"people": [{"pose_keypoints_2d": {"a": 1}}]}', "not a flat list"),
    ('{"people": [{"pose_keypoints_2d": [], "face_keypoints_2d": [1, 2, 3]}]}', "needed: 68"),
    ('{"people": [], "people": []}', "a key is there twice"),
    ('{"people": [], "canvas_width": 5}', "a frame of None x 5"),
    ('{"people": [], "canvas_width": 5, "canvas_height": "7"}', "a frame of '7' x 5"),
    ('{"people": [], "canvas_width": 1e300, "canvas_height": 1}', "1 to 100000 px"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_JSON)
def test_hostile_json_is_refused_by_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "0.json").write_text(text)
    with pytest.raises(InputRefused) as error:
        read_poses(tmp_path)
    assert message in str(error.value)
    assert "0.json" in str(error.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a_1.json", "a_3.json"], "frame 2 is not there"),
        (["a_1.json", "b_01.json"], "the number of its own frame"),
        (["a_1.json", "notes.json"], "the number of its own frame"),
    ],
)
def test_frames_out_of_line_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text('{"people": []}')
    with pytest.raises(InputRefused, match=message):
        read_poses(tmp_path)


def test_unpadded_frame_numbers_are_ordered_by_number(tmp_path: Path) -> None:
    for number in range(12):
        body = [float(number + 1), 2.0, 0.5] * 18
        frame = {"people": [{"pose_keypoints_2d": body}]}
        (tmp_path / f"v2_frame{number}.json").write_text(json.dumps(frame))
    assert read_poses(tmp_path).keypoints[:, 0, 0].tolist() == list(range(1, 13))


def test_the_list_comfyui_saves_is_read_with_its_canvas(tmp_path: Path) -> None:
    whole = person(18, 1.0, face_keypoints_2d=None, hand_left_keypoints_2d=[3.0, 4.0, 1.0] * 21)
    frame = {"people": [whole], "canvas_height": 768, "canvas_width": 512}
    path = tmp_path / "poses.json"
    path.write_text(json.dumps([frame, {**frame, "people": []}], indent=4))
    poses = read_poses(path)
    assert poses.size == (768, 512)
    assert poses.keypoints[0, 91].tolist() == [3.0, 4.0, 1.0]
    assert (poses.keypoints[1, :, 2] == 0).all()
    path.write_text(json.dumps([frame, {**frame, "canvas_width": 513}]))
    with pytest.raises(InputRefused, match="frames of 2 canvas sizes"):
        read_poses(path)


def coco(**annotation: Any) -> dict[str, Any]:
    """Two images, one annotation in the first: v of the body 2, of the face 0.4."""
    made: dict[str, Any] = {"id": 1, "image_id": 7, "keypoints": [5.0, 6.0, 2] * 17}
    made |= {"face_kpts": [7, 8, 0.4] * 68}
    images = [{"id": i, "file_name": f"{i:03}.png", "height": 20, "width": 30} for i in (9, 7)]
    return {"images": images, "annotations": [{**made, **annotation}]}


def read_coco(tmp_path: Path, document: Any) -> Poses:
    path = tmp_path / "wholebody.json"
    path.write_text(json.dumps(document))
    return read_poses(path)


def test_coco_flags_and_scores_are_told_apart_by_part(tmp_path: Path) -> None:
    poses = read_coco(tmp_path, coco(keypoints=[5.0, 6.0, 2] * 15 + [1, 2, 1, 0, 0, 0]))
    first, second = poses.keypoints
    assert first[:15, 2].tolist() == [1.0] * 15
    assert first[15].tolist() == pytest.approx([1, 2, 0.2])
    assert first[23].tolist() == pytest.approx([7, 8, 0.4])
    assert (first[16:23, 2] == 0).all()
    assert (second[:, 2] == 0).all()
    assert poses.size == (20, 30)
    ones = read_coco(tmp_path, coco(keypoints=[5, 6, 1] * 17))
    assert (ones.keypoints[0, :17, 2] == 1).all()


def test_coco_takes_the_surest_of_several(tmp_path: Path) -> None:
    document = coco(keypoints=[1, 1, 0.5] * 17)
    document["annotations"].append({"image_id": 7, "keypoints": [2, 2, 0.6] * 17})
    assert read_coco(tmp_path, document).keypoints[0, 0, 0] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "every image, and there must be one"),
        ({"images": 3}, "`images` is no list of objects"),
        ({"images": [{"id": 1}, {"id": 1}]}, "integer id of its own"),
        ({"images": [{"id": 7, "file_name": "b"}, {"id": 8, "file_name": "a"}]}, "renumber"),
        ({"images": [{"id": 7, "width": 1, "height": 1}, {"id": 8}]}, "images of 2 sizes"),
        ({"annotations": {}}, "`annotations` is no list"),
        ({"annotations": [{"image_id": 5}]}, "image 5, which is not in `images`"),
        ({"annotations": [{"image_id": [7]}]}, "which is not in `images`"),
        ({"annotations": [{"image_id": 7, "keypoints": [1, 2, 3]}]}, "has 3 numbers; needed: 51"),
        ({"annotations": [{"image_id": 7}]}, "not a rectangle of finite numbers"),
        ({"info": {"fps": -1}}, "fps is -1"),
        ({"people": []}, "openpose or dwpose or coco-wholebody; say which with --format"),
    ],
)
def test_wrong_coco_files_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputRefused, match=message):
        read_coco(tmp_path, coco() | change)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_an_archive_of_numpy_is_read(tmp_path: Path) -> None:
    places = np.arange(2 * 17 * 2, dtype=np.float64).reshape(2, 17, 2)
    scores = np.full((2, 17), 0.5)
    path = npz(tmp_path / "k.npz", keypoints=places, scores=scores, width=64, height=48, fps=12.5)
    poses = read_poses(path)
    assert (poses.size, poses.fps) == ((48, 64), 12.5)
    assert np.array_equal(poses.keypoints[:, :17, :2], places)
    assert (poses.keypoints[:, :17, 2] == 0.5).all()


ZEROS = np.zeros((2, 17, 3), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": ZEROS}, r"keypoints\.npy is there 0 times"),
        ({"keypoints": ZEROS[0]}, r"got \(17, 3\)"),
        ({"keypoints": ZEROS[:0]}, r"got \(0, 17, 3\)"),
        ({"keypoints": ZEROS, "scores": ZEROS}, r"needed: \(f, k, 2\)"),
        ({"keypoints": ZEROS.astype(complex)}, "plain numbers are needed"),
        ({"keypoints": np.full_like(ZEROS, np.inf)}, "a number is 1e9 or more"),
        ({"keypoints": np.array([{}], object)}, "plain numbers are needed"),
        ({"keypoints": ZEROS.astype("S3")}, "plain numbers are needed"),
        ({"keypoints": ZEROS, "width": ZEROS, "height": 3}, "one number is needed"),
        ({"keypoints": ZEROS, "width": np.nan, "height": 3}, "1 to 100000 px"),
        ({"keypoints": ZEROS, "fps": np.inf}, "fps is inf"),
    ],
)
def test_wrong_archives_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InputRefused, match=message):
        read_poses(npz(tmp_path / "k.npz", **arrays))


def test_headers_that_promise_too_much_allocate_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", ZEROS)
    data = (tmp_path / "k.npy").read_bytes()
    huge = data.replace(b"(2, 17, 3), }         ", b"(1000000000, 17, 3), }")
    negative = data.replace(b"(2, 17, 3), }  ", b"(-2, -17, 3), }")
    assert len({data, huge, negative}) == 3
    wrong = (huge, negative, data[:-1], data[:30], data + b"more")
    for number, bad in enumerate(wrong):
        (tmp_path / f"{number}.npy").write_bytes(bad)
        with zipfile.ZipFile(tmp_path / f"{number}.npz", "w") as archive:
            archive.writestr("keypoints.npy", bad)
        for suffix in ("npy", "npz"):
            with pytest.raises(InputRefused, match=rf"{number}\.{suffix}: no ar"):
                read_poses(tmp_path / f"{number}.{suffix}")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrfashion.poses.exchange.arrays.MAX_BYTES", 1 << 20)
    path = npz(tmp_path / "bomb.npz", keypoints=np.zeros((20_000, 17, 3), np.float32))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(InputRefused, match=r"keypoints\.npy unpacks to more than 1048576 bytes"):
        read_poses(path)


def test_members_named_twice_and_unpickled_members_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "k.npz", keypoints=ZEROS)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("keypoints.npy", b"")
    with pytest.raises(InputRefused, match="is there 2 times"):
        read_poses(path)


def test_members_of_any_other_name_are_left_alone(tmp_path: Path) -> None:
    path = npz(tmp_path / "k.npz", keypoints=ZEROS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escape.npy", b"x")
        archive.writestr("/etc/passwd", b"x")
    assert len(read_poses(path).keypoints) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["k.npz"]


@pytest.mark.parametrize("name", ["keypoints.txt", "keypoints.npy", "empty", "none"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif name != "none":
        path.write_bytes(b"\x93NUMPY\x01\x00 nonsense")
    with pytest.raises(InputRefused, match=name):
        read_poses(path)


def test_a_format_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = npz(tmp_path / "k.npz", keypoints=ZEROS)
    with pytest.raises(InputRefused, match="is no openpose; by its content it is npz"):
        read_poses(path, "openpose")
    with pytest.raises(UnknownNameError, match="did you mean openpose"):
        read_poses(path, "openpoze")


def test_too_long_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k.json"
    path.write_text(json.dumps(ZEROS.tolist()))
    monkeypatch.setattr("mrfashion.poses.exchange.document.MAX_JSON_BYTES", 100)
    with pytest.raises(InputRefused, match="over 0 MiB"):
        read_poses(path)
    monkeypatch.setattr("mrfashion.poses.exchange.openpose.MAX_FRAME_BYTES", 100)
    with pytest.raises(InputRefused, match="one frame a file"):
        read_poses(write_folder(tmp_path / "op", [[person()]]))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "people pose_keypoints_2d face_keypoints_2d images annotations id image_id "
                "keypoints file_name width height canvas_width canvas_height info fps".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=100)
@given(value=VALUES, folder=st.booleans())
def test_whatever_json_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, value: Any, folder: bool
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "0.json"
    path.write_text(json.dumps(value))
    read_or_refused(path.parent if folder else path)


@settings(deadline=None, max_examples=100)
@given(
    kind=st.sampled_from(["npz", "npy"]),
    at=st.integers(0),
    junk=st.binary(min_size=1, max_size=6),
    cut=st.none() | st.integers(0),
)
def test_however_an_array_file_is_damaged_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, junk: bytes, cut: int | None
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"k.{kind}"
    if kind == "npz":
        npz(path, keypoints=ZEROS, width=3, height=4)
    else:
        np.save(path, ZEROS)
    data = bytearray(path.read_bytes())
    data[at % len(data) : at % len(data) + len(junk)] = junk
    path.write_bytes(data[: None if cut is None else cut % len(data)])
    read_or_refused(path)


def read_or_refused(path: Path) -> None:
    """Any other error fails the test, and so does a value that keypoints cannot have."""
    try:
        keypoints = read_poses(path).keypoints
    except InputRefused:
        return
    assert keypoints.shape[1:] == (133, 3)
    assert np.array_equal(np.isnan(keypoints[..., 0]), keypoints[..., 2] == 0)
    assert ((keypoints[..., 2] >= 0) & (keypoints[..., 2] <= 1)).all()


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputRefused, match="no array of numbers"):
        read_poses(tmp_path / "k.npy")


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(1, 4), count=st.sampled_from([17, 23, 133]), seed=st.integers(0))
def test_arrays_and_json_read_alike(
    tmp_path_factory: pytest.TempPathFactory, frames: int, count: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.2, 1.5, (frames, count, 3)).astype(np.float32)
    np.save(folder / "k.npy", values)
    np.save(folder / "fortran.npy", np.asfortranarray(values))
    (folder / "k.json").write_text(json.dumps(values.tolist()))
    a, b, c = (read_poses(folder / n).keypoints for n in ("k.npy", "k.json", "fortran.npy"))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, c)
    assert ((a[..., 2] >= 0) & (a[..., 2] <= 1)).all()
    assert np.array_equal(np.isnan(a[..., 0]), a[..., 2] == 0)


WRITABLE = [name for name, made in FORMATS.items() if made.write]


@settings(deadline=None, max_examples=40)
@given(
    frames=st.integers(1, 5),
    seed=st.integers(0, 9999),
    known=st.sampled_from([0.0, 0.05, 0.8, 1.0]),
    name=st.sampled_from(WRITABLE),
)
def test_what_is_written_reads_back(
    tmp_path_factory: pytest.TempPathFactory, frames: int, seed: int, known: float, name: str
) -> None:
    """Exactly for what the cache holds: eighths of a pixel, scores in 255 steps."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(-50, 4000, (frames, 133, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(0, 1, (frames, 133))
    keypoints[rng.random((frames, 133)) >= known] = (np.nan, np.nan, 0)
    stored = unpack(*pack(keypoints))
    folder = tmp_path_factory.mktemp("written")
    write = FORMATS[name].write
    assert write is not None
    for file, data in write("clip", Poses(stored, (48, 64), 12.5)):
        (folder / file).write_bytes(data)
    files = list(folder.iterdir())
    poses = read_poses(folder if "pose" in name else files[0])
    assert np.array_equal(unpack(*pack(poses.keypoints)), stored, equal_nan=True)
    assert poses.size == (None if name == "openpose" else (48, 64))
    assert poses.fps == (None if "pose" in name else 12.5)


def test_the_neck_needs_both_shoulders(tmp_path: Path) -> None:
    keypoints = np.full((1, 133, 3), (np.nan, np.nan, 0), np.float32)
    keypoints[0, 5], keypoints[0, 6] = (10, 20, 0.9), (30, 40, 0.6)
    write = FORMATS["dwpose"].write
    assert write is not None
    assert body(write, keypoints)[3:6] == [20, 30, 0.6]
    keypoints[0, 6, 2] = 0
    assert body(write, keypoints)[3:6] == [0, 0, 0]


def body(write: Any, keypoints: np.ndarray) -> list[float]:
    ((_, data),) = write("c", Poses(keypoints))
    values: list[float] = json.loads(data)["people"][0]["pose_keypoints_2d"]
    assert len(values) == 3 * 18
    return values


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


def test_other_units_are_scaled_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_footage(tmp_path, "a", 0, sidecar=False)
    _, keypoints, _ = turning_clip(0, 40)
    height, width = probe(video).height, probe(video).width
    unit = keypoints / np.array([width, height, 1], np.float32)
    np.save(tmp_path / "unit.npy", unit)
    canvas = {"width": 2 * width, "height": 3 * height}
    npz(tmp_path / "canvas.npz", keypoints=keypoints * np.float32([2, 3, 1]), **canvas)
    for name, said in (("unit.npy", "0..1 of the frame"), ("canvas.npz", "pixels of a canvas of")):
        command = ["pose", "import", str(video), str(tmp_path / name)]
        assert run(command) == ExitCode.REFUSED
        assert said in (told := " ".join(capsys.readouterr().err.split()))
        assert "--rescale" in told
        assert run([*command, "--rescale"]) == ExitCode.COMPLETE
        found = read_sidecar(sidecar_path(video)).keypoints
        np.testing.assert_allclose(found, keypoints, atol=1e-3)
    np.save(tmp_path / "signed.npy", unit * 2 - 1)
    assert run(["pose", "import", str(video), str(tmp_path / "signed.npy"), "--rescale"]) == 4
    assert "coordinates are -1..1" in capsys.readouterr().err


@pytest.mark.parametrize("name", WRITABLE)
def test_clips_are_exported_whole_and_once(
    tiny_dataset: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["pose", "export", str(tiny_dataset), "--out", str(out), "--format", name]
    assert run([*command, "--json"]) == ExitCode.COMPLETE
    folders = [Path(folder) for folder in json.loads(capsys.readouterr().out)]
    assert sorted(out.iterdir()) == folders
    assert [folder.name for folder in folders] == list(Dataset(tiny_dataset).clips)
    files = sorted(folders[0].iterdir())
    assert len(files) == (FRAMES if "pose" in name else 1)
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    assert run(command) == ExitCode.COMPLETE
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before
    found = read_poses(folders[0] if "pose" in name else files[0]).keypoints
    stored = Dataset(tiny_dataset).keypoints("clip00")
    np.testing.assert_allclose(found, stored, atol=1e-3)
    files[0].write_bytes(b"mine")
    one = ["pose", "export", str(tiny_dataset / "clips" / "clip00.mp4"), *command[3:]]
    assert run(one) == ExitCode.REFUSED
    assert files[0].read_bytes() == b"mine"
    assert run([*one, "--force"]) == ExitCode.COMPLETE
    assert files[0].read_bytes() == before[0][0]
    assert sorted(path.name for path in out.iterdir()) == [folder.name for folder in folders]


def test_export_names_what_it_needs(
    tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["pose", "export", str(tiny_dataset), "--out", str(tmp_path / "out"), "--format"]
    assert run([*command, "array"]) == ExitCode.USAGE
    assert "allowed: openpose, dwpose, coco-wholebody, npz" in capsys.readouterr().err
    assert run([*command, "nzp"]) == ExitCode.USAGE
    assert run(["pose", "export", str(tmp_path), "--out", str(tmp_path / "out")]) == 4
    assert not (tmp_path / "out").exists()


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
