"""TorchScript archives: the same tensors as torch reads, and nothing of a file is ever run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmark.backbones.features import load
from benchmark.backbones.torchscript import _tensors, is_torchscript, read_torchscript
from benchmark.backbones.trunk import read_state
from mrfashion.errors import InputRefused
from tests.feature_weights import published_state
from tests.test_benchmark_inception import as_nvidia

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


class Part(nn.Module):
    """Parameters, buffers of several types, a view and what is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn((4, 3), generator=random))
        self.transposed = nn.Parameter(torch.randn((3, 5), generator=random).T)
        self.register_buffer("whole", torch.arange(6).reshape(2, 3))
        self.register_buffer("halved", torch.randn(7, generator=random).half())
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("single", torch.tensor(3.5, dtype=torch.float64))
        self.sizes = [1, 2]
        self.names = {"a": 1}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T + float(self.sizes[0])


def save(module: nn.Module, path: Path) -> Path:
    torch.jit.save(torch.jit.script(module), path)  # type: ignore[no-untyped-call]
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return save(nn.Sequential(Part(), nn.Sequential(nn.BatchNorm2d(3), Part())), tmp_path / "x.pt")


def test_it_reads_what_torch_reads(archive: Path) -> None:
    want = torch.jit.load(archive).state_dict()  # type: ignore[no-untyped-call]
    found = read_torchscript(archive)
    assert list(found) == list(want)
    for name, tensor in want.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert set(read_state(archive)) == set(want)


def test_a_shared_tensor_has_both_its_names(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    module[1].weight = module[0].weight
    found = read_torchscript(save(module, tmp_path / "x.pt"))
    assert list(found) == ["0.weight", "1.weight"]
    assert torch.equal(found["0.weight"], found["1.weight"])


def test_nvidias_inception_comes_from_an_archive(tmp_path: Path) -> None:
    """Nested modules with the published names, through a file."""
    root, state = nn.Module(), as_nvidia(published_state("inception"))
    for key, tensor in state.items():
        at, (*modules, name) = root, key.split(".")
        for part in modules:
            if not hasattr(at, part):
                at.add_module(part, nn.Module())
            at = at.get_submodule(part)
        at.register_buffer(name, tensor)
    network = load("inception-clean", save(root, tmp_path / "inception-2015-12-05.pt"))
    torch.testing.assert_close(
        network.get_parameter("Mixed_5b.branch1x1.bias")[0],
        state["layers.mixed.conv.beta"][0]
        - state["layers.mixed.conv.mean"][0] / (state["layers.mixed.conv.var"][0] + 1e-3).sqrt(),
    )


def test_a_state_dict_is_no_archive(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pth")
    assert not is_torchscript(tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(b"no zip")
    assert not is_torchscript(tmp_path / "y.pth")


def rewritten(
    archive: Path, changes: dict[str, bytes | None], how: int = zipfile.ZIP_STORED
) -> Path:
    """The same archive with other members."""
    with zipfile.ZipFile(archive) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}
    root = next(iter(members)).split("/")[0]
    members |= {f"{root}/{name}": data for name, data in changes.items() if data is not None}
    for name in (name for name, data in changes.items() if data is None):
        del members[f"{root}/{name}"]
    path = archive.with_name("changed.pt")
    with zipfile.ZipFile(path, "w", how) as new:
        for name, data in members.items():
            new.writestr(name, data)
    return path


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("touch exploded",))


def tensor_program(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, count: int = 4
) -> bytes:
    """A module whose one attribute is a view of storage 0."""
    numbers = [
        b"(" + b"".join(b"J" + struct.pack("<i", n) for n in many) + b"t"
        for many in (shape, strides)
    ]
    text = b"".join(
        b"X" + struct.pack("<I", len(word)) + word for word in (b"storage", b"0", b"cpu")
    )
    storage, key, device = text[:12], text[12:18], text[18:]
    persistent = b"(" + storage + b"ctorch\nFloatStorage\n" + key + device
    persistent += b"J" + struct.pack("<i", count) + b"tQ"
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + persistent
    view += b"J" + struct.pack("<i", offset) + numbers[0] + numbers[1]
    view += b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02c__torch__.m\nM\n)\x81}X\x01\x00\x00\x00a" + view + b"sb."


def test_the_hostile_programs_below_differ_from_one_that_is_read(archive: Path) -> None:
    numbers = np.arange(4, dtype=np.float32).tobytes()
    changed = rewritten(archive, {"data.pkl": tensor_program((2, 2), (2, 1)), "data/0": numbers})
    assert read_torchscript(changed)["a"].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (pickle.dumps({"a": Bomb()}, 2), "calls (posix|nt) system"),
        (
            b"\x80\x02c__torch__.m\nM\n)\x81}cos\nsystem\nX\x01\x00\x00\x00asb.",
            "by neither text nor number",
        ),
        (b"\x80\x02cos\nsystem\n)\x81.", "makes an object of"),
        (b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "calls os system"),
        (b"\x80\x02(X\x02\x00\x00\x00lsios\nsystem\n.", "INST is no instruction"),
        (b"\x80\x02\x8c\x02os\x8c\x06system\x93.", "STACK_GLOBAL is no instruction"),
        (b"\x80\x02\x82\x01.", "EXT1 is no instruction"),
        (b"\x80\x02c__torch__.m\nM\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb.", "nested without end"),
        (b"\x80\x02]q\x00h\x00a.", "nested without end"),
        (b"\x80\x02}", "ends early|pickle exhausted"),
        (b"\x80\x02)R.", "stack is empty"),
        (b"\x80\x02.", "IndexError"),
        (b"", "pickle exhausted"),
        (b"\x80\x02r\xff\xff\xff\x7f.", "IndexError"),
        (b"\x80\x02X\xff\xff\xff\x7fab.", "ValueError"),
        (tensor_program((2, 3), (3, 1)), "reaches beyond"),
        (tensor_program((2, 2), (4, 1)), "reaches beyond"),
        (tensor_program((2, 2), (2, 1), offset=1), "reaches beyond"),
        (tensor_program((2, 2), (2, 1), offset=-1), "no count"),
        (tensor_program((2,), (-1,)), "no count"),
        (tensor_program((1 << 30, 1 << 30), (0, 0)), "reaches beyond"),
        (tensor_program((2, 2), (1,)), "2 dimensions and 1 strides"),
        (tensor_program((1,) * 40, (1,) * 40), "40 dimensions"),
        (tensor_program((2, 2), (2, 1), count=5), "16 bytes, not 5"),
        (tensor_program((2, 2), (2, 1)).replace(b"FloatStorage", b"LongStorage\n"[:11]), ""),
        (tensor_program((2, 2), (2, 1)).replace(b"FloatStorage", b"OtherStorage"), "OtherStorage"),
        (tensor_program((2, 2), (2, 1)).replace(b"_v2", b"_v3"), "calls torch._utils"),
    ],
)
def test_hostile_programs_are_refused(
    program: bytes, text: str, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    numbers = np.arange(4, dtype=np.float32).tobytes()
    changed = rewritten(archive, {"data.pkl": program, "data/0": numbers})
    with pytest.raises(InputRefused, match=f"(?s)no TorchScript archive.*({text})"):
        read_torchscript(changed)
    assert not (tmp_path / "exploded").exists()


def doubling(first: bytes, times: int = 40) -> bytes:
    """A program whose value holds the first one 2^times times over, in a few bytes a time."""
    program = first + b"r" + struct.pack("<I", 0)
    for n in range(times):
        before = struct.pack("<I", n)
        program += b"](j" + before + b"j" + before + b"er" + struct.pack("<I", n + 1)
    return program


LAST = b"j" + struct.pack("<I", 40)
TENSOR = tensor_program((2, 2), (2, 1))[: -len(b"sb.")].split(b"X\x01\x00\x00\x00a", 1)[1]


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (b"\x80\x02" + doubling(TENSOR) + b".", "more than 50000 parts"),
        (b"\x80\x02" + doubling(b"]") + b".", "more than 50000 parts"),
        (b"\x80\x02" + doubling(b"]") + b")R.", "calls list"),
        (b"\x80\x02" + doubling(b"]") + b")\x81.", "makes an object of list"),
        (b"\x80\x02" + doubling(b"]") + b"}" + LAST + b"\x85Ns.", "neither text nor number"),
        (b"\x80\x02" + doubling(b"]") + b"(" + 5 * LAST + b"tQ.", "no storage"),
        (
            b"\x80\x02" + doubling(b"]") + b"ctorch._utils\n_rebuild_tensor_v2\n"
            b"(NK\x00" + LAST + b")tR.",
            "no count",
        ),
        (b"\x80\x02}X" + struct.pack("<I", 5000) + b"a" * 5000 + TENSOR + b"s.", "names have none"),
    ],
)
def test_sharing_cannot_multiply_without_end(program: bytes, text: str, archive: Path) -> None:
    numbers = np.arange(4, dtype=np.float32).tobytes()
    with pytest.raises(InputRefused, match=text):
        read_torchscript(rewritten(archive, {"data.pkl": program, "data/0": numbers}))


def test_overlapping_members_are_read_once(archive: Path) -> None:
    """Storages together cannot be longer than the file."""
    numbers = bytes(1 << 16)
    first = rewritten(archive, {"data.pkl": tensor_program((2, 2), (2, 1)), "data/0": numbers[:16]})
    with zipfile.ZipFile(first) as opened, pytest.raises(ValueError, match="longer than 15 bytes"):
        _tensors(opened, 15)


def test_hostile_archives_are_refused(archive: Path) -> None:
    cases: list[tuple[dict[str, bytes | None], int, str]] = [
        ({"byteorder": b"big"}, zipfile.ZIP_STORED, "little-endian"),
        ({}, zipfile.ZIP_DEFLATED, "compressed"),
        ({"data.pkl": None}, zipfile.ZIP_STORED, "0 of them data.pkl"),
        ({"more/data.pkl": b"."}, zipfile.ZIP_STORED, "2 of them data.pkl"),
        ({"data/0": None}, zipfile.ZIP_STORED, "KeyError"),
        ({"data/0": b"abc"}, zipfile.ZIP_STORED, "has 3 bytes, not"),
        ({"data.pkl": b"\x80\x02" + b"0" * (17 << 20)}, zipfile.ZIP_STORED, "is longer than"),
    ]
    for changes, how, text in cases:
        with pytest.raises(InputRefused, match=text):
            read_torchscript(rewritten(archive, changes, how))
    damaged = bytearray(archive.read_bytes())
    damaged[200:260] = bytes(60)
    archive.write_bytes(damaged)
    with pytest.raises(InputRefused):
        read_torchscript(archive)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_program_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Never another error, whatever byte is wrong."""
    program = bytearray(tensor_program((2, 2), (2, 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        program[data.draw(st.integers(0, len(program) - 1))] = data.draw(st.integers(0, 255))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x/data.pkl", bytes(program))
        archive.writestr("x/data/0", np.arange(4, dtype=np.float32).tobytes())
    path = tmp_path_factory.getbasetemp() / "fuzzed.pt"
    path.write_bytes(buffer.getvalue())
    try:
        found = read_torchscript(path)
    except InputRefused:
        return
    assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())


def test_a_compressed_state_dict_is_refused(tmp_path: Path) -> None:
    """It could unpack to anything."""
    torch.save({"a": torch.zeros(1000)}, tmp_path / "x.pth")
    with pytest.raises(InputRefused, match="compressed, which torch never does"):
        read_state(rewritten(tmp_path / "x.pth", {}, zipfile.ZIP_DEFLATED))


@pytest.mark.filterwarnings("ignore")  # torch's own, at what it cannot make sense of
@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, zipped: bool
) -> None:
    """In either of torch's formats."""
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    whole = {"state_dict": {"a": torch.ones(3, 4)}, "epoch": 1, "arch": "r"}
    torch.save(whole, path, _use_new_zipfile_serialization=zipped)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] or content)
    try:
        state = read_state(path, ("state_dict",))
    except InputRefused:
        return
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
