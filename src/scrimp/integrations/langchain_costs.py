"""`scrimp_callback`: tokens and cost of everything that LangChain runs inside a block."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.outputs.llm_result import LLMResult
from langchain_core.tracers.context import register_configure_hook

from scrimp.calls import is_refusal
from scrimp.client.engine import ClosedError
from scrimp.client.face import Scrimp
from scrimp.client.functions import price
from scrimp.errors import PriceUnknown, ScrimpError
from scrimp.integrations.langchain_totals import Paid, Totals
from scrimp.integrations.langchain_usage import Asked, Heard, asked_of, heard_of

_NO_USAGE = "no usage was told (ChatOpenAI: stream_usage=True tells it for streams)"
_REMEMBERED = 1_000  # runs that may end between two words of one end
_BROKEN = "it failed without a refusal, so what is billed is unknown"


@dataclass(frozen=True, slots=True)
class Options:
    """How runs are priced and booked; as `scrimp_callback` says."""

    engine: Scrimp | None = None
    prices_as: str = ""
    user: str = ""
    tags: tuple[str, ...] = ()


class ScrimpCallback(BaseCallbackHandler):
    """Adds up what runs used and cost; give it as a callback, or use `scrimp_callback`.

    May be read at any time and shared by threads and tasks. `totals` is one consistent value.
    """

    def __init__(
        self, options: Options | None = None, *, outer: ScrimpCallback | None = None
    ) -> None:
        super().__init__()
        self._options = options or Options()
        self._outer = outer
        self._lock = threading.Lock()
        self._totals = Totals()
        self._asked: dict[UUID, Asked] = {}
        self._counted: deque[UUID] = deque(maxlen=_REMEMBERED)

    @property
    def engine(self) -> Scrimp | None:
        """Whose ledger has the runs."""
        return self._options.engine

    @property
    def totals(self) -> Totals:
        """All sums so far."""
        return self._totals

    @property
    def total_tokens(self) -> int:
        """In and out."""
        return self._totals.total_tokens

    @property
    def prompt_tokens(self) -> int:
        """In, cached ones included."""
        return self._totals.prompt_tokens

    @property
    def prompt_tokens_cached(self) -> int:
        """Those that the provider read from its own prompt cache."""
        return self._totals.prompt_tokens_cached

    @property
    def completion_tokens(self) -> int:
        """Out, reasoning included."""
        return self._totals.completion_tokens

    @property
    def reasoning_tokens(self) -> int:
        """Those that were thought and not said."""
        return self._totals.reasoning_tokens

    @property
    def successful_requests(self) -> int:
        """Requests that a model answered."""
        return self._totals.successful_requests

    @property
    def total_cost(self) -> Decimal | None:
        """Exact US dollars; None when the cost of any request is unknown (`totals.unpriced`)."""
        return self._totals.total_cost

    @property
    def total_nanousd(self) -> int | None:
        """The same in nano-dollars."""
        return self._totals.total_nanousd

    def __repr__(self) -> str:
        """Lines for people."""
        return str(self._totals)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 (LangChain's own signature, here and below)
        messages: list[list[Any]],  # noqa: ARG002
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """A chat begins."""
        self._begin(run_id, kwargs.get("metadata"))

    def on_llm_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        prompts: list[str],  # noqa: ARG002
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """A model of texts begins."""
        self._begin(run_id, kwargs.get("metadata"))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It was answered: price it, book it, count it."""
        asked = self._ended(run_id)
        heard = heard_of(response, asked)
        if heard.hit:
            self._count(run_id, Totals.with_hit)
            return
        paid = self._priced(heard, asked)
        booked = self._booked(heard, asked, run_id)
        self._count(run_id, lambda sums: sums.with_paid(paid, booked=booked))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It failed. What the provider has not refused it may bill: nobody knows at what."""
        asked = self._ended(run_id)
        why = "" if refused(error) else f"{asked.model or 'a model'}: {_BROKEN}"
        self._count(run_id, lambda sums: sums.with_failed(why))

    def _begin(self, run_id: UUID, metadata: dict[str, Any] | None) -> None:
        asked = asked_of(metadata, datetime.now(UTC))
        with self._lock:
            self._asked[run_id] = asked

    def _ended(self, run_id: UUID) -> Asked:
        with self._lock:
            found = self._asked.pop(run_id, None)
        return found or asked_of(None, datetime.now(UTC))

    def _priced(self, heard: Heard, asked: Asked) -> Paid:
        if heard.usage is None:
            return Paid(None, None, f"{heard.model or 'a model'}: {_NO_USAGE}")
        engine = self._options.engine
        priced = price if engine is None else engine.price
        provider = self._options.prices_as or heard.provider
        try:
            cost = priced(
                heard.usage, heard.model, provider, asked.at, service_tier=heard.service_tier
            )
        except PriceUnknown as error:
            return Paid(heard.usage, None, str(error))
        return Paid(heard.usage, cost.nanousd, f"{heard.model}: no price")

    def _booked(self, heard: Heard, asked: Asked, run_id: UUID) -> bool:
        """False when the ledger that was asked for does not have it."""
        engine = self._options.engine
        if engine is None:
            return True
        if heard.usage is None:
            return False
        took = datetime.now(UTC) - asked.at
        try:
            engine.record(
                heard.model,
                heard.usage,
                provider=self._options.prices_as or heard.provider,
                at=asked.at,
                id=str(run_id),
                user=self._options.user,
                tags=self._options.tags,
                service_tier=heard.service_tier,
                latency_ms=max(0.0, took.total_seconds() * 1000),
            )
        except (ScrimpError, ClosedError):
            return False
        return True

    def _count(self, run_id: UUID, changed: Callable[[Totals], Totals]) -> None:
        """Once for each run: an outer block may hear of it from LangChain too."""
        with self._lock:
            if run_id not in self._counted:
                self._counted.append(run_id)
                self._totals = changed(self._totals)
        if self._outer is not None:
            self._outer._count(run_id, changed)  # noqa: SLF001 (another of the same class)


def refused(error: BaseException) -> bool:
    """True where the provider said no before the work, as every SDK's error tells by its status."""
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and status >= 400 and is_refusal(status)


_current: ContextVar[ScrimpCallback | None] = ContextVar("scrimp_callback", default=None)


@contextmanager
def scrimp_callback(
    *,
    engine: Scrimp | None = None,
    prices_as: str = "",
    user: str = "",
    tags: tuple[str, ...] = (),
) -> Iterator[ScrimpCallback]:
    """Tokens and cost of all that LangChain runs inside the block, in its tasks and executors too.

    Priced by the price book that ships, or by that of `engine`, whose ledger then has each run
    once, under `user` and `tags`. `prices_as` names the provider whose prices hold, where the
    client is pointed at another than its own. Blocks may stand in each other: both
    count, and the inner books as the outer does.
    """
    _hook()
    outer = _current.get()
    if engine is None and outer is not None:
        engine = outer.engine
    handler = ScrimpCallback(Options(engine, prices_as, user, tuple(tags)), outer=outer)
    token = _current.set(handler)
    try:
        yield handler
    finally:
        _current.reset(token)


@lru_cache(maxsize=1)
def _hook() -> None:
    """LangChain looks at the variable for every run from then on; once, for it never forgets."""
    register_configure_hook(_current, inheritable=True)
