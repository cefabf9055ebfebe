"""Wan-VACE and Wan-Animate on tiny random weights, and from folders in the published layout."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines import published_models
from baselines.published_models import PublishedModel
from baselines.wan_animate import WanAnimate, WanAnimateSettings
from baselines.wan_drawing import animate_poses, face_crop, faces_seen, vace_poses
from baselines.wan_models import IMAGE_PARTS, PARTS, Prompts, PublishedWan, WanSource
from baselines.wan_vace import WanVace, WanVaceSettings
from benchmark.fitting import fit, unfit
from mrfashion.errors import ItemError, MissingRequirement
from mrfashion.generation import Generator, Reference, Request, Unsupported
from tests.standing_person import SIZE, changed, pose, reference, request, save_tokenizer


def rehearsed(generator: WanVace | WanAnimate) -> Generator:
    tiny = generator.rehearsal()
    tiny.load("cpu", "float32")
    return tiny


@pytest.fixture(scope="module")
def vace() -> Generator:
    return rehearsed(WanVace())


@pytest.fixture(scope="module")
def animate() -> Generator:
    return rehearsed(WanAnimate())


@pytest.fixture(params=["vace", "animate"])
def wan(request: pytest.FixtureRequest) -> Generator:
    generator: Generator = request.getfixturevalue(request.param)
    return generator


def inverted(asked: Request, number: int) -> Request:
    """The request with one reference's colours inverted."""
    references = list(asked.references)
    references[number] = replace(references[number], image=255 - references[number].image)
    return replace(asked, references=tuple(references))


def test_the_same_seed_gives_the_same_video_and_another_another(wan: Generator) -> None:
    first = wan.generate(request())
    first.check(request())
    assert changed(first.frames, wan.generate(request()).frames) == 0
    assert changed(first.frames, wan.generate(request(seed=1)).frames) > 0.5


def test_poses_and_references_are_heard(wan: Generator) -> None:
    first = wan.generate(request()).frames
    assert changed(first, wan.generate(request(shift_px=9)).frames) > 0.1
    assert changed(first, wan.generate(inverted(request(), 0)).frames) > 0.001


def test_steps_and_guidance_of_the_request_win(wan: Generator) -> None:
    asked = replace(request(), steps=3, guidance=2.0)
    told = wan.generate(asked).effective
    assert (told["steps"], told["guidance"]) == (3, 2.0)
    json.dumps(told, allow_nan=False)


def test_every_reference_of_vace_counts(vace: Generator) -> None:
    asked = request(references=3)
    first = vace.generate(asked).frames
    for number in range(3):
        assert changed(first, vace.generate(inverted(asked, number)).frames) > 0.001


@pytest.mark.parametrize(("frames", "references"), [(1, 1), (1, 3), (5, 4), (9, 2)])
def test_vace_takes_more_references_than_latent_frames(
    vace: Generator, frames: int, references: int
) -> None:
    asked = request(frames, references)
    result = vace.generate(asked)
    result.check(asked)
    assert result.effective["frames"] >= 4 * references - 3


@pytest.mark.parametrize("frames", [1, 2, 9, 10, 20])
def test_animate_makes_any_count_in_its_segments(animate: Generator, frames: int) -> None:
    asked = request(frames)
    animate.generate(asked).check(asked)


def test_animate_carries_five_frames() -> None:
    settings = WanAnimateSettings(carried_frames=5, segment_frames=13, steps=1)
    tiny = replace_source(WanAnimate().rehearsal(), settings)
    tiny.load("cpu", "float32")
    asked = request(19)
    tiny.generate(asked).check(asked)


def replace_source(rehearsal: Generator, settings: WanAnimateSettings) -> WanAnimate:
    assert isinstance(rehearsal, WanAnimate)
    return WanAnimate(settings, source=rehearsal._source)


@pytest.mark.parametrize(("frames", "size"), [(7, (50, 70)), (1, (47, 33)), (13, (48, 64))])
def test_fitting_gives_vace_4n_plus_1_frames_and_comes_back(
    vace: Generator, frames: int, size: tuple[int, int]
) -> None:
    asked = replace(request(frames), size=size)
    fitted = fit(asked, vace.info)
    assert all(window.frames % 4 == 1 for window in fitted.requests)
    result = unfit([vace.generate(window) for window in fitted.requests], fitted)
    result.check(asked)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (replace(request(), size=(50, 64)), "multiples of 16"),
        (request(4), r"4n\+1 frames"),
        (request(85), "at most 81"),
        (request(references=9), "at most 8 references"),
    ],
)
def test_vace_refuses_what_is_not_fitted(vace: Generator, asked: Request, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        vace.generate(asked)


def test_the_face_is_heard_and_blank_where_the_driver_shows_none(animate: Generator) -> None:
    asked = request()
    with_face = animate.generate(asked)
    assert with_face.effective["frames_with_face"] == 5
    blank = replace(asked, references=(reference(face=False),))
    without = animate.generate(blank)
    assert without.effective["frames_with_face"] == 0
    assert changed(with_face.frames, without.frames) > 0.001
    turned = replace(asked, keypoints=np.stack([pose(face=i < 2) for i in range(5)]))
    assert animate.generate(turned).effective["frames_with_face"] == 2


def test_a_face_is_cropped_as_published() -> None:
    """Box of the landmarks widened to 1.3 of its area, three quarters of what is added above."""
    image = np.zeros((100, 200, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(200)[None], np.arange(100)[:, None]
    keypoints = np.full((133, 3), np.nan, np.float32)
    corners = [(100, 40), (140, 40), (100, 60), (140, 60)]
    keypoints[23:91] = [(*corners[i % 4], 1.0) for i in range(68)]
    crop = face_crop(Reference(image, keypoints, 0.0, "front"))
    assert crop is not None
    assert crop.shape == (512, 512, 3)
    more_x, more_y = 40 * (1.3**0.5 - 1), 20 * (1.3**0.5 - 1)
    left, right = int(100 - more_x / 2), int(140 + more_x / 2)
    top, bottom = int(40 - more_y * 3 / 4), int(60 + more_y / 4)
    assert abs(int(crop[256, 0, 0]) - left) <= 1
    assert abs(int(crop[256, -1, 0]) - (right - 1)) <= 1
    assert abs(int(crop[0, 256, 1]) - top) <= 1
    assert abs(int(crop[-1, 256, 1]) - (bottom - 1)) <= 1


def test_a_face_outside_its_picture_gives_no_crop() -> None:
    keypoints = pose()
    keypoints[23:91, 0] += 1000
    assert face_crop(Reference(reference().image, keypoints, 0.0, "front")) is None
    assert not faces_seen(pose(face=False))


def test_vace_poses_have_swapped_colours_a_face_and_no_hands() -> None:
    keypoints = pose()[None]
    keypoints[0, 91:133] = (60.0, 40.0, 1.0)
    picture = vace_poses(keypoints, SIZE, (480, 640))[0]
    assert picture.shape == (480, 640, 3)
    assert picture[380:420, 580:].max() == 0
    assert (picture[70:90, 340:380] > 200).all(-1).any()  # white landmarks
    # The right shoulder's limb is the first: red as DWPose draws it, blue as VACE got it.
    red, _, blue = picture[160:163, 270:290].reshape(-1, 3).max(0)
    assert (red, blue) == (0, 153)


def test_animate_draws_toes_and_no_landmarks_and_skips_what_is_missing() -> None:
    keypoints = pose()
    keypoints[18], keypoints[21] = keypoints[17], keypoints[20]
    drawn = animate_poses(keypoints[None], SIZE, (480, 640))[0]
    at_ankle = drawn[440:460, 390:410].reshape(-1, 3)
    assert (at_ankle == [153, 0, 51]).all(-1).any()  # 0.6 of (255, 0, 85): left ankle to toes
    bare = keypoints.copy()
    bare[23:91] = np.nan
    assert (animate_poses(bare[None], SIZE, (480, 640))[0] == drawn).all()
    bare[:, 2] = 0
    assert not animate_poses(bare[None], SIZE, (480, 640)).any()
    one_shoulder = keypoints.copy()
    one_shoulder[5] = (np.nan, np.nan, 0)
    animate_poses(one_shoulder[None], SIZE, (480, 640))


# What follows loads published layouts, saved from tiny networks.


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


def test_values_that_are_no_numbers_are_an_error(vace: Generator) -> None:
    broken = WanVace().rehearsal()
    broken.load("cpu", "float32")
    assert isinstance(broken, WanVace)
    next(broken._pipeline.vae.decoder.parameters()).fill_(float("nan"))
    with pytest.raises(ItemError, match="no numbers"):
        broken.generate(request())


def test_a_name_of_the_users_is_told() -> None:
    assert WanVace(name="vace-14b").info.name == "vace-14b"
    assert WanVace(name="vace-14b").rehearsal().info.name == "vace-14b"
