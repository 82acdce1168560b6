"""OpenAI's tokenizers behind the Encoder port.

A vocabulary is loaded on first use, in a thread, once. What takes longer than the event loop may
wait is counted in one of a few threads: many long texts at once wait for each other, not the loop
for them. Whatever was counted before costs a look-up.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec.structs import replace

from scrimp.encoders.counter import Run, TooLong, count_one
from scrimp.encoders.memo import TextMemo, key_of
from scrimp.encoders.pieces import MAX_PIECE
from scrimp.encoders.vocabulary import Ordinary, load_vocabulary
from scrimp.ports import Count
from scrimp.tokens import encoding_for, scale
from scrimp.tokens.encodings import EncodingChoice
from scrimp.tokens.ratios import Ratios, taught
from scrimp.tokens.request import tally_request, total_request
from scrimp.tokens.tally import Tally
from scrimp.tokens.weighing import weigh_request
from scrimp.weights import Weighed

MEMO_BYTES = 8 * 1024 * 1024
"""For each vocabulary: about 32,000 messages."""
_THREADS = 2

T = TypeVar("T")


class _Loaded:
    """A vocabulary, and what was counted with it."""

    __slots__ = ("memo", "tokenizer")

    def __init__(self, tokenizer: Ordinary, memo_bytes: int) -> None:
        self.tokenizer = tokenizer
        self.memo = TextMemo(memo_bytes)


class TiktokenEncoder:
    """Counts with cl100k_base and o200k_base; other vendors by a ratio, with bounds.

    `ratios` is what was learned of models from real usage. One instance belongs to one event loop;
    `count_now` and `request_now` may be called without any.
    """

    def __init__(self, ratios: Ratios | None = None, *, memo_bytes: int = MEMO_BYTES) -> None:
        self._ratios = ratios
        self._memo_bytes = memo_bytes
        self._loaded: dict[str, _Loaded] = {}
        self._guard = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def count(self, model: str, texts: tuple[str, ...]) -> Count:
        """Tokens of each text added up. Loads the vocabulary on first use. Raises ConfigError."""
        return await self._on_loop_or_off(
            model, lambda run: _texts(texts, run, self._choice(model))
        )

    async def count_request(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """Prompt tokens of a whole request. Raises ConfigError.

        Raises ValueError for a dialect that cannot be counted.
        """
        return await self._on_loop_or_off(
            model, lambda run: _request(model, fields, dialect, run, self._choice(model))
        )

    async def weigh(
        self, model: str, fields: Mapping[str, Any], dialect: str, *, enough: int
    ) -> Weighed | None:
        """As `Scales` has it. Raises ConfigError, and ValueError as `count_request` does."""

        def weighed(run: Run) -> Weighed | None:
            choice = self._choice(model)
            found = weigh_request(fields, dialect, model, run, choice=choice, enough=enough)
            if found is None or not run.doubts:
                return found
            return replace(found, whole=_doubted(found.whole, run, choice), left=None)

        return await self._on_loop_or_off(model, weighed)

    def request_now(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """The same in the calling thread."""
        return _request(model, fields, dialect, self._run(model), self._choice(model))

    def count_now(self, model: str, text: str) -> Count:
        """Tokens of a text, in the calling thread, for the command line. Raises ConfigError."""
        choice = encoding_for(model)
        loaded = self._loaded.get(choice.name) or self._load(choice.name)
        if not choice.exact:
            choice = self._choice(model)
        tokens = loaded.memo.young.get(key_of(text))
        if tokens is None:
            tokens, doubt = count_one(loaded.tokenizer, loaded.memo, text)
            if doubt:
                return _bounded(tokens, doubt, choice)
        return scale(tokens, choice)

    async def tally(self, model: str, fields: Mapping[str, Any], dialect: str) -> Tally | None:
        """A request's texts in raw tokens, apart from all else; None when a text is not exact.

        Learning starts from here: no ratio is in it. Raises ConfigError and ValueError.
        """

        def tallied(run: Run) -> Tally | None:
            found = tally_request(fields, dialect, model, run.count_text, run.count_texts)
            return None if run.doubts else found

        return await self._on_loop_or_off(model, tallied)

    def ready(self, model: str) -> bool:
        """True when counting for this model would load nothing."""
        return encoding_for(model).name in self._loaded

    async def close(self) -> None:
        """Drop the vocabularies; what is counted now is counted to its end, what waits is not."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        self._loaded.clear()

    async def _on_loop_or_off(self, model: str, work: Callable[[Run], T]) -> T:
        loaded = self._loaded.get(encoding_for(model).name)
        if loaded is not None:
            try:
                return work(Run(loaded.tokenizer, loaded.memo, on_loop=True))
            except TooLong:
                pass  # what was counted so far is remembered
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, "scrimp count")
        try:
            counting = self._pool.submit(lambda: work(self._run(model)))
        except RuntimeError:  # the interpreter is ending and gives no thread any more
            return work(self._run(model))
        return await asyncio.wrap_future(counting)

    def _choice(self, model: str) -> EncodingChoice:
        choice = encoding_for(model)
        if choice.exact or self._ratios is None:
            return choice
        return taught(choice, self._ratios(model))

    def _run(self, model: str) -> Run:
        """A run that may take its time, over a vocabulary that is loaded if need be."""
        name = encoding_for(model).name
        loaded = self._loaded.get(name) or self._load(name)
        return Run(loaded.tokenizer, loaded.memo, on_loop=False)

    def _load(self, name: str) -> _Loaded:
        """At most once, whoever asks."""
        with self._guard:
            found = self._loaded.get(name)
            if found is None:
                tokenizer = Ordinary(load_vocabulary(name))
                found = self._loaded[name] = _Loaded(tokenizer, self._memo_bytes)
            return found


def _request(
    model: str, fields: Mapping[str, Any], dialect: str, run: Run, choice: EncodingChoice
) -> Count:
    tally = tally_request(fields, dialect, model, run.count_text, run.count_texts)
    count = total_request(tally, dialect, choice)
    return _doubted(count, run, choice) if run.doubts else count


def _doubted(count: Count, run: Run, choice: EncodingChoice) -> Count:
    doubt = scale(sum(run.doubts), choice).high
    return replace(count, low=max(0, count.low - doubt), high=count.high + doubt)


def _texts(texts: tuple[str, ...], run: Run, choice: EncodingChoice) -> Count:
    tokens = run.count_texts(list(texts))
    return _bounded(tokens, sum(run.doubts), choice)


def _bounded(tokens: int, doubt: int, choice: EncodingChoice) -> Count:
    if not doubt:
        return scale(tokens, choice)
    low, high = scale(max(0, tokens - doubt), choice), scale(tokens + doubt, choice)
    method = f"{choice.method}, runs over {MAX_PIECE:,} characters cut"
    return Count(scale(tokens, choice).tokens, low.low, high.high, method)
