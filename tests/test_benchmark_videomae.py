"""VideoMAE: equal to cd-fvd's and transformers', at a tiny size; whole on the meta device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import VideoMAEConfig as TheirConfig
from transformers import VideoMAEModel

from benchmark.backbones.folding import Published
from benchmark.backbones.preprocessing import PREPROCESSINGS
from benchmark.backbones.trunk import load_strictly
from benchmark.backbones.videomae import VideoMAE, VideoMAEConfig, convert
from mrfashion.errors import InputRefused
from tests.feature_weights import CLIP, apart, golden, published_state

TINY = VideoMAEConfig(width=24, depth=2, heads=3, hidden=104, size=28)


def tiny(state: dict[str, Tensor] | None = None) -> nn.Module:
    file = Published(state or published_state("videomae"), "x.pth")
    network = VideoMAE(TINY)
    load_strictly(network, convert(file, TINY.depth), "x.pth")
    file.finish()
    return network.eval()


def clips(count: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand((count, 3, 16, 28, 28), generator=random)


@torch.inference_mode()
def test_it_agrees_with_cd_fvds() -> None:
    x = PREPROCESSINGS["videomae-squash"](CLIP)[..., :28, :28]
    assert apart(tiny()(x).numpy(), golden()["videomae"]) < 1e-6


def as_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the names of `transformers`, which has the keys' bias at zero."""
    layers: dict[str, Any] = {"norm1": "layernorm_before", "norm2": "layernorm_after"}
    layers |= {"mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
    layers |= {"attn.proj": "attention.output.dense"}
    renamed = {}
    for part in ("weight", "bias"):
        renamed[f"embeddings.patch_embeddings.projection.{part}"] = state[
            f"patch_embed.proj.{part}"
        ]
    for n in range(TINY.depth):
        ours, theirs = f"blocks.{n}", f"encoder.layer.{n}"
        for old, new in layers.items():
            for part in ("weight", "bias"):
                renamed[f"{theirs}.{new}.{part}"] = state[f"{ours}.{old}.{part}"]
        at = f"{theirs}.attention.attention"
        weights = state[f"{ours}.attn.qkv.weight"].chunk(3)
        for name, weight in zip(("query", "key", "value"), weights, strict=True):
            renamed[f"{at}.{name}.weight"] = weight
        for name in ("query", "value"):
            renamed[f"{at}.{name}.bias"] = state[f"{ours}.attn.{name[0]}_bias"]
    return renamed


@torch.inference_mode()
def test_it_agrees_with_transformers() -> None:
    config = TheirConfig(
        image_size=TINY.size,
        patch_size=TINY.patch,
        hidden_size=TINY.width,
        num_hidden_layers=TINY.depth,
        num_attention_heads=TINY.heads,
        intermediate_size=TINY.hidden,
        layer_norm_eps=TINY.eps,
        use_mean_pooling=True,
    )
    state, peer, x = published_state("videomae"), VideoMAEModel(config).eval(), clips(2)
    peer.load_state_dict(as_transformers(state), strict=True)
    mean = peer(x.transpose(1, 2)).last_hidden_state.mean(1)
    scale, shift = state["fc_norm.weight"], state["fc_norm.bias"]
    want = torch.nn.functional.layer_norm(mean, (TINY.width,), scale, shift, TINY.eps)
    assert apart(tiny()(x).numpy(), want.numpy()) < 2e-6


def published_shapes() -> dict[str, tuple[int, ...]]:
    """What `vit_g_hybrid_pt_1200e_ssv2_ft.pth` holds, from the paper's sizes."""
    width, hidden = 1408, 1408 * 48 // 11
    shapes: dict[str, tuple[int, ...]] = {"patch_embed.proj.weight": (width, 3, 2, 14, 14)}
    shapes |= {"patch_embed.proj.bias": (width,), "head.weight": (174, width), "head.bias": (174,)}
    shapes |= {"fc_norm.weight": (width,), "fc_norm.bias": (width,)}
    for block in (f"blocks.{n}" for n in range(40)):
        shapes |= {f"{block}.attn.{n}": (width,) for n in ("q_bias", "v_bias", "proj.bias")}
        shapes |= {f"{block}.attn.qkv.weight": (3 * width, width)}
        shapes |= {f"{block}.attn.proj.weight": (width, width)}
        shapes |= {f"{block}.mlp.fc1.weight": (hidden, width), f"{block}.mlp.fc1.bias": (hidden,)}
        shapes |= {f"{block}.mlp.fc2.weight": (width, hidden), f"{block}.mlp.fc2.bias": (width,)}
        shapes |= {f"{block}.norm{n}.{part}": (width,) for n in "12" for part in ("weight", "bias")}
    return shapes


def test_the_whole_network_takes_the_published_file() -> None:
    """On the meta device: every name, every shape, 1.01 thousand million parameters."""
    shapes = published_shapes()
    file = Published({k: torch.empty(s, device="meta") for k, s in shapes.items()}, "x.pth")
    network = VideoMAE()
    load_strictly(network, convert(file), "x.pth")
    file.finish()
    counted = sum(torch.Size(s).numel() for k, s in shapes.items() if not k.startswith("head"))
    assert counted == 1_011_610_752
    assert sum(p.numel() for p in network.parameters()) == counted + 40 * 1408  # keys' bias
    assert network.positions.shape == (2048, 1408)


@torch.inference_mode()
def test_batches_change_nothing() -> None:
    network, x = tiny(), clips(3)
    torch.testing.assert_close(network(x), torch.cat([network(clip[None]) for clip in x]))


@pytest.mark.parametrize("shape", [(1, 3, 8, 28, 28), (1, 3, 16, 28, 42)])
def test_other_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"VideoMAE takes c f h w = \(3, 16, 28, 28\)"):
        tiny()(torch.zeros(shape))


def test_weights_that_do_not_fit_are_refused() -> None:
    state = published_state("videomae")
    with pytest.raises(InputRefused, match=r"no blocks\.1\.attn\.q_bias"):
        tiny({key: t for key, t in state.items() if key != "blocks.1.attn.q_bias"})
    with pytest.raises(InputRefused, match="unknown to it, among them pos_embed"):
        tiny(state | {"pos_embed": torch.zeros(1)})
    with pytest.raises(InputRefused, match="size mismatch"):
        tiny(state | {"fc_norm.weight": torch.ones(25)})
