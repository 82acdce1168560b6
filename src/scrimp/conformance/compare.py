"""What a client should have got of a case, beside what it got through a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scrimp.calls import ReplyFacts
from scrimp.conformance.corpus import Case
from scrimp.conformance.verdict import Check, buckets, check
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import parse_object
from scrimp.dialects.sse import event_fields, split
from scrimp.dialects.usage_readers import read_reply, read_stream

_ADDED = frozenset({"stream_options", "model", "stream"})
"""A gateway may know a model by another name, and ask for usage; nothing else is its to change."""


@dataclass(frozen=True, slots=True)
class Got:
    """What a client got: `broken` when the connection ended before the answer did."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    broken: bool

    @property
    def streamed(self) -> bool:
        """Whether it came as events."""
        return "text/event-stream" in self.headers.get("content-type", "")


def sent_checks(sent: Mapping[str, Any], arrived: Mapping[str, Any]) -> Check:
    """The request reaches the provider as the client sent it."""
    changed = [name for name in sent if name not in _ADDED and arrived.get(name) != sent[name]]
    found = f"changed: {', '.join(changed)}" if changed else "unchanged"
    return Check("request", "unchanged", found, good=not changed)


def answer_checks(case: Case, got: Got, *, usage_asked: bool) -> tuple[Check, ...]:
    """Status, words, end and usage, or the error, as the provider's own client would see them."""
    if case.reply.status >= 400:
        return _error_checks(case, got)
    if not case.expected.complete and (case.framing == "json" or got.status >= 400):
        return (_failed_check(case, got),)
    right = case.body(usage_asked=usage_asked)
    facts, expected = _read(case, got.body), _read(case, right)
    checks = [
        check("status", case.reply.status, got.status),
        check("form", case.framing, "sse" if got.streamed else "json"),
        check("usage", buckets(expected.usage), buckets(facts.usage)),
        check("finish", expected.finish, facts.finish),
        _words_check(case, right, got.body),
    ]
    if case.framing == "sse":
        checks.append(_end_check(expected, facts, got))
    return tuple(checks)


def _read(case: Case, body: bytes) -> ReplyFacts:
    return read_stream(case.shape, body) if case.framing == "sse" else read_reply(case.shape, body)


def _words_check(case: Case, right: bytes, body: bytes) -> Check:
    """The same words; of an answer that breaks off, perhaps fewer, but no others."""
    expected, found = _words(case, right), _words(case, body)
    good = found == expected or (not case.expected.complete and expected.startswith(found))
    return Check("text and tool calls", expected, found, good=good)


def _words(case: Case, body: bytes) -> str:
    """Every text and tool call, however it was cut into pieces, and each vector."""
    dialect = DIALECTS[case.shape]
    if case.shape == "openai.embeddings":
        data = (parse_object(body) or {}).get("data")
        return str([one.get("embedding") for one in data]) if isinstance(data, list) else ""
    if case.framing == "sse":
        return "".join(sorted(_streamed_words(case, body)))
    return " | ".join(dialect.reply_texts(body))


def _streamed_words(case: Case, body: bytes) -> list[str]:
    """Texts of the whole that the stream makes; of one that broke, the words as they came."""
    dialect = DIALECTS[case.shape]
    if case.expected.complete:
        return list(dialect.reply_texts(dialect.from_stream(body)))
    events = [raw for raw in split(body) if b"error" not in event_fields(raw)[0]]
    return ["".join(text for raw in events for text in dialect.reply_texts(raw))]


def _end_check(expected: ReplyFacts, facts: ReplyFacts, got: Got) -> Check:
    """A whole answer ends whole; a broken one never looks whole."""
    if expected.complete:
        return check("end", "whole", _end(facts, got))
    found = _end(facts, got)
    return Check("end", "an error, or a broken connection", found, good=found != "whole")


def _end(facts: ReplyFacts, got: Got) -> str:
    if facts.error:
        return f"error: {facts.error}"
    if got.broken:
        return "broken connection"
    return "whole" if facts.complete else "ended without its end marker"


def _failed_check(case: Case, got: Got) -> Check:
    """A document that broke off, or that tells of a failure, is not an answer."""
    facts = _read(case, got.body)
    told = f"status {got.status}" + (", broken connection" if got.broken else "")
    good = got.status >= 500 or got.broken or bool(facts.error)
    return Check("end", "an error, or a broken connection", told, good=good)


def _error_checks(case: Case, got: Got) -> tuple[Check, ...]:
    facts = _read(case, got.body)
    found = facts.error or "no error of this API"
    return (
        check("status", case.reply.status, got.status),
        Check("error", case.expected.error, found, good=case.expected.error in facts.error),
    )
