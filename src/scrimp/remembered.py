"""What is said of remembered answers: how a request may use them, what names them, which are meant.

Pure. The same words serve answers by word and answers by meaning.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, Protocol

from msgspec.structs import replace

from scrimp.errors import InvalidRequest
from scrimp.values import Value

LOG_S = 24 * 3600
"""How long it is known what was forgotten; what was asked for before is not remembered any more."""


class CacheControl(Value, frozen=True):
    """What one request asks of the caches (`x-scrimp-cache`, `x-scrimp-ttl`).

    `no-store` neither reads nor writes, `refresh` does not read but writes, `only` answers from
    the cache or not at all. `ttl_s` overrides the time to live of the task type. `name` and `tags`
    are kept with the answer, so that it can be found again and forgotten.
    """

    mode: Literal["default", "no-store", "refresh", "only"] = "default"
    ttl_s: int | None = None
    name: str = ""
    tags: tuple[str, ...] = ()


class About(Value, frozen=True, omit_defaults=True):
    """What an answer can be found and forgotten by, and who brought it.

    `caller` pays for the room: who holds most makes room first, and each has a limit of new
    questions per hour. An empty one (warming by the operator) has no such limit.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    model: str = ""
    caller: str = ""


UNNAMED = About()


def named_as(asked: CacheControl, about: About) -> CacheControl:
    """What a call asks, with the names of an answer that its own will stand in place of."""
    tags = tuple(dict.fromkeys((*about.tags, *asked.tags)))
    return replace(asked, name=asked.name or about.name, tags=tags)


class Chosen(Value, frozen=True, omit_defaults=True):
    """Which remembered answers are meant: all conditions that are set must hold.

    `key` is the name that a caller gave an answer. `pattern` (shell style, upper and lower case
    alike) matches such names, tags, or stored text.
    """

    key: str = ""
    tag: str = ""
    pattern: str = ""
    model: str = ""
    tenant: str = ""
    task: str = ""
    stored_before: datetime | None = None


def all_of(tenant: str, task: str, now: datetime) -> Chosen:
    """Everything that there is of a tenant, a task type, both, or (both empty) of all."""
    if tenant or task:
        return Chosen(tenant=tenant, task=task)
    return Chosen(stored_before=now + timedelta(seconds=LOG_S))  # what is on its way, too


class Forgets(Protocol):
    """Whatever remembers answers."""

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget, or with `dry_run` only count, all that is chosen. Raises InvalidRequest."""
        ...


def check_chosen(chosen: Chosen) -> None:
    """Raise InvalidRequest when nothing is said of what is to be forgotten."""
    if chosen == Chosen():
        raise InvalidRequest(
            "nothing says which answers are to be forgotten "
            "(name a key, tag, pattern, model, tenant, task or age)"
        )
    check_text(chosen)


def check_text(chosen: Chosen) -> None:
    """Raise InvalidRequest for words that no answer can have, nor any store look for."""
    words = (chosen.key, chosen.tag, chosen.pattern, chosen.model, chosen.tenant, chosen.task)
    if any("\ud800" <= sign <= "\udfff" for sign in "".join(words)):
        raise InvalidRequest(
            "what is to be forgotten is named by signs that are no text (half a pair, a terminal "
            "that does not speak UTF-8), so no answer has that name"
        )


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text is meant by a pattern of the shell, in upper or lower case."""
    match = re.compile(fnmatch.translate(pattern.casefold())).match
    return lambda text: match(text.casefold()) is not None
