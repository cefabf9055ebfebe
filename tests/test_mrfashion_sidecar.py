import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mrfashion.crops import Crop
from mrfashion.errors import ItemError
from mrfashion.poses.sidecar import Sidecar, read_sidecar, write_sidecar
from tests.footage import turning_clip


def test_a_sidecar_reads_back(tmp_path: Path) -> None:
    frames, points, yaw = turning_clip(0, 40)
    mask = (frames != 230).any(-1)
    flow = np.full((len(frames) - 1, *mask.shape[1:], 2), np.nan, np.float32)
    flow[:, 3, 4] = (1.5, -2.25)
    path = tmp_path / "v.sidecar.npz"
    write_sidecar(path, Sidecar(points, yaw, mask, flow, {"garment_group": "g1"}))
    back = read_sidecar(path)
    assert np.array_equal(back.keypoints, points, equal_nan=True)
    assert back.yaw_deg is not None
    assert np.array_equal(back.yaw_deg, yaw)
    assert np.array_equal(back.mask, mask)
    assert np.array_equal(back.flow, flow, equal_nan=True)
    assert back.meta == {"garment_group": "g1"}
    first = path.read_bytes()
    write_sidecar(path, Sidecar(points, yaw, mask, flow, {"garment_group": "g1"}))
    assert path.read_bytes() == first


def test_a_cut_keeps_the_frames_of_the_shot() -> None:
    frames, points, yaw = turning_clip(0, 40)
    mask = (frames != 230).any(-1)
    sidecar = Sidecar(points, yaw, mask, np.zeros((23, 64, 48, 2), np.float32))
    part = sidecar.cut(5, 9, Crop(2, 0, 46, 62))
    moved = np.add(part.keypoints, (2, 0, 0))
    assert np.allclose(moved, points[5:9], equal_nan=True)
    assert np.array_equal(part.mask, mask[5:9, :62, 2:])
    assert part.mask is not None
    assert part.flow is not None
    assert part.mask.shape == (4, 62, 46)
    assert part.flow.shape == (3, 62, 46, 2)
    with pytest.raises(ItemError, match="the mask is"):
        sidecar.cut(5, 9, Crop(0, 0, 480, 640))


@pytest.mark.parametrize("count", [17, 23])
def test_fewer_keypoints_fill_up_as_missing(tmp_path: Path, count: int) -> None:
    path = tmp_path / "v.sidecar.npz"
    write_sidecar(path, Sidecar(np.ones((2, count, 3), np.float32)))
    back = read_sidecar(path).keypoints
    assert back.shape == (2, 133, 3)
    assert (back[:, :count] == 1).all()
    assert np.isnan(back[:, count:, :2]).all()
    assert (back[:, count:, 2] == 0).all()


def archive(path: Path, members: dict[str, object], meta: object = None) -> Path:
    """A sidecar as somebody else might write it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in members.items():
            buffer = io.BytesIO()
            np.save(buffer, value, allow_pickle=True)
            file.writestr(f"{name}.npy", buffer.getvalue())
        file.writestr("meta.json", json.dumps({"version": 1} if meta is None else meta))
    return path


GOOD = np.ones((2, 17, 3), np.float32)


@pytest.mark.parametrize(
    ("members", "meta", "code"),
    [
        ({"keypoints": np.array([{"a": 1}], object)}, None, "sidecar.corrupt"),
        ({"keypoints": np.ones((2, 9, 3))}, None, "sidecar.shape"),
        ({"keypoints": np.ones((2, 17))}, None, "sidecar.shape"),
        ({}, None, "sidecar.corrupt"),
        ({"keypoints": GOOD}, {"version": 99}, "sidecar.corrupt"),
        ({"keypoints": GOOD}, [1], "sidecar.corrupt"),
        ({"keypoints": GOOD}, {"version": 1, "licence": 3}, "sidecar.corrupt"),
        ({"keypoints": GOOD, "yaw_deg": np.ones(3)}, None, "sidecar.shape"),
        ({"keypoints": GOOD, "yaw_deg": np.array(["a", "b"])}, None, "sidecar.shape"),
        ({"keypoints": GOOD, "mask": np.ones((2, 4, 4))}, None, "sidecar.shape"),
        ({"keypoints": GOOD, "flow": np.ones((2, 4, 4, 2))}, None, "sidecar.shape"),
    ],
)
def test_hostile_sidecars_give_a_named_error(
    tmp_path: Path, members: dict[str, object], meta: object, code: str
) -> None:
    with pytest.raises(ItemError) as error:
        read_sidecar(archive(tmp_path / "v.sidecar.npz", members, meta))
    assert error.value.code == code


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 nonsense", b"\x00" * 500])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "v.sidecar.npz"
    path.write_bytes(data)
    with pytest.raises(ItemError, match=r"sidecar\.corrupt"):
        read_sidecar(path)


def test_a_member_that_promises_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "v.sidecar.npz", {"keypoints": np.zeros((500, 133, 3), np.float32)})
    monkeypatch.setattr("mrfashion.poses.sidecar.MAX_BYTES", 100_000)
    with pytest.raises(ItemError, match="unpacks to more than"):
        read_sidecar(path)


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 17, 3), np.float32))
    lying = buffer.getvalue().replace(b"(2, 17, 3)", b"(999999999, 17, 3)"[:18])
    path = tmp_path / "v.sidecar.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("keypoints.npy", lying)
        file.writestr("meta.json", '{"version": 1}')
    with pytest.raises(ItemError, match=r"sidecar\.corrupt"):
        read_sidecar(path)
