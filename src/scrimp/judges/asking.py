"""How a judging model is asked: a call of its own, with what it compares between secret marks.

Its calls have a purpose of their own, so that they pass the money guards and no cache, are booked
by themselves, and stand under no budget of the client's. What it reads may hold anything: it stands
between marks that nobody can guess, and is said to be material.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from scrimp.calls import Call, Caller, HeldSink, Target, Task, Trace
from scrimp.choosing import ITSELF
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.dialects.shorten import shortened
from scrimp.ports import Clock
from scrimp.remembered import CacheControl

TAG = "scrimp-audit"
"""Of all its calls: budgets and reports may name it."""
_PATHS = {"openai.chat": "/v1/chat/completions", "anthropic.messages": "/v1/messages"}
_JSON = (("content-type", "application/json"),)
_VERSION = (("anthropic-version", "2023-06-01"),)  # docs.anthropic.com, API versions


@dataclass(frozen=True, slots=True)
class Paper:
    """What a judge is given: its orders, then texts under their names, each between marks."""

    orders: str
    texts: Sequence[tuple[str, str]]
    mark: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Makes the calls to one judging model, which may answer `most_tokens` at most.

    They have `tags`, of which the first is that of all judges.
    """

    target: Target
    dialects: Mapping[str, Dialect]
    clock: Clock
    new_id: Callable[[], str]
    most_tokens: int
    tags: tuple[str, ...] = (TAG,)

    def call(self, who: Call, paper: Paper) -> Call:
        """A call on behalf of `who` made the call that is judged."""
        target = self.target
        dialect = self.dialects[target.dialect]
        request = dialect.read_request(_body(target, paper, self.most_tokens))
        request = shortened(request, dialect, target.model, self.most_tokens) or request
        own = who.caller.credential if target.provider == who.target.provider else None
        anthropic = target.dialect == "anthropic.messages"
        return replace(
            who,
            id=self.new_id(),
            purpose="audit",
            method="POST",
            path=_PATHS[target.dialect],
            headers=(*_JSON, *_VERSION) if anthropic else _JSON,
            request=request,
            target=target,
            caller=Caller(tenant=who.caller.tenant, tags=self.tags, credential=own),
            task=Task("classification", "none"),
            cache=CacheControl("no-store"),
            started_at=self.clock.now(),
            sink=HeldSink(),
            trace=Trace(),
            over_soft=False,
            wish=ITSELF,
        )


def _body(target: Target, paper: Paper, most_tokens: int) -> bytes:
    shown = "\n\n".join(
        f"[{paper.mark} {name}]\n{text}\n[{paper.mark} end]" for name, text in paper.texts
    )
    user = {"role": "user", "content": shown}
    fields: dict[str, object]
    if target.dialect == "anthropic.messages":
        fields = {"max_tokens": most_tokens, "system": paper.orders, "messages": [user]}
    else:
        fields = {"messages": [{"role": "system", "content": paper.orders}, user]}
    return encode({"model": target.model, **fields})
