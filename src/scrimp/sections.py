"""The tables of `scrimp.toml`: their fields, defaults and bounds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import platformdirs
from msgspec import Meta

from scrimp.alerts.tables import AlertsSection
from scrimp.batches.tables import DeferSection
from scrimp.budgets.tables import BudgetSection, BudgetTable, DegradeSection, TierTable
from scrimp.clamping.tables import ClampOutputSection
from scrimp.likeness import Ignored
from scrimp.packing.tables import PackSection
from scrimp.prefixes.tables import PrefixCacheSection
from scrimp.prices.own import PriceTables, UnpricedSection
from scrimp.providers import SpokenDialect
from scrimp.routing.cascade_tables import CascadeSection
from scrimp.routing.fallback_tables import FallbackSection
from scrimp.routing.tables import RouteSection
from scrimp.semantics.tables import SemanticCacheSection
from scrimp.shrinking.tables import CompactSection, TrimSection

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file: a field that Scrimp does not know is an error, not a silent nothing."""


class ServerSettings(Section, frozen=True):
    """Where the gateway listens and how long it waits for clients."""

    host: str = "127.0.0.1"
    port: Port = 4141
    workers: Annotated[int, Meta(ge=1, le=128)] = 1
    allowed_hosts: tuple[str, ...] = ()
    max_body_bytes: Count = 32 * 1024 * 1024
    head_timeout_s: Positive = 30.0
    body_timeout_s: Positive = 60.0
    write_timeout_s: Positive = 60.0
    drain_s: Positive = 30.0


class MetricsSection(Section, frozen=True):
    """Who may read `/metrics` where callers need keys: a key of its own, by its SHA-256 in hex."""

    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""


class AdminSection(Section, frozen=True):
    """The admin API. With `sha256`, the digest of a key, it takes that key beside stored ones."""

    enabled: bool = True
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""


class AuthSettings(Section, frozen=True):
    """`keys`: virtual keys once there are any; `passthrough`: clients bring provider keys."""

    mode: Literal["keys", "passthrough"] = "keys"


class TimeoutSettings(Section, frozen=True):
    """Seconds to connect, to the first byte, between two bytes, and in all."""

    connect_s: Positive = 10.0
    first_byte_s: Positive = 300.0
    idle_s: Positive = 120.0
    total_s: Positive = 1800.0


class ProviderSettings(Section, frozen=True):
    """One provider. `base_url` ends where `/chat/completions` or `/messages` begins.

    A provider that Scrimp knows by name gets what its table leaves out from `DEFAULT_PROVIDERS`.
    `prices_as` names the provider of the price book whose prices hold (its own name by default),
    `residency` the place where its endpoint keeps the work, when that has a price of its own.
    `trust_cost` says whether a cost that it tells in its usage is what a call cost (`auto`: if its
    API is known to tell one).
    """

    base_url: str
    dialects: tuple[SpokenDialect, ...]
    key_env: str = ""
    prices_as: str = ""
    residency: str = ""
    trust_cost: bool | Literal["auto"] = "auto"
    any_model: bool = False
    ask_usage: bool = True
    headers: dict[str, str] = {}
    timeouts: TimeoutSettings = TimeoutSettings()

    def __repr__(self) -> str:
        """Without the values of headers: people put credentials there."""
        return f"ProviderSettings({self.base_url!r}, headers={sorted(self.headers)})"


class ModelSettings(Section, frozen=True):
    """A model by the name that clients use."""

    provider: str
    model: str = ""


class ExactCacheSection(Section, frozen=True):
    """The exact cache. `ttl` by task type, such as `"24h"`; `"0"` is never.

    `max_bytes` bounds memory or the file; a Redis bounds itself. `memory_bytes` is memory in front
    of a file or a Redis (0: none). `url_env` names the variable that holds the URL of the Redis.
    `stale_while_revalidate`: so long past its time an answer is served while it is asked for anew.
    Prompts that differ only by what `ignore` names share an answer.
    """

    enabled: bool = True
    engine: Literal["memory", "sqlite", "redis"] = "memory"
    max_bytes: Count = 256 * 1024 * 1024
    memory_bytes: Annotated[int, Meta(ge=0)] = 64 * 1024 * 1024
    path: str = ""
    url_env: str = "SCRIMP_REDIS_URL"
    prefix: Name = "scrimp"
    timeout_s: Positive = 0.25
    wait_s: Annotated[float, Meta(ge=0)] = 10.0
    max_reply_bytes: Count = 1024 * 1024
    max_temperature: Annotated[float, Meta(ge=0)] = 1.0
    ttl: dict[str, str] = {}
    stale_while_revalidate: str = "0"
    ignore: tuple[Ignored, ...] = ()


class EventsSection(Section, frozen=True):
    """Events from outside, signed: `secret_env` names the variable with the shared secret.

    `tolerance_s` is how old a signature may be.
    """

    secret_env: str = "SCRIMP_EVENTS_SECRET"  # noqa: S105 (the name of a variable)
    tolerance_s: Annotated[int, Meta(ge=1, le=3600)] = 300


class CoalesceSection(Section, frozen=True):
    """Equal calls in the air. `auto`: enabled where the exact cache is."""

    enabled: bool | Literal["auto"] = "auto"
    max_bytes: Annotated[int, Meta(ge=64 * 1024)] = 4 * 1024 * 1024


class RetrySection(Section, frozen=True):
    """Attempts count the first one; 1 never retries."""

    attempts: Annotated[int, Meta(ge=1, le=10)] = 3
    base_s: Positive = 0.25
    max_wait_s: Positive = 8.0
    max_retry_after_s: Positive = 20.0


class LedgerSection(Section, frozen=True):
    """The ledger's file (in the state folder by default). Content is kept only when asked for.

    `traits` are keyed digests and sizes of paid calls, which `scrimp advise` reads.
    """

    path: str = ""
    keep_content: bool = False
    traits: bool = True


class KeySettings(Section, frozen=True):
    """A virtual key by its SHA-256 in hex; `scrimp key` makes one and shows it once.

    `trusted` callers may name an end user. `expires` is a time with its offset.
    """

    name: Name
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    team: str = ""
    user: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    org: str = ""
    trusted: bool = False
    expires: Annotated[datetime, Meta(tz=True)] | None = None


class Settings(Section, frozen=True):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    admin: AdminSection = AdminSection()
    state_dir: str = ""
    providers: dict[Name, ProviderSettings] = {}
    models: dict[str, ModelSettings] = {}
    aliases: dict[str, str] = {}
    prices: dict[str, PriceTables] = {}
    unpriced: UnpricedSection = UnpricedSection()
    exact_cache: ExactCacheSection = ExactCacheSection()
    events: EventsSection = EventsSection()
    semantic_cache: SemanticCacheSection = SemanticCacheSection()
    coalesce: CoalesceSection = CoalesceSection()
    trim: TrimSection = TrimSection()
    compact: CompactSection = CompactSection()
    clamp_output: ClampOutputSection = ClampOutputSection()
    prefix_cache: PrefixCacheSection = PrefixCacheSection()
    pack: PackSection = PackSection()
    defer: DeferSection = DeferSection()
    route: RouteSection = RouteSection()
    cascade: CascadeSection = CascadeSection()
    fallback: FallbackSection = FallbackSection()
    retry: RetrySection = RetrySection()
    ledger: LedgerSection = LedgerSection()
    metrics: MetricsSection = MetricsSection()
    keys: tuple[KeySettings, ...] = ()
    budget: BudgetSection = BudgetSection()
    budgets: dict[Name, BudgetTable] = {}
    tiers: dict[Name, TierTable] = {}
    limits: dict[Name, BudgetTable] = {}
    degrade: DegradeSection = DegradeSection()
    alerts: AlertsSection = AlertsSection()

    @property
    def state_path(self) -> Path:
        """The folder of the ledger and other state."""
        return Path(self.state_dir or platformdirs.user_state_dir("scrimp")).expanduser()

    @property
    def control_path(self) -> Path:
        """The file of keys, members and rules that are made while the gateway runs."""
        return self.state_path / "control.sqlite"

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        path = self.ledger.path
        return Path(path).expanduser() if path else self.state_path / "ledger.sqlite"

    @property
    def cache_path(self) -> Path:
        """The file of the exact cache, where it has one."""
        path = self.exact_cache.path
        return Path(path).expanduser() if path else self.state_path / "cache.sqlite"

    @property
    def semantic_path(self) -> Path:
        """The file of the semantic cache, where it has one."""
        path = self.semantic_cache.path
        return Path(path).expanduser() if path else self.state_path / "semantic.sqlite"

    @property
    def routes_path(self) -> Path:
        """The file of what routes have learned."""
        path = self.route.path
        return Path(path).expanduser() if path else self.state_path / "routes.sqlite"

    @property
    def budget_path(self) -> Path:
        """The file of what budgets have used, where it has one."""
        path = self.budget.path
        return Path(path).expanduser() if path else self.state_path / "budgets.sqlite"

    @property
    def jobs_path(self) -> Path:
        """The file of calls that wait."""
        path = self.defer.path
        return Path(path).expanduser() if path else self.state_path / "jobs.sqlite"

    @property
    def alerts_path(self) -> Path:
        """The file of the outbox of alerts."""
        return self.state_path / "alerts.sqlite"
