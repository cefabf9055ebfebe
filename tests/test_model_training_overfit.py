"""The whole trainer learns something: eight frames of 32x24, to the eye's satisfaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model import training_stage
from model.checkpoint import load_network
from model.codec import build_codec
from model.profashion import ProFashion
from model.sampling_settings import SamplingSettings
from model.training import train
from model.training_config import Stage
from model.training_data import TrainingBatch
from model.validation import by_view, frame_scores, sampled
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan
from tests.fixed_data import WATCH, config
from tests.tiny_networks import H, W, tiny

SAMPLING = SamplingSettings(steps=3, guidance=1.0)
STAGE = Stage(1, 400, learning_rate=6e-3, warmup=30, batch=1, frames=8, null=0.0, ema=0.9)


class EightFrames:
    """One clip, over and over."""

    def __init__(self) -> None:
        turntable = TurntableConfig(groups=1, frames=10, fps=4, height=H, width=W, flow=False)
        clip = render_plan(clip_plan(turntable)[0], turntable)
        frames = torch.as_tensor(clip.frames).permute(0, 3, 1, 2).float() / 127.5 - 1
        keypoints = torch.as_tensor(clip.keypoints).float()
        self.batch = TrainingBatch(
            frames[None, 1:9],
            keypoints[None, 1:9],
            frames[None, [0, 9]],
            keypoints[None, [0, 9]],
            torch.ones(1, 2, dtype=torch.bool),
            torch.as_tensor(clip.yaw_deg).float()[None, 1:9],
            None,
            ("g",),
        )

    def batches(self, first: int) -> Iterator[TrainingBatch]:
        while True:
            yield self.batch

    def validation(self) -> Iterator[TrainingBatch]:
        yield self.batch

    def identity(self) -> dict[str, Any]:
        return {}


def psnr(network: ProFashion, data: EightFrames) -> float:
    """Of the eight frames, sampled."""
    codec = build_codec(network.config.codec)
    (made,) = sampled(network.eval(), codec, data.validation(), SAMPLING, seed=0)
    everything: dict[str, Any] = by_view(frame_scores(made))[0]
    return float(everything["psnr"])


def test_a_tiny_network_overfits_eight_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = EightFrames()
    monkeypatch.setattr(training_stage, "open_data", lambda *_, **__: data)
    shape = replace(tiny().unet, channels=(32, 32), attention=(False, True))
    wanted = tiny(unet=shape)
    torch.manual_seed(0)
    before = psnr(ProFashion(wanted), data)
    run = config(STAGE, watch=replace(WATCH, log_every=100, save_every=1000, validate_every=1000))
    train(run, wanted, tmp_path, device="cpu")
    after = psnr(load_network(tmp_path / "network.safetensors"), data)
    print(f"PSNR {before:.1f} dB untrained, {after:.1f} dB trained")
    assert after >= 25
    assert after >= before + 10
