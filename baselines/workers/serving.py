"""Serve a method from its own environment: copy this file beside your worker script.

It needs numpy and Python 3.8, nothing else. The script says what it is in a literal `INFO`, has
`load(start)` and `answer(state, request)`, and ends as `template.py` does. Messages are JSON
lines on stdin and stdout; pictures and poses are files in a folder per request. The contract
stands in `docs/generators.md`.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PROTOCOL = 1
EXITS = {"failed": 1, "bad-request": 2, "missing-weights": 3, "out-of-memory": 4}
MAX_TEXT = 2000


class Unsupported(Exception):
    """Raise it in `answer` where the method cannot do what is asked; the text says why."""


@dataclass(frozen=True)
class Start:
    """What `load` is told."""

    device: str  # cpu, cuda or cuda:N
    dtype: str  # float32, float16 or bfloat16
    checkout: str | None  # folder of the method's repository
    weights: str | None  # folder of its weights
    options: dict[str, Any]  # those of INFO, as the user set them
    rehearsal: str | None  # None; tiny or real: random weights, where the script offers it


@dataclass(frozen=True)
class Reference:
    """One picture of the dressed person."""

    image: Any  # h w 3, uint8 RGB
    keypoints: Any  # 133 3, float32: x, y in pixels, score 0..1; missing is (NaN, NaN, 0)
    yaw_deg: float | None
    view: str | None  # front, back, facing-left, facing-right
    skeleton: Any  # h w 3, uint8 RGB in the style that INFO's `draw` names; else None


@dataclass(frozen=True)
class Request:
    """One video to make: as many frames as there are driving poses."""

    sample_id: str
    references: tuple[Reference, ...]
    keypoints: Any  # f 133 3, float32, in pixels of `frame_size`
    yaw_deg: Any  # f, float32, NaN where unknown
    skeletons: Any  # f h w 3, uint8 RGB in `size`, in the style of `draw`; else None
    frame_size: tuple[int, int]  # h, w
    size: tuple[int, int]  # h, w of the frames asked for
    fps: float
    seed: int
    steps: int | None  # None: the method's own default
    guidance: float | None


def serve(
    info: dict[str, Any],
    load: Callable[[Start], Any],
    answer: Callable[[Any, Request], dict[str, Any]],
) -> None:
    """Load once, then answer requests until the other side closes stdin; never returns.

    `answer` gives a dictionary: `frames` (f h w 3, uint8 RGB), and where there are any
    `reference_weights` (f r), `effective` (plain JSON), `warnings`, `fps`.
    """
    messages, send = _channel()
    try:
        start = _start(next(messages))
        state = load(start)
    except BaseException as error:
        code, text = _cause(error, loading=True)
        traceback.print_exc()
        send({"type": "error", "code": code, "text": text})
        sys.exit(EXITS[code])
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    if "torch" in sys.modules:
        versions["torch"] = str(sys.modules["torch"].__version__)
    ready = {"type": "ready", "protocol": PROTOCOL, "info": info, "device": start.device}
    send(dict(ready, versions=versions))
    for message in messages:
        send(dict(_answered(message, answer, state, start.device), id=message.get("id")))


def _channel() -> tuple[Iterator[dict[str, Any]], Callable[[dict[str, Any]], None]]:
    """Keep stdin and stdout for the protocol: what the method prints goes to stderr."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    stdout: Any = sys.stdout
    stdout.reconfigure(line_buffering=True)  # what it printed is there when it dies
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        for line in incoming:
            lines.put(line)
        os._exit(0)  # the other side is gone, whatever this one is busy with

    def messages() -> Iterator[dict[str, Any]]:
        while True:
            yield json.loads(lines.get().decode("utf-8"))

    def send(message: dict[str, Any]) -> None:
        outgoing.write(json.dumps(message).encode("utf-8") + b"\n")
        outgoing.flush()

    threading.Thread(target=read, daemon=True).start()
    return messages(), send


def _start(message: dict[str, Any]) -> Start:
    if message.get("type") != "start" or message.get("protocol") != PROTOCOL:
        raise _BadRequest(f"got {message!r}; needed: a start of protocol {PROTOCOL}")
    return Start(**{name: message[name] for name in Start.__dataclass_fields__})


def _answered(
    message: dict[str, Any],
    answer: Callable[[Any, Request], dict[str, Any]],
    state: Any,
    device: str,
) -> dict[str, Any]:
    """Answer one request in its folder, and say how that went."""
    try:
        folder = Path(message["folder"])
        request = read_request(folder)
        cuda = _cuda(device)
        if cuda:
            cuda.reset_peak_memory_stats(device)
        started = time.perf_counter()
        result = answer(state, request)
        if cuda:
            cuda.synchronize(device)
        cost = {
            "seconds": time.perf_counter() - started,
            "peak_memory_bytes": cuda.max_memory_allocated(device) if cuda else None,
        }
        write_result(folder, request, result, cost)
        return {"type": "answer"}
    except (Exception, SystemExit) as error:  # a method that exits means its request, not us
        code, text = _cause(error, loading=False)
        traceback.print_exc()
    gc.collect()  # what the failed request held
    cuda = _cuda(device)
    if cuda:
        cuda.empty_cache()
    return {"type": "error", "code": code, "text": text}


def read_request(folder: Path) -> Request:
    """The request in a folder: `request.json` and `request.npz`."""
    try:
        values = json.loads((folder / "request.json").read_text(encoding="utf-8"))
        with np.load(str(folder / "request.npz"), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        references = tuple(
            Reference(
                image=arrays[f"reference_{number}_image"],
                keypoints=arrays[f"reference_{number}_keypoints"],
                skeleton=arrays.get(f"reference_{number}_skeleton"),
                **row,
            )
            for number, row in enumerate(values.pop("references"))
        )
        sizes: Any = {name: tuple(values.pop(name)) for name in ("frame_size", "size")}
        driving: Any = {name: arrays.get(name) for name in ("keypoints", "yaw_deg", "skeletons")}
        return Request(references=references, **sizes, **driving, **values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _BadRequest(f"the request cannot be read: {error!r}") from error


def write_result(
    folder: Path, request: Request, result: dict[str, Any], cost: dict[str, Any]
) -> None:
    """Write `result.npz` and `result.json`."""
    known = {"frames", "reference_weights", "effective", "warnings", "fps"}
    if set(result) - known:
        raise ValueError(f"answer has {sorted(result)}; known: {sorted(known)}")
    arrays: Any = {"frames": np.asarray(result["frames"])}
    if result.get("reference_weights") is not None:
        arrays["reference_weights"] = np.asarray(result["reference_weights"], np.float32)
    if any(array.dtype.hasobject for array in arrays.values()):
        raise ValueError("frames and reference_weights must be arrays of numbers of one shape")
    np.savez(str(folder / "result.npz"), **arrays)
    values = {
        "fps": result.get("fps", request.fps),
        "effective": result.get("effective", {}),
        "warnings": list(result.get("warnings", ())),
    }
    (folder / "result.json").write_text(json.dumps(dict(values, **cost)), encoding="utf-8")


class _BadRequest(Exception):
    """The other side sent what this side does not understand."""


def _cause(error: BaseException, loading: bool) -> tuple[str, str]:
    """What an exception means to the other side: a code, and a text for a person."""
    text = f"{type(error).__name__}: {error}"[:MAX_TEXT]
    if isinstance(error, Unsupported) and not loading:
        return "unsupported", str(error)[:MAX_TEXT]
    if isinstance(error, _BadRequest):
        return "bad-request", str(error)[:MAX_TEXT]
    if loading and isinstance(error, FileNotFoundError):
        return "missing-weights", text
    named = type(error).__name__ == "OutOfMemoryError"  # torch's, without importing torch
    told = isinstance(error, RuntimeError) and "out of memory" in str(error)
    if named or told or isinstance(error, MemoryError):
        return "out-of-memory", text
    return "failed", text


def _cuda(device: str) -> Any:
    """torch.cuda, where the method uses torch on a CUDA device; else None."""
    if device.startswith("cuda") and "torch" in sys.modules:
        return sys.modules["torch"].cuda
    return None
