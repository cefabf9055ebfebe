"""Networks from published weights, in the layouts diffusers, transformers and Moore write."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from model.config import (
    CodecConfig,
    ImageEncoderConfig,
    load_network_config,
)
from model.key_maps import (
    POSITION_IDS,
    animatediff_name,
)
from model.published import load_autoencoder, load_stable_diffusion, load_twin
from model.published_files import read_weights
from model.published_parts import TWINS, Sources
from model.reference_encoder import References
from model.sampling_settings import published_sampling
from mrfashion.errors import (
    ConfigError,
    InputRefused,
    MissingRequirement,
    UnknownNameError,
)
from tests.published_weights import (
    CONFIG,
    TAIL,
    TWIN,
    UNET,
    UNET_FILE,
    Tensors,
    adapter,
    former,
    motion_file,
    write_checkpoint,
    write_pipeline,
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    write_pipeline(root)
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("moore")
    write_checkpoint(root)
    return root


@pytest.fixture
def damaged(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def change(path: Path, **changes: Any) -> None:
    """Tensors of a file set, or removed by None; `__` stands for a dot."""
    held = torch.load(path, weights_only=True)
    named = {name.replace("__", "."): value for name, value in changes.items()}
    held = {k: v for k, v in (held | named).items() if v is not None}
    torch.save(held, path)


def sources(root: Path, **changes: Any) -> Sources:
    return replace(Sources(str(root), str(root), str(root / "motion")), **changes)


def test_stable_diffusion_fills_all_but_what_is_new(pipeline: Path) -> None:
    loaded = load_stable_diffusion(CONFIG, sources(pipeline))
    weights, unet = loaded.network.state_dict(), load_file(pipeline / "unet" / UNET_FILE)
    for name, tensor in unet.items():
        assert torch.equal(weights[f"instantiator.unet.{name}"], tensor)
    taken = {name for names in loaded.taken.values() for name in names}
    assert taken.isdisjoint(loaded.fresh)
    assert taken | set(loaded.fresh) == weights.keys()
    new = ("pose_encoder.", "aggregator.", "keypoint_flow.", "instantiator.flow_attention.")
    assert all(name.startswith(new) for name in loaded.fresh)
    (unused,) = loaded.unused.values()
    cut = {name.removeprefix("reference_encoder.unet.") for name in taken}
    assert set(unused) == unet.keys() - cut
    motion = load_file(pipeline / "motion" / UNET_FILE)
    for name, tensor in motion.items():
        assert torch.equal(weights[f"instantiator.unet.{name}"], tensor)


def test_parts_may_be_folders_of_their_own_or_old_files(pipeline: Path, tmp_path: Path) -> None:
    expected = load_stable_diffusion(CONFIG, sources(pipeline)).network.state_dict()
    for part, stem in (
        ("unet", "diffusion_pytorch_model.bin"),
        ("image_encoder", "pytorch_model.bin"),
    ):
        shutil.copytree(pipeline / part, tmp_path / part)
        (file,) = (tmp_path / part).glob("*.safetensors")
        held = load_file(file)
        if part == "image_encoder":
            held[POSITION_IDS] = torch.arange(17)[None]
        file.unlink()
        torch.save(held, file.with_name(stem), _use_new_zipfile_serialization=False)
    parts = Sources(*(str(tmp_path / part) for part in ("unet", "image_encoder")))
    loaded = load_stable_diffusion(CONFIG, replace(parts, motion=str(pipeline / "motion")))
    assert (POSITION_IDS,) in loaded.unused.values()
    old = {n: t for n, t in loaded.network.state_dict().items() if n not in loaded.fresh}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in old.items())


def test_without_motion_weights_the_modules_are_residuals_of_zero(pipeline: Path) -> None:
    loaded = load_stable_diffusion(CONFIG, sources(pipeline, motion=None))
    weights = loaded.network.state_dict()
    closed = [name for name in loaded.fresh if "motion_modules" in name and "proj_out" in name]
    assert len(closed) == 2 * (1 + 1 + 2 + 2 + 1)
    assert not any(weights[name].any() for name in closed)


@pytest.mark.parametrize("wrap", [{}, {"prefix": "module."}, {"notes": True}])
def test_animatediffs_own_file_and_the_adapter_give_the_same(
    pipeline: Path, tmp_path: Path, wrap: dict[str, Any]
) -> None:
    published = motion_file()
    file = tmp_path / "mm.ckpt"
    held: dict[str, Any] = {wrap.get("prefix", "") + n: t for n, t in published.items()}
    if "prefix" in wrap:
        held = {"epoch": 3, "global_step": 7, "state_dict": held}
    if "notes" in wrap:
        held["animatediff_config"] = {"unet": "v3"}
    torch.save(held, file)
    own = adapter()
    own.load_state_dict({animatediff_name(name): t for name, t in published.items()})
    own.save_pretrained(tmp_path / "adapter")
    networks = [
        load_stable_diffusion(CONFIG, sources(pipeline, motion=str(source))).network.state_dict()
        for source in (file, tmp_path / "adapter")
    ]
    named = [name for name in networks[0] if "motion_modules" in name]
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in named)


def clip_of(checkpoint: Path) -> dict[str, str]:
    return {"image_encoder": str(checkpoint / "image_encoder")}


@pytest.mark.parametrize("preset", sorted(TWINS))
def test_a_twin_is_whole(preset: str, checkpoint: Path, tmp_path: Path) -> None:
    clip, folder = clip_of(checkpoint), TWINS[preset][1]
    source = tmp_path / "hub"
    shutil.copytree(checkpoint, source / folder if folder else source)
    loaded = load_twin(preset, str(source), **clip, config=TWIN)
    assert loaded.fresh == ()
    weights = loaded.network.state_dict()
    assert sorted(n for names in loaded.taken.values() for n in names) == sorted(weights)
    assert [origin.split(":")[0] for origin in loaded.unused] == ["reference"]
    for file, prefix in (
        ("denoising_unet", "instantiator.unet"),
        ("pose_guider", "pose_encoder.guider"),
    ):
        for name, tensor in read_weights(checkpoint / f"{file}.pth").items():
            assert torch.equal(weights[f"{prefix}.{name}"], tensor)


@torch.no_grad()
def test_a_twins_references_are_what_moores_blocks_store(checkpoint: Path) -> None:
    network = load_twin("moore", str(checkpoint), **clip_of(checkpoint), config=TWIN).network
    stock = UNet2DConditionModel(**UNET).eval()
    held = read_weights(checkpoint / "reference_unet.pth")
    lacking = stock.load_state_dict(held, strict=False)
    assert all(name.startswith(TAIL) for name in lacking.missing_keys)
    stored: Tensors = {}
    for name, module in stock.named_modules():
        if name.endswith(".norm1") and "transformer_blocks" in name:
            key = name.replace(".norm1", ".attn1")
            module.register_forward_hook(lambda _m, _i, out, key=key: stored.update({key: out}))
    random = torch.Generator().manual_seed(5)
    images, latents = (torch.rand(1, 1, *s, generator=random) for s in ((3, 16, 16), (4, 8, 8)))
    features = network.reference_encoder(References(images, latents, images))
    stock(latents[0], 0, features.tokens[0])
    assert features.fine.keys() == stored.keys()
    for name, tokens in stored.items():
        torch.testing.assert_close(features.fine[name][0], tokens, atol=1e-5, rtol=1e-4)


def test_a_family_network_may_start_from_a_twin(checkpoint: Path) -> None:
    loaded = load_twin("moore", str(checkpoint), **clip_of(checkpoint), config=CONFIG)
    new = ("aggregator.", "keypoint_flow.", "instantiator.flow_attention.", "pose_encoder.pyramid.")
    assert loaded.fresh
    assert all(name.startswith(new) for name in loaded.fresh)


@torch.no_grad()
@pytest.mark.parametrize("old", [False, True])
def test_the_autoencoder_computes_what_it_was_published_as(
    pipeline: Path, tmp_path: Path, old: bool
) -> None:
    root = Path(shutil.copytree(pipeline / "vae", tmp_path / "vae"))
    if old:
        held = {former(name): t for name, t in load_file(root / UNET_FILE).items()}
        save_file(held, root / UNET_FILE)
        assert "decoder.mid_block.attentions.0.proj_attn.bias" in held
    codec = load_autoencoder(CONFIG.codec, str(root if old else pipeline))
    vae, images = AutoencoderKL.from_pretrained(pipeline / "vae"), torch.rand(2, 3, 16, 16)
    expected = vae.encode(images).latent_dist.mean * 0.18215
    torch.testing.assert_close(codec.encode(images), expected)
    torch.testing.assert_close(codec.decode(expected), vae.decode(expected / 0.18215).sample)


def test_presets_are_those_their_authors_run() -> None:
    moore, musepose = (load_network_config(name) for name in ("moore", "musepose"))
    assert (moore.diffusion.beta_schedule, moore.unet.motion_frames) == ("linear", 32)
    assert (musepose.diffusion.beta_schedule, musepose.unet.motion_frames) == ("scaled_linear", 128)
    told = {name: published_sampling(name) for name in TWINS}
    shown = {n: (s.steps, s.guidance, s.window, s.overlap) for n, s in told.items()}
    assert shown == {"moore": (30, 3.5, 24, 4), "musepose": (20, 3.5, 48, 4)}
    for name, chosen in told.items():
        assert chosen.window <= load_network_config(name).unet.motion_frames


@pytest.mark.parametrize(
    ("file", "changes", "told"),
    [
        ("denoising_unet", {"conv_in__weight": None}, r"1 missing: conv_in\.weight"),
        ("denoising_unet", {"lora__up": torch.ones(1)}, r"1 unknown: lora\.up"),
        ("reference_unet", {"conv_in__bias": None}, r"1 missing: conv_in\.bias"),
        ("pose_guider", {"conv_out__bias": torch.ones(4)}, r"bias \(4,\), needed \(16,\)"),
        ("pose_guider", {"conv_out__bias": torch.ones(16, dtype=torch.int8)}, "no floating point"),
        ("pose_guider", {"epoch": 3}, "more than tensors: epoch"),
        (
            "motion_module",
            {f"{'mid_block.motion_modules.0.temporal_transformer.transformer_blocks.0.'}"
             "attention_blocks.1.pos_encoder.pe": torch.ones(1, 8, 32)},
            "two different tensors for mid_block.*pos_embed.pe",
        ),
    ],
)  # fmt: skip
def test_a_key_out_of_place_is_named(
    damaged: Path, checkpoint: Path, file: str, changes: dict[str, Any], told: str
) -> None:
    change(damaged / f"{file}.pth", **changes)
    with pytest.raises(InputRefused, match=told) as caught:
        load_twin("moore", str(damaged), **clip_of(checkpoint), config=TWIN)
    assert f"{file}.pth" in str(caught.value)


@pytest.mark.parametrize(
    ("part", "changes", "told"),
    [
        ("unet", {"attention_head_dim": 8}, r"attention_head_dim is 8, configured \(2, 2\)"),
        ("unet", {"use_linear_projection": True}, "use_linear_projection"),
        ("image_encoder", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ("motion", {"motion_num_attention_heads": 4}, "motion_num_attention_heads"),
    ],
)
def test_settings_that_no_shape_tells_are_compared(
    pipeline: Path, tmp_path: Path, part: str, changes: dict[str, Any], told: str
) -> None:
    root = Path(shutil.copytree(pipeline, tmp_path / "copy"))
    file = root / part / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(InputRefused, match=told):
        load_stable_diffusion(CONFIG, sources(root))
    file.write_text("[" * 10_000)
    with pytest.raises(InputRefused, match="not JSON"):
        load_stable_diffusion(CONFIG, sources(root))


def test_what_cannot_be_loaded_is_told(pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match=r"has none of unet/config\.json, config\.json"):
        load_stable_diffusion(CONFIG, sources(tmp_path))
    with pytest.raises(UnknownNameError, match="moore"):
        load_twin("more", str(pipeline))
    small = replace(CONFIG, image_encoder=ImageEncoderConfig("small"))
    with pytest.raises(ConfigError, match=r"image_encoder\.kind is 'small'"):
        load_stable_diffusion(small, sources(pipeline))
    with pytest.raises(ConfigError, match="pixel-unshuffle"):
        load_autoencoder(CodecConfig("pixel-unshuffle"))
