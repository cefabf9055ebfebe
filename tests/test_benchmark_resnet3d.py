"""3D-ResNet-50: equal to the network that DisCo computes FID-VID with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.backbones.features import extract, load
from benchmark.backbones.preprocessing import PREPROCESSINGS
from mrfashion.errors import InputRefused
from tests.feature_weights import CLIP, apart, golden, published_state, random_network, run


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return random_network("resnet3d")


def test_it_agrees_with_discos(network: nn.Module) -> None:
    found = run(network, "resnet3d-disco")
    assert found.shape == (1, 2048)
    assert apart(found, golden()["resnet3d"]) < 5e-6


def test_the_published_file_holds_more(network: nn.Module, tmp_path: Path) -> None:
    """The network's names as DataParallel writes them, beside what training needed."""
    state = {f"module.{key}": tensor for key, tensor in published_state("resnet3d").items()}
    whole = {"epoch": 1, "arch": "resnet-50", "state_dict": state, "optimizer": {"lr": 0.1}}
    torch.save(whole, tmp_path / "resnet-50-kinetics.pth")
    other = load("resnet3d", tmp_path / "resnet-50-kinetics.pth")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_batches_change_nothing(network: nn.Module) -> None:
    clips = torch.stack([CLIP[0], CLIP[0].flip(0)])
    small = PREPROCESSINGS["resnet3d-disco"].__class__("test", (32, 32), "-1..1")
    whole = extract(network, clips, small)
    single = torch.cat([extract(network, clip[None], small) for clip in clips])
    assert apart(whole.numpy(), single.numpy()) < 1e-5
    assert apart(whole[:1].numpy(), whole[1:].numpy()) > 1e-3  # time has a direction


def test_another_depth_is_refused() -> None:
    state = published_state("resnet3d")
    deeper = state | {"layer3.6.conv1.weight": state["layer3.5.conv1.weight"]}
    with pytest.raises(InputRefused, match=r"unknown to it, among them layer3\.6"):
        random_network("resnet3d", deeper)
    fewer = {key: tensor for key, tensor in state.items() if not key.startswith("layer3.5")}
    with pytest.raises(InputRefused, match=r"no layer3\.5\.conv1\.weight"):
        random_network("resnet3d", fewer)
