"""What a smaller call saved: the input that levers took out, at what the rest of it cost. Pure.

A lever that sends less lets its line's numbers begin with `less_tokens` or `less_text`. Nobody
knows what the provider's prefix cache would have done with the whole call, so this is an estimate:
what is gone is priced as if it had been fresh, cached and written in the shares of what was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from scrimp.calls import Attempt, Trace, TraceLine, Usage
from scrimp.errors import PriceUnknown
from scrimp.ledger.steps import served_of
from scrimp.ledger.waited import unwaited
from scrimp.ports import Count, Pricer

SMALLER = "saving_estimated"
"""Verdict of a call that was sent with less in it."""
KNOWN = "saving_known"
"""Verdict of a call whose saving follows from the usage that the provider told."""

APART = "saving_counted"
"""Verdict of a call that shared a prompt: by itself it would have used the tokens counted."""

SUPPOSED = "saving_supposed"
"""Verdict where what a provider would have cached by itself is supposed from its rules."""

_TOKENS, _CHARACTERS, _OF_BYTES = "less_tokens", "less_characters", "of_bytes"
_LESS = (_TOKENS, _CHARACTERS)
_LEVER, _SAVED = "lever", "saved_nanousd"
_INPUTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)

Numbers = Mapping[str, int | float | str]


def less_tokens(tokens: int) -> Numbers:
    """Numbers of a line: the lever has taken so many tokens out of the input."""
    return {_TOKENS: tokens}


def less_text(characters: int, sent_bytes: int) -> Numbers:
    """Numbers of a line: the lever has taken characters out of a body that now has such a size."""
    return {_CHARACTERS: characters, _OF_BYTES: sent_bytes}


def taken_out(lines: Iterable[TraceLine], usage: Usage) -> dict[str, int]:
    """Tokens that each lever took out; of one that did so twice the last time is what was sent.

    Characters weigh what those that were sent weighed on average.
    """
    found: dict[str, int] = {}
    for line in _last_of_each(lines):
        numbers = dict(line.numbers)
        if isinstance(tokens := numbers.get(_TOKENS), int):
            found[line.lever] = tokens
        elif isinstance(gone := numbers.get(_CHARACTERS), int):
            size = numbers.get(_OF_BYTES)
            sent = sum(getattr(usage, name) for name in _INPUTS)
            found[line.lever] = sent * gone // size if isinstance(size, int) and size else 0
    return {lever: tokens for lever, tokens in found.items() if tokens > 0}


def as_sent(count: Count, lines: Iterable[TraceLine]) -> Count:
    """The tokens of a call as it was sent, from those of the call as it was asked.

    Tokens went in shares of the whole, which holds for any ratio of a tokenizer. Nobody counted
    those of characters: a quarter each is likely, none and one for each are the bounds.
    """
    tokens, characters = 0, 0
    for line in _last_of_each(lines):
        numbers = dict(line.numbers)
        gone = numbers.get(_TOKENS), numbers.get(_CHARACTERS)
        tokens += gone[0] if isinstance(gone[0], int) else 0
        characters += gone[1] if isinstance(gone[1], int) else 0
    if not count.tokens or not (tokens or characters):
        return count
    left = max(0, count.tokens - tokens)
    return Count(
        max(0, left - characters // 4),
        max(0, count.low * left // count.tokens - characters),
        -(-count.high * left // count.tokens),
        count.method,
    )


def _last_of_each(lines: Iterable[TraceLine]) -> list[TraceLine]:
    """The last line of each lever that took something out."""
    found = {line.lever: line for line in lines if line.numbers and line.numbers[0][0] in _LESS}
    return list(found.values())


def larger(usage: Usage, tokens: int) -> Usage:
    """The usage with so many tokens of text more, in the shares of those that were sent."""
    sent = {name: getattr(usage, name) for name in _INPUTS}
    total = sum(sent.values())
    if not total:
        return replace(usage, input_tokens=tokens)
    more = {name: tokens * part // total for name, part in sent.items()}
    largest = max(sent, key=lambda name: sent[name])
    more[largest] += tokens - sum(more.values())
    return replace(usage, **{name: part + more[name] for name, part in sent.items()})


def savings_of(trace: Trace, pricer: Pricer) -> list[Numbers]:
    """Numbers of lines `SMALLER`: what it saved each lever to have sent less; none if unknown."""
    if not any(line.numbers and line.numbers[0][0] in _LESS for line in trace.lines):
        return []
    served = served_of(trace.attempts, trace.lines)
    served = None if served is None else unwaited(served, trace.lines)
    if served is None or served.usage is None or served.cost.nanousd is None:
        return []
    usage = replace(served.usage, terms=None)  # what the provider itself said of its bill
    found: list[Numbers] = []
    try:
        before = _nanousd(pricer, usage, served)
        for lever, tokens in taken_out(trace.lines, usage).items():
            usage = larger(usage, tokens)
            after = _nanousd(pricer, usage, served)
            found.append(saved_line(lever, tokens, after - before))
            before = after
    except PriceUnknown:
        return []
    return found


def saved_line(lever: str, tokens: int, nanousd: int) -> Numbers:
    """Numbers of a line `SMALLER`, `KNOWN` or `APART`: what a lever saved with so many tokens."""
    return {_LEVER: lever, "tokens": tokens, _SAVED: nanousd}


def saved_in(numbers: Numbers) -> int:
    """The nano-dollars of such a line."""
    return int(numbers[_SAVED])


def _nanousd(pricer: Pricer, usage: Usage, served: Attempt) -> int:
    cost = pricer(usage, served.target, served.started_at, served.service_tier)
    return cost.nanousd or 0


def saved_by_less(lines: Iterable[TraceLine]) -> tuple[tuple[str, int], ...]:
    """What each lever saved that sent less, or marks, or several at once, as it was noted."""
    found = []
    for line in lines:
        if line.verdict in (SUPPOSED, SMALLER, KNOWN, APART):
            numbers = dict(line.numbers)
            if isinstance(saved := numbers.get(_SAVED), int):
                found.append((str(numbers.get(_LEVER)), saved))
    return tuple(found)
