"""Strict TOML into frozen dataclasses: an unknown key or a wrong type is an error that names it."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from mrfashion.errors import ConfigError, UnknownNameError

T = TypeVar("T")


def load_config(
    schema: type[T], path_or_preset: str | Path | None, presets: str = "mrfashion.configs"
) -> T:
    """Read a TOML file, or the name of one in the package `presets`, into `schema`.

    None gives the defaults. Raises ConfigError naming the key, what it got and what is allowed.
    """
    if path_or_preset is None:
        return schema()
    text = _read(path_or_preset, presets)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path_or_preset} is not TOML: {error}") from None
    return from_dict(schema, values, where=str(path_or_preset))


def preset_names(presets: str) -> list[str]:
    """Names of the TOML files in a package."""
    files = (entry.name for entry in resources.files(presets).iterdir())
    return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))


def _read(path_or_preset: str | Path, presets: str) -> str:
    path = Path(path_or_preset)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ConfigError(f"config {path} does not exist; name a .toml file or a preset")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8 text: {error.reason}") from None
    if str(path_or_preset) not in (known := preset_names(presets)):
        raise UnknownNameError("preset", str(path_or_preset), known)
    return (resources.files(presets) / f"{path_or_preset}.toml").read_text(encoding="utf-8")


def from_dict(schema: type[T], values: dict[str, Any], where: str = "config") -> T:
    """Build `schema`, a dataclass, from plain values; nested tables become nested dataclasses."""
    hints = typing.get_type_hints(schema)
    known = [field.name for field in dataclasses.fields(schema)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise ConfigError(f"{where}: {UnknownNameError('key', name, known)}")
    arguments = {
        name: _convert(hints[name], value, f"{where}: {name}") for name, value in values.items()
    }
    missing = [name for name in _required(schema) if name not in arguments]
    if missing:
        raise ConfigError(f"{where}: needed and not given: {', '.join(missing)}")
    try:
        return schema(**arguments)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _required(schema: type) -> list[str]:
    unset = dataclasses.MISSING
    fields = dataclasses.fields(schema)
    return [f.name for f in fields if f.default is unset and f.default_factory is unset]


def to_dict(config: object) -> dict[str, Any]:
    """Plain JSON values of a config, for hashes and the run folder."""
    values: dict[str, Any] = dataclasses.asdict(
        config,  # type: ignore[call-overload]
        dict_factory=lambda pairs: {k: _plain(v) for k, v in pairs},
    )
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: got {value!r}; a table of keys is needed")
        return from_dict(hint, value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            allowed = ", ".join(map(repr, typing.get_args(hint)))
            raise ConfigError(f"{where}: got {value!r}; allowed: {allowed}")
        return value
    if origin is tuple and isinstance(value, list):
        inner = typing.get_args(hint)
        hints = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(hints) != len(value):
            raise ConfigError(f"{where}: got {len(value)} values; {len(hints)} are needed")
        return tuple(_convert(h, v, where) for h, v in zip(hints, value, strict=True))
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(hint):
            return None  # TOML has no null, JSON has
        inner = tuple(arg for arg in typing.get_args(hint) if arg is not type(None))
        return _convert(inner[0], value, where)
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where}: got {value!r} ({type(value).__name__}); a {name} is needed")
