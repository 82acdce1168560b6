"""What of a conversation belongs together, and in which order it may be left out. Pure.

Read from the messages themselves, in any of three shapes: OpenAI chat, OpenAI responses, Anthropic
messages. A tool's call stays with its results, a thought with what it led to. What no shape knows
is never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from scrimp.values import Value

Kind = Literal["fixed", "question", "answer"]
"""Never left out (instructions, and what nobody knows) · what a person asked · all the rest."""

_INSTRUCTIONS = ("system", "developer")
_ANSWERS = ("assistant", "tool", "function")
_USED = ("tool_use", "server_tool_use", "mcp_tool_use")
_RESULT = "_tool_result"


class Unit(Value, frozen=True):
    """Neighbouring messages `first` to `past` (not included) that stay or go together.

    `kind` is that of the first; `asks` is true where a question of a person stands among them.
    """

    first: int
    past: int
    kind: Kind
    asks: bool = False


class _Read(Value, frozen=True):
    """What one message is: ids of the tools that it calls, and of calls that it answers."""

    kind: Kind
    calls: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    with_last: bool = False
    with_next: bool = False


_ASKED, _SAID = _Read("question"), _Read("answer")


def units_of(items: Sequence[Any]) -> list[Unit]:
    """The conversation in units, in order; together they are all of it."""
    units: list[Unit] = []
    called: dict[str, int] = {}
    joins = False
    for number, item in enumerate(items):
        read = _read(item)
        first = number
        if read.answers:
            first = min([called[one] for one in read.answers if one in called], default=number)
        orphan = bool(read.answers) and first == number
        if units and (joins or read.with_last or (orphan and units[-1].kind == "answer")):
            first = min(first, units[-1].first)
        unit = Unit(number, number + 1, read.kind, read.kind == "question")
        while units and units[-1].past > first:
            last = units.pop()
            kind = _joined(last.kind, unit.kind)
            unit = Unit(last.first, number + 1, kind, last.asks or unit.asks)
        units.append(unit)
        if read.calls:
            called.update(dict.fromkeys(read.calls, number))
        joins = read.with_next
    return units


def removable(units: Sequence[Unit]) -> list[int]:
    """Which units may go, oldest first: not what is fixed, the newest, or the newest question."""
    asked = [number for number, unit in enumerate(units) if unit.asks]
    kept = {len(units) - 1, asked[-1] if asked else -1}
    return [
        number for number, unit in enumerate(units) if unit.kind != "fixed" and number not in kept
    ]


def is_legal(units: Sequence[Unit], order: Sequence[int], count: int) -> bool:
    """True when what is left without the first `count` of `order` begins with a question.

    Anthropic takes no conversation that begins with an answer. One without any question may begin
    with whatever it began with.
    """
    return legal_cuts(units, order)[count]


def legal_cuts(units: Sequence[Unit], order: Sequence[int]) -> list[bool]:
    """`is_legal` of every count from none to all."""
    if all(unit.kind != "question" for unit in units):
        return [True] * (len(order) + 1)
    loose = [number for number, unit in enumerate(units) if unit.kind != "fixed"]
    found, gone, at = [True], set[int](), 0
    for number in order:
        gone.add(number)
        while at < len(loose) and loose[at] in gone:
            at += 1
        found.append(at == len(loose) or units[loose[at]].kind == "question")
    return found


def tool_names(items: Sequence[Any]) -> dict[str, str]:
    """The name of the tool behind each call, by the id of the call."""
    found: dict[str, str] = {}
    for item in items:
        if not isinstance(item, dict):
            continue
        if (called := item.get("tool_calls")) is not None:
            for call in _objects(called):
                tool = call.get("function") or call.get("custom")
                _name(found, call.get("id"), tool.get("name") if isinstance(tool, dict) else None)
        if type(content := item.get("content")) is not str:
            if isinstance(item.get("call_id"), str):
                _name(found, item["call_id"], item.get("name"))
            for block in _objects(content):
                if block.get("type") in _USED:
                    _name(found, block.get("id"), block.get("name"))
    return found


def is_results(item: Any) -> bool:
    """True for a message that holds results of tools which the client ran."""
    if not isinstance(item, dict):
        return False
    if item.get("role") == "tool" or _is_output(item):
        return True
    return any(block.get("type") == "tool_result" for block in _objects(item.get("content")))


def _read(item: Any) -> _Read:
    if not isinstance(item, dict):
        return _Read("fixed")
    role = item.get("role")
    if role is None:
        return _of_type(item)
    if role in _INSTRUCTIONS or role not in ("user", *_ANSWERS):
        return _Read("fixed")
    content = item.get("content")
    if type(content) is str and (plain := _plain(item, role)) is not None:
        return plain
    blocks = _objects(content)
    calls = [call.get("id") for call in _objects(item.get("tool_calls"))]
    if not blocks and role == "assistant":
        return _Read("answer", _texts(calls))
    calls += [block.get("id") for block in blocks if block.get("type") in _USED]
    answers = [item.get("tool_call_id")]
    answers += [block.get("tool_use_id") for block in blocks]
    kind: Kind = "answer"
    if role == "user" and not any(map(_is_result, blocks)):
        kind = "question"
    return _Read(kind, _texts(calls), _texts(answers), with_last=role == "function")


def _plain(item: Mapping[str, Any], role: Any) -> _Read | None:
    """A message of one text, on a short way; most are."""
    if role == "function" or "tool_calls" in item:
        return None
    key = item.get("tool_call_id")
    if key is None:
        return _ASKED if role == "user" else _SAID
    return _Read("answer", answers=(key,)) if role == "tool" and type(key) is str and key else None


def _of_type(item: Mapping[str, Any]) -> _Read:
    """An item of OpenAI responses that has no role."""
    kind, ids = str(item.get("type")), _texts([item.get("call_id")])
    if kind == "reasoning":
        return _Read("answer", with_next=True)
    if kind.endswith("_output"):
        return _Read("answer", answers=ids)
    if kind.endswith("_call"):
        return _Read("answer", calls=ids)
    return _Read("fixed")


def _is_output(item: Mapping[str, Any]) -> bool:
    return item.get("role") is None and str(item.get("type")).endswith("_call_output")


def _is_result(block: Mapping[str, Any]) -> bool:
    kind = str(block.get("type"))
    return kind == "tool_result" or kind.endswith(_RESULT)


def _joined(one: Kind, other: Kind) -> Kind:
    """Of two that go together: fixed as soon as one is, a question only where it comes first."""
    return "fixed" if "fixed" in (one, other) else one


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list | tuple):
        return []
    return [one for one in value if isinstance(one, dict)]


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple([value for value in values if isinstance(value, str) and value])


def _name(found: dict[str, str], key: Any, name: Any) -> None:
    if isinstance(key, str) and isinstance(name, str) and name:
        found[key] = name
