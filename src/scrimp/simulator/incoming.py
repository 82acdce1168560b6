"""One request to the provider's side, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from scrimp.simulator import anthropic_replies, openai_replies
from scrimp.simulator.bill import Vendor
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.delivery import Outlet
from scrimp.simulator.faults import Fault
from scrimp.simulator.records import Recorded


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request with everything read. `owner` is the key that pays, in whatever header."""

    recorded: Recorded
    path: str
    headers: Mapping[str, str]
    vendor: Vendor
    out: Outlet

    @property
    def method(self) -> str:
        """Such as `POST`."""
        return self.recorded.method

    @property
    def fault(self) -> Fault | None:
        """What goes wrong with it."""
        return self.out.fault

    @property
    def owner(self) -> str:
        """The key that was sent; what is stored belongs to it."""
        _, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or self.headers.get("x-api-key", "")

    @property
    def query(self) -> dict[str, str]:
        """The last value of each name in the query."""
        return dict(parse_qsl(self.recorded.path.partition("?")[2]))

    @property
    def reply_id(self) -> str:
        """What the ids of its reply are made of."""
        return self.recorded.request_id.removeprefix("req_")

    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object. Raises Refusal."""
        try:
            body = msgspec.json.decode(self.recorded.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(400, "The body of the request is not valid JSON.") from error
        if not isinstance(body, dict):
            raise Refusal(400, "The body of the request must be a JSON object.")
        return body

    def error_body(self, refusal: Refusal) -> bytes:
        """An error in the shape of the vendor who was asked."""
        if self.vendor == "anthropic":
            return anthropic_replies.error_body(refusal, self.recorded.request_id)
        return openai_replies.error_body(refusal)

    def check_key(self) -> None:
        """Any key will do, but there must be one. Raises Refusal."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return
        if self.vendor == "anthropic" and self.headers.get("x-api-key"):
            return
        wanted = "x-api-key" if self.vendor == "anthropic" else "Authorization: Bearer"
        raise Refusal(401, f"No API key was given; send it as {wanted}.", kind="unauthenticated")

    def check_version(self) -> None:
        """Anthropic wants its version named. Raises Refusal."""
        if "anthropic-version" not in self.headers:
            raise Refusal(400, "anthropic-version: header is required")
