"""Features of many videos, each computed once and kept on disk: half of what set metrics cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.spec import Image
from benchmark.set_metrics.spec import WINDOW, Feature, Windows
from mrfashion.artefacts import atomic_path
from mrfashion.errors import HashMismatch, ItemError, UnsafePath
from mrfashion.progress import Progress, silent

VideoFeatures = NDArray[np.float32]  # clips d
AT_ONCE_CPU, AT_ONCE_CUDA = 1, 16  # clips; decides nothing but memory and speed


@dataclass(frozen=True, slots=True, eq=False)
class VideoSource:
    """A video whose features are asked for."""

    name: str
    key: str  # hash of its frames: the same key, the same features
    frames: Callable[[], Iterable[Image]]


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Files of features below a folder; what is damaged is computed again."""

    root: Path
    feature: Feature

    def path(self, key: str) -> Path:
        """Where the features of a video are kept."""
        return self.root / self.feature.id / f"{key}.npy"

    def read(self, key: str) -> VideoFeatures | None:
        """Those of a video; None where they are not here, or not whole."""
        try:
            with self.path(key).open("rb") as file:
                features: VideoFeatures = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        whole = features.ndim == 2 and features.size and features.dtype == np.float32
        return features if whole and np.isfinite(features).all() else None

    def write(self, key: str, features: VideoFeatures) -> None:
        """Keep them, whole or not at all."""
        with atomic_path(self.path(key)) as temporary, temporary.open("wb") as file:
            np.save(file, features, allow_pickle=False)


def video_features(
    store: FeatureStore,
    videos: Sequence[VideoSource],
    device: str = "cpu",
    progress: Progress[Any] = silent,
) -> dict[str, VideoFeatures | str]:
    """Features by name; a text where a video has none, and why. Equal videos are read once."""
    kept = {video.key: store.read(video.key) for video in videos}
    due = {video.key: video for video in videos if kept[video.key] is None}
    failed: dict[str, str] = {}
    if due:
        work = _Work(store, _network(store.feature, device), at_once=_at_once(device))
        label = f"features of {store.feature.backbone}"
        for video, got in progress(_decoded(store.feature, list(due.values())), label, len(due)):
            try:
                work.add(video.key, *got.result())
            except (ItemError, HashMismatch, UnsafePath) as error:
                failed[video.key] = str(error)
        work.flush()
        failed |= work.failed
        kept |= {key: store.read(key) for key in due}
    found = ((video, kept[video.key]) for video in videos)
    return {v.name: failed.get(v.key, "no features") if f is None else f for v, f in found}


Extract = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # b f h w 3 => b n d
Decoded = tuple[NDArray[np.uint8], Windows]  # f h w 3, and frame numbers of each clip


def features_of(
    feature: Feature, frames: NDArray[np.uint8], device: str = "cpu"
) -> NDArray[np.float32]:
    """Videos of one length in memory, b f h w 3, RGB => b n d; nothing is kept."""
    extract = _network(feature, device)
    rows = [extract(frames[:, np.array(window)]) for window in feature.windows(frames.shape[1])]
    features = np.concatenate(rows, axis=1)
    return features.mean(1, keepdims=True) if feature.averaged else features


def _network(feature: Feature, device: str) -> Extract:
    """The network with its weights; clips of one shape => n features of each."""
    import torch

    from benchmark.backbones.features import extract, network

    module, recipe = network(feature.backbone, device), feature.recipe

    def features(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = extract(module, torch.from_numpy(clips), recipe).float().cpu().numpy()
        return np.asarray(rows.reshape(len(clips), -1, rows.shape[-1]), np.float32)

    return features


def _at_once(device: str) -> int:
    return AT_ONCE_CUDA if device.startswith("cuda") else AT_ONCE_CPU


def _decoded(
    feature: Feature, videos: Sequence[VideoSource]
) -> Iterator[tuple[VideoSource, Future[Decoded]]]:
    """Videos in order, the next ones decoded while one is looked at."""
    pool, waiting = ThreadPoolExecutor(2), iter(videos)
    ahead: list[tuple[VideoSource, Future[Decoded]]] = []
    try:
        while True:
            more = islice(waiting, 3 - len(ahead))
            ahead += [(video, pool.submit(_decode, feature, video)) for video in more]
            if not ahead:
                return
            yield ahead.pop(0)
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(feature: Feature, video: VideoSource) -> Decoded:
    """Only as many frames as the clips need."""
    frames = list(islice(video.frames(), WINDOW if feature.clips == "first" else None))
    if not frames:
        raise ItemError("score.no_frames", f"{video.name} holds no frame")
    return np.stack(frames), feature.windows(len(frames))


@dataclass(slots=True)
class _Work:
    """Clips on their way through the network, those of several videos together."""

    store: FeatureStore
    extract: Extract
    at_once: int
    waiting: list[tuple[str, NDArray[np.uint8]]] = field(default_factory=list)  # key, clip
    lacking: dict[str, int] = field(default_factory=dict)  # key => clips to come
    rows: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, frames: NDArray[np.uint8], windows: Windows) -> None:
        """Take in a video's clips; full batches go through at once."""
        self.lacking[key], self.rows[key] = len(windows), []
        for window in windows:
            clip = frames[np.array(window)]
            if self.waiting and self.waiting[0][1].shape != clip.shape:
                self.flush()
            self.waiting.append((key, clip))
            if len(self.waiting) >= self.at_once:
                self.flush()

    def flush(self) -> None:
        """Compute what waits; a video whose clips are all there is kept."""
        if not self.waiting:
            return
        found = self.extract(np.stack([clip for _, clip in self.waiting]))
        for (key, _), rows in zip(self.waiting, found, strict=True):
            self.rows[key].append(rows)
            self.lacking[key] -= 1
            if not self.lacking[key]:
                self._keep(key, np.concatenate(self.rows.pop(key)))
        self.waiting.clear()

    def _keep(self, key: str, features: VideoFeatures) -> None:
        if not np.isfinite(features).all():
            self.failed[key] = f"{self.store.feature.backbone} gave NaN or infinity"
            return
        averaged = self.store.feature.averaged
        self.store.write(key, features.mean(0, keepdims=True) if averaged else features)
