"""A request as files for a worker, and its answer as files from it, which nobody vouches for."""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import canonical_json
from mrfashion.errors import ItemError
from mrfashion.generation import Request, Result
from mrfashion.poses.array_files import BROKEN, member_bytes, npy_array

HEADER = 4096  # bytes of a .npy header, at most
MAX_JSON = 1 << 20


def write_request(folder: Path, request: Request, style: str | None) -> None:
    """Write `request.json` and `request.npz`; with skeletons of that style where there is one."""
    arrays: dict[str, NDArray[Any]] = {"keypoints": request.keypoints, "yaw_deg": request.yaw_deg}
    if style:
        arrays["skeletons"] = _drawn(request.keypoints, request.frame_size, request.size, style)
    for number, reference in enumerate(request.references):
        name = f"reference_{number}"
        arrays[f"{name}_image"] = reference.image
        arrays[f"{name}_keypoints"] = reference.keypoints
        if style:
            size = reference.image.shape[0], reference.image.shape[1]
            arrays[f"{name}_skeleton"] = _drawn(reference.keypoints[None], size, size, style)[0]
    np.savez(folder / "request.npz", allow_pickle=False, **arrays)
    values = {
        "sample_id": request.sample_id,
        "references": [{"yaw_deg": r.yaw_deg, "view": r.view} for r in request.references],
        "frame_size": request.frame_size,
        "size": request.size,
        "fps": request.fps,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
    }
    (folder / "request.json").write_text(canonical_json(values), encoding="utf-8")


def read_result(folder: Path, request: Request) -> Result:
    """The answer in a folder; ItemError `worker.invalid` where it does not answer the request."""
    try:
        values, (frames, weights) = _values(folder), _arrays(folder, request)
        result = Result(
            frames=frames,
            fps=_number(values, "fps"),
            reference_weights=weights,
            effective=_typed(values, "effective", dict),
            seconds=_number(values, "seconds"),
            peak_memory_bytes=_peak(values),
            warnings=tuple(map(str, _typed(values, "warnings", list))),
        )
        result.check(request)
    except (ValueError, KeyError) as error:
        raise ItemError("worker.invalid", f"its answer is wrong: {error}") from None
    except ItemError as error:
        raise ItemError("worker.invalid", error.text) from None
    return result


def _drawn(
    keypoints: NDArray[np.float32], source: tuple[int, int], size: tuple[int, int], style: str
) -> NDArray[np.uint8]:
    from mrfashion.poses.skeletons import draw_skeletons

    return draw_skeletons(keypoints, source, size, style)


def _arrays(folder: Path, request: Request) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    asked = (request.frames, *request.size, 3)
    most = {
        "frames": math.prod(asked) * 4 + HEADER,  # float32 is read, and told apart
        "reference_weights": request.frames * len(request.references) * 8 + HEADER,
    }
    with _opened(folder / "result.npz", sum(most.values()) + 2 * HEADER) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                found = {
                    name: npy_array(member_bytes(archive, f"{name}.npy", bytes_), name)
                    for name, bytes_ in most.items()
                    if f"{name}.npy" in names or name == "frames"
                }
        except BROKEN as error:
            raise ValueError(f"result.npz is no archive: {error}") from None
    weights = found.get("reference_weights")
    if weights is not None and weights.dtype != np.float32:
        raise ValueError(f"reference_weights are {weights.dtype}; needed: float32")
    return found["frames"], weights


def _values(folder: Path) -> dict[str, Any]:
    with _opened(folder / "result.json", MAX_JSON) as file:
        text = file.read().decode()
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        values = None
    if not isinstance(values, dict):
        raise ValueError("result.json holds no JSON object")
    return values


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"result.json holds {name}, which is no JSON")


def _opened(path: Path, most: int) -> BinaryIO:
    """A plain file of at most `most` bytes: no link, no pipe, nothing outside the folder."""
    try:
        channel = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    file = os.fdopen(channel, "rb")
    found = os.fstat(channel)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most:
        file.close()
        raise ValueError(f"{path.name} is no file, or has {found.st_size} bytes; at most {most}")
    return file


def _typed(values: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(values.get(name), kind):
        raise ValueError(f"{name} is {values.get(name)!r}; a {kind.__name__} is needed")
    return values[name]


def _number(values: dict[str, Any], name: str) -> float:
    if type(values.get(name)) not in (int, float):
        raise ValueError(f"{name} is {values.get(name)!r}; a number is needed")
    return float(values[name])


def _peak(values: dict[str, Any]) -> int | None:
    peak = values.get("peak_memory_bytes")
    if peak is not None and (type(peak) is not int or peak < 0):
        raise ValueError(f"peak_memory_bytes is {peak!r}; bytes or null are needed")
    return peak
