"""Serves the requests of wrapped clients on the engine's loop, as the gateway serves HTTP.

Who asks is told by the client's own credential: it goes to the client's own provider, and clients
with different ones never share an answer.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from scrimp.app import App
from scrimp.calls import Call, Headers, Reply, Target, Trace
from scrimp.client.embedding import EmbedDesk
from scrimp.client.mailbox import Failure, Head, Mailbox
from scrimp.client.own_budgets import OwnBudgets, together
from scrimp.client.purses import Pocket
from scrimp.client.transport import Parcel
from scrimp.client.waiting import Waiting, is_of_jobs
from scrimp.client.wrapping import Home
from scrimp.dialects.base import Dialect
from scrimp.errors import Rejected, UpstreamError, kind_and_place
from scrimp.settings import ProviderSettings, Settings
from scrimp.shell import deliver, wire
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.jobs_told import Told
from scrimp.shell.recording import Recorder
from scrimp.shell.refusal import Refusal, refusal_of
from scrimp.shell.routes import ROUTES, UNREAD

log = logging.getLogger("scrimp.client")

_CREDENTIALS = (b"authorization", b"x-api-key", b"api-key")
_MOST_IDENTITIES = 1024
_WORDS = {"openai": "openai.chat", "anthropic": "anthropic.messages"}


class Outlet:
    """Implements `calls.Sink` for one request of a wrapped client. `extra` headers go with it."""

    live = True

    def __init__(self, mailbox: Mailbox, extra: Callable[[], Headers]) -> None:
        self._mailbox = mailbox
        self._extra = extra
        self.begun = False
        self.refused: Rejected | None = None

    async def start(self, status: int, headers: Headers) -> None:
        """Hand over status and headers of a live reply, with what is known of the call so far."""
        self.begun = True
        self._mailbox.put(Head(status, wire.beside(headers, self._extra()), None))

    async def write(self, chunk: bytes) -> None:
        """Hand over a piece of the body; waits while the caller does not read."""
        await self._mailbox.put_piece(chunk)

    async def finish(self) -> None:
        """Say that the body has ended."""
        self._mailbox.put(None)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Hand over a whole answer at once."""
        self.begun = True
        self._mailbox.put(Head(status, headers, body, self.refused))


class HomeTargets:
    """Where the calls of one home go: all there, under the name that the model has there."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:  # noqa: ARG002 (one shape with `Targets`)
        """The client's own provider knows what models it has."""
        settings, provider = self._settings, self._home.provider
        name = settings.aliases.get(model, model)
        entry = settings.models.get(name)
        if entry is not None and entry.provider == provider:
            name = entry.model or name
        return Target(provider, name, dialect)

    def default_provider(self, dialect: str) -> str:  # noqa: ARG002 (one shape with `Targets`)
        """The home, whatever it speaks."""
        return self._home.provider

    def has(self, provider: str) -> bool:
        """There is no other."""
        return provider == self._home.provider

    def named(self, model: str, provider: str) -> bool:  # noqa: ARG002 (one shape with `Targets`)
        """The client itself points there."""
        return provider == self._home.provider

    def speaks(self, dialect: str) -> bool:
        """Whatever the SDK speaks."""
        return dialect.partition(".")[0] == self._home.vendor


class _Front:
    """One home as an intake sees it."""

    def __init__(self, app: App, home: Home) -> None:
        self.settings = app.settings
        self.dialects = app.dialects
        self.clock = app.clock
        self.keys = app.keys
        self.targets = HomeTargets(home, app.settings)


class Desk:
    """Serves parcels over one `App`."""

    def __init__(
        self,
        app: App,
        *,
        tenant_secret: bytes,
        budgets: OwnBudgets | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.app = app
        self.intake = Intake(app, tenant_secret=tenant_secret)
        self.purses = () if budgets is None else budgets.purses(app)
        self.recorder = Recorder(app)
        self.embeds = EmbedDesk(app, self.intake, self.paid)
        self._secret = tenant_secret
        self.awaited: set[object] = set()  # one for each job that somebody waits for
        self._waiting = Waiting(app, secrets or {})
        self._intakes: dict[Home, Intake] = {}
        self._identities: dict[tuple[bytes, bytes], Identity] = {}

    async def serve(self, parcel: Parcel, mailbox: Mailbox) -> None:
        """Serve one request; the answer, or why there is none, goes to the mailbox."""
        one = _One(self.app, parcel, mailbox)
        try:
            intake, identity = self._intake(parcel.home), self._identity(one.headers)
            if is_of_jobs(parcel):
                await one.tell(await self._waiting.told(parcel, identity.tenant))
                return
            call = self._waiting.marked(one.call(intake, identity), one.headers)
            reply = await self.app.handle(self.paid(call, parcel.purses))
            await one.deliver(reply)
        except Rejected as error:
            await one.refuse(refusal_of(error), error.with_traceback(None))
        except UpstreamError as error:
            await one.fail(error)
        except Exception as error:  # noqa: BLE001 (the edge of the library, as that of the gateway)
            await one.break_down(error)

    def paid(self, call: Call, here: tuple[Pocket, ...]) -> Call:
        """The same call with the budgets of its context and of the engine to pay for it."""
        purses = together(here, self.purses) if self.purses else here
        return replace(call, caller=replace(call.caller, purses=purses)) if purses else call

    async def booked(self) -> None:
        """Wait until every finished call can be read in the ledger."""
        await self.app.outbox.drained()
        await self.app.ledger.flush()

    def _intake(self, home: Home) -> Intake:
        """The intake of one home; a home that the settings do not name is made known first."""
        if (intake := self._intakes.get(home)) is None:
            if home.provider not in self.app.settings.providers:
                self.app.reach(home.provider, _unnamed(home))
            front = _Front(self.app, home)
            intake = self._intakes[home] = Intake(front, tenant_secret=self._secret)
        return intake

    def _identity(self, headers: dict[bytes, bytes]) -> Identity:
        """Whose call it is: nobody's but his who has the same credential."""
        for name in _CREDENTIALS:
            if value := headers.get(name):
                break
        else:
            return Identity()
        key = (name, value)
        if (identity := self._identities.get(key)) is None:
            mac = hmac.new(self._secret, value, hashlib.sha256).hexdigest()[:32]
            credential = (name.decode(), value.decode("latin-1"))
            identity = Identity(credential=credential, tenant=f"credential:{mac}")
            if len(self._identities) < _MOST_IDENTITIES:
                self._identities[key] = identity
        return identity


class _One:
    """One request being served."""

    def __init__(self, app: App, parcel: Parcel, mailbox: Mailbox) -> None:
        self._app = app
        self._parcel = parcel
        self._mailbox = mailbox
        self._id = app.new_id()
        self._trace = Trace()
        self._call: Call
        self.headers = dict(parcel.raw)
        route = ROUTES.get(parcel.path.partition("?")[0], UNREAD)
        self._route = route if parcel.method == route.method else UNREAD
        self._dialect: Dialect = app.dialects[self._route.dialect or _WORDS[parcel.home.vendor]]
        headers_of = wire.trace_headers if self._route.dialect else wire.unread_headers
        # no bound method: it would lead back here, and only the collector frees a ring
        self._outlet = Outlet(mailbox, partial(headers_of, self._id, self._trace))

    def call(self, intake: Intake, identity: Identity) -> Call:
        """The request as a call. Raises Rejected."""
        parcel = self._parcel
        asked = Asked(
            id=self._id,
            identity=identity,
            method=parcel.method,
            path=parcel.path,
            headers=self.headers,
            raw=parcel.raw,
            body=parcel.body,
            sink=self._outlet,
            trace=self._trace,
        )
        read = bool(self._route.dialect)
        self._call = intake.call(asked, self._route) if read else intake.passthrough(asked)
        return self._call

    async def tell(self, told: Told) -> None:
        """An answer of ours, which no provider has given."""
        headers = (*deliver.JSON, *told.headers, *wire.id_headers(self._id))
        await self._outlet.whole(told.status, headers, told.body)

    async def deliver(self, reply: Reply) -> None:
        """The reply, as far as it has not gone already."""
        await deliver.deliver(self._outlet, self._dialect, reply, self._call)

    async def refuse(self, refusal: Refusal, error: Rejected | None = None) -> None:
        """Our own refusal, so that the SDK raises its own exception class, with ours in it."""
        self._outlet.refused = error
        headers = wire.id_headers(self._id)
        await deliver.refuse(self._outlet, self._dialect, refusal, headers)

    async def fail(self, error: UpstreamError) -> None:
        """The provider's error as it came; if it gave none, what the HTTP library would raise."""
        attempts = self._trace.attempts
        if self._outlet.begun:
            await self._break_off(error)
        elif attempts and attempts[-1].status >= 400:
            await deliver.pass_on(self._outlet, self._dialect, error, self._call)
        else:
            self._mailbox.put(Failure(error))

    async def break_down(self, error: Exception) -> None:
        """What was not foreseen: its kind and place in the log, without what it says."""
        log.error("call %s failed: %s", self._id, kind_and_place(error))
        text = "Scrimp failed on this call; its log has the reason"
        if self._outlet.begun:
            await self._break_off(UpstreamError(text, status=500))
        else:
            await self.refuse(Refusal(500, "internal", text))

    async def _break_off(self, error: UpstreamError) -> None:
        if not await deliver.break_off(self._outlet, self._dialect, error, self._call):
            self._mailbox.put(Failure(error))


def _unnamed(home: Home) -> ProviderSettings:
    """A provider that only a wrapped client names."""
    return ProviderSettings(base_url=home.base_url, dialects=(), prices_as=home.prices_as)
