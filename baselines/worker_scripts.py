"""What a worker script says of itself, read without running it, and what decides its pixels."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mrfashion.artefacts import canonical_json, content_hash, sha256_file
from mrfashion.config import from_dict
from mrfashion.errors import ConfigError
from mrfashion.generation import GeneratorInfo

CODE = (".py", ".yaml", ".yml", ".json", ".toml")  # of a checkout: what may decide pixels
Needs = Literal["python", "checkout", "weights"]


@dataclass(frozen=True)
class Declared:
    """What a worker script's INFO says beside its GeneratorInfo."""

    draw: str | None = None
    needs: tuple[Needs, ...] = ()
    weight_files: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)  # type: ignore[type-arg]


def read_info(script: Path) -> dict[str, Any]:
    """INFO of a worker script, plain JSON values, without running it; ConfigError without one."""
    try:
        tree = ast.parse(script.read_bytes(), filename=str(script))
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INFO":
                values = json.loads(canonical_json(ast.literal_eval(node.value)))
                if isinstance(values, dict):
                    return values
    except OSError as error:
        raise ConfigError(f"worker script {script}: {error.strerror}") from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigError(f"worker script {script}: INFO is no literal: {error}") from None
    raise ConfigError(f"worker script {script} has no INFO = {{...}}; start from the template")


def declared(values: dict[str, Any], name: str, script: Path) -> tuple[GeneratorInfo, Declared]:
    """INFO as what every generator says, and what a worker says beside it."""
    own = {f.name for f in dataclasses.fields(Declared)}
    for_all = {key: value for key, value in values.items() if key not in own}
    if forbidden := sorted({"name", "weights"} & set(for_all)):
        raise ConfigError(f"{script.name}: INFO sets {forbidden}; entrant file and folder do")
    where = f"{script.name}: INFO"
    info = from_dict(GeneratorInfo, {**for_all, "name": name}, where)
    return info, from_dict(Declared, {key: values[key] for key in own & set(values)}, where)


def merged(known: dict[str, Any], asked: dict[str, Any], script: Path) -> dict[str, Any]:
    """The options a script knows, as a user sets them; ConfigError where it knows none such."""
    for name, value in asked.items():
        if name not in known:
            raise ConfigError(f"options: {script.name} knows {sorted(known)}; got {name!r}")
        wanted = type(known[name])
        if known[name] is not None and not (
            type(value) is wanted or (type(value), wanted) == (int, float)
        ):
            raise ConfigError(f"options.{name} is {value!r}; needed: as {known[name]!r}")
    return {**known, **asked}


def code_hash(checkout: Path) -> str:
    """Hash of a repository's code and settings; not of environments and hidden folders in it."""
    hashes = {}
    for folder, folders, files in os.walk(checkout):
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__")) and not (Path(folder, name) / "pyvenv.cfg").exists()
        ]
        for path in (Path(folder, name) for name in files if name.endswith(CODE)):
            hashes[path.relative_to(checkout).as_posix()] = sha256_file(path)
    return content_hash(hashes)
