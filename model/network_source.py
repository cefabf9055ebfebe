"""Where a generator's network comes from: a checkpoint, published files, or chance.

Nothing heavy is imported before `load`, so that what is missing can be told without it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from model.checkpoint import load_network, read_header
from model.config import NetworkConfig
from model.published_parts import (
    AUTOENCODER,
    IMAGE_ENCODER,
    TWIN_FILES,
    TWINS,
    autoencoder_file,
    image_encoder_part,
    twin_part,
)
from mrfashion.errors import MissingRequirement, MRFashionError
from mrfashion.weight_hashes import file_sha256

if TYPE_CHECKING:
    from model.codec import Codec
    from model.profashion import ProFashion

PACKAGES = ("diffusers", "einops", "huggingface_hub", "safetensors", "transformers")
REHEARSAL_SEED = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of weights that a network needs."""

    find: Callable[[], Path]  # MRFashionError where it is not there, or is another
    mend: str  # what to do then


class NetworkSource(Protocol):
    """Interface of all three."""

    @property
    def config(self) -> NetworkConfig:
        """Of the network that `load` gives, or would give were nothing missing."""
        ...

    def files(self) -> Mapping[str, Wanted]:
        """The files of weights by what they hold."""
        ...

    def load(self) -> tuple[ProFashion, Codec]:
        """On the CPU in float32. MissingRequirement or InputRefused where a file is not right."""
        ...


class Checkpoint:
    """A file that `mrfashion train` wrote, and the autoencoder that some networks work behind."""

    def __init__(self, path: Path | None, autoencoder: Path | None, wanted: NetworkConfig) -> None:
        self.path, self.autoencoder, self.wanted = path, autoencoder, wanted

    @cached_property
    def config(self) -> NetworkConfig:
        """The checkpoint's own, `wanted` while there is none; InputRefused where it is not ours."""
        if self.path is None or not self.path.is_file() or missing_packages():
            return self.wanted
        return read_header(self.path)[0]

    def files(self) -> dict[str, Wanted]:
        """The checkpoint, and what it needs."""
        mend = "`mrfashion train` writes one; name it as `checkpoint` under [settings]"
        codec = {} if self.path is None else _codec_files(self)
        return {"checkpoint": Wanted(self._found, mend), **codec}

    def load(self) -> tuple[ProFashion, Codec]:
        """Both."""
        network = load_network(self._found())
        return network, _codec(network.config, self.autoencoder)

    def _found(self) -> Path:
        if self.path is None:
            raise MissingRequirement("no file is given")
        if not self.path.is_file():
            raise MissingRequirement(f"{self.path} is not a file")
        return self.path


@dataclass(frozen=True, slots=True)
class Published:
    """The four files of a published single-reference network, an image encoder, an autoencoder.

    They lie in folders; None: in the hub's cache.
    """

    preset: str
    config: NetworkConfig
    folder: Path | None = None
    image_encoder: Path | None = None
    autoencoder: Path | None = None

    def files(self) -> dict[str, Wanted]:
        """All of them."""
        encoder = Wanted(
            lambda: image_encoder_part(self.config, self._encoder()).path,
            _fetch(f"{IMAGE_ENCODER} --include 'image_encoder/*'", "image_encoder"),
        )
        four = {place: self._one_of_four(place) for place in TWIN_FILES}
        return {**four, "image_encoder": encoder, **_codec_files(self)}

    def load(self) -> tuple[ProFashion, Codec]:
        """The network, whole, and its codec."""
        from model.published import load_twin

        loaded = load_twin(self.preset, _source(self.folder), self._encoder(), self.config)
        return loaded.network, _codec(self.config, self.autoencoder)

    def _one_of_four(self, place: str) -> Wanted:
        folder = _source(self.folder)
        mend = _fetch(TWINS[self.preset][0], "folder")
        return Wanted(lambda: twin_part(self.preset, place, folder).path, mend)

    def _encoder(self) -> str:
        return _source(self.image_encoder) or IMAGE_ENCODER


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Random weights of a fixed seed: they show that a network runs, and how fast."""

    config: NetworkConfig

    def files(self) -> dict[str, Wanted]:
        """None."""
        return {}

    def load(self) -> tuple[ProFashion, Codec]:
        """Always the same."""
        import torch

        from model.codec import build_codec
        from model.profashion import ProFashion

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(REHEARSAL_SEED)
            return ProFashion(self.config).eval(), build_codec(self.config.codec)


def missing_packages() -> list[str]:
    """The extra `train`, in words, where its packages are not all installed."""
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if not lacking:
        return []
    return [f"not installed: {', '.join(lacking)}: pip install 'mrfashion[train]'"]


def missing_files(source: NetworkSource) -> list[str]:
    """What is wrong, and what mends it; what the same mends is told once."""
    wrong: dict[str, dict[str, str]] = {}  # by what mends it: what is missing, and why
    for what, wanted in source.files().items():
        if isinstance(error := _path(wanted), str):
            wrong.setdefault(wanted.mend, {})[what] = error
    return [
        f"{', '.join(errors)}: {next(iter(errors.values()))}. {mend}"
        for mend, errors in wrong.items()
    ]


def file_hashes(source: NetworkSource) -> dict[str, str | None]:
    """sha256 of each file; None where it is not there."""
    if missing_packages():
        return dict.fromkeys(source.files())
    found = {what: _path(wanted) for what, wanted in source.files().items()}
    return {w: None if isinstance(path, str) else file_sha256(path) for w, path in found.items()}


def _path(wanted: Wanted) -> Path | str:
    """A file, or in words why not."""
    try:
        return wanted.find()
    except MRFashionError as error:
        return str(error)


def _codec_files(source: Checkpoint | Published) -> dict[str, Wanted]:
    if (config := source.config.codec).kind != "autoencoder-kl":
        return {}
    folder = _source(source.autoencoder) or AUTOENCODER
    mend = _fetch(AUTOENCODER, "autoencoder")
    return {"autoencoder": Wanted(lambda: autoencoder_file(config, folder), mend)}


def _codec(config: NetworkConfig, autoencoder: Path | None) -> Codec:
    from model.codec import build_codec
    from model.published import load_autoencoder

    if config.codec.kind != "autoencoder-kl":
        return build_codec(config.codec)
    return load_autoencoder(config.codec, _source(autoencoder) or AUTOENCODER)


def _fetch(hub: str, setting: str) -> str:
    return f"`hf download {hub}` gets it; or name its folder as `{setting}` under [settings]"


def _source(folder: Path | None) -> str | None:
    """Absolute: a relative path of two parts would read as a hub id."""
    return None if folder is None else str(folder.absolute())
