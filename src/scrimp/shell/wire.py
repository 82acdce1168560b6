"""Between HTTP headers and words: what of a request is ours, the provider's, or nobody's. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

from msgspec.structs import replace

from scrimp.calls import Caller, Headers, Reply, Trace
from scrimp.errors import InvalidRequest
from scrimp.identity import VirtualKey
from scrimp.ledger.booking import total_usage
from scrimp.ledger.prefixes import prefix_headers
from scrimp.money import decimal_usd
from scrimp.remembered import CacheControl

OURS = "x-scrimp-"
_NOT_FORWARDED = frozenset(
    {
        # hop by hop (RFC 9110, section 7.6.1)
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # set anew for the provider, or meant for the gateway alone
        "host",
        "content-length",
        "accept-encoding",
        "expect",
        "cookie",
        "origin",
        "referer",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        # credentials: the provider's own are added by the upstream
        "authorization",
        "x-api-key",
        "api-key",
    }
)
_NOT_RETURNED = frozenset({"content-length", "transfer-encoding", "date", "server", "content-type"})
_MAX_TAGS = 16
_MAX_LABEL = 128
_CACHE_MODES: Mapping[str, CacheControl] = {
    "": CacheControl(),
    "default": CacheControl(),
    "no-store": CacheControl("no-store"),
    "refresh": CacheControl("refresh"),
    "only": CacheControl("only"),
}


@lru_cache(maxsize=1024)
def _end_to_end(name: bytes) -> str:
    """A header's name when it is the provider's to see, else nothing."""
    text = name.decode("latin-1")
    return "" if text in _NOT_FORWARDED or text.startswith(OURS) else text


def forwarded(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """The client's end-to-end headers: not ours, no credentials, nothing hop by hop."""
    try:
        kept = tuple(
            [
                (name, value.decode())
                for raw_name, value in headers
                if (name := _end_to_end(raw_name))
            ]
        )
    except UnicodeDecodeError:
        kept = tuple(
            [(name, _text(value)) for raw_name, value in headers if (name := _end_to_end(raw_name))]
        )
    named = [value for name, value in headers if name == b"connection"]
    if not named or named == [b"keep-alive"]:
        return kept
    dropped = {token.strip().lower() for token in b",".join(named).decode("latin-1").split(",")}
    return tuple(pair for pair in kept if pair[0] not in dropped)


def _text(value: bytes) -> str:
    """A header's value. The upstream sends text as UTF-8: read so, its bytes stay as they are."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def credential(headers: Mapping[bytes, bytes]) -> tuple[str, str] | None:
    """What the client authenticates with, as (header, value); None when it brings nothing."""
    if value := headers.get(b"authorization"):
        return "authorization", _text(value)
    if value := headers.get(b"x-api-key"):
        return "x-api-key", _text(value)
    return None


def secret_of(given: tuple[str, str] | None) -> str:
    """The bare key inside a credential."""
    if given is None:
        return ""
    name, value = given
    if name == "authorization":
        scheme, _, token = value.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return value.strip()


def sha256_hex(secret: str) -> str:
    """How a virtual key is looked up. Keys are 256 random bits, so a plain digest is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def declares_json(headers: Mapping[bytes, bytes]) -> bool:
    """True when the body's content type is JSON, as every SDK sends it."""
    declared = headers.get(b"content-type", b"")
    if declared == b"application/json":
        return True
    kind = declared.split(b";", 1)[0].strip().lower()
    return kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )


def cache_control(headers: Mapping[bytes, bytes]) -> CacheControl:
    """`x-scrimp-cache`, `-ttl`, `-cache-name` and `-cache-tags`. Raises InvalidRequest."""
    mode = label(headers, b"x-scrimp-cache").lower()
    control = _CACHE_MODES.get(mode)
    if control is None:
        raise InvalidRequest(f"x-scrimp-cache {mode[:40]!r} is none of no-store, refresh, only")
    if b"x-scrimp-cache-name" in headers or b"x-scrimp-cache-tags" in headers:
        name = label(headers, b"x-scrimp-cache-name")
        control = replace(control, name=name, tags=_tags(headers, b"x-scrimp-cache-tags"))
    ttl = label(headers, b"x-scrimp-ttl")
    if not ttl:
        return control
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= 9):
        raise InvalidRequest(f"x-scrimp-ttl {ttl[:40]!r} is not a whole number of seconds")
    return replace(control, ttl_s=int(ttl))


def caller(headers: Mapping[bytes, bytes], key: VirtualKey | None, body_user: str) -> Caller:
    """On whose behalf: org, team, user and default tags are the key's; tags and session by header.

    A user that is named (by header, else by the body) is an end user where the key is trusted, and
    otherwise only written down: nobody charges another's budget by a name. Without keys there is
    one caller, who is believed.
    """
    tags = _tags(headers, b"x-scrimp-tags")
    named = label(headers, b"x-scrimp-user") or _shown(body_user)
    if key is None:
        session = label(headers, b"x-scrimp-session")
        who = Caller("local", user=named, tags=tags, session=session)
        return replace(who, end_user=named, reported_user=named) if named else who
    return Caller(
        tenant=f"key:{key.name}",
        key=key.name,
        team=key.team,
        user=key.user,
        tags=tuple(dict.fromkeys((*key.tags, *tags))) if tags or key.tags else (),
        session=label(headers, b"x-scrimp-session"),
        org=key.org,
        end_user=named if key.trusted else "",
        reported_user=named,
        models=key.models,
    )


def task_header(headers: Mapping[bytes, bytes]) -> str:
    """`x-scrimp-task`, or nothing."""
    return label(headers, b"x-scrimp-task").lower()


def returned(headers: Headers) -> Headers:
    """The provider's headers that the client may see, framing apart."""
    return tuple(pair for pair in headers if pair[0] not in _NOT_RETURNED and OURS not in pair[0])


def id_headers(call_id: str) -> Headers:
    """What every answer carries."""
    return (("x-scrimp-id", call_id),)


def trace_headers(call_id: str, trace: Trace, reply: Reply | None = None) -> Headers:
    """The call's id, who served it, and its trace in short; cost and saving once it is booked."""
    served_by = reply.served_by if reply is not None else trace.served_by
    found = [
        ("x-scrimp-id", call_id),
        ("x-scrimp-served-by", served_by),
        ("x-scrimp-trace", ";".join(f"{line.lever}={line.verdict}" for line in trace.lines)),
    ]
    if (booked := trace.booked) is not None:
        cost = booked.cost
        found.append(
            ("x-scrimp-cost-usd", "unknown" if cost.nanousd is None else decimal_usd(cost.nanousd))
        )
        saved = decimal_usd(sum(nanousd for _, nanousd in booked.saved))
        known = booked.baseline_nanousd is not None
        found.append(("x-scrimp-saved-usd", saved if known else "unknown"))
        if trace.attempts:
            found += prefix_headers(total_usage(trace.attempts), trace.lines)
    found += trace.headers.items()
    return tuple(found)


def beside(theirs: Iterable[tuple[str, str]], ours: Headers) -> Headers:
    """The provider's headers and ours: of two with one name ours is the one that holds here."""
    names = {name for name, _ in ours}
    kept = (pair for pair in theirs if pair[0] not in names and not pair[0].startswith(OURS))
    return (*kept, *ours)


def unread_headers(call_id: str, trace: Trace) -> Headers:
    """The same for an answer that Scrimp passes on unread: it never learns what it cost."""
    return (*trace_headers(call_id, trace), ("x-scrimp-cost-usd", "unknown"))


def _shown(text: str) -> str:
    """A word of the body as it may stand in reports: a terminal obeys control characters."""
    if not text.isprintable():
        text = "".join(filter(str.isprintable, text))
    return text[:_MAX_LABEL]


def _tags(headers: Mapping[bytes, bytes], header: bytes) -> tuple[str, ...]:
    """Words between commas, each once: twice would count twice in reports."""
    if header not in headers:
        return ()
    given = (tag.strip() for tag in label(headers, header, 2048).split(","))
    tags = tuple(dict.fromkeys(tag for tag in given if tag))
    if len(tags) > _MAX_TAGS or any(len(tag) > _MAX_LABEL for tag in tags):
        raise InvalidRequest(
            f"{header.decode()} holds {len(tags)} tags; "
            f"at most {_MAX_TAGS} of {_MAX_LABEL} characters"
        )
    return tags


def label(headers: Mapping[bytes, bytes], name: bytes, limit: int = _MAX_LABEL) -> str:
    """One of our headers as text (percent-encoding is how UTF-8 travels in a header)."""
    value = headers.get(name)
    if value is None:
        return ""
    text = unquote(value.decode("latin-1")).strip()
    if len(text) > limit:
        raise InvalidRequest(f"{name.decode()} has {len(text)} characters; at most {limit}")
    if not text.isprintable():
        raise InvalidRequest(f"{name.decode()} holds control characters")
    return text
