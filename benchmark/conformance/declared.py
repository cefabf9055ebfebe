"""Checks of what a generator says about itself, before anything is loaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.conformance.findings import Failed, NotApplicable
from benchmark.conformance.subject import Subject
from benchmark.entrants import entrant_identity, make_entrant, settable
from mrfashion.generation import Rehearsable

HEAVY = ("torch", "diffusers", "transformers", "accelerate", "onnxruntime", "tensorflow", "jax")
IMPORT_S = 60
IMPORT_LIGHT = """
import sys
from benchmark.entrants import make_entrant
make_entrant(sys.argv[1]).info
print(*[name for name in sys.argv[2:] if name in sys.modules])
"""
SHA256 = re.compile("[0-9a-f]{64}")
VAGUE = ("", "?", "unknown", "todo", "tbd", "none")


def check_import_light(subject: Subject) -> str:
    """Naming a generator imports none of the heavy packages, in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", IMPORT_LIGHT, subject.which, *HEAVY],
            capture_output=True,
            text=True,
            timeout=IMPORT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"a new process did not make it within {IMPORT_S} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise Failed(f"a new process could not make it: {last[0]}")
    imported = done.stdout.split("\n")[-2].split()
    if imported:
        raise Failed(f"making it imports {', '.join(imported)}; import them in load() or later")
    return f"none of {', '.join(HEAVY)}"


def check_info(subject: Subject) -> str:
    """Who it is, completely, and the same each time it is made."""
    info = subject.info
    if not info.summary.strip() or "\n" in info.summary:
        raise Failed(f"summary is {info.summary!r}; needed: one line")
    if info.kind not in ("learned", "warp", "copy"):
        raise Failed(f"kind is {info.kind!r}; allowed: learned, warp, copy")
    if type(info.version) is not int or info.version < 1:
        raise Failed(f"version is {info.version!r}; needed: 1 or more, raised with the pixels")
    if not info.inputs:
        raise Failed("inputs names nothing that it looks at")
    if make_entrant(subject.which).info != info:
        raise Failed("another one of the same name has another GeneratorInfo")
    return f"{info.name} {info.version}, {info.kind}, up to {info.max_references} references"


def check_licences(subject: Subject) -> str:
    """Code and weights come under a named licence."""
    info = subject.info
    named = {"code_licence": info.code_licence}
    if info.kind == "learned" or info.weights:
        named["weights_licence"] = info.weights_licence or ""
    named |= {f"licence of {weight.name}": weight.licence for weight in info.weights}
    for what, licence in named.items():
        if licence.strip().lower() in VAGUE:
            raise Failed(f"{what} is {licence!r}; name it as SPDX does, or say that there is none")
    return ", ".join(dict.fromkeys(named.values()))


def check_settings(subject: Subject) -> str:
    """Settings are plain JSON, the same each time, and hold every weight file's sha256."""
    settings = entrant_identity(subject.declared)["settings"]
    if not isinstance(settings, dict):
        raise Failed(f"settings() is a {type(settings).__name__}; needed: a dict")
    if entrant_identity(make_entrant(subject.which))["settings"] != settings:
        raise Failed("another one of the same name has other settings()")
    hashes = sum(SHA256.fullmatch(v) is not None for _, v in _leaves(settings) if _is_text(v))
    unknown = sum(v is None and "sha256" in path for path, v in _leaves(settings))
    if subject.info.kind == "learned" and not (hashes or unknown or subject.info.weights):
        raise Failed(
            "settings() holds no sha256 of a weight file (null under a key with `sha256` where "
            "the file is missing): other weights under one name would share results"
        )
    return f"{len(settings)} settings, {hashes} sha256, {unknown} of missing files"


def check_configurable(subject: Subject) -> str:
    """An entrant file names it and leaves its defaults; what it may set has defaults."""
    if subject.which.endswith(".toml"):
        return f"{subject.info.name} is one"
    if not (fields := settable(subject.which)):
        raise NotApplicable("it has no settings")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "conformance-other.toml"
        file.write_text(f'generator = "{subject.which}"', encoding="utf-8")
        other = make_entrant(str(file))
    if replace(other.info, name=subject.info.name) != subject.info:
        raise Failed("under another name its GeneratorInfo differs in more than the name")
    if other.settings() != subject.declared.settings():
        raise Failed("made with its default Settings, settings() is another than without")
    return f"may set {', '.join(fields)}"


def check_lacks_in_words(subject: Subject) -> str:
    """check() is a list of sentences; it never raises."""
    missing = subject.traces.watch(subject.declared.check)
    if not isinstance(missing, list) or not all(_is_text(text) and text for text in missing):
        raise Failed(f"check() is {missing!r}; needed: a list of texts")
    return "; ".join(missing) or "nothing is missing"


def check_rehearsal(subject: Subject) -> str:
    """A learned generator runs on random weights, under the same name and the same limits."""
    if not isinstance(subject.declared, Rehearsable):
        if subject.info.kind == "learned":
            raise Failed("a learned generator needs rehearsal(*, real_size=False)")
        raise NotApplicable("nothing is learned")
    other = subject.declared.rehearsal().info
    for field in ("name", "kind", "version", "max_references", "inputs"):
        if getattr(other, field) != getattr(subject.info, field):
            raise Failed(f"the rehearsal's {field} is {getattr(other, field)!r}")
    return "same name, kind, version, references and inputs"


def check_settings_steady(subject: Subject) -> str:
    """Settings do not change by loading and generating."""
    fresh = entrant_identity(subject.declared)["settings"]
    if subject.rehearsed or subject.running is None:
        raise NotApplicable("it did not run itself")
    subject.first()
    if entrant_identity(subject.running)["settings"] != fresh:
        raise Failed("settings() differs once it is loaded: a key would depend on when it is made")
    return "the same before and after"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value in nested JSON, with the keys that lead to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value
