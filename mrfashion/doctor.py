"""What this machine can do: `mrfashion doctor`."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrfashion.environment import environment
from mrfashion.errors import MRFashionError
from mrfashion.media import read_frames, write_clip, write_lossless
from mrfashion.weights import HERE, WEIGHTS, files_of, state

OPTIONAL = {
    "datasets": ("the manifest through Hugging Face datasets", "pip install datasets"),
    "onnxruntime": ("pose estimation with DWPose", "pip install 'mrfashion[cpu]' or '[gpu]'"),
    "diffusers": ("training and diffusion baselines", "pip install 'mrfashion[train]'"),
    "yt_dlp": ("lists of videos and pictures on the web", "pip install 'mrfashion[web]'"),
    "ray": ("curation over several machines", "pip install 'mrfashion[ray]'"),
}


@dataclass(frozen=True)
class Finding:
    """One check: does it work, and what mends it."""

    what: str
    ok: bool
    needed: bool  # False: an extra
    detail: str


def examine(lacks: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Try what the toolkit needs, on small real data; probes the GPU only because it is asked.

    `lacks` says in words what each generator misses here.
    """
    packages = environment()["packages"]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    return [
        Finding("packages", True, True, versions),
        _tried("H.264 encoding and decoding", _h264),
        _tried("lossless FFV1 round trip", _ffv1),
        _gpu(),
        *(_extra(name, *words) for name, words in OPTIONAL.items()),
        *(_weights(model) for model in dict.fromkeys(row.model for row in WEIGHTS.values())),
        *(_generator(name, missing) for name, missing in lacks.items()),
    ]


def _tried(what: str, attempt: Callable[[Path], str]) -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Finding(what, True, True, attempt(Path(folder)))
        except MRFashionError as error:
            return Finding(what, False, True, str(error))


def _pictures() -> np.ndarray:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    return np.broadcast_to(ramp[None, None, :, None], (4, 48, 64, 3)).copy()


def _h264(folder: Path) -> str:
    write_clip(folder / "clip.mp4", _pictures(), 16.0)
    worst = np.abs(read_frames(folder / "clip.mp4").astype(int) - _pictures()).max()
    return f"largest error {worst} of 255 levels at crf 12"


def _ffv1(folder: Path) -> str:
    write_lossless(folder / "clip.mkv", _pictures(), 16.0)
    if not np.array_equal(read_frames(folder / "clip.mkv"), _pictures()):
        raise MRFashionError("FFV1 changed the pixels; install PyAV from its own wheel")
    return "every value comes back"


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("CUDA device", False, False, "none seen by torch; --device cpu works")
    return Finding("CUDA device", True, False, torch.cuda.get_device_name(0))


def _extra(name: str, purpose: str, command: str) -> Finding:
    if importlib.util.find_spec(name):
        return Finding(name, True, False, purpose)
    return Finding(name, False, False, f"not installed; for {purpose}: {command}")


def _weights(model: str) -> Finding:
    what, rows = f"weights of {model}", files_of(model)
    try:
        states = {row.name: state(row) for row in rows}
    except MRFashionError as error:
        return Finding(what, False, False, str(error))
    lacking = [f"{name} is {found}" for name, found in states.items() if found not in HERE]
    if lacking:
        return Finding(what, False, False, f"{', '.join(lacking)}: {rows[0].command}")
    own = "".join(f", {name} on your word" for name, found in states.items() if found == "trusted")
    return Finding(what, True, False, f"present{own}")


def _generator(name: str, missing: Sequence[str]) -> Finding:
    return Finding(f"generator {name}", not missing, False, "; ".join(missing) or "can run")
