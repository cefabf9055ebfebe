"""FID's Inception: equal to pytorch-fid's, from its file or NVIDIA's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.backbones.features import extract
from benchmark.backbones.inception import BLOCKS, STEM, Fork, Step
from benchmark.backbones.preprocessing import PREPROCESSINGS
from benchmark.frechet import frechet_distance
from mrfashion.errors import InputRefused
from tests.feature_weights import (
    CLIP,
    apart,
    golden,
    published_network,
    published_state,
    random_network,
    run,
)

UNIT = "Mixed_7b.branch3x3_2a"


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return random_network("inception")


def test_it_agrees_with_pytorch_fids(network: nn.Module) -> None:
    found = run(network, "inception-pytorch-fid", images=True)
    assert found.shape == (2, 2048)
    assert apart(found, golden()["inception"]) < 2e-6


def nvidia_names() -> dict[str, str]:
    """pytorch-fid's name of each unit => NVIDIA's, written out by hand for a few below."""
    names = {unit: f"layers.conv_{n}".removesuffix("_0") for n, unit in enumerate(STEM)}
    for n, (block, branches) in enumerate(BLOCKS.items()):
        at = f"layers.mixed_{n}".removesuffix("_0")
        for step in (step for branch in branches for step in branch):
            steps = (step.left, step.right) if isinstance(step, Fork) else (step,)
            names |= {
                f"{block}.{unit.name}": f"{at}.{unit.nvidia}"
                for unit in steps
                if isinstance(unit, Step)
            }
    return names


def as_nvidia(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The layout of `inception-2015-12-05.pt`; its norms have no scale."""
    parts = {"conv.weight": "weight", "bn.bias": "beta"}
    parts |= {"bn.running_mean": "mean", "bn.running_var": "var"}
    renamed = {
        f"{theirs}.{new}": state[f"{ours}.{old}"]
        for ours, theirs in nvidia_names().items()
        for old, new in parts.items()
    }
    return renamed | {"output.weight": torch.zeros(1008, 2048), "output.bias": torch.zeros(1008)}


def test_nvidias_names() -> None:
    names = nvidia_names()
    assert len(names) == len(set(names.values())) == 94
    assert names["Conv2d_1a_3x3"] == "layers.conv"
    assert names["Conv2d_4a_3x3"] == "layers.conv_4"
    assert names["Mixed_5b.branch5x5_2"] == "layers.mixed.tower.conv_1"
    assert names["Mixed_6a.branch3x3dbl_3"] == "layers.mixed_3.tower.conv_2"
    assert names["Mixed_6e.branch7x7dbl_5"] == "layers.mixed_7.tower_1.conv_4"
    assert names["Mixed_7c.branch3x3dbl_3b"] == "layers.mixed_10.tower_1_mixed_conv_1"


def test_nvidias_file_means_the_same() -> None:
    state = {
        key: torch.ones_like(tensor) if key.endswith("bn.weight") else tensor
        for key, tensor in published_state("inception").items()
    }
    one = random_network("inception", state)
    other = random_network("inception-clean", as_nvidia(state))
    with torch.inference_mode():
        x = PREPROCESSINGS["inception-clean"](CLIP[:, :1])[:, :, 0, :99, :99]
        torch.testing.assert_close(one(x), other(x), rtol=1e-5, atol=1e-5)


def test_every_frame_is_a_row(network: nn.Module) -> None:
    """In the order of clips, then of frames; batches change nothing."""
    clips = torch.stack([CLIP[0, :2], CLIP[0, 2:4]])
    small = PREPROCESSINGS["inception-clean"].__class__("test", (99, 99), "-1..1")
    rows = extract(network, clips, small)
    assert rows.shape == (4, 2048)
    single = [extract(network, clips[b : b + 1, f : f + 1], small) for b in (0, 1) for f in (0, 1)]
    torch.testing.assert_close(rows, torch.cat(single), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        (f"{UNIT}.conv.weight", None, f"no {UNIT}.conv.weight"),
        ("AuxLogits.conv0.conv.weight", torch.zeros(1), "unknown to it.*AuxLogits"),
        (f"{UNIT}.conv.weight", torch.zeros(384, 384, 3, 1), "size mismatch"),
    ],
)
def test_weights_that_do_not_fit_are_refused(key: str, value: Tensor | None, text: str) -> None:
    """torchvision's own Inception, with its side exit, is another network."""
    state = published_state("inception")
    if value is None:
        del state[key]
    else:
        state[key] = value
    with pytest.raises(InputRefused, match=f"(?s){text}"):
        random_network("inception", state)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "preprocessing", "want"),
    [
        ("inception", "inception-pytorch-fid", 225.3678),
        ("inception-clean", "inception-clean", 220.5819),
    ],
)
def test_five_pairs_as_printed(name: str, preprocessing: str, want: float, realdata: Path) -> None:
    """`ResultsCalibra/` of IQA-PyTorch: its folders of five TID2013 images, its printed FID."""
    network = published_network(name)
    features: list[np.ndarray] = []
    for folder in (realdata / "pyiqa/ref_dir", realdata / "pyiqa/dist_dir"):
        paths = sorted(folder.glob("*.bmp"))
        if not paths:
            pytest.skip(f"{folder} holds no images")
        images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
        clip = torch.from_numpy(np.stack(images))[None]
        features.append(extract(network, clip, PREPROCESSINGS[preprocessing]).numpy())
    assert frechet_distance(*features) == pytest.approx(want, rel=1e-4)
