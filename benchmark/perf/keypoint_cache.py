"""Bytes and CPU of the keypoint cache: `python -m benchmark.perf.keypoint_cache [VIDEO...]`.

The peers keep one JSON file a frame: as OpenPose writes it (compact, 6 significant digits, face
and hands only where the estimator has them) and as the DWPose nodes do (`json.dumps`, all digits).
Both are read with the standard library's `json` and one numpy array a part and clip; all sides end
with float32 f 133 3. Files are warm, clips are in random order where it says so, CPU is user plus
system of this process, least of several rounds by turns.

Keypoints: BlazePose's of the given videos (estimated once, then kept in the temporary folder), cut
to `--frames` and repeated to `--clips` clips; and drawn ones, all 133 joints with 0.8 px jitter on
the grid of a SimCC network (1.43 px: an 880 px person in a crop 384 high, two bins a pixel).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion import tables
from mrfashion.artefacts import content_hash, sha256_file
from mrfashion.crops import Crop
from mrfashion.generation import KEYPOINTS, Keypoints
from mrfashion.media import decode, probe
from mrfashion.parts import Parts, write_parts
from mrfashion.poses.blazepose import BlazePose
from mrfashion.poses.cache import pack, unpack
from mrfashion.poses.exchange.openpose import BODY_25, COCO_18
from mrfashion.poses.sidecar import Sidecar, read_sidecar, write_sidecar

ROUNDS = 5
LEAST_S = 0.3
GRID_PX, JITTER_PX = 1.43, 0.8
BARS = {"bytes": 10.0, "scan": 20.0, "random": 15.0}
PARTS = ("pose", "face", "hand_left", "hand_right")
PLACES = {"face": slice(23, 91), "hand_left": slice(91, 112), "hand_right": slice(112, 133)}
Reader = Callable[[str], Keypoints]


def main() -> None:
    """Print bytes, CPU and the ratios, and whether each bar is held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="*", metavar="VIDEO")
    parser.add_argument("--frames", type=int, default=200, help="at most, of a clip")
    parser.add_argument("--clips", type=int, default=60)
    chosen = parser.parse_args()
    if chosen.videos:
        tracks = [_track(video) for video in chosen.videos]
        whole = [cut for track in tracks for cut in _cuts(track, chosen.frames)]
        print(f"BlazePose on {len(tracks)} videos, {len(whole)} different clips")
        _compare(list(islice(cycle(whole), chosen.clips)))
    print("drawn on the SimCC grid, 133 joints")
    rng = np.random.default_rng(0)
    _compare([_drawn(chosen.frames, rng) for _ in range(chosen.clips)])


def _track(video: Path) -> Sidecar:
    """BlazePose's keypoints, boxes and scores of a video."""
    estimator = BlazePose()
    key = content_hash([sha256_file(video), estimator.version, estimator.settings()])
    path = Path(tempfile.gettempdir()) / f"mrfashion-keypoints-{key}.npz"
    if not path.exists():
        track = estimator.track((frame.image for frame in decode(video)), probe(video).fps)
        boxes, scores = track.boxes_xyxy_px, track.detector_scores
        sidecar = Sidecar(track.keypoints, None, None, None, {}, boxes, scores, track.people)
        write_sidecar(path, sidecar)
    return read_sidecar(path)


def _cuts(track: Sidecar, frames: int) -> list[Sidecar]:
    everything = Crop(0, 0, 1 << 16, 1 << 16)
    return [track.cut(i, i + frames, everything) for i in range(0, track.frames, frames)]


def _drawn(frames: int, rng: np.random.Generator) -> Sidecar:
    """A body that sways and turns, its joints where a SimCC network could say they are."""
    t = np.arange(frames)[:, None] / 30
    rest = rng.uniform((200, 60), (500, 940), (KEYPOINTS, 2))
    turn = np.cos(rng.uniform(0.5, 2) * t + rng.uniform(0, 6))
    x = 350 + (rest[:, 0] - 350) * turn + 40 * np.sin(rng.uniform(0.2, 1) * t)
    y = rest[:, 1] + 8 * np.sin(rng.uniform(2, 6) * t)
    exact = np.stack([x, y], axis=-1) + rng.normal(0, JITTER_PX, (frames, KEYPOINTS, 2))
    score = rng.normal(0.75, 0.1, KEYPOINTS) + rng.normal(0, 0.05, (frames, KEYPOINTS))
    grid = np.rint(exact / GRID_PX) * GRID_PX
    keypoints = np.concatenate([grid, score.clip(0.05, 1)[..., None]], -1).astype(np.float32)
    boxes = np.concatenate([grid.min(1), grid.max(1)], axis=-1).astype(np.float32)
    detected = np.where(np.arange(frames) % 10, np.nan, rng.uniform(0.8, 0.95, frames))
    people = np.where(np.isnan(detected), -1, 1).astype(np.int16)
    return Sidecar(keypoints, None, None, None, {}, boxes, detected.astype(np.float32), people)


def _compare(clips: Sequence[Sidecar]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        readers = {
            "cache": _write_cache(root / "cache", clips),
            "OpenPose JSON": _write_json(root / "OpenPose JSON", clips, _openpose_text),
            "DWPose JSON": _write_json(root / "DWPose JSON", clips, _dwpose_text),
        }
        _check(clips, readers)
        sizes = {name: _sizes(root / name) for name in readers}
        scan, at_random = _seconds(len(clips), readers)
        frames = sum(clip.frames for clip in clips)
        print(f"{len(clips)} clips, {frames} frames")
        print(f"{'':16}{'bytes/frame':>13}{'files':>8}{'scan ms/clip':>14}{'random ms/clip':>16}")
        for name, (size, files) in sizes.items():
            print(
                f"{name:16}{size / frames:13.1f}{files:8}{1e3 * scan[name]:14.2f}"
                f"{1e3 * at_random[name]:16.2f}"
            )
        for name in list(readers)[1:]:
            ratios = {
                "bytes": sizes[name][0] / sizes["cache"][0],
                "scan": scan[name] / scan["cache"],
                "random": at_random[name] / at_random["cache"],
            }
            told = [f"{what} {ratio:.1f}x (bar {BARS[what]:.0f})" for what, ratio in ratios.items()]
            held = all(ratio >= BARS[what] for what, ratio in ratios.items())
            print(f"{name} against the cache: {', '.join(told)}: {'held' if held else 'MISSED'}")


def _write_cache(folder: Path, clips: Sequence[Sidecar]) -> Reader:
    write_parts(tables.KEYPOINTS, folder, (_row(i, clip) for i, clip in enumerate(clips)))
    parts = Parts(tables.KEYPOINTS, folder)
    return lambda name: unpack(**parts.values(name, "xy", "score"))


def _row(number: int, clip: Sidecar) -> tables.KeypointRow:
    """As curation writes it."""
    xy, score = pack(clip.keypoints)
    assert clip.boxes_xyxy_px is not None
    assert clip.detector_scores is not None
    assert clip.people is not None
    return tables.KeypointRow(
        clip_id=_name(number),
        frames=clip.frames,
        width=720,
        height=960,
        fps=30.0,
        xy=xy,
        score=score,
        estimator="blazepose",
        person_boxes_xyxy_px=_known(np.rint(clip.boxes_xyxy_px.ravel() * 8) / 8),
        detector_scores=_known(clip.detector_scores),
        people=tuple(None if count < 0 else int(count) for count in clip.people),
    )


def _known(values: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)


def _name(number: int) -> str:
    return f"{number:032x}"


def _write_json(
    folder: Path, clips: Sequence[Sidecar], text: Callable[[NDArray[np.float32]], str]
) -> Reader:
    for number, clip in enumerate(clips):
        own = folder / _name(number)
        own.mkdir(parents=True)
        for index, keypoints in enumerate(clip.keypoints):
            (own / f"{index:012d}_keypoints.json").write_text(text(keypoints))

    return lambda name: _read_json(folder / name)


def _openpose_text(keypoints: NDArray[np.float32]) -> str:
    lists = {part: ",".join(f"{v:.6g}" for v in _flat(keypoints, part, 25)) for part in PARTS}
    flat = ",".join(f'"{part}_keypoints_2d":[{lists[part]}]' for part in PARTS)
    solid = ",".join(f'"{part}_keypoints_3d":[]' for part in PARTS)
    return f'{{"version":1.3,"people":[{{"person_id":[-1],{flat},{solid}}}]}}'


def _dwpose_text(keypoints: NDArray[np.float32]) -> str:
    person = {f"{part}_keypoints_2d": _flat(keypoints, part, 18) or None for part in PARTS}
    return json.dumps({"people": [person], "canvas_height": 960, "canvas_width": 720})


def _flat(keypoints: NDArray[np.float32], part: str, count: int) -> list[float]:
    """x, y, score of a part, 0 where missing; nothing of a part the estimator does not have."""
    known = np.where(keypoints[:, 2:] > 0, keypoints, 0)
    if part == "pose":
        places = BODY_25 if count == 25 else COCO_18
        points = np.zeros((count, 3), np.float32)
        points[list(places)] = known[: len(places)]
    else:
        points = known[PLACES[part]]
    values: list[float] = points.ravel().tolist()
    return values if any(values) else []


def _read_json(folder: Path) -> Keypoints:
    people = [json.loads(path.read_bytes())["people"][0] for path in sorted(folder.iterdir())]
    keypoints = np.zeros((len(people), KEYPOINTS, 3), np.float32)
    for part in PARTS:
        if values := people[0][f"{part}_keypoints_2d"]:
            flat = np.array([person[f"{part}_keypoints_2d"] for person in people], np.float32)
            points = flat.reshape(len(people), len(values) // 3, 3)
            if part == "pose":
                places = BODY_25 if points.shape[1] == 25 else COCO_18
                keypoints[:, : len(places)] = points[:, list(places)]
            else:
                keypoints[:, PLACES[part]] = points
    keypoints[keypoints[..., 2] == 0, :2] = np.nan
    return keypoints


def _check(clips: Sequence[Sidecar], readers: dict[str, Reader]) -> None:
    """Every side gives the same keypoints back, but for its own rounding (and DWPose's feet)."""
    for number, clip in enumerate(clips):
        for name, read in readers.items():
            places = [*range(17), *range(23, KEYPOINTS)] if "DW" in name else range(KEYPOINTS)
            error = np.abs(read(_name(number))[:, places] - clip.keypoints[:, places])
            assert np.nanmax(error[..., :2]) <= 1 / 16, f"{name} moved a keypoint"


def _sizes(folder: Path) -> tuple[int, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files), len(files)


def _seconds(count: int, readers: dict[str, Reader]) -> tuple[dict[str, float], dict[str, float]]:
    """CPU-seconds a clip of reading all in order, and of reading them in random order."""
    names = [_name(number) for number in range(count)]
    orders = names, random.Random(0).sample(names, count)
    best: list[dict[str, float]] = [dict.fromkeys(readers, float("inf")) for _ in orders]
    for _ in range(ROUNDS):
        for kind, order in enumerate(orders):
            for name, read in readers.items():
                best[kind][name] = min(best[kind][name], _pass(read, order))
    return best[0], best[1]


def _pass(read: Reader, names: Sequence[str]) -> float:
    """CPU-seconds a clip, of as many passes as take LEAST_S: a short one is mostly noise."""
    started, passes = time.process_time(), 0
    while (spent := time.process_time() - started) < LEAST_S:
        passes += 1
        for name in names:
            read(name)
    return spent / (passes * len(names))


if __name__ == "__main__":
    main()
