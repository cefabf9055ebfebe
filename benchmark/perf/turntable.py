"""Frames a second of the turntable renderer: python -m benchmark.perf.turntable

The baseline, `full frame`, is the plain way to cast the same picture: every part solved at every
sample of the frame instead of inside a window around its outline. Its output is identical.
"""

import argparse
import math
import time
from collections.abc import Callable
from functools import partial

import torch

from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, stage_clip
from mrfashion.sources.turntable.pose import Clip
from mrfashion.sources.turntable.renderer import render_batch


def seconds(job: Callable[[], object], device: torch.device) -> float:
    """Wall time of one run, the device's work included."""
    start = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def clips(groups: int, frames: int) -> list[Clip]:
    """Clips of many identities, drawn and painted before the clock starts."""
    config = TurntableConfig(groups=groups, clips_per_group=1, frames=frames)
    return [stage_clip(plan, config) for plan in clip_plan(config)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--frames", type=int, default=24, help="of each clip")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    device, size = torch.device(chosen.device), (chosen.height, chosen.width)
    start = time.perf_counter()
    batch = clips(chosen.groups, chosen.frames)
    painting = time.perf_counter() - start
    frames = chosen.groups * chosen.frames
    print(f"{size[0]}x{size[1]}, {frames} frames, {device}")
    print(f"{'drawing an identity, once each':36s} {1e3 * painting / chosen.groups:9.1f} ms")
    jobs = {
        "frames, keypoints, mask": (True, False),
        "the same, flow and parts": (True, True),
        "full frame, flow and parts": (False, True),
    }
    best = dict.fromkeys(jobs, math.inf)
    # Rounds are interleaved and the fastest kept: the rest measures the machine's other users.
    for _ in range(chosen.repeats):
        for name, (windows, flow) in jobs.items():
            job = partial(render_batch, batch, size, device=device, flow=flow, windows=windows)
            best[name] = min(best[name], seconds(job, device))
    for name, value in best.items():
        print(f"{name:36s} {frames / value:9.1f} frames/s")
    ratio = best["full frame, flow and parts"] / best["the same, flow and parts"]
    print(f"{'windows against full frame':36s} {ratio:9.1f} times")


if __name__ == "__main__":
    main()
