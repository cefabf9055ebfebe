"""Tensors out of a TorchScript archive without running anything that is in it.

`torch.jit.load` compiles and trusts the code of such a file. Here its `data.pkl` is interpreted by
the few instructions below: no class is imported, nothing is called but our own tensor maker.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mrfashion.errors import InputRefused

MAX_PICKLE_BYTES, MAX_MEMBERS, MAX_PARTS = 16 << 20, 20_000, 50_000
MAX_DEPTH, MAX_NAME, MAX_DIMENSIONS = 64, 1000, 8
DTYPES = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
LISTS = tuple(f"torch.jit._pickle build_{kind}list" for kind in ("int", "bool", "double", "tensor"))
LITERALS = (
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINSTRING SHORT_BINSTRING"
).split()
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# What the archive's directory, its instructions and our own checks raise where they make no sense.
DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    AttributeError,
)


@dataclass(frozen=True)
class Global:
    """A name that the file refers to; never imported."""

    name: str


@dataclass
class Module:
    """An object of the file: its attributes."""

    attributes: dict[str, Any] = field(default_factory=dict)


def is_torchscript(path: Path) -> bool:
    """Whether the file has the layout that `torch.jit.save` writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except DAMAGE:
        return False


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by dotted name; InputRefused for any file beyond plain tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _tensors(archive, path.stat().st_size)
    except DAMAGE as error:
        raise InputRefused(
            f"{path} is no TorchScript archive of plain tensors: {type(error).__name__}: {error}"
        ) from None


def _tensors(archive: zipfile.ZipFile, size: int) -> dict[str, Tensor]:
    names = archive.namelist()
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1 or len(names) > MAX_MEMBERS:
        raise ValueError(f"{len(names)} members, {len(roots)} of them data.pkl; needed: one")
    order = f"{roots[0]}byteorder"
    if order in names and _member(archive, order, 16) != b"little":
        raise ValueError("numbers are not little-endian")
    program = _member(archive, f"{roots[0]}data.pkl", MAX_PICKLE_BYTES)
    found: dict[str, Tensor] = {}
    value = _Interpreter(archive, roots[0], size).run(program)
    for count, (name, part) in enumerate(_walk(value, "", 0)):
        if count > MAX_PARTS:  # a part may be shared, so few bytes can have parts without end
            raise ValueError(f"more than {MAX_PARTS} parts")
        if isinstance(part, Tensor):
            found[name] = part
    return found


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A member as it lies in the file: torch.jit.save packs code, never numbers."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed; torch.jit.save stores it")
    if info.file_size > most:
        raise ValueError(f"{name} is longer than {most} bytes")
    return archive.read(info)


def _walk(value: object, name: str, depth: int) -> Iterator[tuple[str, object]]:
    """Tensors and what holds them, by name."""
    if depth > MAX_DEPTH or len(name) > MAX_NAME:
        raise ValueError("modules are nested without end, or their names have none")
    yield name, value
    parts: Mapping[Any, object] = {}
    if isinstance(value, Module):
        parts = value.attributes
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, list | tuple):
        parts = dict(enumerate(value))
    for key, part in parts.items():
        if isinstance(part, Tensor | Module | dict | list | tuple):
            yield from _walk(part, f"{name}.{key}" if name else str(key), depth + 1)


class _Interpreter:
    """The pickle instructions that TorchScript writes, on a stack of plain values.

    A value may hold itself, or another many times over: none is printed, compared or hashed.
    """

    def __init__(self, archive: zipfile.ZipFile, root: str, size: int) -> None:
        self.archive, self.root, self.left = archive, root, size
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Tensor] = {}

    def run(self, program: bytes) -> object:
        """What the program leaves behind."""
        for opcode, argument, _ in pickletools.genops(program):
            name = opcode.name
            if name in LITERALS:
                self.stack.append(argument)
            elif name in CONSTANTS:
                self.stack.append(CONSTANTS[name])
            elif name in TUPLES:
                self.stack.append(tuple(self._pop(TUPLES[name])))
            elif name == "STOP":
                return self.stack.pop()
            elif name != "PROTO":
                self._instruction(name)(argument)
        raise EOFError("data.pkl ends early")

    def _instruction(self, name: str) -> Callable[[Any], None]:
        instructions: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.marks.append(len(self.stack)),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "APPEND": lambda _: self._extend(self._pop(1)),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._set(self._pop(2)),
            "SETITEMS": lambda _: self._set(self._since_mark()),
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "BINGET": lambda key: self.stack.append(self.memo[key]),
            "LONG_BINGET": lambda key: self.stack.append(self.memo[key]),
            "GLOBAL": lambda name: self.stack.append(Global(name)),
            "BINPERSID": lambda _: self.stack.append(self._storage(*self.stack.pop())),
            "NEWOBJ": lambda _: self.stack.append(self._module(*self._pop(2))),
            "BUILD": lambda _: self._build(self.stack.pop()),
            "REDUCE": lambda _: self.stack.append(self._made(*self._pop(2))),
        }
        if name not in instructions:
            raise ValueError(f"{name} is no instruction of a TorchScript file")
        return instructions[name]

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count + (self.marks[-1] if self.marks else 0):
            raise ValueError("the stack is empty")
        start = len(self.stack) - count
        taken, self.stack[start:] = self.stack[start:], []
        return taken

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken, self.stack[start:] = self.stack[start:], []
        return taken

    def _remember(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("appends to what is no list")
        self.stack[-1].extend(values)

    def _set(self, flat: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or len(flat) % 2:
            raise ValueError("sets items of what is no dict")
        if not all(isinstance(key, str | int) for key in flat[::2]):
            raise ValueError("names an item by neither text nor number")
        self.stack[-1].update(zip(flat[::2], flat[1::2], strict=True))

    def _module(self, kind: object, arguments: object) -> Module:
        name = kind.name if isinstance(kind, Global) else type(kind).__name__
        if not name.startswith("__torch__.") or not isinstance(arguments, tuple) or arguments:
            raise ValueError(f"makes an object of {name}")
        return Module()

    def _build(self, state: object) -> None:
        if not isinstance(self.stack[-1], Module) or not isinstance(state, dict):
            raise ValueError("sets the state of what is no module")
        if not all(isinstance(key, str) for key in state):
            raise ValueError("names an attribute by what is no text")
        self.stack[-1].attributes = state

    def _made(self, function: object, arguments: tuple[Any, ...]) -> object:
        """The allow-list: a tensor, a list, an empty dict of hooks, a value whose type is noted."""
        name = function.name if isinstance(function, Global) else type(function).__name__
        if name == "torch._utils _rebuild_tensor_v2":
            return _view(*arguments[:4])
        if name in LISTS or name == "torch.jit._pickle restore_type_tag":
            return arguments[0]
        if name == "collections OrderedDict" and not arguments:
            return {}
        raise ValueError(f"calls {name}")

    def _storage(self, tag: str, kind: Global, key: str, device: str, count: int) -> Tensor:
        """The numbers of one member, whole; `device` is where they lay when they were saved."""
        if not (isinstance(kind, Global) and isinstance(key, str) and type(count) is int):
            raise ValueError("refers to what is no storage")
        dtype = DTYPES[kind.name]
        if key not in self.storages:
            data = _member(self.archive, f"{self.root}data/{key}", self.left)
            self.left -= len(data)  # members may overlap: all together are no more than the file
            whole = torch.frombuffer(bytearray(data or b" "), dtype=torch.uint8)
            self.storages[key] = whole[: len(data)]  # torch takes no buffer of nothing
        raw = self.storages[key]
        if tag != "storage" or raw.numel() != count * dtype.itemsize:
            raise ValueError(f"storage {key} has {raw.numel()} bytes, not {count} {dtype}")
        return raw.view(dtype)


def _view(storage: Tensor, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """A tensor inside its storage, with no element twice."""
    numbers = (offset, *shape, *strides)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a tensor's shape, strides or offset hold what is no count")
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"a tensor of {len(shape)} dimensions and {len(strides)} strides")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) > storage.numel() or (0 not in shape and last >= storage.numel()):
        raise ValueError(f"a tensor of shape {shape} reaches beyond its {storage.numel()} numbers")
    return storage.as_strided(shape, strides, offset)
