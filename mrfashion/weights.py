"""Model files on this machine: where they lie, and whether they hold the promised bytes.

They lie in `weights/` under MRFASHION_CACHE (default `~/.cache/mrfashion`). Nothing is downloaded
unless asked for: `mrfashion weights fetch NAME`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mrfashion.artefacts import sha256_file
from mrfashion.errors import MissingRequirement, UnknownNameError
from mrfashion.weight_files import WEIGHTS as WEIGHTS
from mrfashion.weight_row import Pin, WeightFile
from mrfashion.weight_trust import trusted

State = Literal["present", "trusted", "missing", "wrong"]
HERE = ("present", "trusted")


def weights_folder() -> Path:
    """Where model files lie on this machine."""
    cache_folder = os.environ.get("MRFASHION_CACHE") or Path.home() / ".cache" / "mrfashion"
    return Path(cache_folder) / "weights"


def files_of(name: str) -> tuple[WeightFile, ...]:
    """A model's files (`blazepose`), or the one file of that name (`blazepose-landmark`)."""
    rows = tuple(row for row in WEIGHTS.values() if name in (row.model, row.name))
    if not rows:
        raise UnknownNameError("weights", name, {*WEIGHTS, *(r.model for r in WEIGHTS.values())})
    return rows


def path_of(row: WeightFile) -> Path:
    """Where a file lies, once it does."""
    return weights_folder() / row.file


def pin_of(row: WeightFile) -> Pin | None:
    """What a file must hold: the user's word before the table's; None where there is neither."""
    return trusted(weights_folder()).get(row.name, row.pin)


def state(row: WeightFile) -> State:
    """Whether a file is there and holds the promised bytes; hashed once per process.

    `trusted`: it holds what the user vouched for, which is not what the table promises.
    """
    path, pin = path_of(row), pin_of(row)
    try:
        stat = path.stat()
    except OSError:
        return "missing"
    if not pin or stat.st_size != pin.bytes or _sha256(path, stat.st_mtime_ns) != pin.sha256:
        return "wrong"
    return "present" if pin == row.pin else "trusted"


@cache
def _sha256(path: Path, mtime_ns: int) -> str:
    return sha256_file(path)


def weights_path(name: str) -> Path:
    """Path of the verified file `name`; MissingRequirement says what mends it."""
    if problem := missing_weights(name):
        raise MissingRequirement(problem)
    return path_of(WEIGHTS[name])


def missing_weights(name: str) -> str | None:
    """What is wrong with the file `name`, with the command that mends it; None when nothing is."""
    if name not in WEIGHTS:
        raise UnknownNameError("weight file", name, WEIGHTS)
    row = WEIGHTS[name]
    match state(row):
        case "missing":
            pin = pin_of(row)
            what = f"{pin.bytes:,} bytes, sha256 {pin.sha256}" if pin else "hash not published"
            return f"{path_of(row)} does not exist ({what}; {row.licence}): {row.command}"
        case "wrong":
            return (
                f"{path_of(row)} does not hold the promised bytes: {row.command} replaces it; or, "
                f"if you vouch for it: mrfashion weights fetch {row.name} --from FILE --trust"
            )
    return None


def recorded(names: Iterable[str]) -> dict[str, Any]:
    """What a result notes of the weights behind it, plain JSON.

    `weights_sha256` by name; `weights_custom` names those that are the user's own, where any are.
    """
    pins = {name: pin_of(WEIGHTS[name]) for name in names}
    custom = sorted(name for name, pin in pins.items() if pin != WEIGHTS[name].pin)
    hashes = {name: pin.sha256 if pin else None for name, pin in pins.items()}
    return {"weights_sha256": hashes} | ({"weights_custom": custom} if custom else {})
