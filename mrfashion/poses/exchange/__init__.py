"""Keypoints of other tools, both ways: FORMATS is the one list of what can be read and written."""

from __future__ import annotations

from pathlib import Path

from mrfashion.errors import UnknownNameError
from mrfashion.poses.exchange.arrays import ARRAY, NPZ
from mrfashion.poses.exchange.coco_wholebody import COCO_WHOLEBODY
from mrfashion.poses.exchange.document import open_document
from mrfashion.poses.exchange.openpose import DWPOSE, OPENPOSE
from mrfashion.poses.exchange.poses import Format, Poses

FORMATS: dict[str, Format] = {
    "openpose": OPENPOSE,
    "dwpose": DWPOSE,
    "coco-wholebody": COCO_WHOLEBODY,
    "npz": NPZ,
    "array": ARRAY,
}


def format_of(name: str) -> Format:
    """The format of a name; UnknownNameError lists the near ones."""
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[name]


def read_poses(path: Path, name: str | None = None) -> Poses:
    """Keypoints of a file or folder, in the format `name`, or the one its content tells.

    InputRefused (file, what is wrong, what is allowed) where it is none, or more than one.
    """
    document = open_document(path)
    alike = [known for known, form in FORMATS.items() if form.recognises(document)]
    seen = " or ".join(alike) or f"none of {', '.join(FORMATS)}"
    if name is not None and format_of(name) and name not in alike:
        raise document.refused(f"is no {name}; by its content it is {seen}")
    readers = {FORMATS[known].read for known in ([name] if name else alike)}
    if len(readers) != 1:
        raise document.refused(f"by its content it is {seen}; say which with --format")
    return readers.pop()(document)
