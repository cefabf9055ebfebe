"""Which addresses may be asked: the public web, and this machine's own networks only if allowed.

A list from a stranger, or a page it leads to, must not make us read what only we can reach.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from urllib.parse import urlsplit

from mrfashion.sources.web.refusal import Refusal

LONGEST = 4096  # characters of an address
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, private: bool) -> str:
    """The host of an address that may be asked; Refusal where it may not."""
    if len(url) > LONGEST or re.search(r"[\x00-\x20\x7f]", url):
        raise _refused(f"an address of {len(url)} characters, or with spaces; allowed: {LONGEST}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(f"no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise _refused(f"scheme {parts.scheme or 'none'!r}; allowed: http and https, with a host")
    if parts.username or parts.password:
        raise _refused("a user or password in the address; put cookies into [web] cookies")
    if "#__youtubedl_smuggle" in url:
        raise _refused("an address with instructions to the downloader")
    with contextlib.suppress(ValueError):  # a name is checked when it is connected to
        check_ip(ipaddress.ip_address(host), private)
    return host


def check_ip(ip: Ip, private: bool) -> None:
    """Refusal for an address of a local network, unless those are allowed."""
    if not private and not _public(ip):
        raise Refusal(
            "forbidden",
            f"{ip} is no public address; [web] private_addresses = true allows it",
        )


def resolve(host: str, port: int, private: bool) -> list[tuple[int, tuple[str, int]]]:
    """(family, socket address) of a host, each checked, so that what was checked is asked."""
    found = []
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        check_ip(ipaddress.ip_address(str(address[0]).partition("%")[0]), private)
        found.append((int(family), (str(address[0]), port)))
    return found


def _public(ip: Ip) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return _public(inner)
    return ip.is_global and not ip.is_multicast


def _refused(text: str) -> Refusal:
    return Refusal("forbidden", text)
