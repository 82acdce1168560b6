"""Who may share answers by meaning: a key over all that can change an answer, but the question.

Two calls that differ in anything but the text of the question have different scopes, and search
never leaves a scope. What a caller says of itself is no part of who it is: the tenant is.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from scrimp.calls import Call
from scrimp.choosing import NO_WISH
from scrimp.dialects.base import Dialect
from scrimp.fingerprint import wish_bytes
from scrimp.semantics.question import Question

VERSION = 2
"""Of how questions are cut and sketched, and keys made: another one finds nothing of the old."""
_SORTED = msgspec.json.Encoder(order="sorted")
_SCRIPTS = (  # first and last sign of what is not written in Latin letters
    ("greek", "\u0370", "\u03ff"),
    ("cyrillic", "\u0400", "\u052f"),
    ("hebrew", "\u0590", "\u05ff"),
    ("arabic", "\u0600", "\u077f"),
    ("indic", "\u0900", "\u0dff"),
    ("thai", "\u0e00", "\u0e7f"),
    ("kana", "\u3040", "\u30ff"),
    ("han", "\u3400", "\u9fff"),
    ("hangul", "\uac00", "\ud7af"),
)


@dataclass(frozen=True, slots=True)
class ScopeRules:
    """What the settings add: a secret, the version of what answers rest on, who shares.

    `pools` names, by tenant, a group of tenants that were declared to share.
    """

    secret: bytes
    embedder: str
    corpus: str = ""
    pools: Mapping[str, str] = field(default_factory=dict)


def scope_key(call: Call, question: Question, dialect: Dialect, rules: ScopeRules) -> bytes:
    """HMAC-SHA-256, each part behind its length."""
    target = call.target
    pool = rules.pools.get(call.caller.tenant)
    mac = hmac.new(rules.secret, b"%d|" % VERSION, "sha256")
    for part in (
        "tenant" if pool is None else "pool",
        call.caller.tenant if pool is None else pool,
        target.provider,
        target.dialect,
        call.path,
        "" if call.task.source == "classifier" else call.task.name,  # it guesses by the question
        script(question.text),
        rules.corpus,
        rules.embedder,
        *question.context,
        *(f"{name}:{value}" for name, value in sorted(dialect.answer_headers(call.headers))),
    ):
        data = part.encode("utf-8", "surrogatepass")
        mac.update(b"%d:" % len(data))
        mac.update(data)
    mac.update(b"|")
    mac.update(_SORTED.encode({**question.rest, "model": target.model}))
    if call.wish != NO_WISH:
        mac.update(wish_bytes(call.wish))
    return mac.digest()


def script(text: str) -> str:
    """How a text is written; languages that share letters are told apart by what decides."""
    if text.isascii():
        return "latin"
    counts = {
        name: sum(1 for sign in text if first <= sign <= last) for name, first, last in _SCRIPTS
    }
    if counts["kana"]:  # Japanese mixes the two
        counts["kana"] += counts.pop("han")
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] * 3 > len(text) else "latin"
