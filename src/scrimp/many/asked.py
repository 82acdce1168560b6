"""What one line of a file asks: a body, a line of a provider's batch file, or a prompt. Pure.

A line is a body as an SDK sends it (OpenAI's chat, responses, embeddings; Anthropic's messages),
OpenAI's `{custom_id, method, url, body}`, Anthropic's `{custom_id, params}`, or a prompt:
`{prompt, model}` with `system` and any other fields of a body beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from scrimp.dialects import DIALECTS
from scrimp.dialects.detect import dialect_of
from scrimp.dialects.plain_call import dialect_for, plain_call
from scrimp.errors import InvalidRequest
from scrimp.lines import Record, Row
from scrimp.many.rates import Size
from scrimp.values import Value

PATHS: Mapping[str, str] = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
}
_DIALECTS = {path: dialect for dialect, path in PATHS.items()}
_NAMES = ("custom_id", "id")
_FORM = ("stream", "stream_options")
"""Of how an answer is delivered: here each one is whole."""
_NUMBERS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "temperature", "top_p")
_OF_CSV = (*_NAMES, *_NUMBERS, "model", "system")
_MOST_NAME = 512
_BYTES_PER_TOKEN = 4
_DIGEST_BYTES = 16

_encode = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="deterministic").encode


class Reading(Value, frozen=True):
    """How lines are read: `model` for those that name none, `column` of the prompts."""

    model: str = ""
    column: str = "prompt"


class Item(Value, frozen=True):
    """One call. `key` is a digest of all that is asked: equal calls have equal ones.

    `line` is where it stands, `name` what the file calls it. `plain` marks a prompt.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"body"})

    line: int
    key: bytes
    dialect: str
    model: str
    body: bytes
    name: str = ""
    plain: bool = False
    size: Size = Size()

    @property
    def path(self) -> str:
        """Where it is asked."""
        return PATHS[self.dialect]

    @property
    def lane(self) -> str:
        """With which others it shares the limits of a provider."""
        return f"{self.dialect} {self.model}"


def item_of(record: Record, line: int, reading: Reading) -> Item:
    """The call of a record. Raises InvalidRequest with what is wrong, never with its texts."""
    name = _name(record)
    plain = False
    if "params" in record and "model" not in record:
        dialect, fields = "anthropic.messages", _object(record, "params")
    elif "body" in record and "messages" not in record and "input" not in record:
        dialect, fields = _dialect_at(record), _object(record, "body")
    elif reading.column in record and "messages" not in record:
        plain = True
        fields = _asking(record, reading)
        dialect = dialect_for(fields["model"])
    else:
        fields = {key: value for key, value in record.items() if key not in _NAMES}
        dialect = ""
    fields = {key: value for key, value in fields.items() if key not in _FORM}
    if not fields.get("model") and reading.model:
        fields["model"] = reading.model
    if not fields.get("model"):
        raise InvalidRequest("names no model (a field 'model', or --model NAME)")
    return _item(fields, dialect or dialect_of(fields), Item(line, b"", "", "", b"", name, plain))


def _item(fields: dict[str, Any], dialect: str, shape: Item) -> Item:
    try:
        body = _encode(fields)
        digest = hashlib.blake2b(PATHS[dialect].encode() + b"\0", digest_size=_DIGEST_BYTES)
        digest.update(_sorted(fields))
    except (OverflowError, RecursionError) as error:
        raise InvalidRequest("holds a number out of range, or is nested too deep") from error
    request = DIALECTS[dialect].read_request(body)
    most = request.max_output_tokens or 0
    return Item(
        line=shape.line,
        key=digest.digest(),
        dialect=dialect,
        model=request.model,
        body=body,
        name=shape.name,
        plain=shape.plain,
        size=Size(len(body) // _BYTES_PER_TOKEN, most * request.n),
    )


def _asking(record: Record, reading: Reading) -> dict[str, Any]:
    """A prompt and the other fields of its call. Of a CSV only columns that are known are read."""
    prompt = _text(record, reading.column)
    if not prompt.strip():
        raise InvalidRequest(f"'{reading.column}' is empty")
    model = _text(record, "model") or reading.model
    if not model:
        raise InvalidRequest("names no model (a field 'model', or --model NAME)")
    system = _text(record, "system")
    fields = plain_call(dialect_for(model), model, prompt, system)
    ours = (*_NAMES, reading.column, "model", "system")
    csv = isinstance(record, Row)
    for key, value in record.items():
        if key not in ours and (not csv or key in _OF_CSV):
            fields[key] = _number(key, value) if csv and key in _NUMBERS else value
    return fields


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"'{name}' is no text")
    return value or ""


def _number(name: str, text: str) -> int | float:
    try:
        found: int | float = msgspec.json.decode(text, type=int | float)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"'{name}' is no number") from error
    return found


def _name(record: Record) -> str:
    for name in _NAMES:
        value = record.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str):
            if len(value) > _MOST_NAME:
                raise InvalidRequest(f"'{name}' has {len(value)} characters; at most {_MOST_NAME}")
            return value
        if value is not None:
            raise InvalidRequest(f"'{name}' is neither a text nor a whole number")
    return ""


def _dialect_at(record: Record) -> str:
    """Of the `url` of a line of a batch file."""
    method = record.get("method", "POST")
    if method != "POST":
        raise InvalidRequest(f"'method' is {str(method)[:20]!r}, not POST")
    url = record.get("url")
    if url is None:
        return ""
    if not isinstance(url, str) or url not in _DIALECTS:
        raise InvalidRequest(f"'url' is {str(url)[:60]!r}, none of {', '.join(_DIALECTS)}")
    return _DIALECTS[url]


def _object(record: Record, name: str) -> dict[str, Any]:
    value = record[name]
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{name}' is no object")
    return value
