"""Conversations: items that OpenAI keeps for a client, and pages of items."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from scrimp.simulator import responses_requests
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.desk import Desk
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.responses_requests import Item

_MOST_STORED: Final = 2_000
_MOST_PER_PAGE: Final = 100


@dataclass(slots=True)
class Kept:
    """One conversation."""

    id: str
    owner: str
    created: int
    metadata: Any
    items: list[Item] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """As OpenAI shows it."""
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created,
            "metadata": self.metadata,
        }


class Conversations:
    """Endpoints under `/v1/conversations`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[str, Kept] = {}

    def forget(self) -> None:
        """Forget them all."""
        self._kept.clear()

    def items(self, incoming: Incoming, name: str) -> list[Item]:
        """What was said in it. Raises Refusal."""
        return list(self._find(incoming, name).items)

    def append(self, incoming: Incoming, name: str, items: Sequence[Item]) -> None:
        """More of it, if it is still there."""
        kept = self._kept.get(name)
        if kept is not None and kept.owner == incoming.owner:
            kept.items.extend(items)

    async def __call__(self, incoming: Incoming, rest: list[str]) -> None:
        """Answer one request. Raises Refusal."""
        match incoming.method, rest:
            case "POST", []:
                answer = self._create(incoming, incoming.object() if incoming.recorded.body else {})
            case "GET", [name]:
                answer = self._find(incoming, name).body()
            case "POST", [name]:
                kept = self._find(incoming, name)
                kept.metadata = incoming.object().get("metadata") or {}
                answer = kept.body()
            case "DELETE", [name]:
                del self._kept[self._find(incoming, name).id]
                answer = {"id": name, "object": "conversation.deleted", "deleted": True}
            case _, [name, "items", *more]:
                await self._of_items(incoming, self._find(incoming, name), more)
                return
            case _:
                raise _no_such(incoming)
        await self._desk.plain(incoming, msgspec.json.encode(answer))

    def _create(self, incoming: Incoming, body: Mapping[str, Any]) -> dict[str, Any]:
        if len(self._kept) >= _MOST_STORED:
            self._kept.pop(next(iter(self._kept)))
        name = f"conv_{uuid.uuid4().hex}"
        kept = Kept(name, incoming.owner, int(time.time()), body.get("metadata") or {})
        kept.items = _given_items(body, incoming)
        self._kept[name] = kept
        return kept.body()

    async def _of_items(self, incoming: Incoming, kept: Kept, more: list[str]) -> None:
        match incoming.method, more:
            case "GET", []:
                answer = page(kept.items, incoming)
            case "POST", []:
                added = _given_items(incoming.object(), incoming)
                kept.items.extend(added)
                answer = page(added, incoming, order="asc")
            case "GET", [item_id]:
                answer = msgspec.json.encode(_item(kept, item_id))
            case "DELETE", [item_id]:
                kept.items.remove(_item(kept, item_id))
                answer = msgspec.json.encode(kept.body())
            case _:
                raise _no_such(incoming)
        await self._desk.plain(incoming, answer)

    def _find(self, incoming: Incoming, name: str) -> Kept:
        kept = self._kept.get(name)
        if kept is None or kept.owner != incoming.owner:
            raise Refusal(404, f"Conversation with id '{name}' not found.")
        return kept


def _given_items(body: Mapping[str, Any], incoming: Incoming) -> list[Item]:
    items = body.get("items") or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refusal(400, "'items' must be a list of items.", param="items")
    return responses_requests.stored_input(items, incoming.reply_id)


def _item(kept: Kept, item_id: str) -> Item:
    for item in kept.items:
        if item.get("id") == item_id:
            return item
    raise Refusal(404, f"Item with id '{item_id}' not found.")


def _no_such(incoming: Incoming) -> Refusal:
    message = f"Invalid URL ({incoming.method} {incoming.path})"
    return Refusal(404, message, kind="not_found")


def conversation_id(body: Mapping[str, Any]) -> str:
    """The conversation that a request belongs to, empty for none."""
    match body.get("conversation"):
        case str(name) | {"id": str(name)}:
            return name
        case _:
            return ""


def page(items: Sequence[Item], incoming: Incoming, *, order: str = "desc") -> bytes:
    """A page of items, newest first unless the query has `order=asc`; `after` and `limit` too."""
    query = incoming.query
    shown = list(items)
    if query.get("order", order) == "desc":
        shown.reverse()
    if after := query.get("after"):
        ids = [item.get("id") for item in shown]
        shown = shown[ids.index(after) + 1 :] if after in ids else []
    asked = query.get("limit", "20")
    limit = min(int(asked), _MOST_PER_PAGE) if asked.isdigit() else 20
    data = shown[:limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": data,
            "first_id": data[0].get("id") if data else "",
            "last_id": data[-1].get("id") if data else "",
            "has_more": len(shown) > len(data),
        }
    )
