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

_WITH_TURNS = ("user", "assistant", "tool", "function")
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


_Read = tuple[Kind, tuple[str, ...], tuple[str, ...], bool, bool]
"""What one message is: its kind, ids of the tools that it calls, and of calls that it answers;
whether it goes with the last message, and whether with the next."""

_KEPT: _Read = ("fixed", (), (), False, False)
_ASKED: _Read = ("question", (), (), False, False)
_SAID: _Read = ("answer", (), (), False, False)


def units_of(items: Sequence[Any]) -> list[Unit]:
    """The conversation in units, in order; together they are all of it."""
    begins: list[int] = []
    kinds: list[Kind] = []
    asking: list[bool] = []
    called: dict[str, int] = {}
    joins = False
    for number, item in enumerate(items):
        kind, calls, answers, with_last, with_next = _read(item)
        first = number
        for one in answers:
            first = min(first, called.get(one, number))
        if begins and first == number:
            orphan = answers and kinds[-1] == "answer"
            if joins or with_last or orphan:
                first = begins[-1]
        if first == number:
            begins.append(number)
            kinds.append(kind)
            asking.append(kind == "question")
        elif kind != "answer" or begins[-1] > first:  # an answer adds nothing to the last unit
            _join(begins, kinds, asking, first, kind)
        for one in calls:
            called[one] = number
        joins = with_next
    return list(map(Unit, begins, [*begins[1:], len(items)], kinds, asking))


def _join(begins: list[int], kinds: list[Kind], asking: list[bool], first: int, kind: Kind) -> None:
    """Units from the one that holds `first` on become one, with a message of that kind."""
    asks = kind == "question"
    while True:
        begin, kind, asks = begins.pop(), _joined(kinds.pop(), kind), asking.pop() or asks
        if begin <= first:
            break
    begins.append(begin)
    kinds.append(kind)
    asking.append(asks)


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
    if not any(unit.kind == "question" for unit in units):
        return [True] * (len(order) + 1)
    may_go = set(order)
    kept = [at for at, unit in enumerate(units) if at not in may_go and unit.kind != "fixed"]
    stays = kept[0] if kept else len(units)
    firsts = [min(at, stays) for at in (*order[1:], stays)][: len(order)]
    return [True, *[at == len(units) or units[at].kind == "question" for at in firsts]]


def tool_names(items: Sequence[Any], found: dict[str, str] | None = None) -> dict[str, str]:
    """The name of the tool behind each call, by the id of the call; put to those of `found`.

    Some providers give the same ids again in each turn: the last call is meant.
    """
    found = {} if found is None else found
    for item in items:
        if not isinstance(item, dict):
            continue
        called, content = item.get("tool_calls"), item.get("content")
        if called is not None:
            _name_calls(found, called)
        if type(content) is str:
            continue
        if isinstance(key := item.get("call_id"), str):
            _name(found, key, item.get("name"))
        if content is not None:
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
    role = item.get("role") if isinstance(item, dict) else ""
    if role not in _WITH_TURNS:
        return _of_type(item) if role is None else _KEPT
    content, called = item.get("content"), item.get("tool_calls")
    if role == "assistant" and type(content) is not list and not item.get("tool_call_id"):
        ids = _ids(called) if called is not None else ()
        return ("answer", ids, (), False, False) if ids else _SAID
    key = item.get("tool_call_id")
    if role == "tool" and type(content) is str and called is None and type(key) is str and key:
        return "answer", (), (key,), False, False
    if role == "user" and type(content) is str and called is None and key is None:
        return _ASKED
    return _of_blocks(item, role)


def _of_blocks(item: Mapping[str, Any], role: Any) -> _Read:
    """A message of blocks, or of anything."""
    blocks = _objects(item.get("content"))
    calls = [call.get("id") for call in _objects(item.get("tool_calls"))]
    calls += [block.get("id") for block in blocks if block.get("type") in _USED]
    answers = [item.get("tool_call_id")]
    answers += [block.get("tool_use_id") for block in blocks]
    asks = role == "user" and not any(map(_is_result, blocks))
    kind: Kind = "question" if asks else "answer"
    given = _texts(answers)
    nameless = not given and not asks and role != "assistant"  # it answers what stands before it
    return kind, _texts(calls), given, nameless or role == "function", False


def _of_type(item: Mapping[str, Any]) -> _Read:
    """An item of OpenAI responses that has no role."""
    kind, ids = str(item.get("type")), _texts([item.get("call_id")])
    if kind == "reasoning":
        return "answer", (), (), False, True
    if kind.endswith("_output"):
        return "answer", (), ids, not ids, False
    if kind.endswith("_call"):
        return "answer", ids, (), False, False
    return _KEPT


def _is_output(item: Mapping[str, Any]) -> bool:
    return item.get("role") is None and str(item.get("type")).endswith("_call_output")


def _is_result(block: Mapping[str, Any]) -> bool:
    kind = str(block.get("type"))
    return kind == "tool_result" or kind.endswith(_RESULT)


def _joined(one: Kind, other: Kind) -> Kind:
    """Of two that go together: fixed as soon as one is, a question only where it comes first."""
    return "fixed" if "fixed" in (one, other) else one


def _objects(value: Any) -> list[dict[str, Any]]:
    if type(value) is list or isinstance(value, list | tuple):
        return [one for one in value if isinstance(one, dict)]
    return []


def _ids(called: Any) -> tuple[str, ...]:
    """Those of the tools that a message calls."""
    return tuple(
        [
            one
            for call in (called if isinstance(called, list | tuple) else ())
            if isinstance(call, dict) and (one := call.get("id")) and isinstance(one, str)
        ]
    )


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple([value for value in values if value and isinstance(value, str)])


def _name_calls(found: dict[str, str], called: Any) -> None:
    for call in called if isinstance(called, list | tuple) else ():
        if isinstance(call, dict):
            tool = call.get("function") or call.get("custom")
            _name(found, call.get("id"), tool.get("name") if isinstance(tool, dict) else None)


def _name(found: dict[str, str], key: Any, name: Any) -> None:
    if isinstance(key, str) and isinstance(name, str) and name:
        found[key] = name
