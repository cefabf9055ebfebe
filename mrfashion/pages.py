"""Static pages that open from a disk: one template, one style, one policy that allows no more.

Every text is escaped by Jinja2, and characters that would turn its reading direction are spelled
out. The content security policy lets in the page's own style and script, by hash, and pictures and
videos that lie beside it; nothing else, and no network.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from mrfashion.errors import InputRefused
from mrfashion.visible import visible

OURS = "mrfashion.templates"  # the shared style and macros


def render_page(package: str, name: str, *, scripts: tuple[str, ...] = (), **values: Any) -> str:
    """The page of `<name>.html` in `package`, styled by page.css and, if there, `<name>.css`."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(lambda file: _text(package, file) or _text(OURS, file)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = f"{_text(OURS, 'page.css')}{_text(package, f'{name}.css') or ''}"
    script = "".join(_text(package, file) or "" for file in scripts)
    return environment.get_template(f"{name}.html").render(
        style=Markup(style), script=Markup(script), policy=_policy(style, script), **values
    )


def refuse_strange(site: Path, marker: str) -> None:
    """InputRefused where `site` holds other things: `marker` is in each site of the kind."""
    if site.exists() and (not site.is_dir() or any(site.iterdir())):
        ours = (site / marker).is_file() or [p.name for p in site.iterdir()] == [".lock"]
        if not ours:
            raise InputRefused(f"{site} holds other files; choose a new folder for --out")


def remove_others(folder: Path, keep: set[str], *suffixes: str) -> None:
    """Remove the files of an earlier page in `folder`: those with our suffix, not in `keep`."""
    for path in folder.glob("*"):
        if path.suffix in suffixes and path.is_file() and path.name not in keep:
            path.unlink()


def degrees(angle_deg: float) -> str:
    """An angle in words: whole degrees, a true minus, and never a minus zero."""
    return f"{round(angle_deg)}°".replace("-", "−")


def _shown(value: Any) -> Any:
    """A text from outside as it may be looked at; markup is our own."""
    return visible(value, but="\n\t") if type(value) is str else value


def _text(package: str, file: str) -> str | None:
    path = resources.files(package) / file
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _policy(style: str, script: str) -> str:
    allowed = [f"style-src {_hash(style)}", "img-src 'self' file:"]
    if script:
        allowed += [f"script-src {_hash(script)}", "media-src 'self' file:"]
    return "; ".join(["default-src 'none'", *allowed, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
