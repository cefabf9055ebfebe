"""Files of published weights: found in a folder or on the hub, read without running their code."""

from __future__ import annotations

import json
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrfashion.artefacts import inside
from mrfashion.errors import ConfigError, InputRefused, MissingRequirement

if TYPE_CHECKING:
    from torch import Tensor

MAX_BYTES = 16 << 30  # the largest of these files hold 3.4 GB
MAX_CONFIG_BYTES = 1 << 20
HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w.-]+))?")
# Half precision last: where there is more, more is read.
DIFFUSERS = tuple(
    f"diffusion_pytorch_model{ending}" for ending in (".safetensors", ".bin", ".fp16.safetensors")
)
TRANSFORMERS = ("model.safetensors", "pytorch_model.bin", "model.fp16.safetensors")
NOTES = {"animatediff_config"}  # told beside the tensors of AnimateDiff v3
# What torch.load raises for bytes that are no checkpoint, or a hostile one.
UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)


def find_file(source: str, names: Sequence[str], download: bool = False) -> Path:
    """The first of `names` that a source has; MissingRequirement where it has none.

    A source is a folder, or a hub id, `owner/name` or `owner/name@revision`: from the hub's cache,
    and from the hub only if `download`. UnsafePath where a link leads out of the folder.
    """
    folder, hub = Path(source), HUB_ID.fullmatch(source)
    local = folder.is_dir()
    if not local and hub is None:
        raise MissingRequirement(f"{source!r} is neither a folder nor a hub id such as owner/name")
    for name in names:
        found = _on_hub(hub, name, download) if hub and not local else _in_folder(folder, name)
        if found is not None:
            return found
    text = f"{source} has none of {', '.join(names)}"
    if local or download:
        raise MissingRequirement(text)
    raise MissingRequirement(f"{text} in the hub's cache: allow a download, or name a folder")


def _in_folder(folder: Path, name: str) -> Path | None:
    """A snapshot in the hub's cache links to blobs beside it: there its root is the repository."""
    at = folder.absolute()
    if at.parent.name == "snapshots" and at.parent.parent.name.startswith("models--"):
        inside(at.parent.parent, f"snapshots/{at.name}/{name}")
    else:
        inside(at, name)
    path = folder / name  # not resolved: what a link leads to may lack the suffix
    return path if path.is_file() else None


def _on_hub(hub: re.Match[str], name: str, download: bool) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    repository, revision = hub.groups()
    try:
        return Path(
            hf_hub_download(repository, name, revision=revision, local_files_only=not download)
        )
    except EntryNotFoundError as error:
        if download and isinstance(error, LocalEntryNotFoundError):
            raise MissingRequirement(f"{repository} cannot be reached: {error}") from None
        return None
    except HFValidationError as error:
        raise ConfigError(f"{repository!r} is no hub id: {error}") from None
    except (HfHubHTTPError, OSError) as error:
        raise MissingRequirement(f"{repository} cannot be fetched: {error}") from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU and mapped from the file where it can be.

    Safetensors, or what torch saved, of which only tensors are read. InputRefused for all else.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputRefused(f"{path} holds {size} bytes; at most {MAX_BYTES} are read")
    return _safetensors(path) if path.suffix == ".safetensors" else _unwrapped(path, _pickled(path))


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputRefused(f"{path} cannot be read as safetensors: {error}") from None


def _pickled(path: Path) -> Any:
    import torch  # here: finding files needs none of it

    try:
        archive = zipfile.is_zipfile(path)  # else of torch before 1.6, which cannot be mapped
        if archive:
            with zipfile.ZipFile(path) as entries:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.infolist()):
                    raise InputRefused(f"{path} is compressed, which torch never does: not read")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except UNREADABLE as error:
        raise InputRefused(
            f"{path} is no file of tensors alone, and what else it holds is never run: "
            f"{str(error)[:200]!r}. Ask for it as safetensors"
        ) from None


def _unwrapped(path: Path, held: Any) -> dict[str, Tensor]:
    """Without the training state and the `module.` that some authors leave around the tensors."""
    from torch import Tensor

    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(name, str) for name in held):
        raise InputRefused(f"{path} holds a {type(held).__name__}; needed: tensors by name")
    told = {name: value for name, value in held.items() if name not in NOTES}
    if odd := [name for name, value in told.items() if not isinstance(value, Tensor)]:
        raise InputRefused(f"{path} holds more than tensors: {', '.join(odd[:5])}")
    bare = all(name.startswith("module.") for name in told)
    return {name.removeprefix("module.") if bare else name: t for name, t in told.items()}


def check_settings(path: Path, expected: Mapping[str, Any]) -> None:
    """Compare a folder's config.json with what shapes of weights do not tell, such as heads.

    A setting it does not give is taken to be the one expected, as in older files. InputRefused
    where one differs.
    """
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InputRefused(f"{path} is larger than {MAX_CONFIG_BYTES} bytes: no configuration")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{path} is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise InputRefused(f"{path} holds a {type(told).__name__}; needed: settings by name")
    wrong = [
        f"{name} is {told[name]!r}, configured {want!r}"
        for name, want in expected.items()
        if told.get(name) is not None and not _agrees(told[name], want)
    ]
    if wrong:
        raise InputRefused(f"{path} is of another network: {'; '.join(wrong)}")


def _agrees(got: Any, want: Any) -> bool:
    """One number stands for as many as there are levels."""
    if not isinstance(want, tuple):
        return bool(got == want)
    return (tuple(got) if isinstance(got, list) else (got,) * len(want)) == want
