"""What an ONNX file holds, read from its protobuf wire format before anything is loaded.

The format: https://protobuf.dev/programming-guides/encoding/ and onnx/onnx.proto. Refused are
tensors kept outside the file: their paths are the file's to choose, `*/_ORT_MEM_ADDR_/*` even
names the memory of this process, and what ONNX Runtime makes of them changed between versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mrfashion.errors import InputRefused

# Message -> field number -> the message in that field: the ways that lead to a tensor.
FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
DATA_LOCATION = 14  # of a tensor: 0 in the file, 1 outside it
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, ONNX never writes
MAX_DEPTH = 64  # messages in messages; protobuf itself stops at 100


def check_contents(data: bytes, path: Path) -> None:
    """InputRefused where the file is no ONNX model, or keeps a tensor outside itself."""
    try:
        outside = _reaches_outside(memoryview(data), "model", 0)
    except (IndexError, ValueError) as error:
        raise InputRefused(
            f"{path} is no ONNX model ({error}): it is damaged or cut short; fetch it again"
        ) from None
    if outside:
        raise InputRefused(
            f"{path} keeps weights in other files; allowed: models of one file. "
            "Save it again with onnx.save(onnx.load(file), file)"
        )


def _reaches_outside(message: memoryview, kind: str, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise ValueError(f"messages lie more than {MAX_DEPTH} deep")
    for field, value in _fields(message):
        if kind == "tensor" and field == DATA_LOCATION and value != 0:
            return True
        inner = FIELDS[kind].get(field)
        if inner == "external":
            return True
        if inner and (
            not isinstance(value, memoryview) or _reaches_outside(value, inner, depth + 1)
        ):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Field numbers and values of a message; numbers of fixed width count as 0."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire = key >> 3, key & 7
        value: memoryview | int = 0
        if wire == VARINT:
            value, position = _varint(message, position)
        elif wire == BYTES:
            length, position = _varint(message, position)
            value = message[position : position + length]
            position += length
        elif wire in (FIXED64, FIXED32):
            position += 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if position > len(message):
            raise ValueError(f"field {field} ends after the end")
        yield field, value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
