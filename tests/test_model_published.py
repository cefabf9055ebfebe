"""Published weights: layouts that diffusers and transformers write, and key lists of the rest."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from model.codec import Autoencoder, build_codec
from model.config import (
    CodecConfig,
    ImageEncoderConfig,
    NetworkConfig,
    PoseConfig,
    UNetConfig,
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
from model.published import (
    TWINS,
    Sources,
    load_autoencoder,
    load_stable_diffusion,
    load_twin,
    published_sampling,
)
from model.published_files import find_file, read_weights
from model.reference_encoder import References
from mrfashion.errors import (
    ConfigError,
    InputRefused,
    MissingRequirement,
    UnknownNameError,
    UnsafePath,
)

Tensors = dict[str, Tensor]
CONFIG = NetworkConfig(
    codec=CodecConfig(channels=(8, 8), groups=4),
    unet=UNetConfig((16, 32), (True, False), (2, 2), 1, 4, 12, (2, 2), 8),
    image_encoder=ImageEncoderConfig("clip", width=16, layers=2, heads=2, patch=4, size=16),
    pose=PoseConfig(channels=(8, 8), features=16),
)
UNET_FILE, OLD_CLIP = "diffusion_pytorch_model.safetensors", "pytorch_model.bin"
GUIDER = "pose_encoder.guider"
TAIL = ("conv_norm_out.", "conv_out.")  # which Moore's reference network lacks
TWIN = replace(CONFIG, aggregation="single", flow="off")
UNET = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "attention_head_dim": 2,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 12,
}
CLIP = {
    "hidden_size": 16,
    "intermediate_size": 64,
    "projection_dim": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 4,
}
VAE: dict[str, Any] = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "layers_per_block": 2,
    "norm_num_groups": 4,
}

SD_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32,
}


def scrambled(module: torch.nn.Module, seed: int) -> Any:
    """Every parameter different, so that a wrong place shows."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.2, generator=random)
    return module.eval()


def adapter() -> Any:
    return MotionAdapter((16, 32), 1, 1, 1, 1, 2, 4, 8)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion's folder, with image encoder, autoencoder and motion modules."""
    root = tmp_path_factory.mktemp("published")
    scrambled(UNet2DConditionModel(**UNET), 1).save_pretrained(root / "unet")
    clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP))
    scrambled(clip, 2).save_pretrained(root / "image_encoder")
    scrambled(AutoencoderKL(**VAE), 3).save_pretrained(root / "vae")
    scrambled(adapter(), 4).save_pretrained(root / "motion")
    return root


def motion_shapes(at: str, c: int, frames: int) -> dict[str, tuple[int, ...]]:
    """One motion module of AnimateDiff, as its module definitions and Moore's name it."""
    t, b = f"{at}.temporal_transformer", f"{at}.temporal_transformer.transformer_blocks.0"
    shapes: dict[str, tuple[int, ...]] = {}
    for name in (f"{t}.norm", f"{b}.norms.0", f"{b}.norms.1", f"{b}.ff_norm"):
        shapes |= {f"{name}.weight": (c,), f"{name}.bias": (c,)}
    for i in (0, 1):
        attention = f"{b}.attention_blocks.{i}"
        shapes |= {f"{attention}.to_{name}.weight": (c, c) for name in "qkv"}
        shapes |= {f"{attention}.to_out.0.weight": (c, c), f"{attention}.to_out.0.bias": (c,)}
        shapes[f"{attention}.pos_encoder.pe"] = (1, frames, c)
    for name in (f"{t}.proj_in", f"{t}.proj_out"):
        shapes |= {f"{name}.weight": (c, c), f"{name}.bias": (c,)}
    shapes |= {f"{b}.ff.net.0.proj.weight": (8 * c, c), f"{b}.ff.net.0.proj.bias": (8 * c,)}
    return shapes | {f"{b}.ff.net.2.weight": (c, 4 * c), f"{b}.ff.net.2.bias": (c,)}


def all_motion_shapes(
    channels: tuple[int, ...], layers: int, frames: int, middle: bool = True
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for level, (down, up) in enumerate(zip(channels, channels[::-1], strict=True)):
        for i in range(layers):
            shapes |= motion_shapes(f"down_blocks.{level}.motion_modules.{i}", down, frames)
        for i in range(layers + 1):
            shapes |= motion_shapes(f"up_blocks.{level}.motion_modules.{i}", up, frames)
    if middle:
        shapes |= motion_shapes("mid_block.motion_modules.0", channels[-1], frames)
    return shapes


def guider_shapes(out: int, channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Moore's PoseGuider."""
    named = {"conv_in": (3, channels[0]), "conv_out": (channels[-1], out)}
    for i, (before, after) in enumerate(pairwise(channels)):
        named |= {f"blocks.{2 * i}": (before, before), f"blocks.{2 * i + 1}": (before, after)}
    weights = {f"{name}.weight": (b, a, 3, 3) for name, (a, b) in named.items()}
    return weights | {f"{name}.bias": (b,) for name, (_, b) in named.items()}


def sinusoid(frames: int, c: int) -> Tensor:
    position = torch.arange(frames)[:, None]
    rate = torch.exp(torch.arange(0, c, 2) * (-torch.log(torch.tensor(10000.0)) / c))
    return torch.stack([(position * rate).sin(), (position * rate).cos()], dim=-1).flatten(1)[None]


def motion_file(frames: int = 8, seed: int = 6) -> Tensors:
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in all_motion_shapes((16, 32), 1, frames).items():
        tensors[name] = torch.randn(shape, generator=random) * 0.2
        if name.endswith(".pe"):
            tensors[name] = sinusoid(frames, shape[-1])
    return tensors


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moore's four files."""
    root = tmp_path_factory.mktemp("moore")
    reference, denoiser = (scrambled(UNet2DConditionModel(**UNET), s).state_dict() for s in (7, 8))
    kept = {name: t for name, t in reference.items() if not name.startswith(TAIL)}
    guider = {n: torch.randn(s) for n, s in guider_shapes(16, (8, 8)).items()}
    torch.save(kept, root / "reference_unet.pth")
    torch.save(denoiser, root / "denoising_unet.pth")
    torch.save(motion_file(), root / "motion_module.pth")
    torch.save(guider, root / "pose_guider.pth")
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
    for part, stem in (("unet", "diffusion_pytorch_model.bin"), ("image_encoder", OLD_CLIP)):
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
def test_a_loaded_motion_module_computes_what_animatediff_defines(checkpoint: Path) -> None:
    network = load_twin("moore", str(checkpoint), **clip_of(checkpoint), config=TWIN).network
    module = network.instantiator.unet.mid_block.motion_modules[0]
    video = torch.randn(2, 32, 5, 3, 4, generator=torch.Generator().manual_seed(9))
    ours = module(video.movedim(2, 1).flatten(0, 1), num_frames=5)
    at = "mid_block.motion_modules.0.temporal_transformer."
    held = {n.removeprefix(at): t for n, t in motion_file().items() if n.startswith(at)}
    expected = temporal_transformer(video, held, heads=2, groups=4).movedim(2, 1).flatten(0, 1)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


def clip_of(checkpoint: Path) -> dict[str, str]:
    """An image encoder beside a checkpoint."""
    folder = checkpoint / "image_encoder"
    if not folder.exists():
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP))
        scrambled(clip, 2).save_pretrained(folder)
    return {"image_encoder": str(folder)}


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
    for file, prefix in (("denoising_unet", "instantiator.unet"), ("pose_guider", GUIDER)):
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


def nothing(shapes: dict[str, tuple[int, ...]]) -> Tensors:
    """Tensors that take no memory."""
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


def shapes_of(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


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


def former(name: str) -> str:
    """What an autoencoder's tensor was called before diffusers 0.12."""
    for today, once in (("to_q", "query"), ("to_k", "key"), ("to_v", "value")):
        name = name.replace(f".attentions.0.{today}.", f".attentions.0.{once}.")
    return name.replace(".attentions.0.to_out.0.", ".attentions.0.proj_attn.")


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


class Code:
    """A pickle that runs something."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_refused_and_never_run(damaged: Path, tmp_path: Path) -> None:
    ran, file = tmp_path / "ran", damaged / "pose_guider.pth"
    for save in (
        lambda held: torch.save(held, file),
        lambda held: torch.save(held, file, _use_new_zipfile_serialization=False),
        lambda held: file.write_bytes(pickle.dumps(held, 2)),
    ):
        save({"conv_in.weight": torch.ones(1), "more": Code(ran)})
        with pytest.raises(InputRefused, match=r"tensors alone.*safetensors"):
            read_weights(file)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
def test_broken_bytes_are_refused_or_read(
    tmp_path: Path, name: str, at: float, value: int, cut: bool
) -> None:
    file, held = tmp_path / name, {"weight": torch.ones(2, 3), "bias": torch.ones(3)}
    torch.save(held, file) if name.endswith("pth") else save_file(held, file)
    data = bytearray(file.read_bytes())
    place_ = int(at * len(data))
    data[place_] = value
    file.write_bytes(data[:place_] if cut else data)
    with suppress(InputRefused):
        assert all(isinstance(tensor, Tensor) for tensor in read_weights(file).values())


def test_a_compressed_file_is_refused(damaged: Path) -> None:
    file, packed = damaged / "pose_guider.pth", damaged / "packed.pth"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with pytest.raises(InputRefused, match="compressed"):
        read_weights(packed)


def test_a_link_out_of_the_folder_is_refused(damaged: Path, checkpoint: Path) -> None:
    file = damaged / "pose_guider.pth"
    file.unlink()
    file.symlink_to(checkpoint / "pose_guider.pth")
    with pytest.raises(UnsafePath, match="pose_guider"):
        load_twin("moore", str(damaged), **clip_of(checkpoint), config=TWIN)


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


def test_a_hub_id_is_read_from_its_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingRequirement, match=r"patrolli/AnimateAnyone.*denoising_unet.*cache"):
        load_twin("moore", **clip_of(checkpoint), config=TWIN)
    repository = tmp_path / "models--patrolli--AnimateAnyone"
    snapshot = repository / "snapshots" / ("0" * 40)
    for folder in (snapshot, repository / "refs", repository / "blobs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    for file in checkpoint.glob("*.pth"):
        shutil.copy(file, repository / "blobs" / file.stem)
        (snapshot / file.name).symlink_to(repository / "blobs" / file.stem)
    for source in (None, str(snapshot), f"patrolli/AnimateAnyone@{'0' * 40}"):
        loaded = load_twin("moore", source, **clip_of(checkpoint), config=TWIN)
        assert loaded.fresh == ()


def test_what_is_not_there_is_told(tmp_path: Path, checkpoint: Path, pipeline: Path) -> None:
    small = replace(CONFIG, image_encoder=ImageEncoderConfig("small"))
    with pytest.raises(MissingRequirement, match=r"neither a folder nor a hub id"):
        find_file(str(tmp_path / "no" / "such"), ["config.json"])
    with pytest.raises(MissingRequirement, match=r"has none of unet/config\.json, config\.json"):
        load_stable_diffusion(CONFIG, sources(tmp_path))
    with pytest.raises(ConfigError, match="no hub id"):
        find_file("-a/b--c", ["config.json"])
    with pytest.raises(UnknownNameError, match="moore"):
        load_twin("more", str(checkpoint))
    with pytest.raises(ConfigError, match=r"image_encoder\.kind is 'small'"):
        load_stable_diffusion(small, sources(pipeline))
    with pytest.raises(ConfigError, match="pixel-unshuffle"):
        load_autoencoder(CodecConfig("pixel-unshuffle"))
