"""A worker script that goes wrong as its options say; tests copy it beside `serving.py`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

INFO = {
    "kind": "copy",
    "summary": "goes wrong",
    "version": 1,
    "max_references": 8,
    "code_licence": "Apache-2.0",
    "weight_files": ["net.bin"],
    "options": {"start": "", "faults": "", "level": 0.5},
}
HEADER = b"\x93NUMPY\x01\x00v\x00"


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def load(start: Any) -> Any:
    fault = start.options["start"]
    if fault == "once" and not Path("started").exists():
        Path("started").touch()
    elif fault in ("die", "once"):
        print("no such device", file=sys.stderr)
        os._exit(9)
    elif fault == "weights":
        raise FileNotFoundError("net.bin is not there")
    elif fault == "memory":
        raise MemoryError
    elif fault == "slow":
        time.sleep(60)
    elif fault == "noise":
        print("hello from the method")
        os.system("echo and from its child")
    return dict(pair.split("=") for pair in start.options["faults"].split(",") if pair)


def answer(state: Any, request: Any) -> dict[str, Any]:
    frames = np.zeros((len(request.keypoints), *request.size, 3), np.uint8)
    result: dict[str, Any] = {"frames": frames}
    weights = np.ones((len(frames), len(request.references)))
    fault = state.get(request.sample_id, request.sample_id)
    if fault in FAULTS:
        FAULTS[fault](result)
    elif fault in FILES:
        import serving

        serving.write_result = lambda folder, *_: FILES[fault](folder, frames)
    elif fault == "unsupported":
        from serving import Unsupported

        raise Unsupported("too long a skirt")
    elif fault == "weights-nan":
        result["reference_weights"] = weights * np.nan
    elif fault == "see":
        seen = request.references[0]
        result["frames"] = frames + seen.image[0, 0]
        shown = None if request.skeletons is None else float(request.skeletons.mean())
        result["effective"] = {
            "steps": request.steps,
            "guidance": request.guidance,
            "yaw_deg": [seen.yaw_deg, float(request.yaw_deg[0])],
            "joint": [float(v) for v in request.keypoints[0, 0]],
            "skeletons": shown,
            "pythonpath": os.environ.get("PYTHONPATH"),
            "secret": os.environ.get("MRFASHION_SECRET"),
            "passed": os.environ.get("MRFASHION_PASSED"),
        }
    return result


def fail(error: BaseException) -> Any:
    def fault(_: Any) -> None:
        raise error

    return fault


def rubbish(_: Any) -> None:
    for channel in range(3, 32):  # one of them is the protocol's
        with suppress(OSError):
            os.write(channel, b"Loading checkpoint shards: 100%\n")
    time.sleep(60)


def hang_with_child(_: Any) -> None:
    child = subprocess.Popen(["sleep", "61"])
    Path("child").write_text(str(child.pid))
    time.sleep(60)


def flood(_: Any) -> None:
    for _ in range(160):
        os.write(2, b"warning: deprecated\n" * 3277)  # 64 KB
    print("x" * (1 << 20))
    os.write(1, b"from below python\n")
    print("and from python")


FAULTS: Any = {
    "hang": lambda _: time.sleep(60),
    "hang-with-child": hang_with_child,
    "crash": lambda _: os._exit(7),
    "segfault": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "memory": fail(MemoryError("tried to allocate 9 TiB")),
    "torch-memory": fail(OutOfMemoryError("CUDA out of memory at 0x7f00aa11bb")),
    "bug": fail(KeyError("/home/me/deep/config.yaml")),
    "exit": fail(SystemExit("usage: infer.py")),
    "rubbish": rubbish,
    "flood": flood,
    "shape": lambda result: result.update(frames=result["frames"][1:]),
    "dtype": lambda result: result.update(frames=result["frames"].astype(np.float32)),
    "huge": lambda result: result.update(frames=result["frames"].repeat(9, 0)),
    "effective-nan": lambda result: result.update(effective={"scale": float("nan")}),
    "fps": lambda result: result.update(fps=99.0),
}


def whole(folder: Path) -> None:
    values = {"fps": 12.0, "effective": {}, "warnings": [], "seconds": 1, "peak_memory_bytes": None}
    (folder / "result.json").write_text(json.dumps(values))


def nothing(folder: Path, _: Any) -> None:
    """Says that it answered."""


def link(folder: Path, frames: Any) -> None:
    whole(folder)
    np.savez(folder.parent / "elsewhere.npz", frames=frames)
    (folder / "result.npz").symlink_to(folder.parent / "elsewhere.npz")


def pipe(folder: Path, _: Any) -> None:
    whole(folder)
    os.mkfifo(folder / "result.npz")


def no_archive(folder: Path, _: Any) -> None:
    whole(folder)
    (folder / "result.npz").write_bytes(b"PK\x03\x04 nothing of the kind")


def bomb(folder: Path, frames: Any) -> None:
    whole(folder)
    with zipfile.ZipFile(folder / "result.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frames.npy", bytes(64 << 20))


def liar(folder: Path, frames: Any) -> None:
    """A header that promises 8 TB."""
    whole(folder)
    header = str({"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}).encode()
    with zipfile.ZipFile(folder / "result.npz", "w") as archive:
        archive.writestr("frames.npy", HEADER + header.ljust(117) + b"\n" + bytes(64))


def pickled(folder: Path, frames: Any) -> None:
    whole(folder)
    np.savez(folder / "result.npz", frames=np.array([frames, None], object))


def long_file(folder: Path, _: Any) -> None:
    whole(folder)
    with (folder / "result.npz").open("wb") as file:
        file.truncate(1 << 40)


def bad_json(folder: Path, frames: Any) -> None:
    np.savez(folder / "result.npz", frames=frames)
    (folder / "result.json").write_text("[" * 100_000)


FILES: Any = {
    "nothing": nothing,
    "link": link,
    "pipe": pipe,
    "no-archive": no_archive,
    "bomb": bomb,
    "liar": liar,
    "pickled": pickled,
    "long-file": long_file,
    "bad-json": bad_json,
}

if __name__ == "__main__":
    from serving import serve

    serve(INFO, load, answer)
