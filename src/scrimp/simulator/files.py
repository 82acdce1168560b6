"""OpenAI's files: what clients upload for batches, and what batches leave behind."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scrimp.simulator.conversation import Refusal
from scrimp.simulator.conversations import page
from scrimp.simulator.desk import Desk
from scrimp.simulator.incoming import Incoming

_MOST_FILES: Final = 1000


@dataclass(frozen=True, slots=True)
class File:
    """One file."""

    id: str
    owner: str
    name: str
    purpose: str
    content: bytes
    created: int

    def body(self) -> dict[str, Any]:
        """As OpenAI shows it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created,
            "expires_at": None,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


class Files:
    """Endpoints under `/v1/files`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[str, File] = {}

    def forget(self) -> None:
        """Forget them all."""
        self._kept.clear()

    def find(self, incoming: Incoming, file_id: str) -> File:
        """A file of the caller's. Raises Refusal."""
        found = self._kept.get(file_id)
        if found is None or found.owner != incoming.owner:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return found

    def add(self, owner: str, name: str, purpose: str, content: bytes) -> File:
        """One more."""
        if len(self._kept) >= _MOST_FILES:
            self._kept.pop(next(iter(self._kept)))
        file_id = f"file-{uuid.uuid4().hex[:24]}"
        kept = File(file_id, owner, name, purpose, content, int(time.time()))
        self._kept[file_id] = kept
        return kept

    async def __call__(self, incoming: Incoming, rest: list[str]) -> None:
        """Answer one request. Raises Refusal."""
        match incoming.method, rest:
            case "POST", []:
                answer: Any = self._upload(incoming).body()
            case "GET", []:
                mine = [one.body() for one in self._kept.values() if one.owner == incoming.owner]
                await self._desk.plain(incoming, page(mine, incoming))
                return
            case "GET", [file_id]:
                answer = self.find(incoming, file_id).body()
            case "GET", [file_id, "content"]:
                await self._desk.plain(incoming, self.find(incoming, file_id).content)
                return
            case "DELETE", [file_id]:
                del self._kept[self.find(incoming, file_id).id]
                answer = {"id": file_id, "object": "file", "deleted": True}
            case _:
                message = f"Invalid URL ({incoming.method} {incoming.path})"
                raise Refusal(404, message, kind="not_found")
        await self._desk.plain(incoming, msgspec.json.encode(answer))

    def _upload(self, incoming: Incoming) -> File:
        fields = form(incoming.headers.get("content-type", ""), incoming.recorded.body)
        if "file" not in fields or "purpose" not in fields:
            raise Refusal(400, "'file' and 'purpose' are required.", param="file")
        name, content = fields["file"]
        purpose = fields["purpose"][1].decode("utf-8", "replace")
        return self.add(incoming.owner, name or "upload", purpose, content)


def form(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """File name and content of each field of a multipart form (RFC 7578). Raises Refusal."""
    kind, _, rest = content_type.partition(";")
    boundary = _parameter(rest, "boundary")
    if kind.strip().lower() != "multipart/form-data" or not boundary:
        raise Refusal(400, "The body of the request must be a multipart form.")
    found = {}
    for part in body.split(b"--" + boundary.encode())[1:]:
        head, mark, content = part.partition(b"\r\n\r\n")
        if not mark:
            continue
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-disposition":
                field = _parameter(value, "name")
                found[field] = (_parameter(value, "filename"), content.removesuffix(b"\r\n"))
    return found


def _parameter(header: str, name: str) -> str:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key.lower() == name:
            return value.strip().strip('"')
    return ""
