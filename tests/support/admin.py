"""The admin API of a running gateway, asked as a plain HTTP client would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from tests.support import raw_http

PREFIX = "/v1/scrimp/admin"


@dataclass(frozen=True, slots=True)
class Told:
    """Status, document (None for none), headers."""

    status: int
    json: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        """What an error says."""
        return str(self.json["error"]["message"])


@dataclass(frozen=True, slots=True)
class AdminClient:
    """Asks below the prefix; `key` is an admin key, empty for none."""

    url: str
    key: str = ""

    def ask(
        self,
        method: str,
        path: str,
        form: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Told:
        """One request; `path` is sent as it is."""
        body = raw if raw is not None else b"" if form is None else msgspec.json.encode(form)
        sent = dict(headers or {})
        if self.key:
            sent["authorization"] = f"Bearer {self.key}"
        data = raw_http.request(PREFIX + path, body, sent, method=method)
        answer = raw_http.ask(self.url, data, method=method)
        document = msgspec.json.decode(answer.body) if answer.body else None
        return Told(answer.status, document, answer.headers)

    def get(self, path: str) -> Any:
        """The document of a GET that must be good."""
        told = self.ask("GET", path)
        assert told.status == 200, told
        return told.json

    def make(self, path: str, form: Any) -> Any:
        """The document of a POST or PUT that must be good."""
        told = self.ask("POST", path, form)
        assert told.status in (200, 201), told
        return told.json

    def put(self, path: str, form: Any) -> Any:
        """The document of a PUT that must be good."""
        told = self.ask("PUT", path, form)
        assert told.status == 200, told
        return told.json

    def page(self, path: str, **query: object) -> Any:
        """A page."""
        asked = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        return self.get(f"{path}?{asked}")
