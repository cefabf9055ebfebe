"""Wan-VACE and Wan-Animate from folders in the published layout, saved from tiny networks."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines import published_models
from baselines.published_models import PublishedModel
from baselines.wan_animate import WanAnimate, WanAnimateSettings
from baselines.wan_models import IMAGE_PARTS, PARTS, Prompts, PublishedWan, WanSource
from baselines.wan_vace import WanVace, WanVaceSettings
from mrfashion.errors import MissingRequirement
from tests.standing_person import request, save_tokenizer


@dataclass(frozen=True)
class Mixed:
    """Networks from memory, prompts from a folder: what a folder must reproduce."""

    networks: WanSource
    texts: WanSource

    def problems(self) -> list[str]:
        return []

    def record(self) -> dict[str, Any]:
        return {}

    def prompts(self, texts: tuple[str, str], device: str, dtype: Any) -> Prompts:
        return self.texts.prompts(texts, device, dtype)

    def components(self, device: str, dtype: Any, flow_shift: float) -> dict[str, Any]:
        return self.networks.components(device, dtype, flow_shift)


def save_published(generator: WanVace | WanAnimate, root: Path) -> None:
    """The tiny rehearsal of a generator in the files that Wan-AI publishes."""
    import torch
    from transformers import UMT5Config, UMT5EncoderModel

    tiny = generator.rehearsal()
    assert isinstance(tiny, WanVace | WanAnimate)
    for name, part in tiny._source.components("cpu", torch.float32, 1.0).items():
        part.save_pretrained(root / name)
    config = UMT5Config(
        vocab_size=16, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0
    )
    torch.manual_seed(0)
    UMT5EncoderModel(config).save_pretrained(root / "text_encoder")
    save_tokenizer(root / "tokenizer", 512)


@pytest.fixture(scope="module")
def vace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("vace")
    save_published(WanVace(), root)
    return root


@pytest.fixture
def copied(vace_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vace_folder, tmp_path / "vace"))


def from_folder(root: Path, **settings: Any) -> WanVace:
    return WanVace(WanVaceSettings(folder=root, steps=2, **settings))


def furthest(got: np.ndarray, other: np.ndarray) -> int:
    """Levels: weights mapped from a file lie otherwise in memory, and sums round otherwise."""
    return int(np.abs(got.astype(int) - other.astype(int)).max())


def test_vace_loads_the_published_layout(vace_folder: Path) -> None:
    loaded = from_folder(vace_folder)
    assert loaded.check() == []
    loaded.load("cpu", "float32")
    rehearsal = WanVace().rehearsal()
    assert isinstance(rehearsal, WanVace)
    model = PublishedModel("a/b", PARTS, "", vace_folder)
    mixed = Mixed(rehearsal._source, PublishedWan(model, "WanVACETransformer3DModel"))
    memory = WanVace(WanVaceSettings(steps=2), source=mixed)
    memory.load("cpu", "float32")
    asked = request(references=2)
    got = loaded.generate(asked).frames
    assert furthest(got, memory.generate(asked).frames) <= 1
    other = from_folder(vace_folder, prompt="a model turns")
    other.load("cpu", "float32")
    assert furthest(got, other.generate(asked).frames) > 1


def test_animate_loads_the_published_layout(tmp_path: Path) -> None:
    save_published(WanAnimate(), tmp_path)
    settings = WanAnimateSettings(folder=tmp_path, steps=2, segment_frames=9)
    loaded = WanAnimate(settings)
    assert loaded.check() == []
    loaded.load("cpu", "float32")
    rehearsal = WanAnimate().rehearsal()
    assert isinstance(rehearsal, WanAnimate)
    model = PublishedModel("a/b", PARTS + IMAGE_PARTS, "", tmp_path)
    published = PublishedWan(model, "WanAnimateTransformer3DModel", images=True)
    memory = WanAnimate(settings, source=Mixed(rehearsal._source, published))
    memory.load("cpu", "float32")
    assert furthest(loaded.generate(request()).frames, memory.generate(request()).frames) <= 1


def test_a_changed_byte_changes_the_settings(copied: Path) -> None:
    before = from_folder(copied).settings()
    assert before == from_folder(copied).settings()
    assert all(before["files_sha256"].values())
    assert "transformer/diffusion_pytorch_model.safetensors" in before["files_sha256"]
    weights = copied / "vae" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert from_folder(copied).settings() != before


def test_where_files_lie_and_offloading_do_not_change_the_settings(
    copied: Path, vace_folder: Path
) -> None:
    assert from_folder(copied).settings() == from_folder(vace_folder).settings()
    assert from_folder(copied, offload="model").settings() == from_folder(copied).settings()
    assert from_folder(copied, guidance=4.0).settings() != from_folder(copied).settings()


def test_a_missing_file_is_told_with_the_command(copied: Path) -> None:
    (copied / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    generator = from_folder(copied)
    (problem,) = generator.check()
    assert "lacks vae/diffusion_pytorch_model.safetensors" in problem
    assert "hf download Wan-AI/Wan2.1-VACE-1.3B-diffusers" in problem
    assert generator.settings()["files_sha256"]["vae/diffusion_pytorch_model.safetensors"] is None
    with pytest.raises(MissingRequirement, match="lacks vae"):
        generator.load("cpu", "float32")


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.pt", "x.ckpt"])
def test_pickled_weights_are_never_read(copied: Path, name: str) -> None:
    safe = copied / "transformer" / "diffusion_pytorch_model.safetensors"
    safe.rename(safe.with_name(name))
    (problem,) = from_folder(copied).check()
    assert f"{name} may run code when opened: never read" in problem
    with pytest.raises(MissingRequirement):
        from_folder(copied).load("cpu", "float32")


def sharded(copied: Path, names: list[str]) -> None:
    folder = copied / "text_encoder"
    whole = folder / "model.safetensors"
    shutil.copy(whole, folder / "model-00001-of-00001.safetensors")
    whole.unlink()
    index = {"metadata": {}, "weight_map": {str(i): name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards_are_those_of_the_index(copied: Path) -> None:
    sharded(copied, ["model-00001-of-00001.safetensors"])
    assert from_folder(copied).check() == []
    told = from_folder(copied).settings()["files_sha256"]
    assert "text_encoder/model-00001-of-00001.safetensors" in told
    (copied / "text_encoder" / "model-00001-of-00001.safetensors").unlink()
    (problem,) = from_folder(copied).check()
    assert "lacks text_encoder/model-00001-of-00001.safetensors" in problem


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "model.bin", ""])
def test_an_index_that_leads_elsewhere_is_refused(copied: Path, name: str) -> None:
    sharded(copied, [name])
    (problem,) = from_folder(copied).check()
    assert "allowed: safetensors beside it" in problem


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": 3}', "not JSON", "[" * 100_000])
def test_an_index_that_is_none_is_refused(copied: Path, text: str) -> None:
    sharded(copied, [])
    (copied / "text_encoder" / "model.safetensors.index.json").write_text(text)
    (problem,) = from_folder(copied).check()
    assert "no index of shards" in problem


def test_nothing_is_looked_for_on_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/nonexistent")
    monkeypatch.setattr("socket.socket.connect", pytest.fail)
    for generator in (WanVace(), WanAnimate()):
        (problem,) = generator.check()
        assert "hf download Wan-AI/" in problem
        assert set(generator.settings()["files_sha256"].values()) == {None}
        with pytest.raises(MissingRequirement, match="hf download"):
            generator.load("cpu", "float32")


def test_the_hubs_cache_is_read(
    vace_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `hf download` leaves it: a branch's name, a snapshot of links, and blobs beside it."""
    from huggingface_hub import constants

    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / ("c" * 40)
    for number, path in enumerate(sorted(p for p in vace_folder.rglob("*") if p.is_file())):
        link = snapshot / path.relative_to(vace_folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = repository / "blobs" / str(number)
        blob.parent.mkdir(exist_ok=True)
        shutil.copy(path, blob)
        link.symlink_to(blob)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for model in ("owner/name", "owner/name@" + "c" * 40):
        generator = WanVace(WanVaceSettings(model=model, steps=2))
        assert generator.check() == []
        expected = from_folder(vace_folder).settings()["files_sha256"]
        assert generator.settings()["files_sha256"] == expected
    generator.load("cpu", "float32")
    generator.generate(request()).check(request())
    (problem,) = WanVace(WanVaceSettings(model="owner/name@other")).check()
    assert "hf download owner/name --revision other --include 'transformer/*'" in problem


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_models, "find_spec", lambda name: None)
    assert "pip install 'mrfashion[train]'" in WanVace().check()[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"guidance": -1.0},
        {"flow_shift": 0.0},
        {"model": "no-owner"},
        {"model": "../x"},
        {"segment_frames": 76},
        {"segment_frames": 9, "carried_frames": 5},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needed"):
        WanAnimateSettings(**settings)


def test_a_name_of_the_users_is_told() -> None:
    assert WanVace(name="vace-14b").info.name == "vace-14b"
    assert WanVace(name="vace-14b").rehearsal().info.name == "vace-14b"


def test_the_true_sizes_are_those_of_the_published_files() -> None:
    """Parameters by the bytes of the safetensors on the hub: 34.7 GB in 2 bytes, 69.1 GB in 4."""
    import diffusers
    import torch

    from baselines.wan_animate import TRUE_SIZES
    from baselines.wan_vace import SIZES_1_3B, SIZES_14B

    def parameters(kind: str, sizes: dict[str, Any]) -> float:
        with torch.device("meta"):
            network = getattr(diffusers, kind)(**sizes)
        return sum(p.numel() for p in network.parameters()) / 1e9

    assert parameters("WanVACETransformer3DModel", SIZES_14B) == pytest.approx(34.7 / 2, abs=0.03)
    # Its 1.42 billion of Wan2.1 lie in 4 bytes, what VACE adds in 2: 7.15 GB.
    assert parameters("WanVACETransformer3DModel", SIZES_1_3B) == pytest.approx(2.15, abs=0.01)
    assert parameters("WanAnimateTransformer3DModel", TRUE_SIZES) == pytest.approx(
        69.1 / 4, abs=0.02
    )
