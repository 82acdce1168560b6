"""Which remembered replies are meant by what somebody wants forgotten; the same for all engines."""

from __future__ import annotations

from collections.abc import Callable

from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest
from scrimp.ports import StoredReply
from scrimp.remembered import Chosen, check_text, matcher

Meant = Callable[[StoredReply], bool]


def chooser(chosen: Chosen) -> Meant:
    """Whether a reply is meant: all conditions that are set hold for it."""
    match = matcher(chosen.pattern) if chosen.pattern else None

    def meant(stored: StoredReply) -> bool:
        return meets(chosen, stored) and (
            match is None or any(match(text) for text in _words(stored))
        )

    return meant


def meets(chosen: Chosen, stored: StoredReply) -> bool:
    """All conditions hold, apart from the pattern."""
    about, scope, limit = stored.about, stored.scope, chosen.stored_before
    return (
        (not chosen.key or chosen.key == about.name)
        and (not chosen.tag or chosen.tag in about.tags)
        and (not chosen.model or chosen.model in (about.model, stored.reply.facts.model))
        and (not chosen.tenant or chosen.tenant == scope.tenant)
        and (not chosen.task or chosen.task == scope.task)
        and (limit is None or stored.stored_at < limit)
    )


def check_pattern(chosen: Chosen, found: int, others: int) -> None:
    """Raise InvalidRequest when a pattern matches nothing, and was perhaps meant for questions.

    `others` are replies that meet every other condition.
    """
    if chosen.pattern and not found and others:
        raise InvalidRequest(
            f"pattern {chosen.pattern!r} matches no name, tag or answer of {others:,} remembered "
            "replies, and the texts of their questions are not kept "
            "(choose by tag, name, model or age)"
        )


def part(tenant: str | None, task: str | None) -> Chosen:
    """What `clear` means. Raises InvalidRequest."""
    chosen = Chosen(tenant=tenant or "", task=task or "")
    check_text(chosen)
    return chosen


def _words(stored: StoredReply) -> tuple[str, ...]:
    """Names, tags, and the texts of the answer, whichever dialect it is in."""
    about, body = stored.about, stored.reply.body or b""
    texts = {text for dialect in DIALECTS.values() for text in dialect.reply_texts(body)}
    return (about.name, *about.tags, *texts)
