"""What a request asks of the choice of its model, and where its call is headed before the choice.

A name such as `scrimp/auto` stands for a choice. Its call is headed for the reference, or for the
first of the candidates that the caller may use, so that a choice that fails changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace

from scrimp.calls import Target
from scrimp.choosing import NO_WISH, Wish
from scrimp.clamping.presets import canonical
from scrimp.errors import InvalidRequest, Rejected, UnknownModel
from scrimp.packing.tables import pack_wish
from scrimp.routing.tables import RouteSection, reference_of
from scrimp.routing.wishes import (
    NAMES,
    header_checks,
    header_wish,
    is_choice,
    kept_by_filters_only,
    named_wish,
)
from scrimp.shell.wire import label

_MOST_CHARS = 1024
_ROUTED = ("openai.chat", "openai.responses", "anthropic.messages", "anthropic.count_tokens")


class Served(Protocol):
    """Which provider serves which model."""

    def resolve(self, model: str, dialect: str) -> Target:
        """Raises UnknownModel, or InvalidRequest for a dialect that it is not served in."""
        ...


def wish_of(headers: Mapping[bytes, bytes], model: str) -> Wish:
    """Of the model's name and the headers together. Raises UnknownModel and InvalidRequest."""
    base = named_wish(model) if is_choice(model) else NO_WISH
    if b"x-scrimp-route" in headers:
        base = header_wish(label(headers, b"x-scrimp-route", _MOST_CHARS), base)
    if b"x-scrimp-checks" in headers:
        base = header_checks(label(headers, b"x-scrimp-checks", _MOST_CHARS), base)
    if b"x-scrimp-brief" in headers:
        base = replace(base, brief=_brief(label(headers, b"x-scrimp-brief")))
    if b"x-scrimp-pack" in headers:
        base = replace(base, pack=pack_wish(label(headers, b"x-scrimp-pack")))
    return base


def _brief(text: str) -> str:
    """`x-scrimp-brief`: a preset for the form of the answer. Raises InvalidRequest."""
    try:
        return canonical(text)
    except ValueError as error:
        raise InvalidRequest(f"x-scrimp-brief: {error}") from None


def headed_for(
    model: str, wish: Wish, section: RouteSection, targets: Served, dialect: str
) -> tuple[tuple[str, Target], ...]:
    """By which names, and where, the call may go unless a lever sends it elsewhere: best first.

    There is one at least, and one only where the call names a model. A model that is required is
    absolute: no other is ever the call's, whatever fails. Raises UnknownModel, InvalidRequest.
    """
    for name in wish.models:
        _resolved(name, targets, dialect)
    named = wish.required or ("" if is_choice(model) else model)
    if named:
        _check_kept(named, wish, section, dialect)
        return ((named, targets.resolve(named, dialect)),)
    if dialect not in _ROUTED:
        raise InvalidRequest(f"'{model}' is for chats: {dialect} needs a model by its name")
    if not section.enabled:
        raise UnknownModel(
            f"'{model[:80]}' needs models to choose from: routing is switched off ([route] "
            "enabled = true and models = […] in scrimp.toml)"
        )
    found: list[tuple[str, Target]] = []
    failure: Rejected | None = None
    for name in _best_first(wish, section):
        try:
            found.append((name, targets.resolve(name, dialect)))
        except Rejected as error:
            failure = failure or error
    if failure is not None and not found:
        raise failure
    return tuple(found)


def _best_first(wish: Wish, section: RouteSection) -> tuple[str, ...]:
    """What a choice may be headed for. Of a call's own list the reference, else its last."""
    reference = reference_of(section)
    if not wish.models:
        return tuple(dict.fromkeys((reference, *section.models)))
    best = (reference,) if reference in wish.models else ()
    return tuple(dict.fromkeys((*best, *reversed(wish.models))))


def _resolved(name: str, targets: Served, dialect: str) -> None:
    """Raises UnknownModel for a name that nobody knows: a list with an error in it is no list."""
    with suppress(InvalidRequest):  # served, and not in this dialect: it is no candidate here
        targets.resolve(name, dialect)


def _check_kept(model: str, wish: Wish, section: RouteSection, dialect: str) -> None:
    """Raises InvalidRequest for a demand on a named model that nothing here would keep."""
    if section.enabled and dialect in _ROUTED:
        return
    if said := kept_by_filters_only(wish, model):
        why = f"{dialect} is not routed" if section.enabled else "routing is switched off"
        raise InvalidRequest(
            f"x-scrimp-route says '{said}', which nothing keeps for a call that names "
            f"'{model[:80]}': {why} (leave it out, or [route] enabled = true for chats)"
        )


def shown(section: RouteSection) -> tuple[tuple[str, str], ...]:
    """The names that stand for a choice, for lists of models."""
    return tuple((name, "scrimp") for name in NAMES) if section.enabled else ()
