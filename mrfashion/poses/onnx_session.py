"""A model file in ONNX Runtime: refused unless it is plain, run in batches, and open about where.

ONNX Runtime falls back to the CPU without a word; here a device that was asked for and is not
there is an error, and `OnnxSession.providers` says what the network really runs on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError, InputRefused, MissingRequirement
from mrfashion.poses.onnx_file import check_contents

PACKAGE = "onnxruntime"
INSTALL = "DWPose and RTMW run in ONNX Runtime: pip install 'mrfashion[cpu]', or 'mrfashion[gpu]'"
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
MENDS = {
    "cuda": "pip uninstall onnxruntime, then pip install 'mrfashion[gpu]' for its CUDA",
    "coreml": "pip install 'mrfashion[cpu]' on a Mac",
}
MAX_FILE_BYTES = 1 << 30  # the largest known, yolox_l, has 217 MB; protobuf ends at 2 GiB
MAX_SIDE_PX = 4096
MAX_BATCH = 256
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OnnxConfig:
    """Where networks run; `threads` 0 lets ONNX Runtime take every core.

    `device` is auto (CUDA where this ONNX Runtime offers it, else the CPU), cpu, cuda, cuda:N or
    coreml. `largest_batch` bounds memory, for networks that leave their batch size open.
    """

    device: str = "auto"
    allow_fallback: bool = False
    threads: int = 0
    largest_batch: int = 8

    def __post_init__(self) -> None:
        kind, _, index = self.device.partition(":")
        if kind not in ("auto", *PROVIDERS) or (":" in self.device and not _is_index(kind, index)):
            allowed = f"auto, {', '.join(PROVIDERS)}, cuda:N"
            raise ConfigError(f"device is {self.device!r}; allowed: {allowed}")
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}; allowed: 0 (every core) or more")
        if not 1 <= self.largest_batch <= MAX_BATCH:
            raise ConfigError(f"largest_batch is {self.largest_batch}; allowed: 1 to {MAX_BATCH}")


def _is_index(kind: str, index: str) -> bool:
    return kind == "cuda" and index.isascii() and index.isdigit()


def missing_package() -> str | None:
    """The command that installs the runtime, or None where it is there; imports nothing."""
    return None if importlib.util.find_spec(PACKAGE) else INSTALL


class OnnxSession:
    """One network of one image input, float32 n 3 h w. `run` may be called from many threads.

    `sha256` is that of the bytes that were loaded. InputRefused where the file is no such network,
    MissingRequirement where file, package or device is not there.
    """

    def __init__(self, path: Path, config: OnnxConfig | None = None) -> None:
        config = config or OnnxConfig()
        self.path = path
        data = _read(path)
        check_contents(data, path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = _open(data, path, config)
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        self._input, (batch, _, *self.size_hw) = _input(self._session, path)
        # None where the file leaves it open, else positive
        self.fixed_batch: int | None = batch
        self.batch = batch or config.largest_batch
        self.output_shapes = [_shape(output.shape) for output in self._session.get_outputs()]

    def run(self, batch: NDArray[np.float32]) -> list[NDArray[Any]]:
        """n 3 h w, n >= 1 => each output, n ...; in the network's own batch size where it has one.

        Where an output has fewer rows for some batches (detections), it is filled up with zeros.
        """
        if batch.dtype != np.float32 or batch.ndim != 4 or not len(batch):
            raise ValueError(f"a batch is {batch.dtype} {batch.shape}; float32 (n, 3, h, w) needed")
        parts = [self._run(batch[i : i + self.batch]) for i in range(0, len(batch), self.batch)]
        return [_join(list(outputs)) for outputs in zip(*parts, strict=True)]

    def _run(self, part: NDArray[np.float32]) -> list[NDArray[Any]]:
        count = len(part)
        if self.fixed_batch and count < self.fixed_batch:
            part = np.concatenate([part, np.repeat(part[-1:], self.fixed_batch - count, axis=0)])
        try:
            outputs = self._session.run(None, {self._input: np.ascontiguousarray(part)})
        except _runtime_errors() as error:
            raise self.refusal(f"does not run on {part.shape}: {_first_line(error)}") from None
        if any(not hasattr(o, "shape") or o.shape[:1] != part.shape[:1] for o in outputs):
            shapes = [getattr(output, "shape", type(output).__name__) for output in outputs]
            raise self.refusal(f"answers {part.shape} with {shapes}; one row an image is needed")
        return [output[:count] for output in outputs]

    def refusal(self, text: str) -> InputRefused:
        """An error that names the file and what to do."""
        return _refusal(self.path, text)


def _refusal(path: Path, text: str) -> InputRefused:
    return InputRefused(f"{path} {text}; `mrfashion weights list` names the files that work")


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file() or not 0 < size <= MAX_FILE_BYTES:
            what = f"{size} bytes" if path.is_file() else "no file"
            raise _refusal(path, f"has {what}; allowed: 1 to {MAX_FILE_BYTES} bytes")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        raise MissingRequirement(
            f"{path} does not exist; `mrfashion weights list` says what brings it"
        ) from None


def _open(data: bytes, path: Path, config: OnnxConfig) -> Any:
    """The session, on the device that was asked for."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingRequirement(INSTALL) from None
    device, asked = _device(config, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = config.threads
    # Idle threads of one session would spin against the other's: 102 ms a frame instead of 31.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(data, options, providers=_providers(device))
    except _runtime_errors() as error:
        raise _refusal(path, f"is no network ONNX Runtime can open: {_first_line(error)}") from None
    session.disable_fallback()
    _check_device(device, asked, session.get_providers(), config)
    return session


def _device(config: OnnxConfig, offered: list[str]) -> tuple[str, bool]:
    """The device to try, and whether it was asked for by name."""
    if config.device == "auto":
        return ("cuda" if PROVIDERS["cuda"] in offered else "cpu"), False
    kind = config.device.partition(":")[0]
    if PROVIDERS[kind] not in offered:
        _missing_device(config, f"this ONNX Runtime offers {', '.join(offered)}")
        return "cpu", False
    return config.device, True


def _providers(device: str) -> list[Any]:
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return [PROVIDERS["cpu"]]
    return [(PROVIDERS[kind], {"device_id": index} if index else {}), PROVIDERS["cpu"]]


def _check_device(device: str, asked: bool, found: list[str], config: OnnxConfig) -> None:
    if found[0] == PROVIDERS[device.partition(":")[0]]:
        return
    if asked:
        _missing_device(config, f"ONNX Runtime could not start it and took {found[0]}")
    else:
        logger.warning("%s could not be started; networks run on %s", device, found[0])


def _missing_device(config: OnnxConfig, why: str) -> None:
    """The error, or where the CPU is allowed instead, a warning."""
    if config.allow_fallback:
        logger.warning("%s was asked for, networks run on the CPU: %s", config.device, why)
        return
    mend = MENDS[config.device.partition(":")[0]]
    raise MissingRequirement(
        f"device {config.device!r} is not there: {why}. {mend}; or choose device 'cpu' or 'auto', "
        "or set allow_fallback"
    )


def _input(session: Any, path: Path) -> tuple[str, list[int | None]]:
    """Name and shape of the one input."""
    inputs = session.get_inputs()
    shape = _shape(inputs[0].shape) if inputs else []
    images = len(shape) == 4 and shape[1] == 3 and inputs[0].type == "tensor(float)"
    if len(inputs) != 1 or not images:
        found = ", ".join(f"{i.type} {_shape(i.shape)}" for i in inputs) or "none"
        raise _refusal(path, f"has the inputs {found}; one of float32 [n, 3, h, w] is needed")
    batch, _, *size = shape
    if (batch or 1) > MAX_BATCH or any((side or 1) > MAX_SIDE_PX for side in size):
        raise _refusal(
            path, f"wants images {shape}; allowed: {MAX_BATCH} of {MAX_SIDE_PX} x {MAX_SIDE_PX} px"
        )
    return str(inputs[0].name), shape


def _shape(declared: list[Any]) -> list[int | None]:
    """Sizes as the file declares them; None for those it leaves open."""
    return [size if isinstance(size, int) and size > 0 else None for size in declared]


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    rows = max(part.shape[1] for part in parts)
    filled = [
        np.pad(part, [(0, 0), (0, rows - part.shape[1])] + [(0, 0)] * (part.ndim - 2))
        for part in parts
    ]
    return np.concatenate(filled)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def _runtime_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its exceptions share no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    return (*(t for t in own if issubclass(t, Exception)), RuntimeError, MemoryError)
