"""Which licences let a curated clip be published, and why others do not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mrfashion.errors import InputRefused
from mrfashion.sources.source import UNKNOWN_LICENCE
from mrfashion.tables import Clip

OWN_TERMS = "licenseref-"  # SPDX's prefix for terms of one's own
LISTED = 10
_CC_URL = re.compile(r"https?://creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)/?")


@dataclass(frozen=True)
class Licence:
    """A licence under which a clip may be passed on, cut and encoded anew as it is."""

    spdx: str
    asks: tuple[str, ...]  # what goes with it: the export carries it, its users must keep it

    @property
    def url(self) -> str:
        """Its text."""
        return f"https://spdx.org/licenses/{self.spdx}.html"


NAMED, ALIKE, NC = "credit", "share alike", "no commercial use"
_CC = ("2.0", "2.5", "3.0", "4.0")
# A clip is cut, encoded anew and perhaps blurred: what forbids that (ND) cannot be published. NC
# does not forbid it: whoever publishes must not do so for money, and the terms go along.
PUBLISHABLE: dict[str, Licence] = {
    licence.spdx.casefold(): licence
    for licence in (
        *(Licence(name, ()) for name in ("CC0-1.0", "PDDL-1.0", "Unlicense", "CC-PDDC")),
        *(Licence(f"CC-BY-{v}", (NAMED,)) for v in _CC),
        *(Licence(f"CC-BY-SA-{v}", (NAMED, ALIKE)) for v in _CC),
        *(Licence(f"CC-BY-NC-{v}", (NAMED, NC)) for v in _CC),
        *(Licence(f"CC-BY-NC-SA-{v}", (NAMED, ALIKE, NC)) for v in _CC),
        Licence("ODC-By-1.0", (NAMED,)),
        Licence("ODbL-1.0", (NAMED, ALIKE)),
        Licence("CDLA-Permissive-2.0", (NAMED,)),
        # Of footage that comes with code, in its repository or package.
        *(Licence(name, (NAMED,)) for name in ("Apache-2.0", "MIT", "BSD-2-Clause")),
        *(Licence(name, (NAMED,)) for name in ("BSD-3-Clause", "ISC")),
    )
}


def known_licence(text: str) -> Licence | None:
    """The licence that an SPDX id, in any case, or an address of Creative Commons means."""
    text = text.strip().casefold()
    if found := _CC_URL.fullmatch(text):
        kind, code, version = found.groups()
        text = f"cc0-{version}" if kind == "publicdomain" else f"cc-{code}-{version}"
    return PUBLISHABLE.get(text)


def objection(licence: str, terms: str | None) -> str | None:
    """Why a clip of this licence must not be published; None where it may."""
    text = licence.strip().casefold()
    if known_licence(licence):
        return None
    if text.startswith(OWN_TERMS):
        return None if (terms or "").strip() else "its own terms are not stated: column `terms`"
    if text in ("", UNKNOWN_LICENCE):
        return "nobody said under which licence it is"
    if "-nd" in text:
        return "it forbids changes, and a clip is cut and encoded anew"
    return "it is not in the list of docs/export.md"


def require_publishable(clips: Iterable[Clip]) -> None:
    """InputRefused naming the sources whose rights are not known to allow publishing."""
    wrong: dict[tuple[str, str, str], int] = defaultdict(int)
    for clip in clips:
        if why := objection(clip.licence, clip.terms):
            wrong[clip.source_id, clip.licence, why] += 1
    if not wrong:
        return
    lines = [
        f"  {source}: licence {licence!r}: {why} ({count} clips)"
        for (source, licence, why), count in sorted(wrong.items())
    ]
    more = [f"  and {len(lines) - LISTED} more sources"] if len(lines) > LISTED else []
    raise InputRefused(
        f"{sum(wrong.values())} clips of {len(wrong)} sources cannot be published:\n"
        + "\n".join([*lines[:LISTED], *more])
        + "\nGive each source a licence you can show (an SPDX id; `licence` in metadata.csv, the "
        "sidecar or the list) and curate again; or LicenseRef-<name> with `terms` that say what "
        "its owner allowed; or `mrfashion takedown SOURCE_ID` what must not be there"
    )
