"""Headers to words: limits, injection, and what never leaves this machine."""

from __future__ import annotations

import pytest

from scrimp.calls import FREE_COST, UNKNOWN_COST, Booked, Cost, Trace
from scrimp.errors import InvalidRequest
from scrimp.identity import VirtualKey
from scrimp.remembered import CacheControl
from scrimp.shell import wire
from tests.support.core import reply_of


def raw(**headers: str) -> dict[bytes, bytes]:
    """Headers as the server gives them; `_` stands for `-`."""
    return {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}


KEY = VirtualKey("ci", "ab" * 32, team="infra", user="bot", tags=("k", "x"))


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"),
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        *("host", "content-length", "accept-encoding", "expect", "origin", "referer"),
        *("x-forwarded-for", "forwarded", "x-real-ip", "x-scrimp-task", "x-scrimp-anything"),
    ],
)
def test_what_is_not_forwarded(name: str) -> None:
    """Credentials, hop by hop, what is set anew, what tells about the client, and ours."""
    headers = [(name.encode(), b"secret"), (b"content-type", b"application/json")]
    assert wire.forwarded(headers) == (("content-type", "application/json"),)


def test_the_rest_is_forwarded_in_order_and_twice() -> None:
    """Headers that Scrimp does not know are the provider's to read."""
    headers = [(b"anthropic-beta", b"a"), (b"x-new", b"1"), (b"anthropic-beta", b"b")]
    assert wire.forwarded(headers) == (
        ("anthropic-beta", "a"),
        ("x-new", "1"),
        ("anthropic-beta", "b"),
    )


def test_what_connection_names_stays_here() -> None:
    """RFC 9110, section 7.6.1: in any case, over several headers, with blanks."""
    headers = [
        (b"connection", b"keep-alive, X-Hop"),
        (b"connection", b" x-other "),
        (b"x-hop", b"1"),
        (b"x-other", b"2"),
        (b"x-end", b"3"),
    ]
    assert wire.forwarded(headers) == (("x-end", "3"),)
    assert wire.forwarded([(b"connection", b"keep-alive"), (b"x-end", b"3")]) == (("x-end", "3"),)


def test_bytes_that_are_no_ascii() -> None:
    """UTF-8 is read as it is; other bytes do not break the call."""
    assert wire.forwarded([(b"x-title", "café".encode())]) == (("x-title", "café"),)
    assert wire.forwarded([(b"x-title", b"caf\xe9")]) == (("x-title", "café"),)


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        (raw(authorization="Bearer sk-1"), "sk-1"),
        (raw(authorization="bearer  sk-1 "), "sk-1"),
        (raw(authorization="Basic abc"), ""),
        (raw(authorization="sk-1"), ""),
        (raw(x_api_key=" sk-2 "), "sk-2"),
        (raw(authorization="", x_api_key="sk-2"), "sk-2"),
        (raw(authorization="Bearer sk-1", x_api_key="sk-2"), "sk-1"),
        ({}, ""),
    ],
)
def test_where_a_key_stands(headers: dict[bytes, bytes], secret: str) -> None:
    """As the SDKs of both vendors send it."""
    assert wire.secret_of(wire.credential(headers)) == secret


@pytest.mark.parametrize(
    ("headers", "control"),
    [
        ({}, CacheControl()),
        (raw(x_scrimp_cache="default"), CacheControl()),
        (raw(x_scrimp_cache="No-Store"), CacheControl("no-store")),
        (raw(x_scrimp_cache="refresh", x_scrimp_ttl="60"), CacheControl("refresh", 60)),
        (raw(x_scrimp_cache="only"), CacheControl("only")),
        (raw(x_scrimp_ttl="0"), CacheControl(ttl_s=0)),
        (raw(x_scrimp_ttl="999999999"), CacheControl(ttl_s=999_999_999)),
    ],
)
def test_controls_of_the_cache(headers: dict[bytes, bytes], control: CacheControl) -> None:
    """Mode and time of one request."""
    assert wire.cache_control(headers) == control


@pytest.mark.parametrize(
    "headers",
    [
        raw(x_scrimp_cache="always"),
        *(raw(x_scrimp_ttl=ttl) for ttl in ("-1", "1.5", "7d", "1e3", "9999999999", "%D9%A3")),
    ],
)
def test_controls_that_are_none(headers: dict[bytes, bytes]) -> None:
    """A typo is refused: it would be a cache that does something else."""
    with pytest.raises(InvalidRequest, match="x-scrimp-"):
        wire.cache_control(headers)


@pytest.mark.parametrize("name", ["user", "tags", "session"])
@pytest.mark.parametrize("bad", ["a%0d%0aset-cookie:x", "%00", "a%1b[31m", "%E2%80%AEx", "%7f"])
def test_no_control_characters_get_in(name: str, bad: str) -> None:
    """Not by percent-encoding either: labels end in headers, reports and terminals."""
    with pytest.raises(InvalidRequest, match="control characters"):
        wire.caller({f"x-scrimp-{name}".encode(): bad.encode()}, None, "")


@pytest.mark.parametrize("name", ["user", "session", "task"])
def test_labels_have_a_limit(name: str) -> None:
    """128 characters, and both numbers are said."""
    header = f"x-scrimp-{name}".encode()
    full = {header: b"x" * 128}
    assert "x" * 128 in (*vars_of(full), wire.task_header(full))
    with pytest.raises(InvalidRequest, match="has 129 characters; at most 128"):
        (wire.task_header if name == "task" else vars_of)({header: b"x" * 129})


def vars_of(headers: dict[bytes, bytes]) -> tuple[str, str]:
    """User and session."""
    who = wire.caller(headers, None, "")
    return who.user, who.session


def test_labels_travel_percent_encoded() -> None:
    """UTF-8 behind percent signs; blanks around do not count."""
    assert wire.caller(raw(x_scrimp_user=" J%C3%BCrgen "), None, "").user == "Jürgen"


def test_tags() -> None:
    """By commas, each once, empty ones apart; a key's own come first."""
    headers = raw(x_scrimp_tags="a, b ,,a,x")
    assert wire.caller(headers, None, "").tags == ("a", "b", "x")
    assert wire.caller(headers, KEY, "").tags == ("k", "x", "a", "b")
    many = raw(x_scrimp_tags=",".join(f"t{n}" for n in range(17)))
    with pytest.raises(InvalidRequest, match="holds 17 tags; at most 16 of 128"):
        wire.caller(many, None, "")
    with pytest.raises(InvalidRequest, match="at most 16 of 128 characters"):
        wire.caller(raw(x_scrimp_tags="x" * 129), None, "")


def test_who_the_user_is() -> None:
    """The user is the key's alone; whom the client names is written down, by header, else body."""
    header = raw(x_scrimp_user="ada")
    who = wire.caller(header, KEY, "bob")
    assert (who.user, who.end_user, who.reported_user) == ("bot", "", "ada")
    who = wire.caller(header, VirtualKey("k", ""), "bob")
    assert (who.user, who.end_user, who.reported_user) == ("", "", "ada")
    who = wire.caller({}, VirtualKey("k", ""), "bob")
    assert (who.user, who.end_user, who.reported_user) == ("", "", "bob")


def test_a_trusted_key_names_end_users_and_no_user_of_ours() -> None:
    """So that a budget of its customers holds, and nobody of ours pays for them."""
    key = VirtualKey("web", "", user="bot", org="acme", trusted=True)
    who = wire.caller(raw(x_scrimp_user="ada"), key, "")
    assert (who.user, who.end_user, who.org) == ("bot", "ada", "acme")
    assert wire.caller({}, key, "").end_user == ""


def test_without_keys_there_is_one_caller_and_it_is_believed() -> None:
    """Nobody else is there whose budget a name could charge."""
    who = wire.caller({}, None, "bob")
    assert (who.user, who.end_user, who.reported_user) == ("bob", "bob", "bob")


def test_a_user_of_the_body_is_made_fit_for_reports() -> None:
    """It was never meant for us, so it is cut to size and not refused."""
    assert wire.caller({}, None, "a\x1b[31m\nb" + "x" * 500).user == "a[31mb" + "x" * 122


def test_tenants() -> None:
    """One per key; without keys there is one."""
    assert wire.caller({}, KEY, "").tenant == "key:ci"
    assert wire.caller({}, None, "").tenant == "local"


def test_what_of_a_providers_headers_is_returned() -> None:
    """Not the framing of its connection, and nothing that claims to be ours."""
    headers = (
        ("content-type", "a/b"),
        ("content-length", "9"),
        ("date", "x"),
        ("x-request-id", "req_1"),
        ("x-scrimp-cost-usd", "0"),
    )
    assert wire.returned(headers) == (("x-request-id", "req_1"),)


def shown(booked: Booked | None) -> dict[str, str]:
    """The headers of a reply with this booking."""
    trace = Trace(booked=booked)
    trace.note("exact_cache", "miss", {"key": "k"})
    trace.note("retry", "again")
    return dict(wire.trace_headers("id1", trace, reply_of()))


def test_what_a_reply_says_of_itself() -> None:
    """Id, who served, the trace in short, exact money; no content and no numbers of the trace."""
    cost = Cost.exact(3_252_500, price_version="", lines=())
    assert shown(Booked(cost, 3_000_000, (("retry", -252_500),))) == {
        "x-scrimp-id": "id1",
        "x-scrimp-served-by": "upstream",
        "x-scrimp-trace": "exact_cache=miss;retry=again",
        "x-scrimp-cost-usd": "0.0032525",
        "x-scrimp-saved-usd": "-0.0002525",
    }


def test_unknown_money_is_never_shown_as_nothing() -> None:
    """A cost without a price, and the saving of a hit without one."""
    unknown = shown(Booked(UNKNOWN_COST, None))
    assert (unknown["x-scrimp-cost-usd"], unknown["x-scrimp-saved-usd"]) == ("unknown", "unknown")
    hit = shown(Booked(FREE_COST, None))
    assert (hit["x-scrimp-cost-usd"], hit["x-scrimp-saved-usd"]) == ("0", "unknown")
    assert "x-scrimp-cost-usd" not in shown(None)
