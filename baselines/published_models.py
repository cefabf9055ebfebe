"""Published weights of other people's models: where they lie, what is missing, what they hold.

Nothing is downloaded and no pickle is opened: files are looked up in a folder of the user's or in
the Hugging Face cache (HF_HOME), and only safetensors count as weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mrfashion.errors import InputRefused, MissingRequirement
from mrfashion.weight_hashes import file_sha256

MAX_INDEX_BYTES = 64 << 20  # of a table of shards
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
DIFFUSERS, TRANSFORMERS = "diffusion_pytorch_model", "model"  # what the two call their weights
HUB_ID = re.compile(r"([\w-][\w.-]*/[\w-][\w.-]*)(?:@([\w.-]+))?")
# Beside what is read lie pickles, half-precision copies and training states, gigabytes each.
EXCLUDED = " --exclude '*.bin' --exclude '*.fp16.*' --exclude '*.non_ema.*'"
INSTALL = "pip install 'mrfashion[train]'"


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a published model."""

    folder: str  # below the model's; "" where it lies at the top
    weights: str | None = None  # their file's name without .safetensors; None: it has none
    config: str | None = "config.json"
    any_of: tuple[str, ...] = ()  # at least one of these
    also: tuple[str, ...] = ()  # these count where they are there, as do those above


TOKENIZER = Part(
    "tokenizer",
    config="tokenizer_config.json",
    any_of=("tokenizer.json", "spiece.model", "vocab.json"),
    also=("merges.txt", "special_tokens_map.json", "added_tokens.json"),
)


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model in its published layout: on the hub, or in a folder that holds the same files."""

    model: str  # hub id: owner/name, or owner/name@revision
    parts: tuple[Part, ...]
    size: str  # in words, of what is to be downloaded
    folder: Path | None = None

    def root(self) -> Path | None:
        """Where it lies on this machine; None where it does not."""
        if self.folder is not None:
            return self.folder if self.folder.is_dir() else None
        return _snapshot(*self._on_hub())

    def found(self) -> Path:
        """Where it lies, whole; MissingRequirement says what to do where it does not."""
        if problems := self.problems():
            raise MissingRequirement("; ".join(problems))
        root = self.root()
        assert root is not None  # else there are problems
        return root

    def problems(self) -> list[str]:
        """What is missing, in words, with the command that gets it."""
        root = self.root()
        if root is None:
            where = self.folder or f"{self.model} in the Hugging Face cache"
            return [f"{where} does not exist: {self._command()}"]
        try:
            return [text for part in self.parts for text in self._missing(root, part)]
        except InputRefused as error:
            return [str(error)]

    def sha256(self) -> dict[str, str | None]:
        """File below the model's folder => its sha256, null where it is missing."""
        root = self.root()
        if root is None:
            return {part.folder or ".": None for part in self.parts}
        names = sorted({name for part in self.parts for name in _needed(root, part)})
        there = {name: root / name for name in names}
        return {name: file_sha256(at) if at.is_file() else None for name, at in there.items()}

    def _missing(self, root: Path, part: Part) -> Iterator[str]:
        for name in _needed(root, part):
            if (root / name).is_file():
                continue
            pickled = _pickles(root / part.folder) if name.endswith(".safetensors") else []
            unread = f" ({', '.join(pickled)} may run code when opened: never read)"
            yield f"{root} lacks {name}{unread if pickled else ''}: {self._command()}"
        if part.any_of and not any((root / part.folder / name).is_file() for name in part.any_of):
            yield f"{root / part.folder} has none of {', '.join(part.any_of)}: {self._command()}"

    def _on_hub(self) -> tuple[str, str]:
        found = HUB_ID.fullmatch(self.model)
        assert found is not None  # settings check it
        return found[1], found[2] or "main"

    def _command(self) -> str:
        repository, revision = self._on_hub()
        wanted = (f" --include '{name}'" for part in self.parts for name in _on_the_hub(part))
        pin = "" if revision == "main" else f" --revision {revision}"
        to = f" --local-dir {self.folder}" if self.folder is not None else ""
        return f"hf download {repository}{pin}{to}{''.join(wanted)}{EXCLUDED} ({self.size})"


def missing_packages(*names: str) -> list[str]:
    """Which packages are not installed, in words; none is imported."""
    return [f"{name} is not installed: {INSTALL}" for name in names if find_spec(name) is None]


def check_hub_id(model: str) -> None:
    """ValueError unless it reads owner/name or owner/name@revision."""
    if not HUB_ID.fullmatch(model):
        raise ValueError(f"got {model!r}; needed: a hub id, owner/name or owner/name@revision")


def _snapshot(repository: str, revision: str) -> Path | None:
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _needed(root: Path, part: Part) -> Iterator[str]:
    """Files of a part, below the root, whether or not they are there."""
    at = f"{part.folder}/" if part.folder else ""
    if part.config is not None:
        yield at + part.config
    optional = (*part.any_of, *part.also)
    yield from (at + name for name in optional if (root / at / name).is_file())
    if part.weights is None:
        return
    index = at + f"{part.weights}.safetensors.index.json"
    if (root / index).is_file():
        yield index
        yield from (at + name for name in _shards(root / index))
    else:
        yield at + f"{part.weights}.safetensors"


def _on_the_hub(part: Part) -> tuple[str, ...]:
    """Patterns of a part's files: a folder that is its alone, or the very files."""
    if part.folder and (part.config or part.any_of):
        return (f"{part.folder}/*",)
    at = f"{part.folder}/" if part.folder else ""
    return tuple(at + name for name in (part.config, f"{part.weights}.safetensors") if name)


def _shards(index: Path) -> list[str]:
    """Files that an index of shards names; InputRefused where it is none, or leaves its folder."""
    if index.stat().st_size > MAX_INDEX_BYTES:
        raise InputRefused(f"{index} is larger than {MAX_INDEX_BYTES} bytes: no index of shards")
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        shards = sorted({str(name) for name in names})
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise InputRefused(f"{index} is no index of shards; download it again") from None
    for name in shards:
        # Not resolved through links: the hub's cache links to blobs outside the folder.
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputRefused(f"{index} names {name!r}; allowed: safetensors beside it")
    return shards


def _pickles(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
