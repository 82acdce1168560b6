"""No web page spends: hosts, origins, sites and content types."""

from __future__ import annotations

import pytest

from scrimp.gateway.web_guard import is_loopback, refusal
from scrimp.shell.wire import declares_json

NONE = frozenset[str]()


def judged(allowed: frozenset[str] = NONE, **headers: str) -> str:
    """Why a request with these headers is refused; empty when it is not."""
    raw = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return refusal(raw, allowed)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:4141", "LOCALHOST:4141", "127.0.0.1:4141", "[::1]", "[::1]:4141"],
)
def test_this_machine_is_served(host: str) -> None:
    """By name and by both addresses, with or without a port."""
    assert judged(host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:4141", "127.0.0.1.evil.example", "localhost.evil.example"),
        *("", "0.0.0.0:4141", "192.168.1.5", "[::1].evil.example@x", "[::2]", "::1", "[::1"),
        *("user@localhost", "localhost@evil.example", "evil.example#localhost"),
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    """A page whose name was bound to this address anew (DNS rebinding) sends its own name."""
    assert "is not served here" in judged(host=host)


def test_a_request_without_host_is_refused() -> None:
    """Nobody can tell whom it meant."""
    assert "'(none)'" in judged()


def test_configured_hosts_are_served() -> None:
    """By their name without port, whatever the case; a star allows all of them."""
    allowed = frozenset({"llm.corp.example"})
    assert judged(allowed, host="LLM.corp.example:8080") == ""
    assert judged(allowed, host="localhost") == ""
    assert judged(allowed, host="corp.example") != ""
    assert judged(allowed, host="x.llm.corp.example") != ""
    assert judged(frozenset({"*"}), host="anything") == ""


@pytest.mark.parametrize(
    ("origin", "served"),
    [
        ("http://localhost:4141", True),
        ("https://localhost:4141", True),
        ("HTTP://LOCALHOST:4141", True),
        ("http://localhost:3000", False),
        ("http://localhost", False),
        ("http://127.0.0.1:4141", False),
        ("https://evil.example", False),
        ("http://localhost:4141.evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_only_our_own_origin(origin: str, *, served: bool) -> None:
    """Another port is another origin: any local page is as foreign as one from afar."""
    assert (judged(host="localhost:4141", origin=origin) == "") is served


@pytest.mark.parametrize(
    ("site", "served"),
    [
        ("same-origin", True),
        ("none", True),
        ("same-site", False),
        ("cross-site", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_only_our_own_site(site: str, *, served: bool) -> None:
    """`same-site` is another port of this machine, so it is foreign too."""
    assert (judged(host="localhost:4141", sec_fetch_site=site) == "") is served


def test_a_star_does_not_open_the_door_to_pages() -> None:
    """Any host may be meant, but pages of others stay out."""
    assert judged(frozenset({"*"}), host="gw.example", origin="https://evil.example") != ""
    assert judged(frozenset({"*"}), host="gw.example", sec_fetch_site="cross-site") != ""


@pytest.mark.parametrize(
    ("kind", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        (" application/json ;x=y", True),
        ("application/merge-patch+json", True),
        ("text/plain", False),
        ("text/plain; application/json", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=application/json", False),
        ("text/x+json", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_what_counts_as_json(kind: str, *, json: bool) -> None:
    """What a page may send without asking first (text, forms) never does."""
    assert declares_json({b"content-type": kind.encode()}) is json
    assert declares_json({}) is False


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104 (asked about, not bound)
        ("::", False),
        ("10.0.0.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_what_only_this_machine_can_reach(host: str, *, local: bool) -> None:
    """The whole 127.0.0.0/8 is loopback; `any address` is the opposite of it."""
    assert is_loopback(host) is local
