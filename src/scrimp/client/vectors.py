"""What `Scrimp.embed` and `embed_many` take and give, and how a reply's vectors are read."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict

import msgspec

from scrimp.client.given import several, text_of
from scrimp.client.purses import Pocket
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.money import decimal_usd

MODEL = "text-embedding-3-small"
BATCH = 100
MOST = 2048
"""So many texts at most in one request (OpenAI's API reference, checked 2026-11)."""
BATCH_BYTES = 600_000
"""So much text at most: OpenAI takes 300,000 tokens in one request, and three bytes may be one."""


class EmbedOptions(TypedDict, total=False):
    """What may be said beside texts; see `Scrimp.embed_many`."""

    model: str
    dimensions: int
    user: str
    task: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What texts must have in common to be asked for in one request."""

    model: str
    dimensions: int
    headers: tuple[tuple[bytes, bytes], ...]
    purses: tuple[Pocket, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far `embed_many` is. `cost_nanousd` is None as soon as a price is not known."""

    done: int
    total: int
    cost_nanousd: int | None

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars so far."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector, and this text's part of what its request used and cost.

    `source` is `upstream`, or the lever that answered.
    """

    vector: tuple[float, ...]
    model: str
    provider: str
    source: str
    tokens: int
    cost_nanousd: int | None
    id: str

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars; None when no price is known."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of many texts in their order, and what they took in all.

    `ids` are those of the requests in the ledger; `source` is who answered the first of them:
    `upstream`, or a lever.
    """

    vectors: tuple[tuple[float, ...], ...]
    model: str
    provider: str
    tokens: int
    cost_nanousd: int | None
    saved_nanousd: int | None
    ids: tuple[str, ...]
    source: str = "upstream"

    def __len__(self) -> int:
        """How many texts there were."""
        return len(self.vectors)

    def __iter__(self) -> Iterator[tuple[float, ...]]:
        """The vectors."""
        return iter(self.vectors)

    def __getitem__(self, number: int) -> tuple[float, ...]:
        """The vector of one text."""
        return self.vectors[number]

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars of all requests; None when a price is not known."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))


def checked(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts that endpoints take. Raises InvalidRequest with the number of the one at fault."""
    found = tuple(several("texts", texts))
    for number, text in enumerate(found):
        if not text_of(f"text {number}", text):
            raise InvalidRequest(f"text {number} is empty, and no endpoint takes an empty text")
    return found


def batches(texts: Sequence[str], size: int) -> Iterator[range]:
    """Which texts go into one request: at most so many, and no more text than is taken at once."""
    first, room = 0, BATCH_BYTES
    for number, text in enumerate(texts):
        length = len(text.encode("utf-8", "surrogatepass"))
        if number > first and (number - first == size or length > room):
            yield range(first, number)
            first, room = number, BATCH_BYTES
        room -= length
    if first < len(texts):
        yield range(first, len(texts))


def body_of(texts: Sequence[str], kind: Kind) -> bytes:
    """The request. Vectors come as bytes, which is a quarter of their digits and exact."""
    fields: dict[str, Any] = {"model": kind.model, "input": texts, "encoding_format": "base64"}
    if kind.dimensions:
        fields["dimensions"] = kind.dimensions
    return msgspec.json.encode(fields)


class _Vector(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Reply(msgspec.Struct):
    data: list[_Vector]


def vectors_of(body: bytes, count: int) -> tuple[tuple[float, ...], ...]:
    """One vector for each text, in their order. Raises UpstreamError for anything else."""
    try:
        data = msgspec.json.decode(body, type=_Reply).data
        found = {one.index: _numbers(one.embedding) for one in data}
    except (msgspec.DecodeError, ValueError) as error:
        raise UpstreamError("the provider's reply holds no vectors", status=502) from error
    if len(data) != count or sorted(found) != list(range(count)):
        raise UpstreamError(
            f"the provider's reply holds {len(data)} vectors for {count} texts, or not one of each",
            status=502,
        )
    return tuple(found[number] for number in range(count))


def _numbers(written: str | list[float]) -> tuple[float, ...]:
    """Raises ValueError for what is no row of 32-bit numbers."""
    if not isinstance(written, str):
        return tuple(written)
    numbers = array("f")
    numbers.frombytes(base64.b64decode(written, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)
