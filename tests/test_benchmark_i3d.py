"""I3D: equal to the published networks, from any of the published files, never a part of one."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.backbones.features import extract
from benchmark.backbones.i3d import I3D, MIXED, PORTED_UNITS
from benchmark.backbones.preprocessing import PREPROCESSINGS
from mrfashion.errors import InputRefused
from tests.feature_weights import (
    apart,
    golden,
    published_network,
    published_state,
    random_network,
    run,
)

CONV, NORM = "Mixed_4c.b1b.conv3d.weight", "Mixed_4c.b1b.bn"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return random_network("i3d")


def small_features(network: nn.Module, frames: int = 9) -> Tensor:
    """Of two small clips: the network is the same at any size."""
    random = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        return network(torch.rand((2, 3, frames, 32, 40), generator=random) * 2 - 1)


def test_it_agrees_with_discos(network: nn.Module) -> None:
    """TensorFlow's epsilon."""
    assert apart(run(network, "i3d-squash"), golden()["i3d"]) < 2e-6


def test_it_agrees_with_cd_fvds() -> None:
    """The epsilon of VideoGPT, TATS and cd-fvd, which gives another number."""
    found = run(random_network("i3d-copies"), "i3d-squash")
    assert apart(found, golden()["i3d-copies"]) < 2e-6
    assert apart(found, golden()["i3d"]) > 1e-3


def test_the_graph_of_tensorflow_adds_one_in_a_thousand(network: nn.Module) -> None:
    other = random_network("i3d-copies")
    assert not torch.allclose(small_features(network), small_features(other), rtol=1e-4)


def ported(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The same weights under the names of the other port."""
    renamed = {}
    for key, tensor in state.items():
        name = key.replace(".bn.", ".batch3d.").replace("logits.", "conv3d_0c_1x1.")
        name = re.sub(r"^(Conv3d|Mixed)", lambda m: m[0].lower(), name)
        for ours, theirs in PORTED_UNITS.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        renamed[prefix + name] = tensor
    return renamed


@pytest.mark.parametrize("prefix", ["", "model."])
def test_the_other_ports_names_mean_the_same(prefix: str, network: nn.Module) -> None:
    state = ported(published_state("i3d"), prefix)
    assert f"{prefix}mixed_3b.branch_1.0.conv3d.weight" in state
    other = random_network("i3d-styleganv", state)
    assert torch.equal(small_features(network), small_features(other))


def test_it_has_the_published_size() -> None:
    """12.29 million parameters besides the logits, as counted where norms are not folded in."""
    state = published_state("i3d")
    counted = re.compile(r"(?!logits).*(conv3d\.weight|bn\.weight|bn\.bias)")
    assert sum(t.numel() for k, t in state.items() if counted.fullmatch(k)) == 12_287_264
    filters = 64 + 64 + 192 + sum(sum(widths) for widths in MIXED.values())
    assert sum(p.numel() for p in I3D().parameters()) == 12_287_264 - filters + 400 * 1025


@pytest.mark.parametrize(
    ("frames", "windows"), [(9, 1), (16, 1), (17, 2)], ids=["least", "usual", "longer"]
)
def test_logits_are_means_over_windows(network: nn.Module, frames: int, windows: int) -> None:
    random = torch.Generator().manual_seed(1)
    x = torch.rand((1, 3, frames, 32, 32), generator=random)
    with torch.inference_mode():
        maps = network.get_submodule("layers")(x)
        assert maps.shape[2] == windows + 1
        logits = network.get_submodule("logits")
        each = [logits(maps[:, :, n : n + 2].mean((2, 3, 4))) for n in range(windows)]
        torch.testing.assert_close(network(x), torch.stack(each).mean(0))


def test_a_clip_too_short_is_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="fewer than 9 frames"):
        small_features(network, 8)


def test_batches_change_nothing(network: nn.Module) -> None:
    clips = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 9, 20, 30, 3), np.uint8))
    small = PREPROCESSINGS["i3d-squash"].__class__("test", (32, 32), "-1..1")
    whole = extract(network, clips, small)
    single = torch.cat([extract(network, clip[None], small) for clip in clips])
    assert whole.shape == (3, 400)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(whole, single, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        (CONV, None, f"no {CONV}"),
        (f"{NORM}.running_var", None, f"no {NORM}.running_var"),
        ("logits.conv3d.bias", None, "no logits.conv3d.bias"),
        ("Mixed_6a.b0.conv3d.weight", torch.zeros(2), "1 tensors are unknown.*Mixed_6a"),
        (CONV, torch.zeros(224, 112, 1, 1, 1), "size mismatch"),
        (f"{NORM}.bias", torch.zeros(7), "not one number a filter"),
        (f"{NORM}.running_var", -torch.ones(224), "variances that are none"),
    ],
)
def test_weights_that_do_not_fit_are_refused(key: str, value: Tensor | None, text: str) -> None:
    state = published_state("i3d")
    if value is None:
        del state[key]
    else:
        state[key] = value
    with pytest.raises(InputRefused, match=f"(?s){text}"):
        random_network("i3d", state)


@pytest.mark.parametrize(("frames", "want"), [(16, 152.91750309134142), (24, 66.06281151704604)])
def test_white_from_black_as_printed(frames: int, want: float) -> None:
    """README of common_metrics_on_video_quality, for 64x64 and StyleGAN-V's file.

    All clips of a set are equal, so the distance is that of two points. Of the lengths it prints,
    these halve evenly: at others the archive's own padding may not be TensorFlow's.
    """
    network = published_network("i3d-styleganv")
    clips = torch.stack([torch.full((frames, 64, 64, 3), v, dtype=torch.uint8) for v in (0, 255)])
    black, white = extract(network, clips, PREPROCESSINGS["i3d-crop"]).double()
    assert (black - white).square().sum().item() == pytest.approx(want, rel=1e-3)
