"""yt-dlp's way to the network, narrowed: http and https, checked addresses, metered bytes.

Imports yt-dlp, so it is imported inside functions only.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import urllib.request
from collections.abc import Callable
from typing import IO, Any, cast
from urllib.parse import urlsplit

from yt_dlp.networking._urllib import (
    HTTPHandler,
    ProxyHandler,
    RedirectHandler,
    UrllibRH,
)

from mrfashion.sources.web.addresses import check_url, resolve
from mrfashion.sources.web.meter import Meter
from mrfashion.sources.web.refusal import Refusal


class GuardedRH(UrllibRH):  # type: ignore[misc]
    """The one request handler; its `meter` belongs to the item at hand."""

    _SUPPORTED_URL_SCHEMES = ("http", "https")
    RH_NAME = "guarded"

    def __init__(self, *, private: bool, meter: Callable[[], Meter], **options: Any) -> None:
        super().__init__(**options)
        self.private, self.meter = private, meter

    def _create_instance(self, proxies: Any, cookiejar: Any, legacy_ssl_support: Any = None) -> Any:
        opener = urllib.request.OpenerDirector()
        context = self._make_sslcontext(legacy_ssl_support=legacy_ssl_support)
        for handler in (
            ProxyHandler(proxies),
            _Connections(self, {_place(proxy) for proxy in proxies.values() if proxy}, context),
            urllib.request.HTTPCookieProcessor(cookiejar),
            urllib.request.UnknownHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(self),
        ):
            opener.add_handler(handler)
        opener.addheaders = []
        return opener

    def _prepare_headers(self, _: Any, headers: Any) -> None:
        headers["Accept-Encoding"] = "identity"  # nothing to unpack, so nothing that explodes

    def _send(self, request: Any) -> Any:
        self.check(request.url)
        self.meter().ask()
        answer = super()._send(request)
        self.meter().opened.append(answer)
        stated = answer.headers.get("Content-Length") or ""
        if re.fullmatch("[0-9]{1,18}", stated):
            self.meter().expect(int(stated))
        self.meter().edition = _edition(answer.headers)
        return answer

    def check(self, url: str) -> None:
        """Refusal for an address that may not be asked; the meter notes it as the cause."""
        try:
            check_url(url, self.private)
        except Refusal as error:
            raise self.meter().refuse(error) from None

    def connect(self, host: str, port: int, timeout: Any) -> socket.socket:
        """A socket to a host, at an address that was checked."""
        try:
            addresses = resolve(host, port, self.private)
        except Refusal as error:
            raise self.meter().refuse(error) from None
        refused = OSError(f"{host} has no address")
        for _, address in addresses:
            try:
                return socket.create_connection(address, timeout)
            except OSError as error:
                refused = error
        raise refused


class _Connections(HTTPHandler):  # type: ignore[misc]
    """Opens guarded connections; a proxy that this machine is set to use is trusted as it is."""

    def __init__(self, guard: GuardedRH, proxies: set[tuple[str, int]], context: Any) -> None:
        super().__init__(context=context)
        self.guard, self.proxies = guard, proxies

    def http_open(self, req: Any) -> Any:
        return self.do_open(self._connection(http.client.HTTPConnection), req)

    def https_open(self, req: Any) -> Any:
        return self.do_open(
            self._connection(http.client.HTTPSConnection), req, context=self._context
        )

    def http_response(self, req: Any, resp: Any) -> Any:
        if resp.headers.get("Content-Encoding", "identity").lower() != "identity":
            error = Refusal("unsupported", "the host packs what was to come unpacked")
            raise self.guard.meter().refuse(error)
        return resp

    https_response = http_response

    def _connection(self, kind: type[http.client.HTTPConnection]) -> Callable[..., Any]:
        def connect(address: tuple[str, int], timeout: Any = None, _: Any = None) -> socket.socket:
            if address in self.proxies:
                return socket.create_connection(address, timeout)
            return self.guard.connect(*address, timeout)

        def connection(*arguments: Any, **options: Any) -> http.client.HTTPConnection:
            made = kind(*arguments, **options)
            made._create_connection = connect  # type: ignore[attr-defined]
            made.response_class = metered  # type: ignore[assignment]
            return made

        def metered(*arguments: Any, **options: Any) -> http.client.HTTPResponse:
            answer = http.client.HTTPResponse(*arguments, **options)
            raw = cast(socket.SocketIO, answer.fp.detach())
            answer.fp = io.BufferedReader(_Metered(raw, self.guard.meter()))
            return answer

        return connection


class _Metered(io.RawIOBase):
    """A socket's bytes, counted as they are read: headers, pages and files alike."""

    def __init__(self, raw: socket.SocketIO, meter: Meter) -> None:
        self.raw, self.meter = raw, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self.raw.readinto(buffer)
        self.meter.add(count or 0)
        return count

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Redirects(RedirectHandler):  # type: ignore[misc]
    """Follows to checked addresses only, and never from https to http."""

    def __init__(self, guard: GuardedRH) -> None:
        self.guard = guard

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        self.guard.check(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            text = "sends on from https to http, where anyone may change what comes"
            raise self.guard.meter().refuse(Refusal("forbidden", text))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _edition(headers: Any) -> str:
    """What names a file's edition in If-Range (RFC 9110, 13.1.5); empty where nothing does."""
    tag: str = headers.get("ETag") or headers.get("Last-Modified") or ""
    return "" if tag.startswith("W/") else tag


def _place(proxy: str) -> tuple[str, int]:
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
