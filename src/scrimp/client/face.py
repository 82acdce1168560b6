"""`scrimp.Scrimp`: the engine in your own process, under your own OpenAI and Anthropic clients.

Nothing runs before it is first used; from then on one private thread does the work for threads and
for every event loop alike.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from scrimp.app import open_app
from scrimp.by_meaning import JudgeFunction
from scrimp.calls import Caller
from scrimp.client.allowed import Remaining
from scrimp.client.asking import Answer, AskOptions, Question, ask, question_of
from scrimp.client.deferring_face import DeferFace
from scrimp.client.desk import Desk
from scrimp.client.embed_face import EmbedFace
from scrimp.client.engine import GRACE_S, Engine
from scrimp.client.functions import EstimateOptions, Quotes
from scrimp.client.given import several
from scrimp.client.mailbox import Mailbox
from scrimp.client.mapping import Maps
from scrimp.client.own_budgets import Given as GivenBudget
from scrimp.client.own_budgets import OwnBudgets, own_standings
from scrimp.client.pack_face import PackFace
from scrimp.client.reading_models import answering, reading
from scrimp.client.reporting import BEGINNING, Since, Spend, period, row_of, spend_of, today
from scrimp.client.summarising import (
    Plan,
    Steps,
    Summarised,
    SummaryOptions,
    asked_in_turn,
    awaited_in_turn,
    steps,
)
from scrimp.client.telling import RecordOptions, told_of
from scrimp.client.transport import AsyncTransport, Parcel, SyncTransport, Under
from scrimp.client.wrapping import (
    Homes,
    Labels,
    is_async,
    library_of,
    vendor_of,
    with_transport,
)
from scrimp.errors import InvalidRequest
from scrimp.ledger.report import By, ReportRow
from scrimp.notices import OnAlert
from scrimp.pipeline.checking import CheckFunction
from scrimp.ports import Count
from scrimp.prices.quote import Bill, Estimate
from scrimp.settings import Loaded, Settings, complete, load, read
from scrimp.shell.recording import Recorded, Told
from scrimp.shell.secret import tenant_secret

C = TypeVar("C")

Given = Mapping[str, Any] | Settings | Loaded | Path | str | None
"""A mapping (the tables of `scrimp.toml`), a path, or None: found as the gateway finds it."""


class Scrimp(EmbedFace, PackFace, DeferFace, Maps):
    """One engine in this process. Use it as a context manager, or `close` it, or let it be.

    `settings` is a path of a `scrimp.toml`, its tables as a mapping, or None: then the file is
    found as the gateway finds it (SCRIMP_CONFIG, ./scrimp.toml, the user's folder), and without
    one the environment says which providers there are. `model` is what `ask` asks when it is not
    told. `budget` is what all calls of this engine may spend: dollars for its life, dollars by
    window (`{"day": 5, "month": 100}`, kept beside the settings' budgets), a `scrimp.budget`, or
    several of these. `on_alert` is called with each alert: a plain function in a thread, a
    coroutine function on the engine's own event loop. `judge` gets a question and two answers and
    says whether they do the same (None: it cannot tell), for the semantic cache. `checks` are a
    cascade's by name (`function=NAME`): each gets a question and an answer, and says True where the
    answer will do (None: it cannot tell). Raises ConfigError.
    """

    def __init__(
        self,
        settings: Given = None,
        *,
        model: str = "",
        budget: GivenBudget | Sequence[GivenBudget] | None = None,
        on_alert: OnAlert | None = None,
        judge: JudgeFunction | None = None,
        checks: Mapping[str, CheckFunction] | None = None,
    ) -> None:
        self._loaded = loaded_of(settings)
        self._default_model = model
        opened = partial(_open, self._loaded, OwnBudgets(budget), on_alert, (judge, checks))
        self._engine: Engine[Desk] = Engine(opened)

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Scrimp({self._loaded.source!r})"

    def wrap(
        self,
        client: C,
        *,
        user: str = "",
        task: str = "",
        tags: tuple[str, ...] = (),
        prices_as: str = "",
    ) -> C:
        """The same client over Scrimp: priced, cached, retried, booked. No server is needed.

        It keeps its class, its key, its base URL and its time limits; the one that was given is not
        changed. `user`, `task` and `tags` label its calls. `prices_as` names the provider whose
        prices hold, for a base URL that neither the settings nor Scrimp know. Raises ConfigError
        for what is no OpenAI or Anthropic client, InvalidRequest for labels that cannot be.
        """
        given: Any = client
        vendor, http_client = vendor_of(client), given._client  # noqa: SLF001 (where both SDKs keep it)
        library = library_of(http_client)
        homes = Homes(str(given.base_url), vendor, self._loaded.settings, prices_as)
        labels = Labels(user, task, tuple(several("tags", tags))).headers()
        under = Under(self._engine, _serve, homes, library, http_client, list(labels.items()))
        awaited = is_async(library, http_client)
        transport = AsyncTransport(under) if awaited else SyncTransport(under)
        return with_transport(client, http_client, library, transport)

    def ask(self, question: str, **options: Unpack[AskOptions]) -> Answer:
        """Ask a model that the settings know, with the provider's key of the settings.

        `context` goes before the question, as the system's part. `brief` asks for a form of the
        answer, such as `3 sentences` (`scrimp.brief`), unless that would cost more than it saves.
        Raises Rejected (what was asked cannot be done) and UpstreamError (the provider failed,
        after retries).
        """
        asked = question_of(question, self._model(options.get("model", "")), options)
        return self._engine.call(partial(_ask, question=asked))

    async def aask(self, question: str, **options: Unpack[AskOptions]) -> Answer:
        """The same, awaited."""
        asked = question_of(question, self._model(options.get("model", "")), options)
        return await self._engine.acall(partial(_ask, question=asked))

    def summarise_then_ask(
        self, document: str, question: str, **options: Unpack[SummaryOptions]
    ) -> Summarised:
        """Ask about a long document: a cheap model summarises it first, another answers from that.

        `summary_model` reads the document, in pieces, and `model` answers; what is not named is
        chosen (`scrimp.client.reading_models`). A summary has at most `words` (200) and
        `max_tokens` (300). Where that is expected to cost more than it saves, the document itself
        is asked. Each call is remembered, priced and budgeted like any other. Raises as `ask` does.
        """
        with_user = partial(self.ask, user=options.get("user", ""))
        return asked_in_turn(self._summaries(document, question, options), with_user)

    async def asummarise_then_ask(
        self, document: str, question: str, **options: Unpack[SummaryOptions]
    ) -> Summarised:
        """The same, awaited."""
        plan = await asyncio.to_thread(self._summaries, document, question, options)
        return await awaited_in_turn(plan, partial(self.aask, user=options.get("user", "")))

    def record(self, model: str, usage: object, **told: Unpack[RecordOptions]) -> Recorded:
        """Book a call that was made elsewhere.

        `usage` is a mapping or an SDK's usage object: in the provider's own shape, or by the names
        of `scrimp.calls.Usage`. It is priced at the time `at` (now, if not given). A call that is
        told twice by the same `id` is booked once. Raises InvalidRequest.
        """
        wanted = told_of(model, usage, told)
        return self._engine.call(partial(_record, told=wanted))

    async def arecord(self, model: str, usage: object, **told: Unpack[RecordOptions]) -> Recorded:
        """The same, awaited."""
        wanted = told_of(model, usage, told)
        return await self._engine.acall(partial(_record, told=wanted))

    def count(self, text: str, model: str = "") -> Count:
        """Tokens of a text, as `scrimp.count`; a model of the settings by its name there."""
        return self._quotes.count(text, self._model(model))

    def estimate(self, call: Mapping[str, Any], **options: Unpack[EstimateOptions]) -> Estimate:
        """What a call will cost, as `scrimp.estimate`, at the prices of the settings."""
        return self._quotes.estimate(call, options)

    def price(
        self,
        usage: object,
        model: str,
        provider: str = "",
        at: datetime | None = None,
        *,
        service_tier: str = "",
    ) -> Bill:
        """What usage costs, as `scrimp.price`, at the prices of the settings. Books nothing."""
        return self._quotes.price(usage, model, provider, at, service_tier)

    def report(
        self, since: Since = None, until: datetime | None = None, *, by: By = "model"
    ) -> Spend:
        """What calls cost and what was saved: the numbers of `scrimp report`, a table when printed.

        `since` is an aware time or how long ago; without it, today (UTC). All calls in the ledger
        count, those of a gateway on the same state folder too. Raises StoreError.
        """
        start, end = period(since, until, default=today())
        if self._engine.started:
            self._engine.call(Desk.booked)
        return spend_of(self._loaded.settings, start, end, by)

    async def areport(
        self, since: Since = None, until: datetime | None = None, *, by: By = "model"
    ) -> Spend:
        """The same, awaited."""
        return await asyncio.to_thread(self.report, since, until, by=by)

    def stats(self, user: str, since: Since = None, until: datetime | None = None) -> ReportRow:
        """One user's calls, hits, tokens, cost and saving; from the beginning without `since`."""
        start, _ = period(since, until, default=BEGINNING)
        return row_of(self.report(start, until, by="user"), user)

    async def astats(
        self, user: str, since: Since = None, until: datetime | None = None
    ) -> ReportRow:
        """The same, awaited."""
        return await asyncio.to_thread(self.stats, user, since, until)

    def remaining(self, user: str = "") -> tuple[Remaining, ...]:
        """How all budgets and limits stand that a call of this engine meets (for `user`, if named).

        Its own first, then those of the settings. Raises StoreError.
        """
        return self._engine.call(partial(_remaining, user=user))

    async def aremaining(self, user: str = "") -> tuple[Remaining, ...]:
        """The same, awaited."""
        return await self._engine.acall(partial(_remaining, user=user))

    @cached_property
    def _quotes(self) -> Quotes:
        return Quotes.of(self._loaded.settings)

    def _model(self, asked: str) -> str:
        if name := asked or self._default_model:
            return name
        raise InvalidRequest("no model (give one: model=… in this call, or Scrimp(…, model=…))")

    def _summaries(self, document: str, question: str, options: SummaryOptions) -> Steps:
        settings, quotes = self._loaded.settings, self._quotes
        model = answering(settings, options.get("model", "") or self._default_model)
        reads = options.get("summary_model", "") or reading(settings, model, quotes)

        def cost(call: Mapping[str, Any], output_tokens: int) -> Estimate:
            return quotes.estimate(call, {"output_tokens": output_tokens})

        return steps(Plan.of(document, question, (model, reads), options, cost))

    def close(self, grace_s: float = GRACE_S) -> None:
        """End: calls in the air may go on for `grace_s`, then everything is booked.

        Clients that were wrapped cannot be used afterwards. May be called twice.
        """
        self._engine.close(grace_s)

    async def aclose(self, grace_s: float = GRACE_S) -> None:
        """The same, while the event loop goes on."""
        if self._engine.started:
            await asyncio.to_thread(self._engine.close, grace_s)
        else:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def loaded_of(settings: Given) -> Loaded:
    """Settings in any form that `Scrimp` takes. Raises ConfigError."""
    match settings:
        case Loaded():
            return settings
        case Settings():
            return complete(settings, os.environ, source="the program")
        case None:
            return load(os.environ)
        case str() | Path():
            return load(os.environ, Path(settings))
        case _:
            return complete(read(settings, source="the program"), os.environ, source="the program")


@asynccontextmanager
async def _open(
    loaded: Loaded,
    budgets: OwnBudgets,
    on_alert: OnAlert | None,
    judges: tuple[JudgeFunction | None, Mapping[str, CheckFunction] | None],
) -> AsyncIterator[Desk]:
    """What the engine's loop works with."""
    judge, checks = judges
    secret = tenant_secret(loaded.settings.state_path)
    async with open_app(loaded, on_alert=on_alert, judge=judge, checks=checks) as app:
        yield Desk(app, tenant_secret=secret, budgets=budgets, secrets=loaded.secrets)


async def _ask(desk: Desk, *, question: Question) -> Answer:
    return await ask(desk.app, desk.intake, question, desk.paid)


async def _remaining(desk: Desk, *, user: str) -> tuple[Remaining, ...]:
    return await own_standings(desk.app, desk.purses, user)


async def _record(desk: Desk, *, told: Told) -> Recorded:
    return await desk.recorder.book(told, Caller("local"))


def _serve(parcel: Parcel, mailbox: Mailbox, desk: Desk) -> Coroutine[Any, Any, None]:
    return desk.serve(parcel, mailbox)
