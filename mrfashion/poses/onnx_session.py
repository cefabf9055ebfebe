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
from typing import Any, NamedTuple

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
        inputs, outputs = _signature(self._session, path)
        self._input, (batch, _, *self.size_hw) = _image_input(inputs, path)
        # None where the file leaves it open, else positive
        self.fixed_batch: int | None = batch
        self.batch = batch or config.largest_batch
        self.output_shapes = [output.shape for output in outputs]

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
    device = _device(config, onnxruntime.get_available_providers())
    why = "ONNX Runtime offers it, but could not load it"
    try:
        session = _start(data, device, config.threads)
    except _runtime_errors() as error:
        why = _first_line(error)
        session = None
    if session is None:  # is it the device, or the file?
        try:
            session = _start(data, "cpu", config.threads)
        except _runtime_errors() as error:
            text = f"is no network ONNX Runtime can open: {_first_line(error)}"
            raise _refusal(path, text) from None
    if device != "cpu" and session.get_providers()[0] != _provider(device):
        _without(device, why, config)
    return session


def _start(data: bytes, device: str, threads: int) -> Any:
    """A session that neither prints nor changes its device by itself when that fails."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = threads
    # Idle threads of one session would spin against the other's: 102 ms a frame instead of 31.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    session = onnxruntime.InferenceSession(
        data,
        options,
        providers=_providers(device),
        enable_fallback=0,
        read_config_from_model=0,
    )
    session._model_bytes = None  # it would keep the whole file in memory
    return session


def _device(config: OnnxConfig, offered: list[str]) -> str:
    """The device to try."""
    if config.device == "auto":
        return "cuda" if PROVIDERS["cuda"] in offered else "cpu"
    if _provider(config.device) in offered:
        return config.device
    _without(config.device, f"this ONNX Runtime offers {', '.join(offered)}", config)
    return "cpu"


def _provider(device: str) -> str:
    return PROVIDERS[device.partition(":")[0]]


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return [PROVIDERS["cpu"]]
    index = device.partition(":")[2]
    return [(_provider(device), {"device_id": index} if index else {}), PROVIDERS["cpu"]]


def _without(device: str, why: str, config: OnnxConfig) -> None:
    """A warning that networks run on the CPU; the error, where the device was asked for."""
    if config.device == "auto" or config.allow_fallback:
        logger.warning("networks run on the CPU, not on %s: %s", device, why)
        return
    raise MissingRequirement(
        f"device {device!r} is not there: {why}. {MENDS[device.partition(':')[0]]}; or choose "
        "device 'cpu' or 'auto', or set allow_fallback"
    )


class _Value(NamedTuple):
    """An input or output as the file declares it; sizes it leaves open are None."""

    name: str
    type: str
    shape: list[int | None]


def _signature(session: Any, path: Path) -> tuple[list[_Value], list[_Value]]:
    try:
        inputs, outputs = (
            [_Value(value.name, value.type, _shape(value.shape)) for value in values]
            for values in (session.get_inputs(), session.get_outputs())
        )
    except UnicodeDecodeError as error:
        raise _refusal(path, f"names its inputs or outputs in no text ({error})") from None
    return inputs, outputs


def _image_input(inputs: list[_Value], path: Path) -> tuple[str, list[int | None]]:
    """Name and shape of the one input."""
    fits = [
        i for i in inputs if i.type == "tensor(float)" and len(i.shape) == 4 and i.shape[1] == 3
    ]
    if len(inputs) != 1 or not fits:
        found = ", ".join(f"{i.type} {i.shape}" for i in inputs) or "none"
        raise _refusal(path, f"has the inputs {found}; one of float32 [n, 3, h, w] is needed")
    batch, _, *size = fits[0].shape
    if (batch or 1) > MAX_BATCH or any((side or 1) > MAX_SIDE_PX for side in size):
        text = (
            f"wants images {fits[0].shape}; allowed: up to {MAX_BATCH}, sides of {MAX_SIDE_PX} px"
        )
        raise _refusal(path, text)
    return fits[0].name, fits[0].shape


def _shape(declared: list[Any]) -> list[int | None]:
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
    """What ONNX Runtime raises: exceptions without a base class of their own, and Python's.

    ValueError, because a message that quotes a damaged name cannot be decoded.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    return (*(t for t in own if issubclass(t, Exception)), RuntimeError, ValueError, MemoryError)
