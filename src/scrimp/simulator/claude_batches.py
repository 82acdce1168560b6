"""Anthropic's message batches: requests in one body, results as lines, at half the price.

https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from scrimp.simulator import anthropic_replies, anthropic_requests, blocks
from scrimp.simulator.anthropic_replies import AnthropicReply
from scrimp.simulator.batching import Answered, Line, Outcome, Run, Runner
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.desk import Desk, produced
from scrimp.simulator.incoming import Incoming

_MOST_LINES: Final = 100_000


class ClaudeBatches:
    """Endpoints under `/v1/messages/batches`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runs: dict[str, Run] = {}
        self._runner = Runner(desk, self._answered)

    def forget(self) -> None:
        """Forget them all; what runs is called off."""
        for run in self._runs.values():
            if run.call_off is not None:
                run.call_off()
        self._runs.clear()

    async def __call__(self, incoming: Incoming, rest: list[str]) -> None:
        """Answer one request. Raises Refusal."""
        match incoming.method, rest:
            case "POST", []:
                answer = self._created(incoming, incoming.object())
            case "GET", []:
                answer = self._listed(incoming)
            case "GET", [batch_id]:
                answer = self._body(self._find(incoming, batch_id))
            case "POST", [batch_id, "cancel"]:
                run = self._find(incoming, batch_id)
                self._runner.cancel(run)
                answer = self._body(run)
            case "DELETE", [batch_id]:
                if self._find(incoming, batch_id).state == "running":
                    raise Refusal(400, f"{batch_id} is still being processed; cancel it first")
                del self._runs[batch_id]
                answer = {"id": batch_id, "type": "message_batch_deleted"}
            case "GET", [batch_id, "results"]:
                await self._desk.plain(incoming, self._results(self._find(incoming, batch_id)))
                return
            case _:
                raise Refusal(404, f"Not found: {incoming.path}", kind="not_found")
        await self._desk.plain(incoming, msgspec.json.encode(answer))

    def _find(self, incoming: Incoming, batch_id: str) -> Run:
        run = self._runs.get(batch_id)
        if run is None or run.incoming.owner != incoming.owner:
            raise Refusal(404, f"Message batch {batch_id} not found.", kind="not_found")
        return run

    def _created(self, incoming: Incoming, body: Mapping[str, Any]) -> dict[str, Any]:
        lines = read_lines(body)
        run = self._runner.begin(incoming, f"msgbatch_{uuid.uuid4().hex}", lines)
        if run.fault is not None and run.fault.kind == "stall":
            incoming.out.fault = None  # it strikes the work, not the line
        if not run.vanished:
            self._runs[run.id] = run
        return self._body(run)

    def _listed(self, incoming: Incoming) -> dict[str, Any]:
        """Newest first; `after_id` and `limit` as with the real one."""
        mine = [run for run in self._runs.values() if run.incoming.owner == incoming.owner]
        mine.reverse()
        query = incoming.query
        ids = [run.id for run in mine]
        if (after := query.get("after_id")) in ids:
            mine = mine[ids.index(str(after)) + 1 :]
        asked = query.get("limit", "")
        data = [self._body(run) for run in mine[: int(asked) if asked.isdigit() else 20]]
        return {
            "data": data,
            "has_more": len(mine) > len(data),
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }

    def _answered(self, incoming: Incoming, line: Line, reply_id: str) -> Answered:
        body = line.body
        if body.get("stream"):
            raise Refusal(400, "stream: not supported in a batch")
        question = anthropic_requests.read(body)
        question = self._desk.cached(incoming, question, body, lambda: blocks.of_claude(body))
        production = produced(question)
        reply = AnthropicReply(production, reply_id, tier="batch")
        return Answered(reply.whole(), question.model, production.usage())

    def _body(self, run: Run) -> dict[str, Any]:
        ended = run.ended is not None
        host = run.incoming.headers.get("host", "")
        url = f"http://{host}{self._desk.base_path}/v1/messages/batches/{run.id}/results"
        return {
            "id": run.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": {
                "processing": len(run.lines) - len(run.outcomes),
                "succeeded": run.count("succeeded"),
                "errored": run.count("errored"),
                "canceled": run.count("canceled"),
                "expired": run.count("expired"),
            },
            "ended_at": _stamp(run.ended) if run.ended is not None else None,
            "created_at": _stamp(run.created),
            "expires_at": _stamp(run.created + timedelta(days=1)),
            "archived_at": None,
            "cancel_initiated_at": (
                _stamp(run.ended) if run.ended is not None and run.state == "canceled" else None
            ),
            "results_url": url if ended else None,
        }

    def _results(self, run: Run) -> bytes:
        if run.ended is None:
            raise Refusal(404, f"Message batch {run.id} has no results yet.", kind="not_found")
        return b"".join(_line(outcome) for outcome in run.outcomes)


def read_lines(body: Mapping[str, Any]) -> list[Line]:
    """The requests of a batch. Raises Refusal for what Anthropic checks at once."""
    given = body.get("requests")
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_LINES:
        raise Refusal(400, f"requests: 1 to {_MOST_LINES} requests are required")
    lines: dict[str, Line] = {}
    for index, one in enumerate(given):
        match one:
            case {"custom_id": str(name), "params": dict(params)} if name:
                if name in lines:
                    raise Refusal(400, f"requests.{index}.custom_id: '{name}' is there twice")
                lines[name] = Line(name, "/v1/messages", params)
            case _:
                raise Refusal(400, f"requests.{index}: custom_id and params are required")
    return list(lines.values())


def _line(outcome: Outcome) -> bytes:
    result: dict[str, Any] = {"type": outcome.kind}
    if outcome.answered is not None:
        result["message"] = msgspec.Raw(outcome.answered.body)
    elif outcome.refusal is not None:
        error = anthropic_replies.error_body(outcome.refusal, outcome.request_id)
        result["error"] = msgspec.Raw(error)
    return msgspec.json.encode({"custom_id": outcome.custom_id, "result": result}) + b"\n"


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
