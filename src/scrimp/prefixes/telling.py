"""A prompt with what its provider is to be told about caching it: marks, mode, key. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from scrimp.calls import Request
from scrimp.dialects.json_body import encode
from scrimp.prefixes.placing import claude_marked, claude_parts, control_of
from scrimp.prefixes.placing_messages import marks_passed_on, messages_parts
from scrimp.prefixes.placing_openai import (
    BREAKPOINT,
    chat_marked,
    chat_parts,
    responses_marked,
    responses_parts,
    translated_marked,
    translated_parts,
)
from scrimp.prefixes.planning import Plan, Prices
from scrimp.prefixes.prompt import Keys, Part, Place, Prompt, is_told
from scrimp.prefixes.rules import Rules
from scrimp.values import Value

Way = Literal["claude", "translated", "messages", "chat", "responses"]
"""In which words a prompt stands, and in which it is marked.

`translated` is a chat for Anthropic, `messages` one of Anthropic's prompts for another provider.
"""

TOLD_FIELDS = (
    "cache_control",
    "prompt_cache_breakpoint",
    "prompt_cache_options",
    "prompt_cache_key",
    "prompt_cache_retention",
)

Fields = Mapping[str, Any]

_PARTS: Mapping[Way, Callable[[Fields], Iterator[Part]]] = {
    "claude": claude_parts,
    "translated": translated_parts,
    "messages": messages_parts,
    "chat": chat_parts,
    "responses": responses_parts,
}
_READ: Mapping[Way, frozenset[str]] = {
    "claude": frozenset({"tools", "system", "messages"}),
    "translated": frozenset({"tools", "messages"}),
    "chat": frozenset({"tools", "messages"}),
    "responses": frozenset({"tools", "instructions", "input"}),
}
"""Fields all of which are parts; of `messages` thoughts are none, and may be marked."""
_EXPLICIT: Fields = {"mode": "explicit"}
_IMPLICIT: Fields = {"mode": "implicit"}
_OPENAI_MARKS = frozenset({"prompt_cache_breakpoint", "prompt_cache_options"})


class Terms(NamedTuple):
    """Rules and prices of a call's model, and in which words its prompt is marked."""

    rules: Rules
    prices: Prices
    way: Way


class Told(Value, frozen=True, gc=False):
    """The fields to send, at which places they are new, and in a word what was done.

    `marks` are those that carry a mark; the provider's own end of a prompt is none of them.
    """

    HIDDEN = frozenset({"fields"})

    fields: dict[str, Any]
    new: tuple[Place, ...]
    verdict: Literal["marked", "one_shot", "keyed", "passed_on"]
    marks: int = 0


def parts_of(fields: Fields, way: Way) -> Iterator[Part]:
    """The parts of a prompt in the order in which its provider reads them."""
    return _PARTS[way](fields)


def says_itself(request: Request, prompt: Prompt, way: Way) -> bool:
    """True where the client says how its prompt is cached: in a part of it, or beside them.

    What is told beside them is short, so that no body is looked through.
    """
    read = _READ.get(way)
    if prompt.marked or read is None:
        return prompt.marked or is_told(request.body)
    return is_told(encode({name: one for name, one in request.fields.items() if name not in read}))


def told(
    fields: Fields,
    prompt: Prompt,
    found: Plan,
    terms: Terms,
    *,
    keys: Keys,
    withheld: frozenset[str] = frozenset(),
) -> Told | None:
    """The prompt with what is told of it; None where nothing is. `withheld` fields are not sent."""
    rules, chosen = terms.rules, [prompt.parts[prompt.ends[at]] for at in found.marks]
    if rules.marks == "cache_control":
        if not chosen or rules.marks in withheld:
            return None
        places = tuple([part.place for part in chosen])
        marked = claude_marked if terms.way == "claude" else translated_marked
        control = control_of(rules.lives[found.life].name)
        return Told(marked(fields, places, control), places, "marked", len(places))
    marks = rules.marks and not withheld & _OPENAI_MARKS
    if marks and found.tokens < rules.least_tokens:
        return None
    if marks and not chosen:
        return Told({**fields, "prompt_cache_options": _EXPLICIT}, (), "one_shot")
    extra = _keyed(prompt, rules, keys, withheld)
    if not marks:
        return Told({**fields, **extra}, (), "keyed") if extra else None
    places = tuple([part.place for part in chosen if part.ends == "marked"])
    if len(places) == len(chosen):
        extra["prompt_cache_options"] = _EXPLICIT
    else:
        places = places[-(rules.most_marks - 1) :]  # its own mark is one of four
    sent = _marked(fields, places, terms.way)
    new = _changed(fields, sent) if terms.way == "responses" else places
    return Told({**sent, **extra}, new, "marked", len(places))


def passed_on(
    fields: Fields,
    prompt: Prompt,
    found: Plan,
    terms: Terms,
    *,
    keys: Keys,
    withheld: frozenset[str] = frozenset(),
) -> Told | None:
    """One of Anthropic's prompts, for another provider, that its client has marked itself.

    Its marks become breakpoints. The mode stays the provider's own: the end of the prompt is kept
    as it would be without a word, so that nothing is lost where a mark has no counterpart.
    """
    rules = terms.rules
    extra = _keyed(prompt, rules, keys, withheld)
    marks = marks_passed_on(fields) if rules.marks and not withheld & _OPENAI_MARKS else 0
    if not marks or found.tokens < rules.least_tokens:
        return Told({**fields, **extra}, (), "keyed") if extra else None
    extra["prompt_cache_options"] = _IMPLICIT
    return Told({**fields, **extra}, (), "passed_on", marks)


def _keyed(prompt: Prompt, rules: Rules, keys: Keys, withheld: frozenset[str]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if rules.retention and "prompt_cache_retention" not in withheld:
        extra["prompt_cache_retention"] = "24h"
    if rules.key and "prompt_cache_key" not in withheld:
        extra["prompt_cache_key"] = keys.of(prompt)
    return extra


def _marked(fields: Fields, places: Collection[Place], way: Way) -> dict[str, Any]:
    if way == "messages":
        return claude_marked(fields, places, control_of("5m"))
    return (responses_marked if way == "responses" else chat_marked)(fields, places, BREAKPOINT)


def _changed(fields: Fields, marked: Fields) -> tuple[Place, ...]:
    """The places of `input` that are not as they came: results of tools become lists, too."""
    before, after = fields.get("input"), marked.get("input")
    if not isinstance(before, list) or not isinstance(after, list):
        return () if before is after else (("input", 0),)
    pairs = enumerate(zip(before, after, strict=True))
    return tuple([("input", at) for at, (one, other) in pairs if one is not other])


def sorted_tools(fields: Fields) -> dict[str, Any] | None:
    """The same prompt with its tools by name; None where they stand so, or have no names."""
    tools = fields.get("tools")
    if not isinstance(tools, list) or len(tools) < 2:
        return None
    names = [_name(tool) for tool in tools]
    ordered = sorted(names)
    if names == ordered or not all(names) or len(set(names)) < len(names):
        return None
    by_name = dict(zip(names, tools, strict=True))
    return {**fields, "tools": [by_name[name] for name in ordered]}


def _name(tool: object) -> str:
    if not isinstance(tool, dict):
        return ""
    said = tool.get("function") or tool.get("custom") or tool
    name = said.get("name") if isinstance(said, dict) else None
    return name if isinstance(name, str) else ""
