"""Configurations of networks, and the file a network is kept in."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model.backbone import reference_unet, self_attention_names
from model.checkpoint import load_network, read_header, save_network
from model.config import (
    CodecConfig,
    ImageEncoderConfig,
    NetworkConfig,
    UNetConfig,
    load_network_config,
)
from model.image_encoder import image_encoder
from model.pose_encoder import draw_poses
from model.profashion import ProFashion
from mrfashion.config import from_dict, preset_names, to_dict
from mrfashion.errors import ConfigError, InputRefused
from tests.tiny_networks import drawings, keypoints, latents, network, references, tiny


def parts(config: NetworkConfig) -> dict[str, int]:
    """Parameters by part, without making them."""
    with torch.device("meta"):
        built = ProFashion(config)
    counts: dict[str, int] = {}
    for name, parameter in built.named_parameters():
        part = built.part_of(name)
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts


def test_small_has_at_most_four_million_parameters() -> None:
    counts = parts(load_network_config("small"))
    assert sum(counts.values()) <= 4_000_000
    assert "frozen" not in counts


def test_sd15_has_the_published_shapes() -> None:
    counts = parts(load_network_config("sd15"))
    assert counts["denoiser"] == 859_520_964  # Stable Diffusion 1.5's U-Net
    assert counts["frozen"] == 303_966_208  # CLIP ViT-L/14 with its projection
    assert counts["motion"] == 453_209_280  # AnimateDiff v2's, position tables apart


@pytest.mark.parametrize("name", preset_names("model.configs"))
def test_presets_survive_json(name: str) -> None:
    config = load_network_config(name)
    assert from_dict(NetworkConfig, json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"aggregation": "best"}, "pose-aware"),
        ({"agregation": "mean"}, "aggregation"),
        ({"aggregation": "concat", "alignment": "token-attention"}, "concat"),
        ({"unet": {"heads": [8, 8]}}, "heads"),
        ({"unet": {"heads": [7, 7, 7, 7]}}, "heads"),
        ({"unet": {"groups": 7}}, "groups"),
        ({"unet": {"layers": 100_000}}, "layers"),
        ({"unet": {"channels": [0, 640, 1280, 1280]}}, "channels"),
        ({"unet": {"attention": [False] * 4}}, "attends"),
        ({"pose": {"channels": [16, 32]}}, "codec"),
        ({"pose": {"canvas": 1000}}, "canvas"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        from_dict(NetworkConfig, values)


def test_a_saved_network_comes_back(tmp_path: Path) -> None:
    net, path = network(), tmp_path / "network.safetensors"
    save_network(net, path)
    again = load_network(path)
    assert again.config == net.config
    with torch.no_grad():
        outputs = [n(latents(), 500, drawings(), references()).velocity for n in (net, again)]
    assert torch.equal(*outputs)
    save_network(net, path, torch.float16)
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor("instantiator.unet.conv_in.weight").dtype is torch.float16
    assert next(load_network(path).parameters()).dtype is torch.float32
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor], dict[str, str]]:
    path = tmp_path / "network.safetensors"
    save_network(network(flow="off"), path)
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    return path, load_file(path), header


def test_a_checkpoint_that_does_not_fit_is_refused(
    saved: tuple[Path, dict[str, torch.Tensor], dict[str, str]],
) -> None:
    path, tensors, header = saved
    name = "instantiator.unet.conv_in.bias"
    for changed, told in (
        ({n: t for n, t in tensors.items() if n != name}, f"1 missing: {name}"),
        (tensors | {"other": torch.zeros(1)}, "1 unknown: other"),
        (tensors | {name: torch.zeros(3)}, "of another shape"),
    ):
        save_file(changed, path, header)
        with pytest.raises(InputRefused, match=told):
            load_network(path)


def test_a_header_that_is_not_ours_is_refused(
    saved: tuple[Path, dict[str, torch.Tensor], dict[str, str]],
) -> None:
    path, tensors, header = saved
    huge = json.loads(header["config"])
    huge["unet"]["channels"] = [1 << 20, 1 << 20]
    for changed, told in (
        (None, "format"),
        (header | {"format": "other"}, "other"),
        (header | {"config": "{"}, "configuration"),
        (header | {"config": "[" * 100_000}, "configuration"),
        (header | {"config": "[]"}, "configuration"),
        (header | {"config": '{"flow": "sideways"}'}, "sideways"),
        (header | {"config": json.dumps(huge)}, "does not fit"),
    ):
        save_file(tensors, path, changed)
        with pytest.raises(InputRefused, match=told):
            load_network(path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    path.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(InputRefused, match="cannot be read"):
        read_header(path)
    with pytest.raises(InputRefused, match="cannot be read"):
        read_header(tmp_path / "absent.safetensors")


def test_clip_gives_one_token_and_never_learns() -> None:
    clip = ImageEncoderConfig("clip", width=16, layers=1, heads=2, patch=4, size=16)
    net = ProFashion(tiny(image_encoder=clip))
    tokens = net.reference_encoder(references(b=2, r=3)).tokens
    assert tokens.shape == (2, 3, 1, 16)
    assert not tokens.requires_grad
    assert not any("clip" in name for stage in (1, 2) for name in net.trainable(stage))


def test_pictures_reach_clip_as_it_was_trained() -> None:
    config = tiny(image_encoder=ImageEncoderConfig("clip", 16, 1, 2, 4, 16))
    encoder, seen = image_encoder(config), []
    encoder.clip.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    encoder(torch.ones(1, 3, 16, 16))
    expected = torch.tensor([(1 - 0.48145466) / 0.26862954, (1 - 0.4578275) / 0.26130258])
    torch.testing.assert_close(seen[0][0, :2, 5, 5], expected)


def test_references_are_read_under_the_names_they_are_kept_by() -> None:
    config = NetworkConfig(
        codec=CodecConfig("pixel-unshuffle"),
        unet=UNetConfig(
            (8, 8, 8), (True, False, True), (2, 2, 2), 1, 4, 8, (2, 2, 2), motion_middle=False
        ),
        image_encoder=ImageEncoderConfig("small", width=8, tokens=(1, 1)),
        pose=tiny().pose,
    )
    net = ProFashion(config)
    kept = net.reference_encoder(references()).fine
    assert sorted(kept) == sorted(self_attention_names(net.instantiator.unet))
    assert sorted(kept) == sorted(self_attention_names(reference_unet(config)))
    assert net.config.size_multiple == 8


def test_poses_are_drawn_at_the_size_asked_for() -> None:
    drawn = draw_poses(keypoints(b=2, f=3), (32, 24), (64, 48), tiny().pose)
    assert drawn.shape == (2, 3, 3, 64, 48)
    assert 0 <= drawn.min() < drawn.max() <= 1
    unseen = torch.zeros(1, 1, 133, 3)
    assert not draw_poses(unseen, (32, 24), (64, 48), tiny().pose).any()
