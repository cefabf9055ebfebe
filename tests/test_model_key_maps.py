"""Names and shapes of published weights at their true size, which takes no memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from model.codec import Autoencoder, build_codec
from model.config import (
    CodecConfig,
    load_network_config,
)
from model.key_maps import (
    POSITION_IDS,
    Place,
    animatediff_name,
    autoencoder_name,
    place,
    places,
)
from model.profashion import ProFashion
from model.published import load_twin
from model.published_parts import TWINS
from mrfashion.errors import (
    InputRefused,
)
from tests.published_weights import (
    TAIL,
    TWIN,
    VAE,
    Tensors,
    all_motion_shapes,
    former,
    guider_shapes,
    motion_file,
    shapes_of,
    write_checkpoint,
)

SD_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32,
}


def nothing(shapes: dict[str, tuple[int, ...]]) -> Tensors:
    """Tensors that take no memory."""
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("preset", sorted(TWINS))
def test_every_name_and_shape_at_true_size(preset: str) -> None:
    config = load_network_config(preset)
    l14 = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        projection_dim=768,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
    )
    with torch.device("meta"):
        wanted = shapes_of(ProFashion(config))
        unet = shapes_of(UNet2DConditionModel(cross_attention_dim=768))
        clip = shapes_of(CLIPVisionModelWithProjection(l14))
    assert len(unet) == 686
    assert len(clip) == 392
    motion = all_motion_shapes((320, 640, 1280, 1280), 2, config.unet.motion_frames)
    assert len(motion) == 588
    guider = guider_shapes(320, (16, 32, 96, 256))
    reference = {name: shape for name, shape in unet.items() if not name.startswith(TAIL)}
    files = {
        "denoiser": unet,
        "reference": reference,
        "motion": motion,
        "guider": guider,
        "image_encoder": clip | {POSITION_IDS: (1, 257)},
    }
    where, filled = places(wanted), set()
    for name, shapes in files.items():
        rename = animatediff_name if name == "motion" else str
        placed = place(nothing(shapes), where[name], name, rename)
        assert filled.isdisjoint(placed.tensors)
        filled |= placed.tensors.keys()
    assert filled == wanted.keys()


def test_animatediff_v3_at_true_size() -> None:
    config = load_network_config("sd15")
    config = replace(config, unet=replace(config.unet, motion_middle=False))
    with torch.device("meta"):
        wanted = places(shapes_of(ProFashion(config)))["motion"]
        v2, v3 = (shapes_of(MotionAdapter(use_motion_mid_block=m)) for m in (True, False))
    own = all_motion_shapes((320, 640, 1280, 1280), 2, 32, middle=False)
    assert len(own) == 560
    for published in (own, v3, {n: s for n, s in v3.items() if not n.endswith(".pe")}):
        placed = place(nothing(published), wanted, "v3", animatediff_name)
        assert len(placed.tensors) == len({animatediff_name(name) for name in published})
    with pytest.raises(InputRefused, match=r"27 unknown: mid_block\.motion_modules\.0"):
        place(nothing(v2), wanted, "v2", animatediff_name)
    with pytest.raises(InputRefused, match=r"of another shape.*pos_embed\.pe \(1, 24, 320\)"):
        place(
            nothing(own | all_motion_shapes((320,), 1, 24, False)), wanted, "v1", animatediff_name
        )


def test_the_autoencoder_at_true_size() -> None:
    with torch.device("meta"):
        published = shapes_of(AutoencoderKL(**VAE | SD_VAE))
        codec = build_codec(CodecConfig())
    assert isinstance(codec, Autoencoder)
    assert len(published) == 248
    into = Place(shapes_of(codec.vae))
    for shapes in (published, {former(name): shape for name, shape in published.items()}):
        placed = place(nothing(shapes), into, "vae", autoencoder_name)
        assert placed.tensors.keys() == into.shapes.keys()


def temporal_transformer(video: Tensor, w: Tensors, heads: int, groups: int) -> Tensor:
    """AnimateDiff's motion module from its definition: b c f h w => the same."""
    b, c, f, h, wide = video.shape
    frames = video.movedim(2, 1).reshape(b * f, c, h, wide)
    normed = F.group_norm(frames, groups, w["norm.weight"], w["norm.bias"], 1e-6)
    tokens = normed.reshape(b, f, c, h * wide).permute(0, 3, 1, 2).reshape(-1, f, c)
    x = F.linear(tokens, w["proj_in.weight"], w["proj_in.bias"])
    at = "transformer_blocks.0."
    for i in (0, 1):
        a = f"{at}attention_blocks.{i}."
        y = F.layer_norm(x, (c,), w[f"{at}norms.{i}.weight"], w[f"{at}norms.{i}.bias"])
        y = y + w[f"{a}pos_encoder.pe"][:, :f]
        q, k, v = (
            F.linear(y, w[f"{a}to_{n}.weight"]).unflatten(-1, (heads, -1)).transpose(1, 2)
            for n in "qkv"
        )
        y = ((q @ k.mT / (c // heads) ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + F.linear(y, w[f"{a}to_out.0.weight"], w[f"{a}to_out.0.bias"])
    y = F.layer_norm(x, (c,), w[f"{at}ff_norm.weight"], w[f"{at}ff_norm.bias"])
    y, gate = F.linear(y, w[f"{at}ff.net.0.proj.weight"], w[f"{at}ff.net.0.proj.bias"]).chunk(2, -1)
    x = x + F.linear(y * F.gelu(gate), w[f"{at}ff.net.2.weight"], w[f"{at}ff.net.2.bias"])
    x = F.linear(x, w["proj_out.weight"], w["proj_out.bias"])
    return video + x.reshape(b, h, wide, f, c).permute(0, 4, 3, 1, 2)


@torch.no_grad()
def test_a_loaded_motion_module_computes_what_animatediff_defines(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    network = load_twin("moore", str(tmp_path), str(tmp_path / "image_encoder"), TWIN).network
    module = network.instantiator.unet.mid_block.motion_modules[0]
    video = torch.randn(2, 32, 5, 3, 4, generator=torch.Generator().manual_seed(9))
    ours = module(video.movedim(2, 1).flatten(0, 1), num_frames=5)
    at = "mid_block.motion_modules.0.temporal_transformer."
    held = {n.removeprefix(at): t for n, t in motion_file().items() if n.startswith(at)}
    expected = temporal_transformer(video, held, heads=2, groups=4).movedim(2, 1).flatten(0, 1)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
