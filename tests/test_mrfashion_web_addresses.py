"""Which addresses a list may make us ask."""

import ipaddress
import socket

import pytest

from mrfashion.sources.web import addresses
from mrfashion.sources.web.addresses import check_ip, check_url, resolve
from mrfashion.sources.web.refusal import Refusal


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/dress.mp4",
        "http://93.184.216.34/a?b=c",
        "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/",
        "https://shop.example/übersicht",
    ],
)
def test_the_public_web_may_be_asked(url: str) -> None:
    assert check_url(url, private=False)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://shop.example/a.mp4",
        "data:video/mp4;base64,AAAA",
        "javascript:alert(1)",
        "shop.example/a.mp4",
        "//shop.example/a.mp4",
        "https:///a.mp4",
        "https://user:secret@shop.example/a.mp4",
        "https://shop.example/a b.mp4",
        "https://shop.example/a\r\nHost: inside",
        "https://[::1/a.mp4",
        "https://shop.example:port/a.mp4",
        "https://shop.example/" + "a" * 5000,
        "https://shop.example/#__youtubedl_smuggle=%7B%7D",
    ],
)
def test_anything_else_may_not_even_where_local_networks_may(url: str) -> None:
    with pytest.raises(Refusal) as caught:
        check_url(url, private=True)
    assert caught.value.code == "source.forbidden"
    assert not caught.value.retryable
    assert "secret" not in caught.value.text


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_local_networks_are_forbidden_unless_allowed(ip: str) -> None:
    with pytest.raises(Refusal, match="no public address"):
        check_ip(ipaddress.ip_address(ip), private=False)
    check_ip(ipaddress.ip_address(ip), private=True)
    host = f"[{ip}]" if ":" in ip else ip
    with pytest.raises(Refusal):
        check_url(f"http://{host}/a.mp4", private=False)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_a_name_is_judged_by_what_it_stands_for(host: str) -> None:
    with pytest.raises(Refusal, match="no public address"):
        resolve(host, 80, private=False)


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", (ip, port)) for ip in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", answers)
    with pytest.raises(Refusal, match=r"10\.0\.0\.1"):
        resolve("two.example", 80, private=False)
