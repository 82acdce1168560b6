"""Chat completion replies as OpenAI writes them: JSON, chunks, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from scrimp.simulator.bill import CATALOGUE, EMBEDDING_MODELS, Model, Usage
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.production import Choice, Piece, Production

_encode: Final = msgspec.json.Encoder().encode
_CODES: Final = {
    "model_not_found": ("invalid_request_error", "model_not_found"),
    "unauthenticated": ("invalid_request_error", None),
    "rate_limited": ("requests", "rate_limit_exceeded"),
    "tokens_limited": ("tokens", "rate_limit_exceeded"),
    "response_not_found": ("invalid_request_error", "previous_response_not_found"),
    "server": ("server_error", None),
    "overloaded": ("server_error", None),
    "not_found": ("invalid_request_error", "unknown_url"),
}
_FINISHES: Final = {"stop_sequence": "stop"}


class OpenAIReply:
    """Renders one production.

    `usage_mode` is where usage goes: as asked (empty), nowhere (`no-usage`), or into the last
    chunk that has choices (`usage-in-choices`).
    """

    def __init__(
        self, production: Production, reply_id: str, created: int, *, usage_mode: str = ""
    ) -> None:
        self._production = production
        self._id = f"chatcmpl-{reply_id}"
        self._created = created
        self._mode = usage_mode
        self._begun: set[int] = set()

    def whole(self) -> bytes:
        """The JSON reply."""
        body = self._envelope("chat.completion")
        body["choices"] = [
            {
                "index": index,
                "message": self._message(index, choice),
                "logprobs": None,
                "finish_reason": _FINISHES.get(choice.finish, choice.finish),
            }
            for index, choice in enumerate(self._production.choices)
        ]
        if self._mode != "no-usage":
            body["usage"] = usage_body(self._production.usage())
        return _encode(body)

    def head(self) -> bytes:
        """OpenAI begins a stream with the role of each choice."""
        return b"".join(
            self._chunk(index, {"role": "assistant", "content": "", "refusal": None})
            for index in range(self._production.question.n)
        )

    def piece(self, piece: Piece) -> bytes:
        """One chunk, or nothing for hidden reasoning."""
        match piece.kind:
            case "text":
                return self._chunk(piece.choice, {"content": piece.text})
            case "call":
                begun = self._call(piece.choice, piece.index, "")
                return self._chunk(piece.choice, {"tool_calls": [{"index": piece.index} | begun]})
            case "arguments":
                call = self._production.choices[piece.choice].calls[piece.index]
                more = (
                    {"custom": {"input": piece.text}}
                    if call.custom
                    else {"function": {"arguments": piece.text}}
                )
                return self._chunk(piece.choice, {"tool_calls": [{"index": piece.index} | more]})
            case _:
                return b""

    def tail(self) -> bytes:
        """The finish reasons, usage where it was asked for, and the end mark."""
        parts = []
        last = self._production.question.n - 1
        for index, choice in enumerate(self._production.choices):
            finish = _FINISHES.get(choice.finish, choice.finish)
            extra = self._mode == "usage-in-choices" and index == last
            parts.append(self._chunk(index, {}, finish=finish, with_usage=extra))
        if self._production.question.include_usage and not self._mode:
            body = self._envelope("chat.completion.chunk")
            body["choices"] = []
            body["usage"] = usage_body(self._production.usage())
            parts.append(_event(body))
        parts.append(b"data: [DONE]\n\n")
        return b"".join(parts)

    def error_event(self, refusal: Refusal) -> bytes:
        """An error in the middle of a stream."""
        return _event(_error(refusal))

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._production.question.model.id,
            "service_tier": "default",
            "system_fingerprint": "fp_51a0e6c2d4",
        }

    def _chunk(
        self,
        index: int,
        delta: Mapping[str, Any],
        *,
        finish: str | None = None,
        with_usage: bool = False,
    ) -> bytes:
        body = self._envelope("chat.completion.chunk")
        body["choices"] = [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        ]
        if with_usage:
            body["usage"] = usage_body(self._production.usage())
        elif self._production.question.include_usage and self._mode != "no-usage":
            body["usage"] = None
        return _event(body)

    def _message(self, index: int, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if choice.calls else choice.text,
            "refusal": None,
            "annotations": [],
        }
        if choice.calls:
            message["tool_calls"] = [
                self._call(index, number, call.arguments)
                for number, call in enumerate(choice.calls)
            ]
        return message

    def _call(self, choice: int, index: int, arguments: str) -> dict[str, Any]:
        call = self._production.choices[choice].calls[index]
        made: dict[str, Any] = {"id": f"call_{self._id[-20:]}{choice}{index}"}
        if call.custom:
            return made | {"type": "custom", "custom": {"name": call.tool, "input": arguments}}
        return made | {
            "type": "function",
            "function": {"name": call.tool, "arguments": arguments},
        }


def _event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + _encode(body) + b"\n\n"


def usage_body(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's shape, where details are subsets of the totals."""
    into = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0}
    if usage.cache_write_5m_tokens:
        into["cache_write_tokens"] = usage.cache_write_5m_tokens
    return {
        "prompt_tokens": usage.total_input_tokens,
        "completion_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_input_tokens + usage.total_output_tokens,
        "prompt_tokens_details": into,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def error_body(refusal: Refusal) -> bytes:
    """An error in OpenAI's shape."""
    return _encode(_error(refusal))


def _error(refusal: Refusal) -> dict[str, Any]:
    kind, code = _CODES.get(refusal.kind, ("invalid_request_error", None))
    return {
        "error": {
            "message": refusal.message,
            "type": kind,
            "param": refusal.param,
            "code": code,
        }
    }


def model_body(model: Model, name: str) -> dict[str, Any]:
    """One entry of the list of models."""
    year, month, day = (int(part) for part in model.released.split("-"))
    days = (year - 1970) * 365 + (year - 1969) // 4 + (month - 1) * 30 + day
    return {"id": name, "object": "model", "created": days * 86_400, "owned_by": "system"}


def models_body() -> bytes:
    """All models under all their names."""
    data = [
        model_body(model, name)
        for model in (*CATALOGUE, *EMBEDDING_MODELS.values())
        if model.vendor == "openai"
        for name in (model.alias, model.id)
        if name
    ]
    return _encode({"object": "list", "data": data})
