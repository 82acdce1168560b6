"""What came of one call of many, and the line that tells it in a file. Pure.

A line has the shape of OpenAI's batch output (`id`, `custom_id`, `response`, `error`), with what
Scrimp knows beside it under `scrimp`, and the bare `text` where the call was a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from scrimp.calls import Usage
from scrimp.errors import InvalidRequest
from scrimp.money import decimal_usd

_encode = msgspec.json.Encoder().encode
_NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one call. `str` of it is the text that was said.

    `error` says what was wrong and is empty for an answer; `kind` is its word for machines. `body`
    is the provider's answer as the SDKs know it. `source` is `upstream`, or the lever that
    answered. `cost_nanousd` is None where nobody knows it (never to be read as $0);
    `high_nanousd` is the most that it may have cost. `saved` is by lever, in nano-dollars.
    """

    id: str
    status: int
    body: bytes = field(default=b"", repr=False)
    text: str = field(default="", repr=False)
    error: str = ""
    kind: str = ""
    source: str = ""
    model: str = ""
    provider: str = ""
    finish: str = ""
    tokens: Usage = _NO_USAGE
    cost_nanousd: int | None = 0
    high_nanousd: int | None = 0
    saved: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        """The text alone."""
        return self.text

    @property
    def ok(self) -> bool:
        """True for an answer."""
        return not self.error

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))

    @property
    def saved_nanousd(self) -> int:
        """What the levers saved in all; may be negative."""
        return sum(nanousd for _, nanousd in self.saved)

    def json(self) -> Any:
        """The answer's body as Python values; None where there is none."""
        return msgspec.json.decode(self.body) if self.body else None


class About(msgspec.Struct, frozen=True):
    """What Scrimp writes of a result beside it. `earlier_nanousd` was spent on earlier tries."""

    line: int
    key: str
    cost_nanousd: int | None
    high_nanousd: int | None
    earlier_nanousd: int = 0
    cost_usd: str | None = None
    saved_nanousd: int = 0
    source: str = ""
    model: str = ""
    provider: str = ""
    finish: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def most_nanousd(self) -> int:
        """The most that was spent on this line so far, as far as anybody knows."""
        return (self.high_nanousd or self.cost_nanousd or 0) + self.earlier_nanousd


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    code: str
    message: str


class Response(msgspec.Struct, frozen=True):
    """The answer."""

    status_code: int
    request_id: str
    body: msgspec.Raw


class Written(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a file of results."""

    id: str
    custom_id: str
    response: Response | None
    error: Failure | None
    scrimp: About
    text: str = ""


class Known(msgspec.Struct, frozen=True):
    """The part of such a line that is needed to know it again."""

    id: str
    custom_id: str
    scrimp: About
    error: Failure | None = None


_known = msgspec.json.Decoder(Known).decode
_written = msgspec.json.Decoder(Written).decode


def written(result: Result, about: tuple[int, str, str], *, plain: bool, earlier: int) -> bytes:
    """The line of a result; `about` is the line it stands in, its key, and its name there."""
    line, key, name = about
    response = None
    if not result.error:
        response = Response(result.status, result.id, msgspec.Raw(_on_one_line(result.body)))
    told = About(
        line=line,
        key=key,
        cost_nanousd=result.cost_nanousd,
        high_nanousd=result.high_nanousd,
        earlier_nanousd=earlier,
        cost_usd=None if result.cost_nanousd is None else decimal_usd(result.cost_nanousd),
        saved_nanousd=result.saved_nanousd,
        source=result.source,
        model=result.model,
        provider=result.provider,
        finish=result.finish,
        input_tokens=result.tokens.total_input_tokens,
        output_tokens=result.tokens.total_output_tokens,
    )
    failure = Failure(result.kind, result.error) if result.error else None
    text = result.text if plain and not result.error else ""
    one = Written(result.id, name or f"line-{line}", response, failure, told, text)
    return _encode(one) + b"\n"


def known(line: bytes, where: str) -> Known:
    """A line that was written before. Raises InvalidRequest for any other."""
    try:
        return _known(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"{where}: scrimp run did not write this") from error


def renamed(line: bytes, number: int, name: str) -> bytes:
    """The same result under another line's number, and name."""
    one = _written(line)
    about = msgspec.structs.replace(one.scrimp, line=number)
    custom_id = name or f"line-{number}"
    return _encode(msgspec.structs.replace(one, custom_id=custom_id, scrimp=about)) + b"\n"


def _on_one_line(body: bytes) -> bytes:
    """Providers write JSON over several lines, too."""
    return msgspec.json.format(body, indent=-1)
