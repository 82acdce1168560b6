"""What breaks prefixes: where a prompt parts from one sent before, and goes on like it. Pure.

Of parts, lines and tools only hashes are kept, under a key that Python draws for each process. Text
is looked at while the call is here, and only the line at which it parted, to say what it holds.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from scrimp.prefixes.heads import (
    Ends,
    Head,
    Opened,
    common,
    in_blocks,
    newline_of,
    opened,
    same_ends,
    tools_of,
)
from scrimp.prefixes.prompt import BYTES_PER_TOKEN, LISTED, Part, Prompt
from scrimp.prefixes.rules import Rules
from scrimp.values import Value

Kind = Literal["timestamp", "id", "nonce", "order", "keys", "tools", "settings", "removed", "text"]
"""timestamp, id, nonce: what the line holds · order: the same tools in another order · keys: a tool
with the same keys in another order · tools: others than before · settings: of the whole call ·
removed: what stood there is gone · text: anything else."""

LEAST_LOST_TOKENS = 256
"""Less than this comes back by chance: greetings, short answers."""

_MOST_PARTS = 2048
_MOST_HEADS = 4
_LIKE, _VERY_LIKE = 0.5, 0.9
_BEGIN = 2
"""So many items of a list are a beginning: a system prompt and what the user said first."""
_CLOCK = rb"\d{1,2}:\d\d"
_TIMES = re.compile(
    rb"\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4}|(?<!\d)1[5-9]\d{8}(?:\d{3}|\d{6})?(?!\d)|"
    + _CLOCK
)
_IDS = re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NONCES = re.compile(
    rb"(?<![0-9A-Za-z])(?=[A-Za-z_-]*\d)(?=[0-9_-]*[A-Za-z])[0-9A-Za-z_-]{8,}(?![0-9A-Za-z])"
)


class Broken(Value, frozen=True, gc=False):
    """Where a prompt parted: `at` names the part, `line` is that of its text, from 1 (0: none).

    `tokens` stand behind it that were sent before and could have been read, had nothing changed
    there. `before` of the part stand before it, and are lost too where only whole parts are read;
    `earlier` in the parts before that one.
    """

    at: str
    line: int
    kind: Kind
    tokens: int
    before: int = 0
    earlier: int = 0

    def lost(self, sent: int, read: int, length: int) -> int:
        """Of so many tokens that were sent, and were read, what was lost; `length` is by bytes."""
        scaled = [sent * part // length for part in (self.tokens, self.before, self.earlier)]
        within = max(0, read - scaled[2])
        return min(sent - read, scaled[0] + max(0, scaled[1] - within))


class Breaks:
    """What one scope sent lately. `whole`: only whole parts can be read, so all of one is lost.

    What was sent longer than `kept_s` ago, or makes a prefix below the least, nobody would have
    read anyway.
    """

    __slots__ = ("_heads", "_kept_s", "_least_bytes", "_parts", "_whole")

    def __init__(self, kept_s: float, least_tokens: int, *, whole: bool) -> None:
        self._kept_s = kept_s
        self._least_bytes = least_tokens * BYTES_PER_TOKEN
        self._whole = whole
        self._parts: OrderedDict[int, float] = OrderedDict()
        self._heads: dict[str, deque[Head]] = {}

    def __len__(self) -> int:
        """Parts that are remembered."""
        return len(self._parts)

    def look(self, prompt: Prompt, known: int, now_s: float) -> Broken | None:
        """What the prompt parts at, whose first `known` places were sent before; learn from it."""
        first = prompt.ends[known - 1] + 1 if known else 0
        parts, hashes = prompt.parts, prompt.hashes
        at = self._parted(prompt, first, now_s)
        broken = opened = None
        if at < len(parts):
            opened = self._opened(parts[at], now_s) if _is_head(parts[at]) else None
            again = self._again(prompt, at + 1, now_s)
            if opened is not None or again >= LEAST_LOST_TOKENS * BYTES_PER_TOKEN:
                broken = self._broken(prompt, at, opened, again)
        for number in range(first, len(parts)):
            if _is_head(part := parts[number]) and hashes[number] not in self._parts:
                made = opened if number == at and opened else self._opened(part, now_s)
                head = made.head if broken is None else in_blocks(made)
                self._heads.setdefault(_named(part), deque(maxlen=_MOST_HEADS)).append(head)
        self._learn(hashes[first:], now_s)
        return broken

    def _opened(self, part: Part, now_s: float) -> Opened:
        return opened(part, now_s, self._heads.get(_named(part), ()))

    def _parted(self, prompt: Prompt, first: int, now_s: float) -> int:
        """The first part that differs: parts that end no prefix may be the same as before."""
        for number in range(first, len(prompt.parts)):
            if prompt.parts[number].ends != "no" or not self._is_known(
                prompt.hashes[number], now_s
            ):
                return number
        return len(prompt.parts)

    def _again(self, prompt: Prompt, start: int, now_s: float) -> int:
        """Bytes of the parts from there on that were sent before, up to the first that was not."""
        size = 0
        for number in range(start, len(prompt.parts)):
            if not self._is_known(prompt.hashes[number], now_s):
                break
            size += prompt.sizes[number]
        return size

    def _broken(self, prompt: Prompt, at: int, opened: Opened | None, again: int) -> Broken | None:
        """What stands at a part that differs, behind which so many bytes were sent before."""
        part, earlier = prompt.parts[at], sum(prompt.sizes[:at])
        if earlier + prompt.sizes[at] + again < self._least_bytes:
            return None
        broken = self._compared(part, opened, again // BYTES_PER_TOKEN)
        if broken is None and again >= LEAST_LOST_TOKENS * BYTES_PER_TOKEN:
            gone = prompt.hashes[at] in self._parts
            broken = _described(part, again // BYTES_PER_TOKEN, gone=gone)
        return None if broken is None else replace(broken, earlier=earlier // BYTES_PER_TOKEN)

    def _is_known(self, one: int, now_s: float) -> bool:
        at_s = self._parts.get(one)
        return at_s is not None and now_s - at_s <= self._kept_s

    def _learn(self, hashes: Sequence[int], now_s: float) -> None:
        parts = self._parts
        for one in hashes:
            parts[one] = now_s
            parts.move_to_end(one)
        while len(parts) > _MOST_PARTS:
            parts.popitem(last=False)

    def _compared(self, part: Part, opened: Opened | None, again: int) -> Broken | None:
        """A beginning beside those that were sent lately."""
        heads = self._heads.get(_named(part))
        if opened is None or not heads:
            return None
        if (most_like := self._most_like(heads, opened.head)) is None:
            return None
        like, ends = most_like
        if opened.head.sorted_keys:
            found = _other_tools(part, opened.head, like)
        else:
            found = self._other_lines(part, opened, ends)
        found = replace(found, tokens=found.tokens + again)
        return found if found.tokens + found.before >= LEAST_LOST_TOKENS else None

    def _most_like(self, heads: deque[Head], head: Head) -> tuple[Head, Ends] | None:
        """One that has most in common, and half of it at least; the newest that is very alike.

        With it come its `same_ends`.
        """
        mine, best, most = frozenset[int](), None, 0
        few = (1 - _VERY_LIKE) * len(head.lines)
        for one in reversed(heads):
            if head.at_s - one.at_s > self._kept_s:
                break
            ends = same_ends(head.lines, one.lines)
            if len(head.lines) - sum(ends) <= few:
                return one, ends  # what stands where it stood tells enough
            mine, keys = mine or frozenset(head.lines), frozenset(head.sorted_keys)
            common = len(keys.intersection(one.sorted_keys) or mine.intersection(one.lines))
            if common > most:
                best, most = (one, ends), common
                if most >= _VERY_LIKE * len(mine):
                    break
        return best if most >= max(1, _LIKE * len(mine)) else None

    def _other_lines(self, part: Part, opened: Opened, ends: Ends) -> Broken:
        head, data, end = opened.head, opened.data, opened.head.end
        at, behind = ends
        front = data[: opened.starts(at) - len(end)] if at else b""
        size = len(data) - opened.starts(len(head.lines) - behind) if behind else 0
        before = len(front) if self._whole else 0
        line, newline = opened.line(at), newline_of(data)
        kind, start = _kind(line)
        number = 1 + front.count(newline) + (end == newline and at > 0)
        number += line.count(newline, 0, start)  # a sentence may go over several lines
        sizes = (size // BYTES_PER_TOKEN, before // BYTES_PER_TOKEN)
        return Broken(_named(part), number, kind, *sizes)


class AllBreaks:
    """Those of all scopes, the least used of which are forgotten first."""

    def __init__(self, most_scopes: int = 64) -> None:
        self._scopes: OrderedDict[tuple[str, ...], Breaks] = OrderedDict()
        self._most = most_scopes

    def of(self, name: tuple[str, ...], rules: Rules) -> Breaks:
        """Those of a scope; new ones where there are none."""
        found = self._scopes.get(name)
        if found is None:
            kept_s = max([life.seconds for life in rules.lives], default=rules.kept_s)
            found = Breaks(kept_s, rules.least_tokens, whole=bool(rules.lives))
            self._scopes[name] = found
            while len(self._scopes) > self._most:
                self._scopes.popitem(last=False)
        self._scopes.move_to_end(name)
        return found


def _is_head(part: Part) -> bool:
    name, number = part.place
    return number >= 0 and (name not in LISTED or number < _BEGIN)


def _other_tools(part: Part, head: Head, like: Head) -> Broken:
    tools = [tool for tool, _ in tools_of(part.data)]
    at = common(head.lines, like.lines)
    before, keyed = set(like.lines), set(like.sorted_keys)
    again = [
        tool
        for tool, one, key in zip(tools, head.lines, head.sorted_keys, strict=True)
        if one in before or key in keyed
    ]
    kind: Kind = "tools"
    if sorted(head.lines) == sorted(like.lines):
        kind = "order"
    elif sorted(head.sorted_keys) == sorted(like.sorted_keys):
        kind = "keys"
    elif len(head.lines) == len(like.lines) and at < len(tools):
        said, _ = _kind(tools[at])
        kind = "tools" if said == "text" else said
    return Broken(f"tools[{at}]", 0, kind, sum([len(tool) for tool in again]) // BYTES_PER_TOKEN)


def _described(part: Part, tokens: int, *, gone: bool) -> Broken:
    if part.place[1] < 0:
        return Broken("settings", 0, "settings", tokens)
    if gone:
        return Broken(_named(part), 0, "removed", tokens)
    kind, start = _kind(part.data)
    line = 0 if kind == "text" else 1 + part.data.count(newline_of(part.data), 0, start)
    return Broken(_named(part), line, kind, tokens)


def _kind(line: bytes) -> tuple[Kind, int]:
    """What a line holds, and where that begins."""
    if (found := _IDS.search(line)) is not None:
        return "id", found.start()
    if (found := _TIMES.search(line)) is not None:
        return "timestamp", found.start()
    found = _NONCES.search(line)
    return ("text", 0) if found is None else ("nonce", found.start())


def _named(part: Part) -> str:
    name, number = part.place
    return f"{name}[{number}]" if name in LISTED else name
