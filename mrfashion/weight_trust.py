"""The user's own word for a model file: the bytes it had when they gave it, in `trusted.json`.

A trusted file is pinned like any other from then on; only the promise is the user's, not ours.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from mrfashion.artefacts import read_object, write_json
from mrfashion.errors import InputRefused
from mrfashion.weight_row import Pin

FILE = "trusted.json"
VERSION = 1
MAX_BYTES = 1 << 20
MEND = "restore it, or remove it and trust your files again"


def trusted(folder: Path) -> dict[str, Pin]:
    """Row name => what the user vouched for; InputRefused where the file is not ours."""
    path = folder / FILE
    if not path.exists():
        return {}
    if path.stat().st_size > MAX_BYTES:
        raise InputRefused(f"{path} is longer than {MAX_BYTES} bytes; {MEND}")
    values = read_object(path, MEND)
    files = values.get("files")
    if values.get("version") != VERSION or not isinstance(files, dict):
        raise InputRefused(f"{path} is no list of trusted files of version {VERSION}; {MEND}")
    return {name: _pin(path, name, value) for name, value in files.items()}


def _pin(path: Path, name: str, value: object) -> Pin:
    match value:
        case {"bytes": int(size), "sha256": str(digest)} if re.fullmatch("[0-9a-f]{64}", digest):
            return Pin(size, digest)
    raise InputRefused(f"{path}: {name} has no bytes and sha256; {MEND}")


def set_trust(folder: Path, name: str, pin: Pin | None) -> None:
    """Remember what the user vouches for; None: forget it. Call it under the folder's lock."""
    files = trusted(folder)
    if files.get(name) == pin:
        return
    kept = {other: asdict(value) for other, value in files.items() if other != name}
    if pin:
        kept[name] = asdict(pin)
    write_json(folder / FILE, {"version": VERSION, "files": kept})
