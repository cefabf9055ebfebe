"""Texts of strangers, made safe to look at: what would steer a terminal or a reader is spelled out.

Tables keep them as they are; pages and messages show them through `visible`.
"""

from __future__ import annotations

import logging
import unicodedata

# Control characters, invisible ones and those that turn the reading direction, which can make
# one file's name look like another's; half a surrogate is no character at all.
STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
JOINER = "\u200d"  # inside emoji


def visible(text: str, but: str = "") -> str:
    r"""The text with steering characters as `\u202e`, `\x0a` and the like; those of `but` stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character in but else _spelled(character) for character in text)


def _spelled(character: str) -> str:
    if character == JOINER or unicodedata.category(character) not in STEERING:
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
    )


class VisibleFormatter(logging.Formatter):
    """Log lines, in which names of strangers cannot steer the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of an error."""
        return visible(super().format(record), but="\n\t")
