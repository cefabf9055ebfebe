"""Reading files of published weights: tensors alone, from where they may lie."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from model.published import load_twin
from model.published_files import find_file, read_weights
from mrfashion.errors import (
    ConfigError,
    InputRefused,
    MissingRequirement,
    UnsafePath,
)
from tests.published_weights import TWIN, write_checkpoint


class Code:
    """A pickle that runs something."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path) -> None:
    ran, file = tmp_path / "ran", tmp_path / "x.pth"
    for save in (
        lambda held: torch.save(held, file),
        lambda held: torch.save(held, file, _use_new_zipfile_serialization=False),
        lambda held: file.write_bytes(pickle.dumps(held, 2)),
    ):
        save({"conv_in.weight": torch.ones(1), "more": Code(ran)})
        with pytest.raises(InputRefused, match=r"tensors alone.*safetensors"):
            read_weights(file)
    assert not ran.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", ["x.pth", "x.bin", "x.safetensors"])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
def test_broken_bytes_are_refused_or_read(
    tmp_path: Path, name: str, at: float, value: int, cut: bool
) -> None:
    file, held = tmp_path / name, {"weight": torch.ones(2, 3), "bias": torch.ones(3)}
    if name == "x.safetensors":
        save_file(held, file)
    else:
        torch.save(held, file, _use_new_zipfile_serialization=name == "x.pth")
    data = bytearray(file.read_bytes())
    changed = int(at * len(data))
    data[changed] = value
    file.write_bytes(data[:changed] if cut else data)
    with suppress(InputRefused):
        assert all(isinstance(tensor, Tensor) for tensor in read_weights(file).values())


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    file, packed = tmp_path / "x.pth", tmp_path / "packed.pth"
    torch.save({"weight": torch.ones(2, 3)}, file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with pytest.raises(InputRefused, match="compressed"):
        read_weights(packed)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match=r"neither a folder nor a hub id"):
        find_file(str(tmp_path / "no" / "such"), ["config.json"])
    with pytest.raises(MissingRequirement, match=r"has none of unet/config\.json, config\.json"):
        find_file(str(tmp_path), ["unet/config.json", "config.json"])
    with pytest.raises(ConfigError, match="no hub id"):
        find_file("-a/b--c", ["config.json"])


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "config.json"
    folder.mkdir()
    outside.touch()
    (folder / "config.json").symlink_to(outside)
    with pytest.raises(UnsafePath, match=r"config\.json"):
        find_file(str(folder), ["config.json"])


def test_a_hub_id_is_read_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, clip = tmp_path / "mine", str(tmp_path / "mine" / "image_encoder")
    write_checkpoint(checkpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingRequirement, match=r"patrolli/AnimateAnyone.*denoising_unet.*cache"):
        load_twin("moore", None, clip, TWIN)
    repository = tmp_path / "models--patrolli--AnimateAnyone"
    snapshot = repository / "snapshots" / ("0" * 40)
    for folder in (snapshot, repository / "refs", repository / "blobs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    for file in checkpoint.glob("*.pth"):
        shutil.copy(file, repository / "blobs" / file.stem)
        (snapshot / file.name).symlink_to(repository / "blobs" / file.stem)
    for source in (None, str(snapshot), f"patrolli/AnimateAnyone@{'0' * 40}"):
        loaded = load_twin("moore", source, clip, TWIN)
        assert loaded.fresh == ()
