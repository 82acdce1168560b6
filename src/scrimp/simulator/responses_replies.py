"""Responses as OpenAI writes them: JSON, and the full sequence of events of a stream.

Shapes as in the API reference, https://platform.openai.com/docs/api-reference/responses-streaming,
and the types of the `openai` package, checked 2026-11-22.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from scrimp.simulator import phrases, tokens
from scrimp.simulator.bill import Usage
from scrimp.simulator.conversation import Dice, Refusal
from scrimp.simulator.production import Piece, Production

_encode: Final = msgspec.json.Encoder().encode
Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
Body = dict[str, Any]
_ECHOED: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_OBFUSCATION_STEP: Final = 16
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ERRORS: Final = {"overloaded": "server_error", "rate_limited": "rate_limit_exceeded"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reply repeats of its request. `conversation` is the id it belongs to."""

    body: Mapping[str, Any]
    reply_id: str
    created: int
    conversation: str = ""
    mode: str = ""

    @property
    def background(self) -> bool:
        """True when nobody waits for it on the line."""
        return self.body.get("background") is True


class ResponsesReply:
    """Renders one production; `asked.mode` may be `no-usage` or `failed`.

    Events with a number up to `after` are left out, for who has them already.
    """

    def __init__(self, production: Production, asked: Asked, *, after: int = -1) -> None:
        self._after = after
        self._production = production
        self._asked = asked
        self._choice = production.choices[0]
        self._sequence = 0
        self._open: Body | None = None
        self._key = ""
        self._output: list[Body] = []
        self._parts: list[str] = []

    @property
    def id(self) -> str:
        """Such as `resp_0a1b…`."""
        return f"resp_{self._asked.reply_id}"

    @property
    def final(self) -> Status:
        """How it ends when nothing breaks it."""
        return "incomplete" if self._choice.finish == "length" else "completed"

    def whole(self) -> bytes:
        """The JSON reply."""
        return _encode(self.finished())

    def finished(self) -> Body:
        """The response as it stands at its end."""
        return self.body(self.final, items=self.items())

    def head(self) -> bytes:
        """`response.created` and `response.in_progress`; `response.queued` in the background."""
        status: Status = "queued" if self._asked.background else "in_progress"
        started = self._event("response.created", {"response": self.body(status)})
        if self._asked.background:
            started += self._event("response.queued", {"response": self.body(status)})
        opened = self._event("response.in_progress", {"response": self.body("in_progress")})
        return started + opened

    def piece(self, piece: Piece) -> bytes:
        """The delta, with the events that end the last item and begin the next."""
        kind = "call" if piece.kind == "arguments" else piece.kind
        key = f"{kind}{piece.index}"
        before = b""
        if key != self._key:
            before = self._close() + self._begin(kind, piece.index)
            self._key = key
        match piece.kind:
            case "text":
                delta = {"content_index": 0, "logprobs": []}
                return before + self._delta("response.output_text.delta", piece.text, delta)
            case "arguments":
                custom = self._choice.calls[piece.index].custom
                name = "custom_tool_call_input" if custom else "function_call_arguments"
                return before + self._delta(f"response.{name}.delta", piece.text, {})
            case _:
                return before

    def tail(self) -> bytes:
        """The end of the last item, then `response.completed` or `response.incomplete`."""
        closed = self._close(last=True)
        silent = all(item["type"] == "reasoning" for item in self._output)
        if silent and self.final == "completed":
            closed += self._begin("text", 0) + self._close()
        status = self.final
        response = self.body(status, items=self._output)
        return closed + self._event(f"response.{status}", {"response": response})

    def error_event(self, refusal: Refusal) -> bytes:
        """`error`, then `response.failed`; in the mode `failed` only that."""
        code = _ERRORS.get(refusal.kind, "server_error")
        said = {"code": code, "message": refusal.message, "param": None}
        error = b"" if self._asked.mode == "failed" else self._event("error", said)
        response = self.failed(refusal) | {"output": list(self._output)}
        return error + self._event("response.failed", {"response": response})

    def failed(self, refusal: Refusal) -> Body:
        """The response once it has failed."""
        code = _ERRORS.get(refusal.kind, "server_error")
        return self.body("failed") | {"error": {"code": code, "message": refusal.message}}

    def body(self, status: Status, *, items: list[Body] | None = None) -> Body:
        """The response object; usage and times only where they are known."""
        asked, question = self._asked.body, self._production.question
        ended = status in {"completed", "incomplete"}
        made: Body = {
            "id": self.id,
            "object": "response",
            "created_at": self._asked.created,
            "status": status,
            "background": self._asked.background,
            "error": None,
            "incomplete_details": (
                {"reason": "max_output_tokens"} if status == "incomplete" else None
            ),
            "model": question.model.id,
            "output": [] if items is None else list(items),
            "reasoning": {"effort": None, "summary": None} | _mapping(asked.get("reasoning")),
            "service_tier": "default" if ended else "auto",
            "text": {"format": {"type": "text"}, "verbosity": "medium"}
            | _mapping(asked.get("text")),
            "tools": [_echoed(tool) for tool in asked.get("tools") or ()],
            "usage": None,
        }
        for name, usual in _ECHOED.items():
            given = asked.get(name)
            made[name] = usual if given is None else given
        if status == "completed":
            made["completed_at"] = self._asked.created
        if self._asked.conversation:
            made["conversation"] = {"id": self._asked.conversation}
        if ended and self._asked.mode != "no-usage":
            made["usage"] = usage_body(self._production.usage())
        return made

    def items(self) -> list[Body]:
        """The output items of the whole production."""
        made = []
        if any(piece.kind == "reasoning" for piece in self._production.pieces):
            made.append(self._reasoning())
        cut = self.final == "incomplete"
        if self._choice.text or not (self._choice.calls or cut):
            made.append(self._message(self._choice.text, len(made)))
        made += [self._call(index) for index in range(len(self._choice.calls))]
        if cut and made:
            made[-1]["status"] = "incomplete"
        return made

    # -- the parts of a stream

    def _event(self, kind: str, body: Mapping[str, Any]) -> bytes:
        number = self._sequence
        self._sequence += 1
        if number <= self._after:
            return b""
        data = _encode({"type": kind, "sequence_number": number, **body})
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    def _here(self) -> Body:
        item_id = self._open["id"] if self._open is not None else ""
        return {"item_id": item_id, "output_index": len(self._output)}

    def _delta(self, kind: str, text: str, more: Body) -> bytes:
        self._parts.append(text)
        return self._event(kind, self._here() | more | {"delta": text} | self._obfuscated(text))

    def _obfuscated(self, text: str) -> Body:
        """Letters without meaning, so that the size of a delta does not tell its text."""
        options = self._asked.body.get("stream_options")
        if isinstance(options, Mapping) and options.get("include_obfuscation") is False:
            return {}
        dice = Dice([text])
        size = _OBFUSCATION_STEP - len(text) % _OBFUSCATION_STEP
        return {"obfuscation": "".join(dice.pick(_LETTERS) for _ in range(size))}

    def _begin(self, kind: str, index: int) -> bytes:
        """`output_item.added`, and the part of a message."""
        self._parts = []
        match kind:
            case "reasoning":
                item = self._reasoning() | {"summary": []}
            case "call":
                item = self._call(index) | {"status": "in_progress"}
                item["input" if "input" in item else "arguments"] = ""
            case _:
                item = self._message("", len(self._output)) | {
                    "status": "in_progress",
                    "content": [],
                }
        self._open = item
        added = self._event(
            "response.output_item.added", {"item": item, "output_index": len(self._output)}
        )
        if item["type"] == "message":
            part = {"content_index": 0, "part": _text_part("")}
            added += self._event("response.content_part.added", self._here() | part)
        return added

    def _close(self, *, last: bool = False) -> bytes:
        """The `done` events of the item that is open."""
        if self._open is None:
            return b""
        item, text = self._open, "".join(self._parts)
        match item["type"]:
            case "message":
                item = item | {"content": [_text_part(text)], "status": "completed"}
                done = self._text_done(text)
            case "function_call":
                item = item | {"arguments": text, "status": "completed"}
                kind = "response.function_call_arguments.done"
                done = self._event(kind, self._here() | {"arguments": text, "name": item["name"]})
            case "custom_tool_call":
                item = item | {"input": text, "status": "completed"}
                kind = "response.custom_tool_call_input.done"
                done = self._event(kind, self._here() | {"input": text})
            case _:
                item = self._reasoning()
                done = b"".join(
                    self._summary(index, part["text"]) for index, part in enumerate(item["summary"])
                )
        if last and self.final == "incomplete":
            item["status"] = "incomplete"
        done += self._event(
            "response.output_item.done", {"item": item, "output_index": len(self._output)}
        )
        self._output.append(item)
        self._open, self._key = None, ""
        return done

    def _text_done(self, text: str) -> bytes:
        here = self._here() | {"content_index": 0}
        done = self._event("response.output_text.done", here | {"text": text, "logprobs": []})
        return done + self._event("response.content_part.done", here | {"part": _text_part(text)})

    def _summary(self, index: int, text: str) -> bytes:
        here = self._here() | {"summary_index": index}
        name = "response.reasoning_summary"
        part = {"type": "summary_text", "text": text}
        events: list[tuple[str, Body]] = [(f"{name}_part.added", {"part": part | {"text": ""}})]
        for word in tokens.split(text):
            delta = {"delta": word} | self._obfuscated(word)
            events.append((f"{name}_text.delta", delta))
        events += [(f"{name}_text.done", {"text": text}), (f"{name}_part.done", {"part": part})]
        return b"".join(self._event(kind, here | more) for kind, more in events)

    # -- items

    def _item_id(self, prefix: str, number: int) -> str:
        return f"{prefix}_{self._asked.reply_id}{number:02d}"

    def _reasoning(self) -> Body:
        asked = self._asked.body
        reasoning = _mapping(asked.get("reasoning"))
        wanted = reasoning.get("summary") or reasoning.get("generate_summary")
        summary = []
        if wanted and self._production.usage().reasoning_tokens:
            dice = Dice([self._production.question.last_user_text])
            thought = dice.pick(phrases.THOUGHTS)
            summary.append({"type": "summary_text", "text": thought})
        item: Body = {"id": self._item_id("rs", 0), "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (asked.get("include") or ()):
            # Not a secret, only as opaque as one: clients send it back and never read it.
            item["encrypted_content"] = base64.b64encode(item["id"].encode()).decode()
        return item

    def _message(self, text: str, number: int) -> Body:
        return {
            "id": self._item_id("msg", number),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [_text_part(text)],
        }

    def _call(self, index: int) -> Body:
        call = self._choice.calls[index]
        call_id = f"call_{self._asked.reply_id[-20:]}0{index}"
        named = {"call_id": call_id, "name": call.tool, "status": "completed"}
        if call.custom:
            made: Body = {"id": self._item_id("ctc", index), "type": "custom_tool_call"}
            return made | named | {"input": call.arguments}
        made = {"id": self._item_id("fc", index), "type": "function_call"}
        return made | named | {"arguments": call.arguments}


def _text_part(text: str) -> Body:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _mapping(value: Any) -> Body:
    return dict(value) if isinstance(value, Mapping) else {}


def _echoed(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True} | dict(tool)


def usage_body(usage: Usage) -> Body:
    """Usage in the shape of this API, where details are subsets of the totals."""
    return {
        "input_tokens": usage.total_input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_5m_tokens,
        },
        "output_tokens": usage.total_output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_input_tokens + usage.total_output_tokens,
    }
