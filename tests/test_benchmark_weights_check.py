"""`weights check`: whether the networks of a file load and answer as others published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark import weights_check
from benchmark.backbones.features import BACKBONES
from benchmark.frechet import frechet_distance
from benchmark.weights_check import KNOWN, KnownAnswer, tried
from mrfashion.__main__ import run
from mrfashion.artefacts import sha256_file
from mrfashion.errors import ExitCode, InputRefused
from mrfashion.weight_row import Pin
from mrfashion.weight_trust import set_trust
from mrfashion.weights import HERE, WEIGHTS, path_of, state, weights_folder
from tests.feature_weights import published_state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(published_state("efficientnet-lite0"), tmp_path / "lite.pth")
    return tmp_path / "lite.pth"


def test_a_file_that_is_whole_loads_and_says_what_is_not_known(file: Path) -> None:
    said = list(tried("efficientnet-lite0", file, "cpu", False))
    assert said == ["efficientnet-lite0: loads to the last key; no published answer"]
    assert list(tried("blazepose-landmark", file, "cpu", True)) == []


def test_a_file_that_lacks_a_tensor_is_refused(file: Path) -> None:
    state_dict = published_state("efficientnet-lite0")
    del state_dict[next(iter(state_dict))]
    torch.save(state_dict, file)
    with pytest.raises(InputRefused, match=r"lite\.pth"):
        list(tried("efficientnet-lite0", file, "cpu", False))


@pytest.mark.parametrize(("value", "right"), [(2.0, True), (2.1, False), (float("nan"), False)])
def test_known_answers_are_held_to_their_tolerance(
    file: Path, monkeypatch: pytest.MonkeyPatch, value: float, right: bool
) -> None:
    known = KnownAnswer("the number", 2.0, 0.05, "a paper", False, lambda network: value)
    monkeypatch.setitem(KNOWN, "efficientnet-lite0", (known,))
    if right:
        *_, said = tried("efficientnet-lite0", file, "cpu", False)
        assert said == "efficientnet-lite0: the number is 2 (a paper: 2)"
    else:
        with pytest.raises(InputRefused, match="a paper prints 2"):
            list(tried("efficientnet-lite0", file, "cpu", False))


def test_slow_answers_run_where_asked_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownAnswer("the number", 2.0, 0.05, "a paper", True, lambda network: 2.0)
    monkeypatch.setitem(KNOWN, "efficientnet-lite0", (known,))
    assert len(list(tried("efficientnet-lite0", file, "cpu", False))) == 1
    assert len(list(tried("efficientnet-lite0", file, "cpu", True))) == 2


class Mean(nn.Module):
    """Mean of each colour."""

    IMAGES = False

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3, 4))


def test_the_inputs_of_the_known_answers_are_the_published_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Black and white as -1 and 1; RandomState(1) and (2), drawn in pieces, as float32."""
    monkeypatch.setattr(weights_check, "NOISE_CLIPS", 6)
    monkeypatch.setattr(weights_check, "AT_ONCE", 2)
    black, noise = (known.measure(Mean()) for known in KNOWN["i3d-400"])
    assert black == pytest.approx(3 * 2**2)
    draws = (np.random.RandomState(seed).rand(6, 16, 224, 224, 3) for seed in (1, 2))
    means = [draw.astype(np.float32).mean((1, 2, 3), dtype=np.float64) for draw in draws]
    assert noise == pytest.approx(frechet_distance(*means), rel=1e-3)


@pytest.mark.realdata
@pytest.mark.parametrize("row", sorted({b.weights for b in BACKBONES.values() if b.weights}))
def test_the_published_files_answer_as_published(row: str) -> None:
    if state(WEIGHTS[row]) not in HERE:
        pytest.skip(f"{row} is not on this machine")
    cuda = torch.cuda.is_available()  # the slow ones take minutes without
    assert all(tried(row, path_of(WEIGHTS[row]), "cuda" if cuda else "cpu", cuda))


def trust(path: Path) -> None:
    pin = Pin(path.stat().st_size, sha256_file(path))
    set_trust(weights_folder(), "efficientnet-lite0", pin)


def test_check_says_what_loads_and_exits_4_where_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path))
    place = path_of(WEIGHTS["efficientnet-lite0"])
    place.parent.mkdir()
    file.rename(place)
    trust(place)
    assert run(["weights", "check", "efficientnet"]) == ExitCode.COMPLETE
    assert "  efficientnet-lite0: loads to the last key" in capsys.readouterr().out
    torch.save({"a": torch.zeros(3)}, place)
    trust(place)
    assert run(["weights", "check", "efficientnet"]) == ExitCode.REFUSED
    assert run(["weights", "check", "efficientnet", "--device", "tpu"]) == ExitCode.USAGE
    assert run(["weights", "check"]) == ExitCode.REFUSED  # and others are missing
