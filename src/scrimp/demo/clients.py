"""The vendors' own SDK clients, pointed at the gateway: the only thing that an application changes.

This is the only module that needs the extra `scrimp[demo]`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, assert_never

import anthropic
import openai

from scrimp.demo.traffic import PlannedCall, Turn, request_fields, scrimp_headers

SDK_ERRORS = (openai.OpenAIError, anthropic.AnthropicError)
_TIMEOUT_S = 60.0
_KEY = "made-up"  # the gateway holds the provider's key, a client's is not looked at here

# One of the SDKs reads the machine's proxies whatever `trust_env` says; these win over them.
_NO_PROXY: dict[str, None] = {"http://": None, "https://": None, "all://": None}


class Clients:
    """One client of each SDK. They never retry: that is the gateway's work here."""

    def __init__(
        self, for_openai: openai.AsyncOpenAI, for_claude: anthropic.AsyncAnthropic
    ) -> None:
        self._openai: Any = for_openai  # fields come from a plan, not from literals
        self._claude: Any = for_claude

    async def ask(self, call: PlannedCall, past: Sequence[Turn]) -> str:
        """The whole text of the reply, streamed or not. Raises one of SDK_ERRORS."""
        fields, headers = request_fields(call, past), scrimp_headers(call)
        match call.sdk:
            case "openai":
                create = self._openai.chat.completions.create
                reply = await create(**fields, extra_headers=headers)
                return await _openai_stream(reply) if call.stream else _openai_text(reply)
            case "anthropic":
                # Newer versions of this SDK have no word for it any more, older models still do.
                extra = {name: fields.pop(name) for name in ("temperature",) if name in fields}
                create = self._claude.messages.create
                reply = await create(**fields, extra_headers=headers, extra_body=extra)
                return await _claude_stream(reply) if call.stream else _claude_text(reply)
            case _:
                assert_never(call.sdk)

    async def ask_in_vain(self, call: PlannedCall) -> None:
        """Ask for a stream that will break; nothing may answer from memory."""
        headers = {**scrimp_headers(call), "x-scrimp-cache": "no-store"}
        create = self._openai.chat.completions.create
        with suppress(*SDK_ERRORS):
            await _openai_stream(await create(**request_fields(call), extra_headers=headers))

    async def headers_of(self, fields: Mapping[str, Any], *, tag: str) -> Mapping[str, str]:
        """What the headers of an answer say, or those of a refusal."""
        create = self._openai.chat.completions.with_raw_response.create
        try:
            answer = await create(**fields, extra_headers={"x-scrimp-tags": tag})
        except openai.APIStatusError as error:
            return error.response.headers
        headers: Mapping[str, str] = answer.headers
        return headers


@asynccontextmanager
async def open_clients(gateway_url: str) -> AsyncIterator[Clients]:
    """Clients that need nothing but another base URL (and no proxy of this machine between)."""
    async with (
        openai.AsyncOpenAI(
            base_url=f"{gateway_url}/v1",
            api_key=_KEY,
            max_retries=0,
            timeout=_TIMEOUT_S,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False, mounts=_NO_PROXY),
        ) as for_openai,
        anthropic.AsyncAnthropic(
            base_url=gateway_url,
            api_key=_KEY,
            max_retries=0,
            timeout=_TIMEOUT_S,
            http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False, mounts=_NO_PROXY),
        ) as for_claude,
    ):
        yield Clients(for_openai, for_claude)


def _openai_text(reply: Any) -> str:
    return reply.choices[0].message.content or ""


async def _openai_stream(stream: Any) -> str:
    parts = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
    return "".join(parts)


def _claude_text(reply: Any) -> str:
    return "".join(block.text for block in reply.content if block.type == "text")


async def _claude_stream(stream: Any) -> str:
    parts = [
        event.delta.text
        async for event in stream
        if event.type == "content_block_delta" and event.delta.type == "text_delta"
    ]
    return "".join(parts)
