"""Who can be measured: the only file that knows `model` and `baselines` by name.

An entrant is a generator's name, or a TOML file that configures one:

    generator = "warp"      # a registered name
    name = "my-warp"        # optional; the file's name without .toml is the default
    [settings]              # optional; paths in it are relative to the file's folder
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from baselines import BASELINES
from model.generators import GENERATORS
from mrfashion.artefacts import canonical_json
from mrfashion.config import from_dict, load_config
from mrfashion.errors import ConfigError, MissingRequirement, UnknownNameError
from mrfashion.generation import Generator

ENTRY_POINTS = "mrfashion.generators"  # where other packages add theirs; loaded only when named
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")  # it becomes a folder's name

ENTRANTS: dict[str, Callable[..., Generator]] = {**BASELINES, **GENERATORS}


@dataclass(frozen=True, slots=True)
class EntrantFile:
    """What an entrant file may say."""

    generator: str
    name: str | None = None
    settings: dict = field(default_factory=dict)  # type: ignore[type-arg]  # the generator's own


def entrant_names() -> list[str]:
    """Ours in their order, then those of other packages by name, without loading any."""
    others = {point.name for point in entry_points(group=ENTRY_POINTS)}
    return [*ENTRANTS, *sorted(others - set(ENTRANTS))]


def lacks() -> dict[str, list[str]]:
    """What each of ours lacks on this machine, in words; those of others load only when named."""
    return {name: make_entrant(name).check() for name in ENTRANTS}


def make_entrants(names_or_files: Sequence[str]) -> list[Generator]:
    """Generators of one run, in order; what is named twice comes once.

    ConfigError where two that differ share a name: results are told apart by it.
    """
    made: dict[str, tuple[str, Generator]] = {}
    for which in dict.fromkeys(names_or_files):
        generator = make_entrant(which)
        name = generator.info.name
        if name in made:
            raise ConfigError(
                f"{made[name][0]} and {which} are both named {name!r}; give one of them another "
                "`name` in its entrant file"
            )
        made[name] = which, generator
    return [generator for _, generator in made.values()]


def make_entrant(name_or_file: str) -> Generator:
    """A generator by name, ours first, or as an entrant file (`*.toml`) configures it.

    UnknownNameError lists near names; ConfigError tells what in the file is wrong.
    """
    if name_or_file.endswith(".toml"):
        return _configured(Path(name_or_file))
    return _named(_factory(name_or_file)(), name_or_file)


def settable(name_or_file: str) -> dict[str, str]:
    """What an entrant file of this generator may set: field => type and default."""
    name = name_or_file
    if name.endswith(".toml"):
        name = load_config(EntrantFile, name).generator
    schema = _settings_schema(name)
    fields = () if schema is None else dataclasses.fields(schema)
    default = None if schema is None else schema()
    return {f.name: f"{_type_name(f.type)} = {getattr(default, f.name)!r}" for f in fields}


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _settings_schema(name: str) -> type[Any] | None:
    schema: Any = getattr(_factory(name), "Settings", None)
    if schema is None:
        return None
    if not (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
        raise ConfigError(f"generator {name!r}: its Settings is no dataclass; mend its package")
    return schema


def _configured(path: Path) -> Generator:
    entrant = load_config(EntrantFile, path)
    name = entrant.name or path.stem
    schema = _settings_schema(entrant.generator)
    if schema is None:
        raise ConfigError(f"{path}: generator {entrant.generator!r} has no settings; name it alone")
    if name != entrant.generator and name in entrant_names():
        raise ConfigError(f"{path}: {name!r} is another generator; choose another `name`")
    values = _absolute(schema, entrant.settings, path.resolve().parent)
    settings = from_dict(schema, values, f"{path}: settings")
    return _named(_factory(entrant.generator)(settings, name=name), name)


def _absolute(schema: type, values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values with the paths among them relative to `folder`; wrong types stay as they are."""
    return {
        key: _placed(hint, value, folder) if (hint := _hints(schema).get(key)) else value
        for key, value in values.items()
    }


def _placed(hint: Any, value: Any, folder: Path) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _absolute(hint, value, folder)
    if Path not in (hint, *typing.get_args(hint)):
        return value
    if isinstance(value, list):
        return [_placed(hint, item, folder) for item in value]
    return str(folder / Path(value).expanduser()) if isinstance(value, str) else value


def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)


def _factory(name: str) -> Callable[..., Generator]:
    return ENTRANTS.get(name) or _foreign(name)


def _named(generator: Generator, name: str) -> Generator:
    if generator.info.name != name or not SAFE_NAME.fullmatch(name):
        raise ConfigError(
            f"generator {name!r} calls itself {generator.info.name!r}; needed: one name of letters,"
            " digits, '.', '_' and '-' in its GeneratorInfo and its entry point or entrant file"
        )
    return generator


def _foreign(name: str) -> Callable[..., Generator]:
    points = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
    if not points:
        raise UnknownNameError("entrant", name, entrant_names())
    if len({point.value for point in points}) > 1:
        values = ", ".join(sorted(point.value for point in points))
        raise ConfigError(
            f"several packages offer generator {name!r}: {values}; uninstall all but one"
        )
    return _loaded(points[0])


def _loaded(point: EntryPoint) -> Callable[..., Generator]:
    try:
        factory: Callable[..., Generator] = point.load()
    except (ImportError, AttributeError) as error:
        raise MissingRequirement(
            f"generator {point.name!r} ({point.value}) does not load: {error}. "
            "Install what its package needs, or remove the package"
        ) from error
    return factory


def entrant_identity(generator: Generator) -> dict[str, Any]:
    """What decides an entrant's pixels, plain JSON: name, version, settings, weights' sha256."""
    info = generator.info
    identity = {
        "name": info.name,
        "version": info.version,
        "settings": generator.settings(),
        "weights": sorted(weight.sha256 for weight in info.weights),
    }
    try:
        canonical_json(identity)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"generator {info.name!r}: settings() must be plain JSON values without NaN: {error}"
        ) from None
    return identity
