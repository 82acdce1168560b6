"""`scrimp.trim`, `scrimp.fit`, `scrimp.compact`: smaller conversations without an engine.

What they are given they never change; messages that stay are the same objects.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

from scrimp.client.functions import now_encoder
from scrimp.client.given import whole
from scrimp.client.said import as_sent, said
from scrimp.errors import InvalidRequest
from scrimp.ports import Count
from scrimp.shrinking.blocks import dialect_of, list_name, prompts_changed, results_changed
from scrimp.shrinking.compacting import (
    STEPS,
    Wording,
    compacted,
    is_json,
    reworded,
    steps_for,
)
from scrimp.shrinking.examples import K, fewer_turns
from scrimp.shrinking.fitting import First, fit_to, last_of

P = TypeVar("P", str, list[Any])

_TRIES = 4
_MODEL = "gpt-4o"
_FIRST: tuple[str, ...] = get_args(First)
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Compacted(Generic[P]):
    """A prompt before and after, with its tokens. `lossy` is true where something may be gone."""

    before: P
    after: P
    before_tokens: Count
    after_tokens: Count
    lossy: bool

    @property
    def saved_tokens(self) -> int:
        """How many tokens fewer it has."""
        return self.before_tokens.tokens - self.after_tokens.tokens

    def preview(self) -> str:
        """Both numbers of tokens, and the lines that differ (`-` before, `+` after)."""
        before, after = self.before_tokens.tokens, self.after_tokens.tokens
        share = f" (-{self.saved_tokens / before:.0%})" if before else ""
        kind = "something may be lost" if self.lossy else "nothing is lost"
        head = f"{before:,} tokens before, {after:,} after{share}; {kind}"
        old: list[str] = _lines(self.before)
        new: list[str] = _lines(self.after)
        return "\n".join([head, *difflib.unified_diff(old, new, "before", "after", "", "", 1, "")])


def trim(messages: Sequence[Any], last: int = 10) -> list[Any]:
    """The conversation with at most its last messages, beside its instructions.

    System and developer messages stay, and the newest question of a person; a tool's call stays
    with its results, or goes with them. It never begins with an answer where there is a question.
    So there may be fewer than `last`, and more where the newest turn alone has more. Messages may
    be those of OpenAI chat or responses, or of Anthropic.
    """
    whole("last", last)
    given = said(messages)
    return given.back(last_of(given.items, last).items)


def fit(
    messages: Sequence[Any],
    window: int,
    reserve_output: int = 4000,
    *,
    model: str = _MODEL,
    first: First = "turns",
    beside: Mapping[str, Any] = _NOTHING,
) -> list[Any]:
    """The conversation with as many of its newest turns as fit into a window of tokens.

    `reserve_output` of them are kept free for the answer. `beside` are other fields of the call
    that take tokens (`system`, `tools`). With `first="tool_results"` the contents of the oldest
    results go before any turn does. Counted for `model`, at most where its tokenizer is not public.
    Raises InvalidRequest where what must stay is larger than that.
    """
    limit = whole("window", window) - whole("reserve_output", reserve_output, least=0)
    _named(model)
    if first not in _FIRST:
        raise InvalidRequest(f"first is {first!r}: {' or '.join(_FIRST)}")
    given = said(messages)
    items, beside = given.items, as_sent(dict(beside))
    dialect, name = dialect_of(items), list_name(dialect_of(items))

    def count(some: Sequence[Any], others: Mapping[str, Any] = beside) -> int:
        return now_encoder().request_now(model, {**others, name: list(some)}, dialect).high

    tokens = count(items)
    if tokens <= limit:
        return list(messages)
    empty = count([], {})
    weights = [count([item], {}) - empty for item in items]
    need, kept = tokens - limit, items
    for _ in range(_TRIES):
        found = fit_to(items, weights, need, first=first)
        kept, now = list(found.items), count(found.items)
        if now <= limit:
            return given.back(kept)
        need = found.tokens + now - limit
    way_out = "shorten the newest message, or take a model of a larger window"
    if limit <= 0:
        way_out = f"keep less for the answer: reserve_output={window // 2}"
    raise InvalidRequest(
        f"what must stay of the conversation is {count(kept):,} tokens in {len(kept)} messages, "
        f"and {max(0, limit):,} fit: a window of {window:,} less {reserve_output:,} for the answer "
        f"({way_out})"
    )


def compact(
    prompt: P, *, lossy: bool = False, examples: int = K, model: str = _MODEL
) -> Compacted[P]:
    """A prompt (a text, or messages) in fewer tokens, with a preview of what changed.

    Without loss: JSON without white space and in columns, output of programs as a terminal shows
    it, repeated lines once, no white space at the ends of lines. With `lossy`: fewer words for
    wordy phrases (`scrimp.shrinking.phrases.PHRASES`), never between quotation marks or in code,
    and at most `examples` (0: all) of the examples in a prompt, or of exemplary turns before the
    question.
    """
    _named(model)
    most = whole("examples", examples, least=0)
    wording = Wording(phrases=lossy, examples=most if lossy else 0)
    if isinstance(prompt, str):
        new = compacted(prompt, STEPS) if is_json(prompt) else reworded(prompt, wording)
        counted = [now_encoder().count_now(model, text) for text in (prompt, new)]
        return Compacted(prompt, new, counted[0], counted[1], lossy and new != prompt)
    given = said(prompt)
    items = given.items
    dialect, name = dialect_of(items), list_name(dialect_of(items))
    found = fewer_turns(items, wording.examples) if wording.examples else items
    found = results_changed({name: found}, dialect, _result) or found
    fields = prompts_changed({name: found}, dialect, lambda text: reworded(text, wording))
    found = found if fields is None else fields[name]
    counts = [now_encoder().request_now(model, {name: some}, dialect) for some in (items, found)]
    before, after = list(prompt), given.back(found)
    return Compacted(before, after, counts[0], counts[1], lossy and found != items)


def _result(tool: str, text: str) -> str:
    steps = steps_for(tool, STEPS)
    return text if steps is None else compacted(text, steps)


def _named(model: object) -> None:
    """Raises InvalidRequest for what is no model's name."""
    if not isinstance(model, str) or not model:
        raise InvalidRequest(f"model={model!r}: the name of a model is needed, to count tokens by")


def _lines(prompt: str | list[Any]) -> list[str]:
    if isinstance(prompt, str):
        return prompt.splitlines()
    return [json.dumps(as_sent(one), ensure_ascii=False, default=str) for one in prompt]
