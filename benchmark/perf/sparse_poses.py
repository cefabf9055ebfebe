"""Detecting now and then against in every frame: `python -m benchmark.perf.sparse_poses`.

From a checkout, with the `dev` extra: the networks are those of the tests, which find the coloured
joints drawn on turntable footage, made as costly as the real ones by convolutions whose result is
multiplied by zero: YOLOX-l has 155 GFLOP, RTMPose-l 20. Measured are CPU-seconds of the process.
With rtmlib installed, its chain runs on the same networks.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.filters import POSE_FILTERS, FilterConfig
from mrfashion.filters.person import PosedShot
from mrfashion.poses.dwpose import TopDown, TopDownConfig
from mrfashion.poses.estimator import PoseTrack
from mrfashion.poses.following import FollowConfig
from mrfashion.poses.onnx_session import OnnxConfig
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan

DETECTOR_GFLOP, KEYPOINTS_GFLOP = 155.3, 20.1
STRIDE, CHANNELS = 8, 256
FPS = 30
CONFIDENT = 0.3  # of keypoints that are compared
Footage = NDArray[np.uint8]  # f h w 3
Tracker = Callable[[Footage], PoseTrack]


@dataclass(frozen=True, eq=False)
class Ran:
    """What an entrant did."""

    tracks: list[PoseTrack]
    cpu_s: float  # a frame


def main() -> None:
    """Print CPU-seconds a frame, detections, verdicts and keypoint differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=72, help="of each of four clips")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the real cost")
    parser.add_argument("--detect-every-s", type=float, default=FollowConfig.detect_every_s)
    chosen = parser.parse_args()
    clips = _clips(chosen.frames)
    with tempfile.TemporaryDirectory() as folder:
        files = _networks(Path(folder), chosen.scale)
        _print_costs(files, clips[0])
        entrants: dict[str, Tracker] = {
            "every frame, one at a time": _tracker(files, 0.0, 1),
            "every frame, in batches": _tracker(files, 0.0, 8),
            "now and then": _tracker(files, chosen.detect_every_s, 8),
        }
        if importlib.util.find_spec("rtmlib"):
            entrants["rtmlib, every frame"] = _rtmlib(files)
        ran = {name: _run(tracker, clips) for name, tracker in entrants.items()}
    baseline = ran["every frame, one at a time"]
    print(f"{'':28}{'CPU-s/frame':>12}{'times less':>12}{'detected':>10}{'same found':>12}"
          f"{'same verdicts':>15}{'mean px':>9}{'p99 px':>9}")  # fmt: skip
    for name, entrant in ran.items():
        _print_row(name, entrant, baseline)


def _clips(frames: int) -> list[Footage]:
    """A figure that turns, walks, does both, and one that leaves the frame and comes back."""
    graphs = importlib.import_module("tests.onnx_graphs")
    plan = TurntableConfig(
        groups=1, clips_per_group=3, frames=frames, fps=FPS, height=512, width=384, flow=False,
        motions=("turn", "walk", "walk_turn"),
    )  # fmt: skip
    recordings = [render_plan(planned, plan) for planned in clip_plan(plan)]
    clips = []
    for recording in recordings:
        clips.append(graphs.dimmed(recording.frames))
        graphs.coloured_person(clips[-1], recording.keypoints)
    at = np.linspace(0, 1, frames)
    away = np.rint(np.interp(at, [0.15, 0.45, 0.6, 0.9], [0, 400, 400, 0])).astype(int)
    clips.append(np.stack([_moved(image, x) for image, x in zip(clips[0], away, strict=True)]))
    return clips


def _moved(image: Footage, across: int) -> Footage:
    """The image shifted sideways, grey where nothing is left of it."""
    moved = np.full_like(image, 128)
    width = image.shape[1]
    if abs(across) < width:
        kept = image[:, max(0, -across) : width - max(0, across)]
        moved[:, max(0, across) : width + min(0, across)] = kept
    return moved


def _networks(folder: Path, scale: float) -> tuple[Path, Path]:
    graphs = importlib.import_module("tests.onnx_graphs")
    detector = graphs.detector_graph(folder / "detector.onnx")
    keypoints = graphs.simcc_graph(folder / "keypoints.onnx")
    _burden(detector, 640 * 640, scale * DETECTOR_GFLOP)
    _burden(keypoints, 384 * 288, scale * KEYPOINTS_GFLOP)
    return detector, keypoints


def _burden(path: Path, pixels: int, gflop: float) -> None:
    """Add layers of 3 x 3 convolutions to a network, without changing its answers."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    graph, rng = model.graph, np.random.default_rng(0)
    one = 2 * 9 * CHANNELS**2 * pixels / STRIDE**2 / 1e9  # GFLOP of a layer
    shapes = [(CHANNELS, 3, STRIDE, STRIDE)] + max(1, round(gflop / one)) * [
        (CHANNELS, CHANNELS, 3, 3)
    ]
    value = "input"
    for i, shape in enumerate(shapes):
        spread = np.sqrt(2 / np.prod(shape[1:])) * (1 / 128 if i == 0 else 1)
        weights = rng.normal(0, spread, shape).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, f"burden_w{i}"))
        layout: dict[str, Any] = {"pads": [1] * 4} if i else {"strides": [STRIDE] * 2}
        graph.node.append(
            helper.make_node("Conv", [value, f"burden_w{i}"], [f"burden_c{i}"], **layout)
        )
        value = f"burden_r{i}"
        graph.node.append(helper.make_node("Relu", [f"burden_c{i}"], [value]))
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["light" if name == output else name for name in node.output]
    graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "burden_zero"))
    graph.node.append(
        helper.make_node("ReduceMax", [value], ["burden_max"], axes=[1, 2, 3], keepdims=1)
    )
    graph.node.append(helper.make_node("Squeeze", ["burden_max", "burden_axis"], ["burden_flat"]))
    graph.initializer.append(numpy_helper.from_array(np.array([3]), "burden_axis"))
    graph.node.append(helper.make_node("Mul", ["burden_flat", "burden_zero"], ["burden"]))
    graph.node.append(helper.make_node("Add", ["light", "burden"], [output]))
    onnx.save(model, path)


def _tracker(files: tuple[Path, Path], every_s: float, batch: int) -> Tracker:
    config = TopDownConfig(
        session=OnnxConfig(device="cpu", threads=1, largest_batch=batch),
        follow=FollowConfig(detect_every_s=every_s),
    )
    estimator = TopDown("dwpose", config, files)
    return lambda clip: estimator.track(clip, FPS)


def _rtmlib(files: tuple[Path, Path]) -> Tracker:
    """rtmlib's own classes, the box chosen as ours is; its detector takes a chair for a person."""
    rtmlib = importlib.import_module("rtmlib")
    detector = rtmlib.YOLOX(str(files[0]), (640, 640), score_thr=0.3, device="cpu")
    network = rtmlib.RTMPose(str(files[1]), (288, 384), device="cpu")

    def track(clip: Footage) -> PoseTrack:
        keypoints = np.full((len(clip), 133, 3), (np.nan, np.nan, 0), np.float32)
        found = np.zeros(len(clip), np.int16)
        boxes = np.full((len(clip), 4), np.nan, np.float32)
        for i, image in enumerate(clip):
            persons = [box for box in detector(image[..., ::-1]) if box[2] - box[0] < 380]
            found[i] = len(persons)
            if persons:
                xy, scores = network(image, bboxes=[persons[0]])
                keypoints[i] = np.concatenate([xy[0], scores[0].clip(0, 1)[:, None]], -1)
                boxes[i] = persons[0]
        keypoints[keypoints[..., 2] <= 0] = (np.nan, np.nan, 0)
        return PoseTrack(keypoints, boxes, np.where(found, 1, np.nan).astype(np.float32), found)

    return track


def _run(tracker: Tracker, clips: list[Footage]) -> Ran:
    tracker(clips[0][:1])  # loads the networks
    started = time.process_time()
    tracks = [tracker(clip) for clip in clips]
    return Ran(tracks, (time.process_time() - started) / sum(map(len, clips)))


def _print_costs(files: tuple[Path, Path], clip: Footage) -> None:
    from mrfashion.poses.onnx_session import OnnxSession

    costs = []
    for path, size in zip(files, ((640, 640), (384, 288)), strict=True):
        session = OnnxSession(path, OnnxConfig(device="cpu", threads=1))
        image = np.zeros((1, 3, *size), np.float32)
        session.run(image)
        started = time.process_time()
        for _ in range(3):
            session.run(image)
        costs.append((time.process_time() - started) / 3)
    print(f"detector {costs[0]:.3f} CPU-s an image, keypoints {costs[1]:.3f}: "
          f"{costs[0] / costs[1]:.1f} to 1")  # fmt: skip


def _print_row(name: str, entrant: Ran, baseline: Ran) -> None:
    pairs = list(zip(entrant.tracks, baseline.tracks, strict=True))
    found = np.concatenate(
        [np.isfinite(a.boxes_xyxy_px[:, 0]) == np.isfinite(b.boxes_xyxy_px[:, 0]) for a, b in pairs]
    )
    same = sum(_verdicts(a) == _verdicts(b) for a, b in pairs)
    apart = np.concatenate([_apart(a, b) for a, b in pairs])
    detected = np.concatenate([track.people >= 0 for track in entrant.tracks]).mean()
    print(f"{name:28}{entrant.cpu_s:12.3f}{baseline.cpu_s / entrant.cpu_s:12.2f}{detected:10.1%}"
          f"{found.mean():12.2%}{f'{same} of {len(pairs)}':>15}"
          f"{apart.mean():9.3f}{np.percentile(apart, 99):9.2f}")  # fmt: skip


def _verdicts(track: PoseTrack) -> list[bool]:
    shot = PosedShot(track.keypoints, FPS, 384, 512, track.people)
    filters = FilterConfig()
    return [getattr(filters, name).judge(shot).kept for name in POSE_FILTERS]


def _apart(one: PoseTrack, other: PoseTrack) -> NDArray[np.float64]:
    """Distances of the keypoints that both are confident of, in px."""
    sure = (one.keypoints[..., 2] >= CONFIDENT) & (other.keypoints[..., 2] >= CONFIDENT)
    between = one.keypoints[sure][:, :2] - other.keypoints[sure][:, :2]
    return np.asarray(np.linalg.norm(between.astype(np.float64), axis=1))


if __name__ == "__main__":
    main()
