"""A call as its target's provider is asked: in the provider's own dialect, where that is another.

Only openai.chat and anthropic.messages have each other for a counterpart.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple

from msgspec.structs import replace

from scrimp.calls import Call, Request, Target
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest
from scrimp.prices.rates import ModelPrice
from scrimp.translation import chat_to_messages, messages_to_chat
from scrimp.translation.chat_to_messages import NO_LIMIT_TOKENS
from scrimp.translation.draft import Draft
from scrimp.translation.errors import credential_for, sent_headers

_PATHS = {"openai.chat": "/v1/chat/completions", "anthropic.messages": "/v1/messages"}


class Said(NamedTuple):
    """A request in another dialect, and the names of what was left out, as it changes no answer."""

    request: Request
    left_out: tuple[str, ...]


class Translator:
    """`spoken` tells in which dialect a provider is asked that should be asked in another.

    `known` is what the price book knows of a model, `asked` names the providers that tell the usage
    of a stream when they are asked.
    """

    def __init__(
        self,
        spoken: Callable[[str, str], str],
        known: Callable[[Target], ModelPrice | None],
        asked: Container[str],
    ) -> None:
        self._spoken = spoken
        self._known = known
        self._asked = asked

    def spoken(self, target: Target) -> str:
        """The dialect in which the target's provider is asked."""
        return self._spoken(target.provider, target.dialect)

    def as_sent(self, call: Call) -> Call:
        """The call for its provider: the same one where nothing has to be translated.

        Raises InvalidRequest for what has no counterpart.
        """
        return self.across(call)[0]

    def across(self, call: Call) -> tuple[Call, tuple[str, ...]]:
        """The same, and the names of what was left out."""
        target = call.target
        spoken = self._spoken(target.provider, target.dialect)
        if spoken == target.dialect or call.operation != "chat":
            return call, ()
        return self._across(call, spoken)

    def why_not(self, request: Request, target: Target) -> str:
        """Why a request cannot go to a target; empty when it can, translated or not."""
        return why_unsaid(request, target, self.spoken(target))

    def said(self, request: Request, target: Target) -> Said:
        """The request as the target's provider is asked. Raises InvalidRequest."""
        spoken = self.spoken(target)
        if spoken == target.dialect:
            return Said(request, ())
        found = self._known(target)
        if spoken == "anthropic.messages":
            limit = None if found is None else found.max_output_tokens
            draft = chat_to_messages.translated(
                request.fields, model=target.model, max_tokens=limit
            )
            # a model's own limit is none of the call's: whoever is refused hears that it set none
            least = None if limit else NO_LIMIT_TOKENS
            return _said(request, draft, least)
        provider = target.provider if found is None else found.provider
        asks = target.provider in self._asked
        draft = messages_to_chat.translated(
            request.fields, model=target.model, provider=provider, ask_usage=asks
        )
        return _said(request, draft, None, include_usage=asks)

    def _across(self, call: Call, spoken: str) -> tuple[Call, tuple[str, ...]]:
        target = call.target
        request, left_out = self.said(call.request, target)
        caller = call.caller
        if caller.credential is not None:
            caller = replace(caller, credential=credential_for(caller.credential, spoken))
        sent = replace(
            call,
            path=_PATHS[spoken],
            headers=sent_headers(call.headers, spoken),
            request=request,
            target=replace(target, dialect=spoken),
            caller=caller,
        )
        return sent, left_out


def respoken(request: Request, said: str, target: Target) -> Request:
    """A request as an attempt at this target was asked, its limit of output apart.

    Raises InvalidRequest.
    """
    if said == target.dialect:
        return request
    if target.dialect == "anthropic.messages":
        draft = chat_to_messages.translated(request.fields, model=target.model, max_tokens=None)
    else:
        draft = messages_to_chat.translated(
            request.fields, model=target.model, provider=target.provider, ask_usage=False
        )
    return _said(request, draft, None).request


def why_unsaid(request: Request, target: Target, spoken: str) -> str:
    """Why a target cannot be asked in this dialect (`Targets.spoken`); empty when it can."""
    try:
        respoken(request, target.dialect, replace(target, dialect=spoken))
    except InvalidRequest as error:
        return str(error)
    return ""


def _said(
    request: Request, draft: Draft, own_limit: int | None, *, include_usage: bool = True
) -> Said:
    try:
        body = encode(draft.fields)
    except RecursionError:  # arguments of a tool are read on their own, and then stand deeper
        raise InvalidRequest("arguments of a tool are nested more deeply than is read") from None
    made = Request(
        body=body,
        fields=draft.fields,
        model=draft.fields["model"],
        stream=request.stream,
        include_usage=include_usage,
        max_output_tokens=request.max_output_tokens or own_limit,
        side_effects=request.side_effects,
        user=request.user,
        metadata=request.metadata,
    )
    return Said(made, tuple(draft.left_out))
