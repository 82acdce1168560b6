"""The dialects as their own SDKs speak them: a good body, any body, and the SDK's exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest

StatusError = openai.APIStatusError | anthropic.APIStatusError
_SAID = {"openai": "choices", "responses": "output", "anthropic": "content"}
QUESTION = "How do I pair the lamp?"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One dialect. `url` is always a gateway's own, without `/v1`."""

    name: str
    path: str
    fields: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    vendor: str = "openai"

    def body(self, **changes: Any) -> bytes:
        """A good body, with some of its fields otherwise."""
        return json.dumps({**self.fields, **changes}).encode()

    def question(self, text: str) -> list[dict[str, Any]]:
        """A conversation of one question."""
        return [{"role": "user", "content": text}]

    def talk(self, text: str) -> dict[str, Any]:
        """The field that holds a conversation of one question."""
        return {"input" if self.name == "responses" else "messages": self.question(text)}

    def client(self, url: str, *, key: str = "sk-any") -> openai.OpenAI | anthropic.Anthropic:
        """The SDK's client; it never repeats a call by itself."""
        if self.vendor == "openai":
            return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30)
        return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=30)

    def ask(
        self,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str = "sk-any",
    ) -> Mapping[str, Any]:
        """Send a body by the SDK. Raises the SDK's own exceptions."""
        path = self.path.removeprefix("/v1") if self.vendor == "openai" else self.path
        content = self.body() if body is None else body
        with self.client(url, key=key) as client:
            answer: Any = client.post(
                path,
                cast_to=object,
                content=content,
                options={"headers": {"content-type": "application/json", **(headers or {})}},
            )
        return answer if isinstance(answer, dict) else {}

    def refused(
        self,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str = "sk-any",
    ) -> StatusError:
        """The SDK's exception for a body that must not be answered, in the vendor's shape."""
        with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
            self.ask(url, body, headers=headers, key=key)
        assert isinstance(caught.value, self.status_error)
        self.check_shape(caught.value.response.json())
        return caught.value

    def answered(self, url: str, *, key: str = "sk-any") -> None:
        """A good call gets a good answer: whatever came before has done no harm."""
        answer = self.ask(url, headers={"x-scrimp-cache": "no-store"}, key=key)
        assert answer.get(_SAID[self.name])

    @property
    def status_error(self) -> type[StatusError]:
        """What the SDK raises for an answer that is an error."""
        return openai.APIStatusError if self.vendor == "openai" else anthropic.APIStatusError

    def check_shape(self, body: Any) -> None:
        """An error as the vendor words it."""
        if self.vendor == "openai":
            assert body.keys() == {"error"}
            assert {"message", "type", "param", "code"} <= body["error"].keys()
        else:
            assert body["type"] == "error"
            assert {"type", "message"} <= body["error"].keys()
        assert isinstance(body["error"]["message"], str)
        assert isinstance(body["error"]["type"], str)


OPENAI = Spoken(
    "openai",
    "/v1/chat/completions",
    {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": QUESTION}]},
)
ANTHROPIC = Spoken(
    "anthropic",
    "/v1/messages",
    {
        "model": "claude-haiku-4-5",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": QUESTION}],
    },
    {"anthropic-version": "2023-06-01"},
    vendor="anthropic",
)
RESPONSES = Spoken("responses", "/v1/responses", {"model": "gpt-4o-mini", "input": QUESTION})
SPOKEN = (OPENAI, RESPONSES, ANTHROPIC)
BOTH = pytest.mark.parametrize("spoken", [OPENAI, ANTHROPIC], ids=lambda one: one.name)
ALL = pytest.mark.parametrize("spoken", SPOKEN, ids=lambda one: one.name)
