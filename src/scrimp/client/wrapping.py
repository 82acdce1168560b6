"""What an SDK's client tells of itself: vendor, where it goes, which HTTP library it stands on.

Nothing of the SDKs or of their HTTP libraries is imported: a client brings its own. Two generations
of the HTTP library are known, `httpx` and `httpx2`; both have the same shape.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from scrimp.errors import ConfigError
from scrimp.ledger.recorded import check_label, check_tags
from scrimp.providers import DEFAULT_PROVIDERS
from scrimp.settings import Settings
from scrimp.tasks import task_of

C = TypeVar("C")

Vendor = Literal["openai", "anthropic"]
_VENDORS: Mapping[str, Vendor] = {"OpenAI": "openai", "Anthropic": "anthropic"}
_OUR_ROOT = "/v1"  # where a vendor's API stands with us
_ENDINGS: Mapping[Vendor, tuple[str, ...]] = {
    "openai": ("/chat/completions", "/responses", "/embeddings"),
    "anthropic": ("/messages", "/messages/count_tokens"),
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where a wrapped client goes: an address, and the provider that it is booked under.

    `base_url` ends where `/chat/completions` or `/messages` begins. `prices_as` is empty when
    nobody said whose prices hold.
    """

    provider: str
    base_url: str
    vendor: Vendor
    prices_as: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """What every call of a wrapped client is booked under; a call's own headers win.

    Raises InvalidRequest at once for what each call would be refused for.
    """

    user: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    session: str = ""

    def __post_init__(self) -> None:
        check_label("user", self.user)
        check_label("session", self.session)
        check_tags(self.tags)
        task_of(self.task, {}, "", "")

    def headers(self) -> dict[bytes, bytes]:
        """The same as a gateway's client would send them."""
        given = {
            "x-scrimp-user": self.user,
            "x-scrimp-task": self.task,
            "x-scrimp-tags": ",".join(self.tags),
            "x-scrimp-session": self.session,
        }
        return {
            name.encode(): quote(value, safe=" ,").encode()
            for name, value in given.items()
            if value
        }


def vendor_of(client: object) -> Vendor:
    """Whose SDK this client is of. Raises ConfigError for what cannot be wrapped."""
    for kind in type(client).__mro__:
        name = kind.__name__.removeprefix("Async")
        vendor = _VENDORS.get(name)
        if vendor is not None and kind.__module__.partition(".")[0] == vendor:
            return vendor
    shown = f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
    raise ConfigError(
        f"{shown} cannot be wrapped (give an OpenAI, AsyncOpenAI, Anthropic or AsyncAnthropic "
        "client, or point this one at a gateway: scrimp serve)"
    )


class Homes:
    """Where a client's requests go: its base URL, or another that a copy of it was given."""

    def __init__(self, base_url: str, vendor: Vendor, settings: Settings, prices_as: str) -> None:
        self._vendor = vendor
        self._settings = settings
        self._prices_as = prices_as
        self._own = self._at(root_of(base_url, vendor))
        self._others: dict[str, Home] = {}

    def of(self, address: str) -> Home | None:
        """The home of a request; None when it is not one to a provider's API."""
        own = self._own
        if address.startswith(own.base_url + "/"):
            return own
        path = address.partition("?")[0]
        ending = next((end for end in _ENDINGS[self._vendor] if path.endswith(end)), "")
        if not ending:
            return None
        url = path.removesuffix(ending)
        if (home := self._others.get(url)) is None:
            home = self._others[url] = self._at(url)
        return home

    def _at(self, url: str) -> Home:
        return home_at(url, self._vendor, self._settings, self._prices_as)


def home_at(url: str, vendor: Vendor, settings: Settings, prices_as: str) -> Home:
    """A provider by its address, and the name under which its calls are booked.

    A base URL of the settings, or of a provider that Scrimp knows, has that provider's name and
    prices. Any other has its host for a name, and prices only if `prices_as` names them.
    """
    name, own_prices = _known(url, vendor, settings)
    if prices_as and prices_as != own_prices:
        return Home(f"{prices_as}@{_host_of(url)}", url, vendor, prices_as)
    return Home(name or _host_of(url), url, vendor, own_prices)


def _known(url: str, vendor: Vendor, settings: Settings) -> tuple[str, str]:
    """The provider at this address and the one whose prices it has; empty for a strange one."""
    for name, provider in settings.providers.items():
        speaks = any(dialect.startswith(vendor) for dialect in provider.dialects)
        if speaks and provider.base_url.rstrip("/") == url:
            return name, provider.prices_as or name
    for known in DEFAULT_PROVIDERS:
        if known.base_url == url and known.name not in settings.providers:
            return known.name, known.name
    return "", ""


def root_of(base_url: str, vendor: Vendor) -> str:
    """The address under which a vendor's API stands: Anthropic's client adds `/v1` by itself."""
    parts = urlsplit(base_url)
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return url + _OUR_ROOT if vendor == "anthropic" else url


def _host_of(url: str) -> str:
    """A provider that nobody named: its host, and its path where that says something."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] + parts.path.removesuffix(_OUR_ROOT).rstrip("/")
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return host if local or parts.scheme == "https" else f"{parts.scheme}://{host}"


def library_of(http_client: object) -> Any:
    """The HTTP library (a module) that an SDK's HTTP client is made of. Raises ConfigError."""
    for kind in type(http_client).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in ("httpx", "httpx2") and kind.__name__ in ("Client", "AsyncClient"):
            return sys.modules[name]
    shown = f"{type(http_client).__module__}.{type(http_client).__name__}"
    raise ConfigError(f"an HTTP client of httpx or httpx2 is needed under the SDK, not {shown}")


def is_async(library: Any, http_client: object) -> bool:
    """True for an HTTP client that is awaited."""
    return isinstance(http_client, library.AsyncClient)


def with_transport(client: C, http_client: Any, library: Any, transport: Any) -> C:
    """The same client over our transport; the one that was given stays as it is.

    Scrimp tries again by itself, so the SDK's own retries are off: on top of ours they would
    multiply attempts that cost money.
    """
    kind = library.AsyncClient if is_async(library, http_client) else library.Client
    ours = kind(
        transport=transport,
        timeout=http_client.timeout,
        headers=http_client.headers,
        params=http_client.params,
        cookies=http_client.cookies,
        auth=http_client.auth,
        event_hooks=http_client.event_hooks,
        follow_redirects=http_client.follow_redirects,
        max_redirects=http_client.max_redirects,
        trust_env=False,
    )
    given: Any = client
    wrapped: C = given.with_options(http_client=ours, max_retries=0)
    return wrapped
