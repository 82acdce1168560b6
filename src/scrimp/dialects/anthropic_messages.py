"""Anthropic messages: `POST /v1/messages`, and `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scrimp.calls import Headers, ReplyFacts, Request
from scrimp.dialects import anthropic_convert, anthropic_texts, checks, sse
from scrimp.dialects.anthropic_stream import AnthropicReader, error_message, finish_of
from scrimp.dialects.anthropic_usage import read_tier, read_usage
from scrimp.dialects.base import ErrorKind, StreamReader
from scrimp.dialects.json_body import encode, parse_object, read_object
from scrimp.errors import InvalidRequest

_STATE = frozenset({"container", "context_management", "mcp_servers", "thread", "diagnostics"})
_ANSWER_HEADERS = frozenset({"anthropic-beta", "anthropic-version"})

# Types as Anthropic's own API gives them (docs.claude.com, "Errors"; checked 2026-11).
_ERRORS: dict[ErrorKind, str] = {
    "invalid_request": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "forbidden": "permission_error",
    "unknown_model": "not_found_error",
    "not_found": "not_found_error",
    "rate_limited": "rate_limit_error",
    "budget_exceeded": "rate_limit_error",
    "too_large": "request_too_large",
    "upstream": "api_error",
    "timeout": "timeout_error",
    "internal": "api_error",
}


@dataclass(frozen=True, slots=True)
class AnthropicMessages:
    """The dialect `anthropic.messages`; with `counting`, the one that only counts tokens.

    A counting request is a message request without a limit of output, and its reply is
    `{"input_tokens": n}`: free, so without usage.
    """

    name: str = "anthropic.messages"
    counting: bool = False

    def read_request(self, body: bytes) -> Request:
        """Raises InvalidRequest with the field at fault, never with its content."""
        fields = read_object(body)
        model = checks.model(fields)
        messages = checks.messages(fields)
        # 0 is allowed: it fills the provider's prompt cache and says nothing.
        limit = checks.whole_number(fields, "max_tokens", least=0)
        if limit is None and not self.counting:
            raise InvalidRequest("missing 'max_tokens'")
        metadata = checks.mapping(fields, "metadata")
        return Request(
            body=body,
            fields=fields,
            model=model,
            stream=checks.flag(fields, "stream"),
            include_usage=True,
            max_output_tokens=limit,
            stateful=checks.names_any(fields, _STATE),
            side_effects=_side_effects(fields, messages),
            user=checks.text(metadata, "user_id"),
            metadata=metadata,
        )

    def upstream_body(self, request: Request, *, model: str, want_usage: bool) -> bytes:  # noqa: ARG002 - the protocol's; streams always end with usage here
        """The bytes to send: `request.body` itself unless another model is asked."""
        if model == request.model:
            return request.body
        return encode({**request.fields, "model": model})

    def cache_fields(self, request: Request) -> Mapping[str, Any]:
        """All fields but `stream`."""
        return {name: value for name, value in request.fields.items() if name != "stream"}

    def read_reply(self, body: bytes) -> ReplyFacts:
        """Facts of a whole JSON reply; complete when it is a message with content."""
        fields = parse_object(body)
        if fields is None:
            return ReplyFacts()
        if fields.get("type") == "error" or fields.get("error"):
            return ReplyFacts(error=error_message(fields.get("error") or True))
        if self.counting:
            counted = type(fields.get("input_tokens")) is int
            return ReplyFacts(complete=counted, finish="complete" if counted else "unknown")
        model = fields.get("model")
        return ReplyFacts(
            usage=read_usage(fields.get("usage")),
            model=model if isinstance(model, str) else "",
            finish=finish_of(fields.get("stop_reason")),
            complete=fields.get("type") == "message" and isinstance(fields.get("content"), list),
            service_tier=read_tier(fields.get("usage")),
        )

    def stream_reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002 - the protocol's; no event exists for usage alone
        """A fresh reader for one event stream."""
        return AnthropicReader()

    def to_stream(self, body: bytes, *, include_usage: bool) -> bytes:  # noqa: ARG002 - the protocol's; usage is in every stream
        """A whole JSON message as an event stream."""
        return anthropic_convert.to_stream(body)

    def from_stream(self, events: bytes) -> bytes:
        """A whole event stream as a JSON message."""
        return anthropic_convert.from_stream(events)

    def prompt_texts(self, request: Request) -> tuple[str, ...]:
        """Every text that goes in."""
        return anthropic_texts.prompt_texts(request.fields)

    def reply_texts(self, body: bytes) -> tuple[str, ...]:
        """Every text that came out, of a JSON reply or of any piece of an event stream."""
        return anthropic_texts.reply_texts(body)

    def last_user_text(self, request: Request) -> str:
        """The newest thing that a person asked; may be empty."""
        return anthropic_texts.last_user_text(request.fields)

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """A JSON error body as Anthropic words it."""
        return encode({"type": "error", "error": {"type": _ERRORS[kind], "message": message}})

    def error_event(self, kind: ErrorKind, message: str) -> bytes:
        """An error in the middle of an event stream; Anthropic's SDKs raise on it."""
        return sse.event(self.error_body(kind, message), "error")

    def answer_headers(self, headers: Headers) -> Headers:
        """Of a client's headers, those that can change an answer."""
        return tuple(header for header in headers if header[0] in _ANSWER_HEADERS)


def _side_effects(fields: Mapping[str, Any], messages: list[dict[str, Any]]) -> bool:
    """Tools with a type of the provider's own act on the world, wherever they run."""
    content = messages[-1].get("content")
    if isinstance(content, list) and any(map(anthropic_texts.is_tool_result, content)):
        return True
    tools = fields.get("tools")
    return any(
        isinstance(tool, dict) and tool.get("type") not in (None, "custom")
        for tool in (tools if isinstance(tools, list) else ())
    )
