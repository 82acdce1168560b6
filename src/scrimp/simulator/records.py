"""What arrived, byte for byte, so that a test can tell what a client or a gateway really sent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request. `path` has the query, `headers` are in order of arrival, names in lower case."""

    request_id: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    at_s: float = 0.0

    @classmethod
    def of(cls, scope: Mapping[str, Any], body: bytes, request_id: str) -> Recorded:
        """From an ASGI scope. `at_s` is `time.monotonic()`."""
        raw_path: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        return cls(
            request_id=request_id,
            method=scope["method"],
            path=(raw_path + b"?" + query if query else raw_path).decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in scope["headers"]
            ),
            body=body,
            at_s=time.monotonic(),
        )

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)
