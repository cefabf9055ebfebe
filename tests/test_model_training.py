"""The trainer on fixed data: what moves, what stays, what is written, and how it goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from model import training, training_stage
from model.checkpoint import load_network
from model.config import NetworkConfig
from model.profashion import ProFashion
from model.training import Limits, train, train_together
from model.training_config import Stage, TrainingConfig
from model.training_folder import Folder
from model.training_log import read
from model.training_state import newest
from mrfashion.errors import ConfigError, Diverged, InputRefused
from tests.fixed_data import TINY, FixedData, config, open_fixed, stage
from tests.tiny_networks import tiny

BOTH = (stage(1), stage(2, also=("denoiser",), shared_noise=0.3))


@pytest.fixture(autouse=True)
def fixed_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_stage, "open_data", open_fixed)


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation and pictures take longer than the steps of most tests."""
    monkeypatch.setattr(Folder, "show", lambda *_, **__: None)


def run(
    out: Path,
    *stages: Stage,
    wanted: NetworkConfig = TINY,
    limit: int | None = None,
    init: Path | None = None,
    **changes: Any,
) -> training.Summary:
    settings = config(*stages, **changes)
    return train(settings, wanted, out, init=init, device="cpu", limits=Limits(limit))


def weights(path: Path) -> dict[str, Tensor]:
    return load_network(path).state_dict()


def held(out: Path) -> dict[str, Tensor]:
    """All tensors of the newest checkpoint."""
    found = newest(out / "checkpoints")
    assert found is not None
    return found[1]


def losses(out: Path) -> list[dict[str, Any]]:
    """The log without what a clock or this process decides."""
    told = ("seconds", "samples_per_s", "peak_memory_bytes")
    return [{k: v for k, v in row.items() if k not in told} for row in read(out / "log.jsonl")]


SWITCHES: list[dict[str, Any]] = [
    {},
    {"flow": "unsupervised", "similarity": "cosine"},
    {"flow": "off", "aggregation": "nearest", "similarity": "learned"},
    {"aggregation": "concat"},
    {"aggregation": "mean", "alignment": "token-attention"},
    {"aggregation": "single", "flow": "off"},
]


@pytest.mark.usefixtures("unseen")
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_three_steps_move_what_the_stage_trains_and_nothing_else(
    tmp_path: Path, number: int, switches: dict[str, Any]
) -> None:
    wanted = tiny(**switches)
    one = stage(number, weight_decay=0.1, null=0.0, also=("denoiser",) if number == 2 else ())
    torch.manual_seed(0)
    before = {name: t.clone() for name, t in ProFashion(wanted).named_parameters()}
    moving = set(ProFashion(wanted).trainable(number, one.also))
    assert moving
    run(tmp_path, one, wanted=wanted)
    after = weights(tmp_path / "network.safetensors")
    still = {name for name, tensor in before.items() if torch.equal(tensor, after[name])}
    assert still == before.keys() - moving


def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run(whole, *BOTH).done
    for limit in (1, 3):  # within stage 1; and over its end into stage 2
        assert not run(broken, *BOTH, limit=limit).done
    assert run(broken, *BOTH).done
    assert losses(broken) == losses(whole)
    for name in ("stage-1", "stage-2", "network"):
        ours, theirs = (weights(out / f"{name}.safetensors") for out in (broken, whole))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.usefixtures("unseen")
def test_checkpoints_in_the_middle_agree_to_the_bit(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(whole, stage(2, 6), limit=4)
    run(broken, stage(2, 6), limit=1)
    run(broken, stage(2, 6), limit=3)
    ours, theirs = held(broken), held(whole)
    assert {name.split("/")[0] for name in theirs} == {
        "network",
        "average",
        "exp_avg",
        "exp_avg_sq",
    }
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.usefixtures("unseen")
def test_rows_behind_the_checkpoint_are_made_again(tmp_path: Path) -> None:
    run(tmp_path, stage(1, 6), limit=4)
    before = losses(tmp_path)
    row = json.dumps({"stage": 1, "step": 5, "loss": 7.0})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(row + "\n" + row[:9])  # killed as it wrote
    run(tmp_path, stage(1, 6))
    rows = losses(tmp_path)
    assert rows[:4] == before
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[4]["loss"] != 7.0


@pytest.mark.usefixtures("unseen")
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    run(tmp_path / "whole", stage(1, 6))
    run(tmp_path, stage(1, 6), limit=4)
    kept = sorted((tmp_path / "checkpoints").iterdir())
    assert [path.name for path in kept] == ["1-00000002.safetensors", "1-00000004.safetensors"]
    kept[1].write_bytes(kept[1].read_bytes()[:-100])
    assert run(tmp_path, stage(1, 6)).done
    assert losses(tmp_path) == losses(tmp_path / "whole")
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(InputRefused, match="cannot be read"):
        run(tmp_path, stage(1, 6))


@pytest.mark.usefixtures("unseen")
def test_a_folder_of_another_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, stage(1), limit=2)
    with pytest.raises(InputRefused, match=r"training\.seed is 1, wanted 0"):
        run(tmp_path, stage(1), seed=1)
    with pytest.raises(InputRefused, match=r"network\.similarity is 'cosine'"):
        run(tmp_path, stage(1), wanted=tiny(similarity="cosine"))
    with pytest.raises(InputRefused, match=r"training\.stages"):
        run(tmp_path, stage(1, learning_rate=2e-3))
    other = lambda _, *, batch, frames, **__: FixedData(batch, frames, name="other")  # noqa: E731
    monkeypatch.setattr(training_stage, "open_data", other)
    with pytest.raises(InputRefused, match="other data: name is 'other', wanted 'fixed'"):
        run(tmp_path, stage(1))


@pytest.mark.usefixtures("unseen")
def test_how_a_run_is_watched_may_change(tmp_path: Path) -> None:
    run(tmp_path, stage(1), limit=2)
    watch = replace(config(stage(1)).watch, log_every=1)
    assert run(tmp_path, stage(1), watch=watch).done


@pytest.mark.usefixtures("unseen")
def test_training_stops_where_a_loss_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(_: object, *, batch: int, frames: int, **__: Any) -> FixedData:
        return FixedData(batch, frames, poison=4)

    monkeypatch.setattr(training_stage, "open_data", poisoned)
    with pytest.raises(Diverged, match=r"stage 1, step 5: loss is nan.*diverged-0\.json"):
        run(tmp_path, stage(1, 8))
    told = json.loads((tmp_path / "diverged-0.json").read_text())
    assert (told["step"], told["loss"], told["groups"]) == (5, "nan", ["g0", "g1"])
    assert len(told["timesteps"]) == 4
    assert [row["step"] for row in losses(tmp_path)] == [1, 2, 3, 4]
    found = newest(tmp_path / "checkpoints")
    assert found is not None
    assert found[0].step == 4
    assert all(tensor.isfinite().all() for tensor in found[1].values())


@pytest.mark.usefixtures("unseen")
def test_passes_of_half_a_batch_equal_one_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Halves(FixedData):
        def batches(self, first: int) -> Any:
            for whole in FixedData(4, self.frames).batches(first):
                for start in range(0, 4, self.batch):
                    yield _some(whole, slice(start, start + self.batch))

    monkeypatch.setattr(
        training_stage, "open_data", lambda _, *, batch, frames, **__: Halves(batch, frames)
    )
    sizes = {"one": {"batch": 4}, "two": {"batch": 2, "accumulation": 2}}
    for name, size in sizes.items():
        run(tmp_path / name, stage(1, 2, **size), limit=1)
    one, two = (held(tmp_path / name) for name in sizes)
    moments = [name for name in one if name.startswith("exp_avg/")]  # a tenth of the gradient
    assert sum(bool(one[name].any()) for name in moments) > len(moments) / 2
    for name in moments:
        torch.testing.assert_close(one[name], two[name], atol=1e-6, rtol=0)


def _some(batch: Any, some: slice) -> Any:
    names = ("frames", "keypoints", "references", "reference_keypoints", "reference_valid")
    parts = {name: getattr(batch, name)[some] for name in (*names, "yaw_deg", "mask", "groups")}
    return replace(batch, **parts)


@pytest.mark.usefixtures("unseen")
def test_what_ships_is_the_moving_average(tmp_path: Path) -> None:
    one = stage(1, 3, ema=0.1)
    run(tmp_path, one, limit=1)
    first = held(tmp_path)
    run(tmp_path, one, limit=1)
    second = held(tmp_path)
    names = [name.removeprefix("average/") for name in second if name.startswith("average/")]
    assert set(names) == set(ProFashion(TINY).trainable(1))
    for name in names:
        weight = f"network/{name}"
        torch.testing.assert_close(first[f"average/{name}"], first[weight], atol=1e-6, rtol=0)
        mean = 0.1 * first[weight] + 0.9 * second[weight]
        torch.testing.assert_close(second[f"average/{name}"], mean, atol=1e-6, rtol=0)
    run(tmp_path, one)
    shipped, last = weights(tmp_path / "network.safetensors"), held(tmp_path)
    assert all(torch.equal(shipped[name], last[f"network/{name}"]) for name in shipped)


def test_a_run_leaves_rows_pictures_and_its_own_account(tmp_path: Path) -> None:
    made = run(tmp_path, *BOTH)
    rows = read(tmp_path / "log.jsonl")
    assert [(row["stage"], row["step"]) for row in rows] == [
        (s, n) for s in (1, 2) for n in (1, 2, 3)
    ]
    assert all(row["flow"] is None for row in rows[:3])
    assert all(
        row["loss"] == pytest.approx(row["diffusion"] + 0.1 * row["flow"]) for row in rows[3:]
    )
    assert all(row["seconds"] > 0 and row["grad_norm"] > 0 and row["lr"] == 1e-3 for row in rows)
    views = [row["view"] for row in read(tmp_path / "validation.jsonl") if row["stage"] == 2]
    assert views == ["all", "front", "back"]
    assert made.validation[0]["frames"] == 6
    for name in ("pictures/stage-1-step-0000003", "pictures/stage-2-step-0000003", "losses"):
        assert Image.open(tmp_path / f"{name}.png").size[0] > 100
    told = json.loads((tmp_path / "run.json").read_text())["runs"]
    assert [one["status"] for one in told] == ["complete"]
    assert told[0]["validation"] == made.validation
    assert told[0]["data"]["name"] == "fixed"


@pytest.mark.usefixtures("unseen")
def test_a_run_starts_from_a_trained_network_that_may_lack_flow(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, stage(1, 1), wanted=tiny(flow="off"))
    init = first / "network.safetensors"
    run(second, stage(2, 1), init=init)
    before, after = weights(init), weights(second / "network.safetensors")
    network = ProFashion(TINY)
    same = {n for n in before if n in after and torch.equal(before[n], after[n])}
    assert {network.part_of(name) for name in before.keys() - same} == {"motion"}
    with pytest.raises(ConfigError, match="aggregation is 'pose-aware', wanted 'mean'"):
        run(tmp_path / "third", stage(2, 1), wanted=tiny(aggregation="mean"), init=init)


@pytest.mark.usefixtures("unseen")
def test_time_runs_out_at_a_checkpoint(tmp_path: Path) -> None:
    settings: TrainingConfig = config(stage(1, 400))
    limits = Limits(seconds=0.5)
    slow = partial(train, settings, TINY, tmp_path, device="cpu", limits=limits)
    assert not slow().done
    found = newest(tmp_path / "checkpoints")
    assert found is not None
    assert 2 <= found[0].step < 400
    assert losses(tmp_path)[-1]["step"] == found[0].step


def test_networks_side_by_side_learn_what_they_learn_alone(tmp_path: Path, unseen: None) -> None:
    networks = {name: tiny(aggregation=name) for name in ("pose-aware", "single")}
    settings = config(*BOTH)
    beside = {tmp_path / "beside" / name: wanted for name, wanted in networks.items()}
    for steps in (3, None):  # stopped in the middle, and gone on with
        made = train_together(settings, beside, device="cpu", limits=Limits(steps))
    assert [summary.done for summary in made.values()] == [True, True]
    for name, wanted in networks.items():
        run(tmp_path / name, *BOTH, wanted=wanted)
        alone, together = tmp_path / name, tmp_path / "beside" / name
        assert losses(alone) == losses(together)
        ours, theirs = (weights(out / "network.safetensors") for out in (together, alone))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_run_stopped_later_than_another_waits_for_it(tmp_path: Path, unseen: None) -> None:
    networks = {tmp_path / name: tiny(flow=name) for name in ("on", "off")}
    run(tmp_path / "on", *BOTH, wanted=networks[tmp_path / "on"], limit=2)
    train_together(config(*BOTH), networks, device="cpu")
    rows = [[(row["stage"], row["step"]) for row in losses(out)] for out in networks]
    assert rows[0] == rows[1] == sorted(set(rows[0]))


def test_networks_that_read_other_inputs_train_apart(tmp_path: Path) -> None:
    other = replace(TINY, pose=replace(TINY.pose, canvas=3))
    with pytest.raises(ConfigError, match="one and two differ in pose"):
        train_together(config(*BOTH), {tmp_path / "one": TINY, tmp_path / "two": other})
