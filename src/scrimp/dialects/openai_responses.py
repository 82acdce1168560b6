"""OpenAI responses: `POST /v1/responses`, and every provider that speaks it.

What one call leaves at the provider for the next (conversations, earlier responses, stored prompts,
work in the background) is sent on like everything else; such calls are marked as stateful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from scrimp.calls import Headers, ReplyFacts, Request
from scrimp.dialects import (
    checks,
    openai_responses_convert,
    openai_responses_gather,
    openai_responses_texts,
    openai_words,
)
from scrimp.dialects.base import ErrorKind, StreamReader
from scrimp.dialects.json_body import encode, read_object
from scrimp.dialects.openai_responses_stream import (
    OpenAIResponsesReader,
    facts_of,
    parse_response,
)
from scrimp.dialects.openai_words import ANSWER_HEADERS
from scrimp.errors import InvalidRequest

_STATE = frozenset({"store", "background", "conversation", "prompt", "context_management"})
_STATE_ITEMS = frozenset({"item_reference", "compaction_trigger"})

# Tools that run where the client is.
_CLIENT_RUN_TOOLS = ("function", "custom", "local_shell", "apply_patch")
_ANSWERS = "_output"
_APPROVAL = "mcp_approval_response"


@dataclass(frozen=True, slots=True)
class OpenAIResponses:
    """The dialect `openai.responses`."""

    name: str = "openai.responses"

    def read_request(self, body: bytes) -> Request:
        """Raises InvalidRequest with the field at fault, never with its content."""
        fields = read_object(body)
        model = checks.model(fields)
        items = _items(fields)
        return Request(
            body=body,
            fields=fields,
            model=model,
            stream=checks.flag(fields, "stream"),
            include_usage=True,
            max_output_tokens=checks.whole_number(fields, "max_output_tokens"),
            stateful=_stateful(fields, items),
            side_effects=_side_effects(fields, items),
            user=checks.text(fields, "user") or checks.text(fields, "safety_identifier"),
            metadata=checks.mapping(fields, "metadata"),
        )

    def upstream_body(self, request: Request, *, model: str, want_usage: bool) -> bytes:  # noqa: ARG002 - the protocol's; streams always end with usage here
        """The bytes to send: `request.body` itself unless another model is asked."""
        if model == request.model:
            return request.body
        return encode({**request.fields, "model": model})

    def cache_fields(self, request: Request) -> Mapping[str, Any]:
        """All fields but `stream` and its padding (`stream_options.include_obfuscation`)."""
        fields = {name: value for name, value in request.fields.items() if name != "stream"}
        options = fields.pop("stream_options", None)
        if isinstance(options, dict):
            options = {k: v for k, v in options.items() if k != "include_obfuscation"}
        if options:
            fields["stream_options"] = options
        return fields

    def read_reply(self, body: bytes) -> ReplyFacts:
        """Facts of a whole JSON reply; complete when it has ended and has its output."""
        response = parse_response(body)
        if response is None:
            return ReplyFacts()
        facts = facts_of(response)
        return facts if response.output is not None else replace(facts, complete=False)

    def stream_reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002 - the protocol's; no event exists for usage alone
        """A fresh reader for one event stream."""
        return OpenAIResponsesReader()

    def to_stream(self, body: bytes, *, include_usage: bool) -> bytes:  # noqa: ARG002 - the protocol's; usage is in every stream
        """A whole JSON response as an event stream."""
        return openai_responses_convert.to_stream(body)

    def from_stream(self, events: bytes) -> bytes:
        """A whole event stream as a JSON response."""
        return openai_responses_gather.from_stream(events)

    def prompt_texts(self, request: Request) -> tuple[str, ...]:
        """Every text that goes in."""
        return openai_responses_texts.prompt_texts(request.fields)

    def reply_texts(self, body: bytes) -> tuple[str, ...]:
        """Every text that came out, of a JSON reply or of any piece of an event stream."""
        return openai_responses_texts.reply_texts(body)

    def last_user_text(self, request: Request) -> str:
        """The newest thing that a person asked; may be empty."""
        return openai_responses_texts.last_user_text(request.fields)

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """A JSON error body as OpenAI words it."""
        return openai_words.error_body(kind, message)

    def error_event(self, kind: ErrorKind, message: str) -> bytes:
        """An error in the middle of an event stream; OpenAI's SDKs raise on it."""
        return openai_responses_convert.error_event(openai_words.error_fields(kind, message))

    def answer_headers(self, headers: Headers) -> Headers:
        """Of a client's headers, those that can change an answer."""
        return tuple(header for header in headers if header[0] in ANSWER_HEADERS)


def _items(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input as a list of items; empty for a plain text, or where none is needed."""
    value = fields.get("input")
    if value is None or isinstance(value, str):
        return []
    if not isinstance(value, list):
        raise InvalidRequest("'input' must be a string or a list of items")
    for position, item in enumerate(value):
        if not isinstance(item, dict):
            raise InvalidRequest(f"'input[{position}]' must be an object")
    return value


def _stateful(fields: Mapping[str, Any], items: list[dict[str, Any]]) -> bool:
    if checks.names_any(fields, _STATE):
        return True
    options = fields.get("prompt_cache_options")
    if isinstance(options, dict) and options.get("prewarm"):
        return True  # all that it wants is what it does at the provider
    # `type` may be missing from a reference: it then has nothing but an id.
    return any(
        item.get("type") in _STATE_ITEMS or item.keys() == {"id"}
        for item in items
        if isinstance(item.get("type"), str | None)
    )


def _side_effects(fields: Mapping[str, Any], items: list[dict[str, Any]]) -> bool:
    last = items[-1].get("type") if items else None
    if isinstance(last, str) and (last.endswith(_ANSWERS) or last == _APPROVAL):
        return True
    tools = list(_list(fields.get("tools")))
    for item in items:
        if item.get("type") == "additional_tools":
            tools += _list(item.get("tools"))
    return not all(map(_runs_at_the_client, tools))


def _runs_at_the_client(tool: object) -> bool:
    if not isinstance(tool, dict):
        return True
    match tool.get("type"):
        case "namespace":
            return all(map(_runs_at_the_client, _list(tool.get("tools"))))
        case "shell":
            where = tool.get("environment")
            return isinstance(where, dict) and where.get("type") == "local"
        case "tool_search":
            return tool.get("execution") == "client"
        case kind:
            return kind in _CLIENT_RUN_TOOLS


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
