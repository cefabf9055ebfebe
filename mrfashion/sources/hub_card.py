"""The card of a dataset: the head of its README.md names the licence of all it holds."""

from __future__ import annotations

import re
from pathlib import Path

from mrfashion.sources.notes import Note, plain_text
from mrfashion.sources.source import UNKNOWN_LICENCE

MAX_BYTES = 1 << 20
KEYS = ("license", "license_name", "license_link")


def card_note(path: Path) -> Note:
    """Licence and terms of a card; nothing where it names none, or several, or cannot be read.

    Only these keys are read, each a word on its line or one `- word` below it: a whole YAML
    reader would take more of a stranger's file than is needed.
    """
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace").lstrip("\ufeff")
    head = re.match(r"---[ \t]*\r?\n(.*?)^---", text, re.DOTALL | re.MULTILINE)
    if head is None:
        return Note()
    values = {key: _value(head[1], key) for key in KEYS}
    licence = values["license"]
    if licence and licence.lower() == "other":
        licence = values["license_name"]
    known = licence if licence and licence.lower() != UNKNOWN_LICENCE else None
    return Note(licence=known, terms=values["license_link"])


def _value(head: str, key: str) -> str | None:
    found = re.search(rf"^{key}:[ \t]*([^\r\n]*)\r?\n((?:[ \t]*-[ \t]+[^\r\n]*\r?\n)*)", head, re.M)
    if found is None:
        return None
    below = [line.strip()[1:] for line in found[2].splitlines()]
    words = [word.strip().strip("'\"").strip() for word in (found[1].strip("[] \t"), *below)]
    words = [word for word in words if word and word not in ("|", ">")]
    return plain_text(words[0]) if len(words) == 1 and "," not in words[0] else None
