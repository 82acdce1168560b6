"""One question in each dialect, by its vendor's own SDK, as a stream or not: what was said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import anthropic
import openai

Vendor = Literal["openai", "responses", "anthropic"]
"""OpenAI's chat, OpenAI's responses, Anthropic's messages."""
VENDORS: tuple[Vendor, ...] = ("openai", "responses", "anthropic")
MODELS: dict[Vendor, str] = {
    "openai": "gpt-4o-mini",
    "responses": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
}
MAX_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Said:
    """A text and how it ended; or the error that the SDK raised, with what had come before."""

    text: str
    finish: str
    error: Exception | None = None

    @property
    def status(self) -> int:
        """The HTTP status of the error; 0 when there is none, or it came in a stream or none."""
        return int(getattr(self.error, "status_code", 0) or 0)


@dataclass(frozen=True, slots=True)
class Clients:
    """Both SDKs, pointed at one address; neither tries again by itself."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic

    def ask(
        self,
        vendor: Vendor,
        text: str,
        *,
        stream: bool,
        headers: dict[str, str] | None = None,
        model: str = "",
    ) -> Said:
        """Ask, and read the answer to its end. Never raises what an SDK raises."""
        ask = {
            ("openai", False): self._openai,
            ("openai", True): self._openai_stream,
            ("responses", False): self._responses,
            ("responses", True): self._responses_stream,
            ("anthropic", False): self._anthropic,
            ("anthropic", True): self._anthropic_stream,
        }[vendor, stream]
        heard: list[str] = []
        finish = ""
        try:
            for piece, end in ask(model or MODELS[vendor], text, headers or {}):
                heard.append(piece)
                finish = end or finish
        except (openai.OpenAIError, anthropic.AnthropicError) as error:
            return Said("".join(heard), finish, error)
        return Said("".join(heard), finish)

    def _openai(self, model: str, text: str, headers: dict[str, str]) -> Iterator[tuple[str, str]]:
        reply = self.openai.chat.completions.create(
            model=model,
            max_completion_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": text}],
            extra_headers={**headers},
        )
        choice = reply.choices[0]
        yield choice.message.content or "", choice.finish_reason

    def _openai_stream(
        self, model: str, text: str, headers: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        chunks = self.openai.chat.completions.create(
            model=model,
            max_completion_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": text}],
            extra_headers={**headers},
            stream=True,
        )
        for chunk in chunks:
            for choice in chunk.choices:
                yield choice.delta.content or "", choice.finish_reason or ""

    def _responses(
        self, model: str, text: str, headers: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        reply = self.openai.responses.create(
            model=model, max_output_tokens=MAX_TOKENS, input=text, extra_headers={**headers}
        )
        yield reply.output_text, reply.status or ""

    def _responses_stream(
        self, model: str, text: str, headers: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        events = self.openai.responses.create(
            model=model,
            max_output_tokens=MAX_TOKENS,
            input=text,
            extra_headers={**headers},
            stream=True,
        )
        for event in events:
            if event.type == "response.output_text.delta":
                yield event.delta, ""
            elif event.type in ("response.completed", "response.incomplete"):
                yield "", event.response.status or ""
            elif event.type == "error":  # as documented; the SDK raises only on a nested one
                raise openai.APIError(event.message, events.response.request, body=None)

    def _anthropic(
        self, model: str, text: str, headers: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        reply = self.anthropic.messages.create(
            model=model,
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": text}],
            extra_headers={**headers},
        )
        said = "".join(block.text for block in reply.content if block.type == "text")
        yield said, reply.stop_reason or ""

    def _anthropic_stream(
        self, model: str, text: str, headers: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        events = self.anthropic.messages.create(
            model=model,
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": text}],
            extra_headers={**headers},
            stream=True,
        )
        for event in events:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text, ""
            elif event.type == "message_delta":
                yield "", event.delta.stop_reason or ""


@contextmanager
def clients(url: str, *, key: str = "sk-client", timeout_s: float = 20.0) -> Iterator[Clients]:
    """Both SDKs for a gateway at `url` (without `/v1`)."""
    with (
        openai.OpenAI(
            base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=timeout_s
        ) as for_openai,
        anthropic.Anthropic(
            base_url=url, api_key=key, max_retries=0, timeout=timeout_s
        ) as for_anthropic,
    ):
        yield Clients(for_openai, for_anthropic)
