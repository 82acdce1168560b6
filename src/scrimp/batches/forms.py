"""What is sent to the batch APIs and what they say of a batch, vendor by vendor. Pure.

https://platform.openai.com/docs/api-reference/batch and
https://platform.claude.com/docs/en/api/creating-message-batches, checked 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from scrimp.batches.results import OWN
from scrimp.dialects.json_body import encode, parse_object
from scrimp.jobs import Lane
from scrimp.values import Value

MARK = "scrimp_batch"
"""The metadata by which an OpenAI batch of ours is known again."""
_OPENAI_OVER = ("completed", "failed", "expired", "cancelled")
_FULL = "token_limit_exceeded"
"""An account's batches of a model hold so many tokens at once; it ends when others have ended."""


class Seen(Value, frozen=True):
    """A batch as its provider shows it.

    `results` are paths of what it left behind, `refused` why nothing of it was ever begun, `full`
    when that was for want of room. `checking` has not begun yet, and may be refused.
    """

    id: str = ""
    over: bool = False
    results: tuple[str, ...] = ()
    refused: str = ""
    full: bool = False
    checking: bool = False
    items: int = 0
    created_s: float = 0.0
    mark: str = ""
    file: str = ""


def custom_id(job_id: str) -> str:
    """How a line names its job."""
    return f"{OWN}{job_id}"


def job_id(custom: str) -> str:
    """The job that a line names; empty when it is none of ours."""
    return custom.removeprefix(OWN) if custom.startswith(OWN) else ""


def one_line(body: bytes) -> bytes:
    """The same JSON on one line: a line end in JSON is white space, or escaped."""
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


def openai_file(lane: Lane, lines: Iterable[tuple[str, bytes]]) -> bytes:
    """The input file: job ids with the bodies to send."""
    url = msgspec.json.encode(lane.path)
    return b"\n".join(
        b'{"custom_id":%b,"method":"POST","url":%b,"body":%b}'
        % (msgspec.json.encode(custom_id(one)), url, one_line(body))
        for one, body in lines
    )


def multipart(name: str, content: bytes, boundary: str) -> tuple[str, bytes]:
    """Content type and body of an upload (RFC 7578). `boundary` must not be in the content."""
    mark = boundary.encode()
    head = b"--%b\r\nContent-Disposition: form-data; name=" % mark
    body = b"".join(
        (
            head,
            b'"purpose"\r\n\r\nbatch\r\n',
            head,
            b'"file"; filename="%b"\r\nContent-Type: application/jsonl\r\n\r\n' % name.encode(),
            content,
            b"\r\n--%b--\r\n" % mark,
        )
    )
    return f"multipart/form-data; boundary={boundary}", body


def openai_begin(lane: Lane, file_id: str, batch_id: str) -> bytes:
    """The request that begins a batch, with the mark by which it is known again."""
    return encode(
        {
            "input_file_id": file_id,
            "endpoint": lane.path,
            "completion_window": "24h",
            "metadata": {MARK: batch_id},
        }
    )


def anthropic_begin(lines: Iterable[tuple[str, bytes]]) -> bytes:
    """The same for Anthropic, whose batches have no file and no metadata."""
    requests = (
        b'{"custom_id":%b,"params":%b}' % (msgspec.json.encode(custom_id(one)), body)
        for one, body in lines
    )
    return b'{"requests":[%b]}' % b",".join(requests)


def seen(dialect: str, body: bytes) -> Seen | None:
    """What an answer says of a batch; None when it says nothing of one."""
    return seen_of(dialect, parse_object(body))


def seen_of(dialect: str, fields: Any) -> Seen | None:
    """The same of its JSON."""
    if not isinstance(fields, dict) or not isinstance(fields.get("id"), str):
        return None
    return _anthropic(fields) if dialect == "anthropic.messages" else _openai(fields)


def _openai(fields: dict[str, Any]) -> Seen:
    status, metadata = fields.get("status"), fields.get("metadata")
    files = (fields.get("output_file_id"), fields.get("error_file_id"))
    results = tuple([f"/files/{one}/content" for one in files if isinstance(one, str) and one])
    created = fields.get("created_at")
    counts, code = fields.get("request_counts"), _code(fields.get("errors"))
    total = counts.get("total") if isinstance(counts, dict) else 0
    return Seen(
        id=fields["id"],
        over=status in _OPENAI_OVER,
        results=results,
        refused=_errors(code) if status == "failed" else "",
        full=status == "failed" and code == _FULL,
        checking=status == "validating",
        items=total if isinstance(total, int) else 0,
        created_s=created if isinstance(created, int | float) else 0.0,
        mark=str(metadata.get(MARK, "")) if isinstance(metadata, dict) else "",
        file=str(fields.get("input_file_id") or ""),
    )


def _code(errors: Any) -> str:
    """The first thing that is wrong with a file, as the provider calls it."""
    data = errors.get("data") if isinstance(errors, dict) else None
    first = data[0] if isinstance(data, list) and data else {}
    return str(first.get("code") or "") if isinstance(first, dict) else ""


def _errors(code: str) -> str:
    return f"the provider refused the batch ({code[:80] or 'no reason given'})"


def _anthropic(fields: dict[str, Any]) -> Seen:
    counts = fields.get("request_counts")
    numbers = counts.values() if isinstance(counts, dict) else ()
    over = fields.get("processing_status") == "ended"
    return Seen(
        id=fields["id"],
        over=over,
        results=(f"/messages/batches/{fields['id']}/results",) if over else (),
        items=sum(one for one in numbers if isinstance(one, int)),
        created_s=_seconds(fields.get("created_at")),
    )


def _seconds(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


class Page(Value, frozen=True):
    """One page of a list of batches; `after` is what the next one is asked by, empty at the end."""

    batches: tuple[Seen, ...]
    after: str = ""


def page_of(dialect: str, body: bytes) -> Page:
    """A page of either vendor's list."""
    fields = parse_object(body) or {}
    data = fields.get("data")
    found = [seen_of(dialect, one) for one in data] if isinstance(data, list) else []
    batches = tuple([one for one in found if one is not None])
    after = batches[-1].id if batches and fields.get("has_more") else ""
    return Page(batches, after)
