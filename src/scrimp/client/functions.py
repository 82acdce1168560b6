"""`scrimp.count`, `scrimp.estimate`, `scrimp.price`: without an engine, a server, a file or a key.

They know the price book that ships with the package. The methods of `Scrimp` by the same names also
know the prices, models and providers of its settings, an updated book, and what was learned of
models' tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, Self, TypedDict, Unpack

import msgspec

from scrimp.app import open_encoder
from scrimp.billing import book_of
from scrimp.calls import Target, Usage
from scrimp.client.said import dumped
from scrimp.errors import InvalidRequest
from scrimp.ports import Count
from scrimp.prices.book import load_book
from scrimp.prices.quote import Bill, Estimate
from scrimp.settings import Settings
from scrimp.shell.quoting import Hints, Quoter, usage_from


class NowEncoder(Protocol):
    """Tokenizers that count in the calling thread."""

    def count_now(self, model: str, text: str) -> Count:
        """Tokens of a text."""
        ...

    def request_now(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """Prompt tokens of a whole request body."""
        ...


class EstimateOptions(TypedDict, total=False):
    """What may be said of a call beside its body; see `scrimp.shell.quoting.Hints`."""

    dialect: str
    provider: str
    service_tier: str
    output_tokens: int
    at: datetime


class Quotes:
    """Counts and prices in the calling thread."""

    def __init__(self, quoter: Quoter, encoder: NowEncoder) -> None:
        self._quoter = quoter
        self._encoder = encoder

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """With all that settings say and engines have learned. Raises ConfigError."""
        return cls(Quoter(settings, book_of(settings)), open_encoder(settings))

    @property
    def encoder(self) -> NowEncoder:
        """What counts."""
        return self._encoder

    def served(self, name: str) -> Target | None:
        """Who serves a model; None where nobody does."""
        return self._quoter.served(name)

    def bill(self, usage: Usage, name: str) -> Bill:
        """What usage of a model costs now. Raises PriceUnknown."""
        return self._quoter.price(usage, name, "", datetime.now(UTC))

    def count(self, text: str, model: str) -> Count:
        """As `scrimp.count`."""
        return self._encoder.count_now(self._quoter.model_of(model), text)

    def estimate(self, call: Mapping[str, Any], options: EstimateOptions) -> Estimate:
        """As `scrimp.estimate`."""
        prepared = self._quoter.prepare(body_of(call), _hints(options), datetime.now(UTC))
        seller = prepared.seller
        fields = prepared.request.fields
        inputs = self._encoder.request_now(seller.model, fields, seller.dialect)
        return self._quoter.estimate(prepared, inputs)

    def price(
        self, usage: object, model: str, provider: str, at: datetime | None, service_tier: str
    ) -> Bill:
        """As `scrimp.price`."""
        if at is None:
            at = datetime.now(UTC)
        read, tier = usage_from(usage, provider)
        return self._quoter.price(read, model, provider, at, service_tier or tier)


def count(text: str, model: str) -> Count:
    """Tokens of a text for a model: `tokens`, and `low` and `high` around the truth.

    OpenAI's models are counted exactly, others with an estimate; `method` says how. The first count
    loads a vocabulary (a second, 80 MB).
    """
    return _shipped().count(text, model)


def estimate(call: Mapping[str, Any], **options: Unpack[EstimateOptions]) -> Estimate:
    """What a call will cost before it is sent: expected, at least, at most; tokens and dollars.

    `call` is what the SDK would be given: a body of OpenAI chat completions, responses or
    embeddings, or of Anthropic messages. Raises InvalidRequest for what is none, PriceUnknown when
    nobody knows the price. It counts in the calling thread: on an event loop use
    `asyncio.to_thread` for long texts.
    """
    return _shipped().estimate(call, options)


def price(
    usage: object,
    model: str,
    provider: str = "",
    at: datetime | None = None,
    *,
    service_tier: str = "",
) -> Bill:
    """What usage costs at an aware time (now): line items and total in nano-dollars, with source.

    `usage` is a `scrimp.calls.Usage`, an SDK's usage object or a mapping in the provider's own
    shape. Without a `provider` the one that is known for the model is taken, without a
    `service_tier` what the usage tells of it. Raises PriceUnknown for a model without a price and
    for a usage that cannot be read: never $0.
    """
    return _shipped().price(usage, model, provider, at, service_tier)


def now_encoder() -> NowEncoder:
    """The tokenizers behind these functions, which are loaded once."""
    return _shipped().encoder


@lru_cache(maxsize=1)
def _shipped() -> Quotes:
    return Quotes(Quoter(Settings(), load_book()), open_encoder())


def _hints(options: EstimateOptions) -> Hints:
    try:
        return msgspec.convert(dict(options), Hints, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the call cannot be estimated: {error}") from error


def body_of(call: Mapping[str, Any]) -> bytes:
    """The body as the SDK would send it. Raises InvalidRequest."""
    try:
        return msgspec.json.encode(dict(call), enc_hook=_plain)
    except UnicodeEncodeError:
        raise InvalidRequest("a text has lone surrogates: no request can carry them") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be sent as JSON: {error}") from error


def _plain(value: object) -> object:
    """What SDKs turn into JSON by themselves: their own objects, and any mapping or sequence."""
    if (found := dumped(value)) is not None:
        return found
    msg = f"a {type(value).__name__} is in it"
    raise TypeError(msg)
