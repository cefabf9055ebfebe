"""Skeleton drawing against the published code: `python -m benchmark.perf.drawing --dwpose FOLDER`.

FOLDER is a checkout of IDEA-Research/DWPose, for --mimicmotion one of Tencent/MimicMotion (or the
folder of its dwpose/util.py). The peer draws poses prepared before the clock starts; ours starts
from keypoints. --device cuda prints frames a second of batches instead, and needs no OpenCV.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mrfashion.poses.skeleton_strokes import Size
from mrfashion.poses.skeletons import draw_skeleton_batch, draw_skeletons

SIZES: tuple[Size, ...] = ((128, 96), (512, 384), (768, 512), (1024, 768), (333, 251))  # h, w
BATCHES, BATCH_SIZE = (16, 64, 256), (768, 512)
ROUNDS = 5
Frames = NDArray[np.uint8]
Draw = Callable[[], Frames]
# What their estimator does with the 133 and the neck, put in at 17: new place <- old place.
PLACES = dict(
    zip(
        (1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17),
        (17, 6, 8, 10, 7, 9, 12, 14, 16, 13, 15, 2, 1, 4, 3),
        strict=True,
    )
)
BODY = np.array(
    [(10, 5), (11, 4), (9, 4), (13, 4), (7, 4), (14, 12), (6, 12), (16, 20), (4, 20), (16, 27),
     (4, 27), (12, 28), (8, 28), (13, 39), (7, 39), (13, 48), (7, 48)]
)  # fmt: skip


def random_poses(frames: int, size: Size, seed: int = 0) -> NDArray[np.float32]:
    """f 133 3: bodies with hands and faces; some joints missing, weak, or off the frame."""
    rng = np.random.default_rng(seed)
    height_px = rng.uniform(0.5, 1.0, (frames, 1, 1)) * size[0]
    body = (BODY - (10, 26) + rng.normal(0, 1.5, (frames, 17, 2))) / 52 * height_px
    body += rng.uniform(0.3, 0.7, (frames, 1, 2)) * (size[1], size[0])
    body[::2, :, 0] = size[1] - body[::2, :, 0]  # every other one turns its back
    foot = body[:, [15, 15, 15, 16, 16, 16]] + rng.normal(0, 0.02, (frames, 6, 2)) * height_px
    face = body[:, :1] + rng.normal(0, 0.02, (frames, 68, 2)) * height_px
    hands = [body[:, [wrist]] + _hand(rng, frames) * 0.07 * height_px for wrist in (9, 10)]
    xy = np.concatenate([body, foot, face, *hands], 1)
    score = rng.choice([rng.uniform(0, 0.3), 0.31, 0.6, 0.95], xy.shape[:2], p=[0.1, 0.2, 0.3, 0.4])
    keypoints = np.concatenate([xy, score[..., None]], -1)
    keypoints[rng.random(xy.shape[:2]) < 0.04] = (np.nan, np.nan, 0)
    return keypoints.astype(np.float32)


def _hand(rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    """f 21 2: a wrist at 0 and five fingers of about 1."""
    angle = rng.uniform(0, 2 * np.pi, (frames, 1, 1)) + np.linspace(-0.7, 0.7, 5)[:, None]
    along = np.array([0.45, 0.65, 0.85, 1.0]) * rng.uniform(0.6, 1, (frames, 5, 1))
    fingers = np.stack([along * np.cos(angle), along * np.sin(angle)], -1).reshape(frames, 20, 2)
    return np.concatenate([np.zeros((frames, 1, 2)), fingers], 1)


def peers(dwpose: Path | None, mimicmotion: Path | None) -> dict[str, Callable[..., Draw]]:
    """Style => (keypoints, size) => their drawing of it, ready to run."""
    drawn: dict[str, Callable[..., Draw]] = {}
    if dwpose:
        util = _module(dwpose)
        drawn |= {
            "openpose-18": partial(_dwpose, util, body_only=True),
            "dwpose-133": partial(_dwpose, util, body_only=False),
        }
    if mimicmotion:
        drawn["mimicmotion"] = partial(_mimicmotion, _module(mimicmotion))
    return drawn


def _module(folder: Path) -> Any:
    found = [
        p for p in (folder / "util.py", *sorted(folder.rglob("dwpose/util.py"))) if p.is_file()
    ]
    if not found:
        raise SystemExit(f"{folder} holds no util.py and no dwpose/util.py; name the checkout")
    spec = importlib.util.spec_from_file_location("peer", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _openpose(keypoints: NDArray[np.floating], size: Size) -> tuple[NDArray[Any], NDArray[Any]]:
    """f 133 3 => positions f 134 2 as shares of the frame, scores f 134, in their order."""
    points = keypoints.astype(np.float64)
    points[~np.isfinite(points).all(-1)] = (-1e4, -1e4, 0)  # theirs cannot be missing
    neck = points[:, [5, 6]].mean(1)
    neck[:, 2] = (points[:, [5, 6], 2] > 0.3).all(1)
    points = np.insert(points, 17, neck, axis=1)
    points[:, list(PLACES)] = points[:, list(PLACES.values())]
    return points[..., :2] / (size[1], size[0]), points[..., 2]


def _dwpose(util: Any, keypoints: NDArray[np.floating], size: Size, *, body_only: bool) -> Draw:
    xy, score = _openpose(keypoints, size)
    subset = np.where(score[:, :18] > 0.3, np.arange(18), -1)
    fine = np.where((score < 0.3)[..., None], -1, xy)

    def one(frame: int) -> Frames:
        canvas = np.zeros((*size, 3), np.uint8)
        canvas = util.draw_bodypose(canvas, xy[frame, :18], subset[[frame]])
        if not body_only:
            hands = np.stack([fine[frame, 92:113], fine[frame, 113:]])
            canvas = util.draw_facepose(util.draw_handpose(canvas, hands), fine[[frame], 24:92])
        return np.asarray(canvas)

    return lambda: np.stack([one(frame) for frame in range(len(xy))])


def _mimicmotion(util: Any, keypoints: NDArray[np.floating], size: Size) -> Draw:
    xy, score = _openpose(keypoints, size)
    subset = np.where(score[:, :18] > 0.3, np.arange(18), -1)

    def one(frame: int) -> Frames:
        pose = {
            "bodies": {
                "candidate": xy[frame, :18],
                "subset": subset[[frame]],
                "score": score[[frame], :18],
            },
            "hands": np.stack([xy[frame, 92:113], xy[frame, 113:]]),
            "hands_score": np.stack([score[frame, 92:113], score[frame, 113:]]),
            "faces": xy[[frame], 24:92],
            "faces_score": score[[frame], 24:92],
        }
        return np.asarray(util.draw_pose(pose, *size)).transpose(1, 2, 0)

    return lambda: np.stack([one(frame) for frame in range(len(xy))])


def compare(drawn: dict[str, Callable[..., Draw]], frames: int) -> None:
    """Print CPU-ms a frame on one thread, best of several rounds, and how far the pixels agree."""
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{'CPU, batches of ' + str(frames):28}{'ours ms':>9}{'peer ms':>9}{'ratio':>8}", end="")
    print(f"{'within 1, all':>15}{'drawn':>11}{'equal, drawn':>14}")
    for style, prepare in drawn.items():
        for size in SIZES:
            keypoints = random_poses(frames, size)
            jobs: tuple[Draw, Draw] = (
                partial(draw_skeletons, keypoints, size, size, style),
                prepare(keypoints, size),
            )
            best = [math.inf, math.inf]
            for _ in range(ROUNDS):  # by turns, so that a busy machine slows both alike
                best = [min(b, _cpu_ms(job)) for b, job in zip(best, jobs, strict=True)]
            ours, peer = (value / frames for value in best)
            name = f"{style} {size[0]}x{size[1]}"
            print(f"{name:28}{ours:9.3f}{peer:9.3f}{peer / ours:7.1f}x", end="")
            within, within_drawn, equal = agreement(jobs[0](), jobs[1]())
            print(f"{within:15.4%}{within_drawn:11.4%}{equal:14.4%}")


def agreement(ours: Frames, theirs: Frames) -> tuple[float, float, float]:
    """Shares of pixels: within 1 level of all, of those drawn by either, and equal of those."""
    apart = np.abs(ours.astype(np.int16) - theirs).max(-1)
    drawn = ((ours > 0) | (theirs > 0)).any(-1)
    close, equal = apart <= 1, apart == 0
    return float(close.mean()), float(close[drawn].mean()), float(equal[drawn].mean())


def _cpu_ms(job: Draw) -> float:
    started = time.process_time()
    job()
    return (time.process_time() - started) * 1000


def rates(device: torch.device) -> None:
    """Print frames a second of batches that stay on the device."""
    print(f"{BATCH_SIZE[0]}x{BATCH_SIZE[1]} on {device}, frames/s, torch {torch.__version__}")
    print(f"{'batch':14}" + "".join(f"{batch:>10}" for batch in BATCHES))
    for style in ("openpose-18", "dwpose-133", "mimicmotion"):
        print(f"{style:14}", end="")
        for batch in BATCHES:
            keypoints = torch.from_numpy(random_poses(batch, BATCH_SIZE)).to(device)
            job = partial(draw_skeleton_batch, keypoints, BATCH_SIZE, BATCH_SIZE, style)
            print(f"{batch / min(_wall_s(job, device) for _ in range(ROUNDS)):10.0f}", end="")
        print()


def _wall_s(job: Callable[[], torch.Tensor], device: torch.device) -> float:
    started = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dwpose", type=Path, help="a checkout of IDEA-Research/DWPose")
    parser.add_argument("--mimicmotion", type=Path, help="a checkout of Tencent/MimicMotion")
    parser.add_argument("--frames", type=int, default=24, help="drawn at once on the CPU")
    parser.add_argument("--device", help="print batch rates of this torch device instead")
    chosen = parser.parse_args()
    if chosen.device:
        return rates(torch.device(chosen.device))
    drawn = peers(chosen.dwpose, chosen.mimicmotion)
    if not drawn:
        parser.error("nothing to compare with: give --dwpose, --mimicmotion, or --device")
    return compare(drawn, chosen.frames)


if __name__ == "__main__":
    main()
