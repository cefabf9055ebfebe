"""What raters must not know: `key.private.json` maps blind ids to entrants. It is never sent.

Blind ids are keyed with 256 random bits of the study (HMAC-SHA256), so that a killed export goes on
with the same ids and nobody without the key can tell them from random ones.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from mrfashion.artefacts import canonical_json, read_object, write_json
from mrfashion.config import from_dict
from mrfashion.errors import ConfigError, InputRefused

KEY_FILE = "key.private.json"
KEY_VERSION = 1
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing is read as something else
MAX_RATERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What a person chooses of a study."""

    raters: int = 3
    samples: int | None = None  # None: every sample that all entrants have a video of
    seed: int = 0  # chooses the samples and, with the key, the orders
    hidden_reference: bool = True  # the real video among the clips, as one more entrant

    def __post_init__(self) -> None:
        if not 1 <= self.raters <= MAX_RATERS:
            raise ConfigError(f"raters is {self.raters}; allowed: 1 to {MAX_RATERS}")
        if self.samples is not None and self.samples < 1:
            raise ConfigError(f"samples is {self.samples}; allowed: 1 and above")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; allowed: 0 and above")


@dataclass(frozen=True)
class Shown:
    """A video that is to be rated."""

    entrant: str | None  # None: the real video
    sample_id: str
    garment_group: str
    source_sha256: str  # of the lossless video, or of the real clip


@dataclass(frozen=True)
class KeyClip(Shown):
    """A video and the ids that hide it."""

    blind_id: str
    set_id: str


@dataclass(frozen=True)
class Key:
    """Everything that decides a study."""

    secret: str  # 64 hex digits
    options: StudyOptions
    task_hash: str
    clips: tuple[KeyClip, ...]  # by blind id

    def draw(self, length: int, *parts: str | int) -> str:
        """Characters that look random to all who lack the secret (5 bits each, at most 51)."""
        return _draw(self.secret, length, self.options.seed, *parts)

    @property
    def study_id(self) -> str:
        """Name of the study."""
        return f"study-{self.draw(8, 'study')}"


def make_key(
    shown: list[Shown], task_hash: str, options: StudyOptions, secret: str | None = None
) -> Key:
    """A key for these videos, with a new secret unless one is given."""
    secret = secrets.token_hex(32) if secret is None else secret
    clips = tuple(sorted((_hidden(secret, s) for s in shown), key=lambda clip: clip.blind_id))
    if len({clip.blind_id for clip in clips}) < len(clips):
        raise InputRefused("a video is to be shown twice: its entrant and sample stand twice")
    return Key(secret, options, task_hash, clips)


def _hidden(secret: str, shown: Shown) -> KeyClip:
    # A list, not a joined text, so that no two names run together.
    who = [] if shown.entrant is None else [shown.entrant]
    blind = _draw(secret, 12, "clip", shown.sample_id, *who)
    references = _draw(secret, 12, "set", shown.sample_id)
    return KeyClip(**asdict(shown), blind_id=f"clip-{blind}", set_id=f"set-{references}")


def _draw(secret: str, length: int, *parts: str | int) -> str:
    message = canonical_json(list(parts)).encode()
    digest = hmac.new(bytes.fromhex(secret), message, hashlib.sha256).digest()
    bits = int.from_bytes(digest, "big")
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in range(length))


def save_key(root: Path, key: Key) -> None:
    """Write `key.private.json`, readable by its owner alone."""
    path = root / KEY_FILE
    write_json(path, {"schema_version": KEY_VERSION, **asdict(key)})
    path.chmod(0o600)


def load_key(root: Path) -> Key:
    """Read `key.private.json`; InputRefused if it is missing, damaged or was edited."""
    path = root / KEY_FILE
    values = read_object(path, "only the machine that exported the study holds it; copy it here")
    if values.pop("schema_version", None) != KEY_VERSION:
        raise InputRefused(f"{path} is no key of version {KEY_VERSION}; use the release's own")
    try:
        key = from_dict(Key, values, KEY_FILE)
        again = make_key(
            [_shown(clip) for clip in key.clips], key.task_hash, key.options, _hex(key)
        )
    except ConfigError as error:
        raise InputRefused(f"{path} was edited: {error}; restore it") from None
    if again != key:
        raise InputRefused(f"{path} was edited: its ids are not those of its names; restore it")
    return key


def _shown(clip: KeyClip) -> Shown:
    return Shown(clip.entrant, clip.sample_id, clip.garment_group, clip.source_sha256)


def _hex(key: Key) -> str:
    try:
        whole = len(bytes.fromhex(key.secret)) == 32
    except ValueError:
        whole = False
    if not whole:
        raise ConfigError("secret: needed are 64 hexadecimal digits")
    return key.secret
