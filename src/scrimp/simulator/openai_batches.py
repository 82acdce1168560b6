"""OpenAI's batches: a file of requests in, a file of answers out, at half the price.

https://platform.openai.com/docs/guides/batch, checked 2026-11-22.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from scrimp.simulator import embeddings, openai_replies, openai_requests, responses_requests
from scrimp.simulator.batching import Answered, Line, Outcome, Run, Runner
from scrimp.simulator.bill import Usage
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.conversations import page
from scrimp.simulator.desk import Desk, produced
from scrimp.simulator.files import Files
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.openai_replies import OpenAIReply
from scrimp.simulator.responses_replies import Asked, ResponsesReply, usage_body

_ENDPOINTS: Final = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings")
_DAY_S: Final = 86_400
_MOST_LINES: Final = 50_000
_STATUS: Final = {
    "running": "in_progress",
    "ended": "completed",
    "expired": "expired",
    "canceled": "cancelled",
}
_ENDED_AT: Final = {
    "ended": "completed_at",
    "expired": "expired_at",
    "canceled": "cancelled_at",
}
_GONE: Final = {
    "expired": ("batch_expired", "This request could not be executed in time."),
    "canceled": (
        "batch_cancelled",
        "This request was not executed before the batch was cancelled.",
    ),
}


@dataclass(slots=True)
class Batch:
    """One batch as it was asked for, and its run (None where its file was no good)."""

    id: str
    owner: str
    asked: Mapping[str, Any]
    created: int
    run: Run | None
    errors: list[dict[str, Any]]
    output: str | None = None
    failures: str | None = None


class OpenAIBatches:
    """Endpoints under `/v1/batches` and `/v1/files`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._files = Files(desk)
        self._batches: dict[str, Batch] = {}
        self._runner = Runner(desk, answered)

    def forget(self) -> None:
        """Forget files and batches; what runs is called off."""
        for batch in self._batches.values():
            if batch.run is not None and batch.run.call_off is not None:
                batch.run.call_off()
        self._batches.clear()
        self._files.forget()

    async def __call__(self, incoming: Incoming) -> None:
        """Answer one request. Raises Refusal."""
        match incoming.method, incoming.path.removeprefix("/v1/").split("/"):
            case _, ["files", *rest]:
                await self._files(incoming, rest)
                return
            case "POST", ["batches"]:
                answer = self._created(incoming, incoming.object())
            case "GET", ["batches"]:
                mine = [one for one in self._batches.values() if one.owner == incoming.owner]
                await self._desk.plain(incoming, page([self._body(one) for one in mine], incoming))
                return
            case "GET", ["batches", batch_id]:
                answer = self._body(self._find(incoming, batch_id))
            case "POST", ["batches", batch_id, "cancel"]:
                answer = self._cancelled(self._find(incoming, batch_id))
            case _:
                message = f"Invalid URL ({incoming.method} {incoming.path})"
                raise Refusal(404, message, kind="not_found")
        await self._desk.plain(incoming, msgspec.json.encode(answer))

    def _find(self, incoming: Incoming, batch_id: str) -> Batch:
        found = self._batches.get(batch_id)
        if found is None or found.owner != incoming.owner:
            raise Refusal(404, f"No batch found with id '{batch_id}'.")
        return found

    def _created(self, incoming: Incoming, asked: Mapping[str, Any]) -> dict[str, Any]:
        endpoint = asked.get("endpoint")
        if endpoint not in _ENDPOINTS:
            raise Refusal(400, f"'endpoint' is none of {list(_ENDPOINTS)}.", param="endpoint")
        if asked.get("completion_window") != "24h":
            raise Refusal(400, "'completion_window' must be '24h'.", param="completion_window")
        content = self._files.find(incoming, str(asked.get("input_file_id"))).content
        lines, errors = read_lines(content, endpoint)
        errors = errors or _no_room(incoming, lines)
        batch_id = f"batch_{uuid.uuid4().hex}"
        run = None if errors else self._runner.begin(incoming, batch_id, lines)
        if run is not None and run.fault is not None and run.fault.kind == "stall":
            incoming.out.fault = None  # it strikes the work, not the line
        batch = Batch(batch_id, incoming.owner, asked, int(time.time()), run, errors)
        if run is None or not run.vanished:
            self._batches[batch_id] = batch
        return self._body(batch) | {
            "status": "validating",
            "errors": None,
            "failed_at": None,
            "in_progress_at": None,
        }

    def _cancelled(self, batch: Batch) -> dict[str, Any]:
        if batch.run is None or batch.run.state != "running":
            status = self._body(batch)["status"]
            raise Refusal(409, f"Cannot cancel a batch with status '{status}'.")
        self._runner.cancel(batch.run)
        shown = self._body(batch) | {"status": "cancelling", "cancelled_at": None}
        return shown | {"cancelling_at": int(time.time())}

    def _body(self, batch: Batch) -> dict[str, Any]:
        """As OpenAI shows it; the files are written when it is first looked at after its end."""
        made: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.asked["endpoint"],
            "errors": None,
            "input_file_id": batch.asked["input_file_id"],
            "completion_window": "24h",
            "status": "failed",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": batch.created,
            "in_progress_at": batch.created,
            "expires_at": batch.created + _DAY_S,
            "metadata": batch.asked.get("metadata"),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        run = batch.run
        if run is None:
            made["errors"] = {"object": "list", "data": batch.errors}
            return made | {"failed_at": batch.created}
        self._write(batch, run)
        made |= {
            "status": _STATUS[run.state],
            "output_file_id": batch.output,
            "error_file_id": batch.failures,
            "request_counts": {
                "total": len(run.lines),
                "completed": run.count("succeeded"),
                "failed": len(run.outcomes) - run.count("succeeded"),
            },
        }
        if run.ended is not None:
            made |= {_ENDED_AT[run.state]: _stamp(run.ended), "usage": _usage(run.outcomes)}
        return made

    def _write(self, batch: Batch, run: Run) -> None:
        if run.ended is None or batch.output is not None or batch.failures is not None:
            return
        good = [_line(one) for one in run.outcomes if one.kind == "succeeded"]
        bad = [_line(one) for one in run.outcomes if one.kind != "succeeded"]
        if good:
            name = f"{batch.id}_output.jsonl"
            batch.output = self._files.add(batch.owner, name, "batch_output", b"".join(good)).id
        if bad:
            name = f"{batch.id}_error.jsonl"
            batch.failures = self._files.add(batch.owner, name, "batch_output", b"".join(bad)).id


def _no_room(incoming: Incoming, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What is wrong where a fault leaves no room for so many requests."""
    fault = incoming.fault
    if fault is None or fault.kind != "no-room" or len(lines) <= fault.number:
        return []
    message = (
        "Enqueued token limit reached. Please try again once some batches have been completed."
    )
    return [{"code": "token_limit_exceeded", "message": message, "param": None, "line": None}]


def read_lines(content: bytes, endpoint: str) -> tuple[list[Line], list[dict[str, Any]]]:
    """The requests of a file, and what is wrong with it, line by line."""
    lines: list[Line] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    written = [line for line in content.split(b"\n") if line.strip()]
    for number, text in enumerate(written[: _MOST_LINES + 1], 1):
        try:
            given = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            given = None
        match given:
            case {"custom_id": str(name), "method": "POST", "url": str(url), "body": dict(body)}:
                if name in seen:
                    errors.append(
                        _error(number, "duplicate_custom_id", f"'{name}' is there twice.")
                    )
                elif url != endpoint:
                    errors.append(_error(number, "mismatched_url", f"'{url}' is not '{endpoint}'."))
                seen.add(name)
                lines.append(Line(name, url, body))
            case dict():
                said = "custom_id, method, url and body are required."
                errors.append(_error(number, "missing_required_parameter", said))
            case _:
                errors.append(_error(number, "invalid_json_line", "This line is no JSON object."))
    if not written:
        errors.append(_error(0, "empty_file", "The file has no requests."))
    elif len(written) > _MOST_LINES:
        said = f"{len(written)} requests; the limit is {_MOST_LINES}."
        errors.append(_error(0, "too_many_tasks", said))
    return lines, errors


def _error(line: int, code: str, message: str) -> dict[str, Any]:
    return {"code": code, "line": line or None, "message": message, "param": None}


def answered(_incoming: Incoming, line: Line, reply_id: str) -> Answered:
    """The answer of one line. Raises Refusal."""
    body = line.body
    if body.get("stream"):
        raise Refusal(400, "A batch has no streams.", param="stream")
    now_s = int(time.time())
    if line.url == "/v1/embeddings":
        vectors = embeddings.read(body)
        whole = embeddings.EmbeddingsReply(vectors).whole()
        return Answered(whole, vectors.model, vectors.usage())
    if line.url == "/v1/responses":
        question = responses_requests.read(body)
        production = produced(question)
        whole = ResponsesReply(production, Asked(body, reply_id, now_s)).whole()
    else:
        question = openai_requests.read(body)
        production = produced(question)
        whole = OpenAIReply(production, reply_id, now_s).whole()
    return Answered(whole, question.model, production.usage())


def _line(outcome: Outcome) -> bytes:
    made: dict[str, Any] = {
        "id": f"batch_req_{outcome.request_id.removeprefix('req_')}",
        "custom_id": outcome.custom_id,
        "response": None,
        "error": None,
    }
    if outcome.answered is not None or outcome.refusal is not None:
        status, body = 200, b""
        if outcome.answered is not None:
            body = outcome.answered.body
        elif outcome.refusal is not None:
            status, body = outcome.refusal.status, openai_replies.error_body(outcome.refusal)
        made["response"] = {
            "status_code": status,
            "request_id": outcome.request_id,
            "body": msgspec.Raw(body),
        }
    else:
        code, message = _GONE[outcome.kind]
        made["error"] = {"code": code, "message": message}
    return msgspec.json.encode(made) + b"\n"


def _usage(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    used = [one.answered.usage for one in outcomes if one.answered is not None]
    total = Usage(
        input_tokens=sum(one.input_tokens for one in used),
        cache_read_tokens=sum(one.cache_read_tokens for one in used),
        cache_write_5m_tokens=sum(one.cache_write_5m_tokens for one in used),
        output_tokens=sum(one.output_tokens for one in used),
        reasoning_tokens=sum(one.reasoning_tokens for one in used),
    )
    return usage_body(total)


def _stamp(at: datetime) -> int:
    return int(at.timestamp())
