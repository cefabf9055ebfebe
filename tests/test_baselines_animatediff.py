"""AnimateDiff, ControlNet and IP-Adapter on tiny random weights, and from published layouts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.animatediff import AnimateDiff, AnimateDiffSettings
from baselines.animatediff_models import Networks
from baselines.animatediff_random import TINY, RandomAnimateDiff
from benchmark.fitting import fit, unfit
from mrfashion.errors import MissingRequirement
from mrfashion.generation import Generator, Request, Unsupported
from tests.standing_person import changed, request, save_tokenizer

FILES = ("ip-adapter-plus_sd15.safetensors", "ip-adapter_sd15.safetensors")


def rehearsed(adapter_file: str) -> Generator:
    generator = AnimateDiff(AnimateDiffSettings(adapter_file=adapter_file)).rehearsal()
    generator.load("cpu", "float32")
    return generator


@pytest.fixture(scope="module")
def tiny() -> Generator:
    return rehearsed(FILES[0])


def inverted(asked: Request, number: int) -> Request:
    references = list(asked.references)
    references[number] = replace(references[number], image=255 - references[number].image)
    return replace(asked, references=tuple(references))


def test_the_same_seed_gives_the_same_video_and_another_another(tiny: Generator) -> None:
    first = tiny.generate(request())
    first.check(request())
    assert changed(first.frames, tiny.generate(request()).frames) == 0
    assert changed(first.frames, tiny.generate(request(seed=1)).frames) > 0.5


@pytest.mark.parametrize("adapter_file", FILES)
def test_poses_and_every_reference_are_heard(adapter_file: str) -> None:
    generator, asked = rehearsed(adapter_file), request(references=2)
    first = generator.generate(asked).frames
    assert changed(first, generator.generate(request(references=2, shift_px=9)).frames) > 0.01
    for number in range(2):
        assert changed(first, generator.generate(inverted(asked, number)).frames) > 0.01


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_steps_and_guidance_of_the_request_win(tiny: Generator, guidance: float) -> None:
    result = tiny.generate(replace(request(), steps=3, guidance=guidance))
    told = result.effective
    assert (told["steps"], told["guidance"], told["long_video"]) == (3, guidance, None)
    json.dumps(told, allow_nan=False)


def test_long_requests_are_made_by_freenoise_and_short_ones_as_before(tiny: Generator) -> None:
    before = tiny.generate(request()).frames
    for guidance in (1.0, 7.5):
        asked = replace(request(19), guidance=guidance)
        result = tiny.generate(asked)
        result.check(asked)
        assert result.effective["long_video"] == "FreeNoise, 16 by 4"
    assert changed(before, tiny.generate(request()).frames) == 0


def test_fitting_pads_to_multiples_of_eight_and_comes_back(tiny: Generator) -> None:
    asked = replace(request(1), size=(45, 61))
    fitted = fit(asked, tiny.info)
    unfit([tiny.generate(window) for window in fitted.requests], fitted).check(asked)
    with pytest.raises(Unsupported, match="multiples of 8"):
        tiny.generate(asked)


def test_published_ip_adapters_number_the_attentions_as_this_network_does() -> None:
    """They were trained on a network without motion modules: the order must be the same."""
    from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel

    plain = UNet2DConditionModel(**TINY.unet)
    moving = UNetMotionModel.from_unet2d(plain, MotionAdapter(**TINY.motion))
    names = [name for name in moving.attn_processors if "motion_modules" not in name]
    assert names == list(plain.attn_processors)


def test_a_picture_keeps_its_colours_on_the_way_through_the_vae() -> None:
    """A decoder that passes its input on gives back what went in: no swap, no transpose."""
    import torch
    from diffusers.video_processor import VideoProcessor

    from baselines.pipelines import pictures, uint8_frames

    frames = np.zeros((2, 16, 24, 3), np.uint8)
    frames[..., 0], frames[1, :4, :, 1], frames[:, :, 5, 2] = 200, 100, 50
    processor = VideoProcessor(vae_scale_factor=8)
    sent = processor.preprocess_video(pictures(frames))
    assert sent.shape == (1, 3, 2, 16, 24)
    assert torch.allclose(sent[0, 0], torch.tensor(200 / 255 * 2 - 1))
    assert (uint8_frames(processor.postprocess_video(sent, output_type="np")[0]) == frames).all()


def test_frames_are_never_stretched() -> None:
    from baselines.pipelines import uint8_frames

    dull = np.full((1, 2, 2, 3), 0.5, np.float32)
    dull[0, 0] = 0.4
    assert set(uint8_frames(dull).ravel().tolist()) == {102, 128}


# What follows loads published layouts, saved from tiny networks.


def save_published(root: Path) -> AnimateDiffSettings:
    """The tiny networks in the files that their four authors publish."""
    import torch
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    made = RandomAnimateDiff(real_size=False).networks(("", ""), "cpu", torch.float32)
    parts, adapter = made.components, root / "adapter" / "models"
    for name in ("unet", "vae"):
        parts[name].save_pretrained(root / "base" / name)
    config = CLIPTextConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=16,
        projection_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=3,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    CLIPTextModel(config).save_pretrained(root / "base" / "text_encoder")
    save_tokenizer(root / "base" / "tokenizer", 77, start="<s>")
    parts["motion_adapter"].save_pretrained(root / "motion")
    parts["controlnet"].save_pretrained(root / "controlnet")
    parts["image_encoder"].save_pretrained(adapter / "image_encoder")
    flat = {f"{table}.{key}": t for table, ts in made.ip_adapter.items() for key, t in ts.items()}
    save_file(flat, adapter / FILES[0])
    return settings_of(root)


def settings_of(root: Path, **more: Any) -> AnimateDiffSettings:
    folders = {f"{name}_folder": root / name for name in ("base", "motion", "controlnet")}
    return AnimateDiffSettings(steps=2, adapter_folder=root / "adapter", **folders, **more)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("animatediff")
    save_published(root)
    return root


@pytest.fixture
def copied(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "copy"))


class SamePrompts:
    """Networks from memory with the prompts that a folder's text encoder gave."""

    def __init__(self, loaded: AnimateDiff) -> None:
        self.loaded = loaded

    def problems(self) -> list[str]:
        return []

    def record(self) -> dict[str, Any]:
        return {}

    def networks(self, texts: tuple[str, str], device: str, dtype: Any) -> Networks:
        drawn = RandomAnimateDiff(real_size=False).networks(texts, device, dtype)
        assert self.loaded._prompts is not None
        return replace(drawn, wanted=self.loaded._prompts[0], unwanted=self.loaded._prompts[1])


def test_the_published_layouts_are_loaded(published: Path) -> None:
    loaded = AnimateDiff(settings_of(published))
    assert loaded.check() == []
    loaded.load("cpu", "float32")
    memory = AnimateDiff(settings_of(published), source=SamePrompts(loaded))
    memory.load("cpu", "float32")
    asked = request(references=2)
    got = loaded.generate(asked).frames
    other = memory.generate(asked).frames
    # Weights mapped from a file lie otherwise in memory, and sums round otherwise.
    assert np.abs(got.astype(int) - other.astype(int)).max() <= 1
    asked_otherwise = AnimateDiff(settings_of(published, prompt="a model turns"))
    asked_otherwise.load("cpu", "float32")
    assert changed(got, asked_otherwise.generate(asked).frames) > 0.01


@pytest.mark.parametrize(
    "name",
    [
        "base/unet/diffusion_pytorch_model.safetensors",
        "motion/diffusion_pytorch_model.safetensors",
        "controlnet/diffusion_pytorch_model.safetensors",
        f"adapter/models/{FILES[0]}",
        "adapter/models/image_encoder/model.safetensors",
        "base/text_encoder/model.safetensors",
    ],
)
def test_every_file_counts_and_is_missed(copied: Path, name: str) -> None:
    before = AnimateDiff(settings_of(copied)).settings()
    weights = copied / name
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert AnimateDiff(settings_of(copied)).settings() != before
    weights.rename(weights.with_suffix(".bin"))
    generator = AnimateDiff(settings_of(copied))
    (problem,) = generator.check()
    assert name.split("/", 1)[1] in problem
    assert "never read" in problem
    with pytest.raises(MissingRequirement):
        generator.load("cpu", "float32")


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"context_stride": 0},
        {"context_frames": 33},
        {"context_frames": 3},
        {"base": "runwayml"},
        {"adapter_file": "ip-adapter_sd15.bin"},
        {"adapter_file": "../x.safetensors"},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needed"):
        AnimateDiffSettings(**settings)
