"""Training in processes of their own: killed while it saves, without a video stack, several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.training import train
from model.training_config import load_training_config
from model.training_state import checkpoints
from mrfashion.__main__ import run
from tests.test_model_training import losses

FULL = bool(os.environ.get("MRFASHION_FULL"))
ABSENT = (
    "ai_edge_litert av cv2 jinja2 onnxruntime openpyxl pandas pyarrow pydantic scenedetect scipy"
    " torchmetrics transformers xlsxwriter"
)
# Trains the smoke preset where only torch and a little more is installed; its third checkpoint
# is half on the disk when the process is killed.
KILLED = f"""
import os, signal, sys
sys.modules.update(dict.fromkeys({ABSENT.split()!r}))
from dataclasses import replace
from pathlib import Path
from safetensors import torch as files
from model.training import train
from model.training_config import load_training_config

whole, times = files.save_file, [0]

def half(tensors, path, header=None):
    whole(tensors, path, header)
    times[0] += "checkpoints" in str(path)
    if times[0] == 3:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

files.save_file = half
config, network = load_training_config("smoke")
train(config, network, Path(sys.argv[1]), device="cpu")
"""


def test_a_run_killed_as_it_saves_goes_on_to_the_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", KILLED, str(killed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    names = [path.name for path in checkpoints(killed / "checkpoints")]
    assert names == ["1-00000004.safetensors", "1-00000002.safetensors"]
    assert len(list((killed / "checkpoints").iterdir())) == 3  # and half a third
    assert run(["train", "smoke", "--out", str(killed), "--device", "cpu"]) == 0
    assert "done" in capsys.readouterr().out
    assert len(list((killed / "checkpoints").iterdir())) == 2
    config, network = load_training_config("smoke")
    train(config, network, whole, device="cpu")
    assert losses(killed) == losses(whole)
    ours, theirs = (load_file(out / "network.safetensors") for out in (killed, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.skipif(not FULL, reason="two processes take half a minute; MRFASHION_FULL=1 runs them")
def test_two_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = ["--nproc-per-node", "2", "-m", "tests.training_process", str(tmp_path)]
    subprocess.run([*launcher, *script], check=True, capture_output=True)
    one, two, shipped = (
        load_file(tmp_path / f"{name}.safetensors")
        for name in ("process-0", "process-1", "stage-2")
    )
    assert all(torch.equal(one[name], two[name]) for name in shipped)
    assert all(torch.equal(one[name], shipped[name]) for name in shipped)
    assert len(losses(tmp_path)) == 4


@pytest.mark.gpu
def test_a_resumed_run_on_a_gpu_equals_an_unbroken_one_within_tolerance(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    arguments = ["train", "smoke", "--device", "cuda", "--out"]
    assert run([*arguments, str(whole)]) == 0
    for limit in ("3", "2", "3"):
        assert run([*arguments, str(broken), "--limit", limit]) == 0
    ours, theirs = losses(broken), losses(whole)
    assert [(row["stage"], row["step"]) for row in ours] == [
        (row["stage"], row["step"]) for row in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


def test_a_dry_run_tells_what_it_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "small", "--out", str(tmp_path / "run"), "--dry-run", "--seed", "3"]) == 0
    told = capsys.readouterr().out
    assert '"seed": 3' in told
    assert '"frames_seen": 768000' in told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needed and not given: stages"),
        ("[[stages]]\nnumber = 3\nsteps = 1\nlearning_rate = 1e-3", "allowed: 1, 2"),
        ("[[stages]]\nnumber = 1\nsteps = 0\nlearning_rate = 1e-3", "steps is 0"),
        ("[[stages]]\nnumber = 1\nsteps = 1\nlearning_rate = 1e-3", "one table of data"),
        ("[[stages]]\nnumber = 1\nsteps = 1\nlearning_rate = 1e-3\nalso = ['flow']", "also is"),
        ("[[stages]]\nnumber = 1\nsteps = 1\nlearning_rate = 1e-3\nwarm = 1", "unknown key 'warm'"),
        (
            "record = true\n[turntable]\n[[stages]]\nnumber = 1\nsteps = 1\nlearning_rate = 1e-3\n"
            "accumulation = 2",
            "allowed: accumulation 1",
        ),
    ],
)
def test_what_is_wrong_in_a_config_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    assert run(["train", str(path), "--out", str(tmp_path / "run")]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "preset", ["small", "smoke", "sd15", "turntable-v1", "turntable-v1-motion"]
)
def test_presets_fit_their_networks(preset: str) -> None:
    config, network = load_training_config(preset)
    assert all(side % network.size_multiple == 0 for side in config.data.size)
    assert all(stage.frames <= network.unet.motion_frames for stage in config.stages)


@pytest.mark.gpu
def test_recorded_passes_lose_what_eager_ones_do(tmp_path: Path) -> None:
    config, network = load_training_config("smoke")
    for name, record in (("eager", False), ("recorded", True)):
        train(replace(config, record=record), network, tmp_path / name, device="cuda")
    eager, recorded = (losses(tmp_path / name) for name in ("eager", "recorded"))
    assert len(recorded) == len(eager)
    for one, other in zip(recorded, eager, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
