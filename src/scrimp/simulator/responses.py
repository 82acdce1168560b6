"""The responses API: answers, what is stored of them, and work in the background."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from scrimp.simulator import blocks, responses_requests
from scrimp.simulator.background import Background, Stored
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.conversations import Conversations, conversation_id, page
from scrimp.simulator.desk import Desk, converse, produced
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.responses_replies import Asked, Body, ResponsesReply
from scrimp.simulator.responses_requests import Item

_MOST_STORED: Final = 2_000


class Responses:
    """Endpoints under `/v1/responses` and `/v1/conversations`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stored: dict[str, Stored] = {}
        self._conversations = Conversations(desk)
        self._background = Background(desk)

    def forget(self) -> None:
        """Forget everything that was stored; what runs in the background is called off."""
        for stored in self._stored.values():
            if stored.cancel is not None:
                stored.cancel()
        self._stored.clear()
        self._conversations.forget()

    async def __call__(self, incoming: Incoming) -> None:
        """Answer one request. Raises Refusal."""
        match incoming.method, incoming.path.removeprefix("/v1/").split("/"):
            case _, ["conversations", *rest]:
                await self._conversations(incoming, rest)
            case "POST", ["responses"]:
                await self._create(incoming, incoming.object())
            case "POST", ["responses", "input_tokens"]:
                body = incoming.object()
                question = responses_requests.read(body, self._history(incoming, body))
                count = {
                    "object": "response.input_tokens",
                    "input_tokens": question.usage.total_input_tokens,
                }
                await self._desk.plain(incoming, msgspec.json.encode(count))
            case "GET", ["responses", response_id]:
                await self._show(incoming, self._find(incoming, response_id))
            case "DELETE", ["responses", response_id]:
                await self._delete(incoming, self._find(incoming, response_id))
            case "POST", ["responses", response_id, "cancel"]:
                await self._cancel(incoming, self._find(incoming, response_id))
            case "GET", ["responses", response_id, "input_items"]:
                items = self._find(incoming, response_id).input_items
                await self._desk.plain(incoming, page(items, incoming))
            case _:
                message = f"Invalid URL ({incoming.method} {incoming.path})"
                raise Refusal(404, message, kind="not_found")

    # -- what is stored

    def _find(self, incoming: Incoming, response_id: str) -> Stored:
        stored = self._stored.get(response_id)
        if stored is None or stored.owner != incoming.owner:
            raise Refusal(404, f"Response with id '{response_id}' not found.")
        return stored

    def _history(self, incoming: Incoming, body: Body) -> list[Item]:
        """The turns before this one. Raises Refusal for what is not there."""
        earlier, conversation = body.get("previous_response_id"), conversation_id(body)
        if earlier is not None and conversation:
            raise Refusal(
                400, "'previous_response_id' and 'conversation' exclude each other.", param="input"
            )
        if conversation:
            return self._conversations.items(incoming, conversation)
        if earlier is None:
            return []
        stored = self._stored.get(earlier) if isinstance(earlier, str) else None
        if stored is None or stored.owner != incoming.owner:
            raise Refusal(
                400,
                f"Previous response with id '{earlier}' not found.",
                kind="response_not_found",
                param="previous_response_id",
            )
        return stored.items

    def _resolved(self, incoming: Incoming, items: list[Item]) -> list[Item]:
        """The input with what it refers to by id put in its place."""
        known: dict[str, Item] | None = None
        found = []
        for item in items:
            if item.get("type") != "item_reference":
                found.append(item)
                continue
            if known is None:
                mine = [one for one in self._stored.values() if one.owner == incoming.owner]
                known = {one["id"]: one for stored in mine for one in stored.items if "id" in one}
            if item.get("id") not in known:
                raise Refusal(404, f"Item with id '{item.get('id')}' not found.", param="input")
            found.append(known[item["id"]])
        return found

    def _keep(self, stored: Stored) -> None:
        if len(self._stored) >= _MOST_STORED:
            self._stored.pop(next(iter(self._stored)))
        self._stored[stored.id] = stored

    # -- answering

    async def _create(self, incoming: Incoming, body: Body) -> None:
        history = self._history(incoming, body)
        body = body | {"input": self._resolved(incoming, responses_requests.items_of(body))}
        question = responses_requests.read(body, history)
        mode = incoming.fault.kind if incoming.fault is not None else ""
        asked = Asked(body, incoming.reply_id, int(time.time()), conversation_id(body), mode=mode)
        if asked.background and body.get("store") is False:
            raise Refusal(400, "Background mode needs 'store' to be true.", param="background")
        said = [*history, *body["input"]]
        question = self._desk.cached(
            incoming, question, body, lambda: blocks.of_responses(body, said)
        )
        production = produced(question)
        reply = ResponsesReply(production, asked)
        stored = Stored(
            owner=incoming.owner,
            production=production,
            asked=asked,
            input_items=responses_requests.stored_input(body["input"], asked.reply_id),
            history=history,
            body=reply.body("queued"),
        )

        def completed() -> None:
            self._completed(incoming, stored)

        if asked.background:
            self._keep(stored)
            self._background.begin(incoming, stored, completed)
            if production.stream:
                await self._background.follow(incoming, stored, -1)
                return
            if stored.fault is not None:
                incoming.out.fault = None  # it strikes the work, not the line
            await self._desk.plain(incoming, msgspec.json.encode(stored.body))
            return
        await converse(self._desk, incoming, production, reply, completed=completed)

    def _completed(self, incoming: Incoming, stored: Stored) -> None:
        stored.body = ResponsesReply(stored.production, stored.asked).finished()
        if stored.asked.body.get("store") is not False and not stored.asked.background:
            self._keep(stored)
        if stored.asked.conversation:
            added = [*stored.input_items, *stored.body["output"]]
            self._conversations.append(incoming, stored.asked.conversation, added)

    # -- what was stored

    async def _show(self, incoming: Incoming, stored: Stored) -> None:
        query = incoming.query
        if query.get("stream") != "true":
            await self._desk.plain(incoming, msgspec.json.encode(stored.body))
            return
        if not stored.asked.background:
            raise Refusal(400, "Only background responses can be streamed again.", param="stream")
        after = query.get("starting_after", "-1")
        incoming.out.fault = incoming.fault or stored.fault
        await self._background.follow(incoming, stored, int(after) if after.isdigit() else -1)

    async def _delete(self, incoming: Incoming, stored: Stored) -> None:
        self._background.cancel(stored)
        self._stored.pop(stored.id, None)
        deleted = {"id": stored.id, "object": "response", "deleted": True}
        await self._desk.plain(incoming, msgspec.json.encode(deleted))

    async def _cancel(self, incoming: Incoming, stored: Stored) -> None:
        if not stored.asked.background:
            raise Refusal(400, "Cannot cancel a synchronous response.")
        self._background.cancel(stored)
        await self._desk.plain(incoming, msgspec.json.encode(stored.body))
