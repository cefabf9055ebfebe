"""Lists of addresses where nothing may be fetched, and lists that are none. No network is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.hostile_case import Case

ADDRESSES = {
    "file": "file:///etc/passwd",
    "data": "data:video/mp4;base64,AAAA",
    "ftp": "ftp://192.0.2.1/v.mp4",
    "javascript": "javascript:alert(1)",
    "loopback": "http://127.0.0.1:9/v.mp4",
    "loopback-number": "http://2130706433:9/v.mp4",
    "loopback-v6": "http://[::1]:9/v.mp4",
    "metadata-service": "http://169.254.169.254/latest/meta-data",
    "private": "http://10.0.0.1/v.mp4",
    "password": "http://user:secret@192.0.2.1/v.mp4",
    "no-host": "http:///v.mp4",
    "relative": "../../outside/secret.mp4",
    "html": "<script>alert(1)</script>",
}
LISTS = {
    "empty": (".csv", b""),
    "no-url": (".csv", b"name\nv.mp4\n"),
    "misspelt": (".csv", b"url,lisence\nhttp://127.0.0.1:9/v,CC0\n"),
    "noise": (".csv", bytes(range(256)) * 9),
    "parquet": (".parquet", b"PAR1" * 9),
    "suffix": (".txt", b"http://127.0.0.1:9/v\n"),
}


def lists() -> Iterator[Case]:
    """url_list: one wrong row in each list, and files that are no list."""
    for name, address in ADDRESSES.items():
        case = f"list-address-{name}"

        def make(folder: Path, address: str = address) -> None:
            (folder / f"{folder.name}.csv").write_text(f'url,id\n"{address}",v\n')

        outcome = "source.forbidden|source.unsupported|sources: bad row"
        yield Case(case, make, {"*": outcome}, f"url_list:{{}}/{case}.csv")
    for name, (suffix, data) in LISTS.items():
        case = f"list-{name}"

        def write(folder: Path, data: bytes = data, suffix: str = suffix) -> None:
            (folder / f"{folder.name}{suffix}").write_bytes(data)

        yield Case(case, write, {"": "refused"}, f"url_list:{{}}/{case}{suffix}")
