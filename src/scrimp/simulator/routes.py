"""Which endpoint answers which path."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from scrimp.simulator import (
    anthropic_replies,
    anthropic_requests,
    blocks,
    embeddings,
    moderations,
    openai_replies,
    openai_requests,
)
from scrimp.simulator import bill as bills
from scrimp.simulator.anthropic_replies import AnthropicReply
from scrimp.simulator.claude_batches import ClaudeBatches
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.desk import Desk, converse, produced
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.openai_batches import OpenAIBatches
from scrimp.simulator.openai_replies import OpenAIReply
from scrimp.simulator.responses import Responses


class Routes:
    """All endpoints of one provider."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._responses = Responses(desk)
        self._batches = OpenAIBatches(desk)
        self._claude_batches = ClaudeBatches(desk)

    def forget(self) -> None:
        """Forget what clients have stored."""
        self._responses.forget()
        self._batches.forget()
        self._claude_batches.forget()

    async def __call__(self, incoming: Incoming) -> None:
        """Answer one request. Raises Refusal."""
        path = incoming.path
        match incoming.method, path.removeprefix("/v1/").split("/"):
            case "POST", ["chat", "completions"]:
                await self._chat(incoming, incoming.object())
            case _, ["responses" | "conversations", *_]:
                await self._responses(incoming)
            case _, ["batches" | "files", *_]:
                await self._batches(incoming)
            case _, ["messages", *rest]:
                await self._messages(incoming, rest)
            case "GET", ["models", *name]:
                await self._desk.plain(incoming, _models(incoming, "/".join(name)))
            case "POST", ["embeddings"]:
                await embeddings.answer(self._desk, incoming, incoming.object())
            case "POST", ["moderations"]:
                request_id = incoming.recorded.request_id
                verdicts = moderations.answer(incoming.object(), request_id)
                await self._desk.plain(incoming, verdicts)
            case _:
                raise _no_such(incoming)

    async def _chat(self, incoming: Incoming, body: Mapping[str, Any]) -> None:
        mode = incoming.fault.kind if incoming.fault is not None else ""
        mode = mode if mode in {"no-usage", "usage-in-choices"} else ""
        question = openai_requests.read(body)
        question = self._desk.cached(incoming, question, body, lambda: blocks.of_chat(body))
        production = produced(question)
        reply = OpenAIReply(production, incoming.reply_id, int(time.time()), usage_mode=mode)
        await converse(self._desk, incoming, production, reply)

    async def _messages(self, incoming: Incoming, rest: list[str]) -> None:
        incoming.check_version()
        match incoming.method, rest:
            case "POST", []:
                mode = incoming.fault.kind if incoming.fault is not None else ""
                body = incoming.object()
                question = self._desk.cached(
                    incoming, anthropic_requests.read(body), body, lambda: blocks.of_claude(body)
                )
                production = produced(question)
                reply = AnthropicReply(production, incoming.reply_id, usage_mode=mode)
                await converse(self._desk, incoming, production, reply)
            case "POST", ["count_tokens"]:
                question = anthropic_requests.read(incoming.object(), count_only=True)
                count = {"input_tokens": question.usage.total_input_tokens}
                await self._desk.plain(incoming, msgspec.json.encode(count))
            case _, ["batches", *more]:
                await self._claude_batches(incoming, more)
            case _:
                raise _no_such(incoming)


def _no_such(incoming: Incoming) -> Refusal:
    message = f"Invalid URL ({incoming.method} {incoming.path})"
    return Refusal(404, message, kind="not_found")


def _models(incoming: Incoming, name: str) -> bytes:
    """All models of the vendor, or the one that is named."""
    claude = incoming.vendor == "anthropic"
    if not name:
        return anthropic_replies.models_body() if claude else openai_replies.models_body()
    model = bills.MODELS.get(name) or bills.EMBEDDING_MODELS.get(name)
    if model is None or model.vendor != incoming.vendor:
        raise Refusal(404, f"The model `{name}` does not exist.", kind="model_not_found")
    return msgspec.json.encode(
        anthropic_replies.model_body(model) if claude else openai_replies.model_body(model, name)
    )
