"""Messages replies as Anthropic writes them: JSON, events, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from scrimp.simulator.bill import CATALOGUE, Model, Usage
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.production import Choice, Piece, Production

_encode: Final = msgspec.json.Encoder().encode
_KINDS: Final = {
    "unauthenticated": "authentication_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
    "rate_limited": "rate_limit_error",
    "tokens_limited": "rate_limit_error",
    "server": "api_error",
    "overloaded": "overloaded_error",
}
_FINISHES: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "stop_sequence": "stop_sequence",
}
_SIGNATURE: Final = "RXhhbXBsZVNpZ25hdHVyZU9mVGhpbmtpbmc9PQ=="


class AnthropicReply:
    """Renders one production. `usage_mode` may be `no-usage`."""

    def __init__(
        self,
        production: Production,
        reply_id: str,
        *,
        usage_mode: str = "",
        tier: Literal["standard", "batch"] = "standard",
    ) -> None:
        self._tier = tier
        self._production = production
        self._id = reply_id
        self._mode = usage_mode
        self._choice: Choice = production.choices[0]
        self._open = ""  # kind and number of the content block that is open
        self._block = -1

    def whole(self) -> bytes:
        """The JSON reply."""
        body = self._envelope()
        body["content"] = self._content()
        body["stop_reason"] = _FINISHES[self._choice.finish]
        body["stop_sequence"] = self._choice.stopped_by or None
        if self._mode != "no-usage":
            usage = usage_body(self._production.usage()) | self._details()
            body["usage"] = usage | {"service_tier": self._tier}
        return _encode(body)

    def head(self) -> bytes:
        """`message_start`: the input is known, of the output only that it begins."""
        body = self._envelope()
        if self._mode != "no-usage":
            body["usage"] = usage_body(self._production.usage(0)) | {"output_tokens": 1}
        return _event("message_start", {"message": body})

    def piece(self, piece: Piece) -> bytes:
        """The delta, with the events that close the last block and open the next."""
        kind = "call" if piece.kind == "arguments" else piece.kind
        if kind == "reasoning":
            return b""
        name = f"{kind}{piece.index}"
        before = b""
        if name != self._open:
            before = self._close_block() + self._open_block(kind, piece)
            self._open = name
        return before + self._delta(piece)

    def tail(self) -> bytes:
        """The end of the last block, `message_delta` with the final usage, `message_stop`."""
        parts = [self._close_block()]
        usage = self._production.usage()
        body: dict[str, Any] = {
            "delta": {
                "stop_reason": _FINISHES[self._choice.finish],
                "stop_sequence": self._choice.stopped_by or None,
            }
        }
        if self._mode != "no-usage":
            body["usage"] = {
                "input_tokens": usage.input_tokens,
                "cache_creation_input_tokens": _written(usage),
                "cache_read_input_tokens": usage.cache_read_tokens,
                "output_tokens": usage.output_tokens,
                **self._details(),
            }
        parts += [_event("message_delta", body), _event("message_stop", {})]
        return b"".join(parts)

    def error_event(self, refusal: Refusal) -> bytes:
        """An error in the middle of a stream."""
        return _event("error", {"error": _error(refusal)})

    def _envelope(self) -> dict[str, Any]:
        return {
            "id": f"msg_{self._id}",
            "type": "message",
            "role": "assistant",
            "model": self._production.question.model.id,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _details(self) -> dict[str, Any]:
        """How much of the output was thinking; said only where there was any."""
        thinking = self._production.thinking_tokens
        return {"output_tokens_details": {"thinking_tokens": thinking}} if thinking else {}

    def _content(self) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if self._choice.thinking:
            blocks.append(
                {
                    "type": "thinking",
                    "thinking": self._choice.thinking,
                    "signature": _SIGNATURE,
                }
            )
        if self._choice.text:
            blocks.append({"type": "text", "text": self._choice.text})
        for index, call in enumerate(self._choice.calls):
            blocks.append(
                {
                    "type": "tool_use",
                    "id": self._call_id(index),
                    "name": call.tool,
                    "input": _arguments(call.arguments),
                }
            )
        return blocks

    def _call_id(self, index: int) -> str:
        return f"toolu_{self._id[-20:]}{index}"

    def _open_block(self, kind: str, piece: Piece) -> bytes:
        self._block += 1
        block: dict[str, Any]
        match kind:
            case "thinking":
                block = {"type": "thinking", "thinking": "", "signature": ""}
            case "call":
                call_id = self._call_id(piece.index)
                block = {"type": "tool_use", "id": call_id, "name": piece.text, "input": {}}
            case _:
                block = {"type": "text", "text": ""}
        opened = _event("content_block_start", {"index": self._block, "content_block": block})
        return opened + _event("ping", {}) if self._block == 0 else opened

    def _close_block(self) -> bytes:
        if not self._open:
            return b""
        closed = _event("content_block_stop", {"index": self._block})
        if self._open.startswith("thinking"):
            delta = {"type": "signature_delta", "signature": _SIGNATURE}
            return _event("content_block_delta", {"index": self._block, "delta": delta}) + closed
        return closed

    def _delta(self, piece: Piece) -> bytes:
        match piece.kind:
            case "text":
                delta = {"type": "text_delta", "text": piece.text}
            case "thinking":
                delta = {"type": "thinking_delta", "thinking": piece.text}
            case "arguments":
                delta = {"type": "input_json_delta", "partial_json": piece.text}
            case _:
                return b""
        return _event("content_block_delta", {"index": self._block, "delta": delta})


def _event(kind: str, body: Mapping[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **body}) + b"\n\n"


def _arguments(text: str) -> Any:
    """Arguments that a limit cut short are not JSON; the vendor then shows an empty object."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


def _written(usage: Usage) -> int:
    return usage.cache_write_5m_tokens + usage.cache_write_1h_tokens


def usage_body(usage: Usage) -> dict[str, Any]:
    """Usage in Anthropic's shape, where cached input is beside `input_tokens`, not in it."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": _written(usage),
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.total_output_tokens,
        "service_tier": "standard",
    }


def error_body(refusal: Refusal, request_id: str) -> bytes:
    """An error in Anthropic's shape."""
    return _encode({"type": "error", "error": _error(refusal), "request_id": request_id})


def _error(refusal: Refusal) -> dict[str, str]:
    return {
        "type": _KINDS.get(refusal.kind, "invalid_request_error"),
        "message": refusal.message,
    }


def model_body(model: Model) -> dict[str, Any]:
    """One entry of the list of models."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


def models_body() -> bytes:
    """All models on one page."""
    data = [model_body(model) for model in CATALOGUE if model.vendor == "anthropic"]
    return _encode(
        {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"],
            "last_id": data[-1]["id"],
        }
    )
