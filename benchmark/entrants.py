"""Who can be measured: the only file that knows `model` and `baselines` by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from baselines import BASELINES
from mrfashion.artefacts import canonical_json
from mrfashion.errors import ConfigError, MissingRequirement, UnknownNameError
from mrfashion.generation import Generator

ENTRY_POINTS = "mrfashion.generators"  # where other packages add theirs; loaded only when named
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")  # it becomes a folder's name

ENTRANTS: dict[str, Callable[[], Generator]] = {**BASELINES}


def entrant_names() -> list[str]:
    """Ours in their order, then those of other packages by name, without loading any."""
    others = {point.name for point in entry_points(group=ENTRY_POINTS)}
    return [*ENTRANTS, *sorted(others - set(ENTRANTS))]


def make_entrant(name: str) -> Generator:
    """A generator by name, ours first; UnknownNameError lists near names."""
    factory = ENTRANTS.get(name) or _foreign(name)
    generator = factory()
    if generator.info.name != name or not SAFE_NAME.fullmatch(name):
        raise ConfigError(
            f"generator {name!r} calls itself {generator.info.name!r}; needed: one name of letters,"
            " digits, '.', '_' and '-' in its GeneratorInfo and its entry point"
        )
    return generator


def _foreign(name: str) -> Callable[[], Generator]:
    points = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
    if not points:
        raise UnknownNameError("entrant", name, entrant_names())
    if len({point.value for point in points}) > 1:
        values = ", ".join(sorted(point.value for point in points))
        raise ConfigError(
            f"several packages offer generator {name!r}: {values}; uninstall all but one"
        )
    return _loaded(points[0])


def _loaded(point: EntryPoint) -> Callable[[], Generator]:
    try:
        factory: Callable[[], Generator] = point.load()
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
