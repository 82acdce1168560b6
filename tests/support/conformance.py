"""Cases of the corpus played through a gateway under test, and gateways that get things wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import aiohttp
from aiohttp import web

from scrimp.conformance.corpus import Case, load_cases
from scrimp.conformance.player import Gateway, Player, playable
from scrimp.conformance.replay import ReplayProvider
from scrimp.conformance.verdict import Verdict
from scrimp.prices import load_book
from tests.support.gateway import RunningGateway, gateway

CHAT_PROVIDERS = ("openai", "azure", "deepseek", "mistral", "x-ai", "openrouter")
LIVE = [case for case in load_cases() if playable(case)]

Change = Callable[[bytes], bytes]


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def pointed_at(url: str, providers: Sequence[str] = (*CHAT_PROVIDERS, "anthropic")) -> str:
    """Settings that send every provider's calls to this address."""
    speaks = {
        "openai": '"openai.chat", "openai.responses"',
        "anthropic": '"anthropic.messages"',
    }
    return "".join(
        f'[providers.{name}]\nbase_url = "{url}/v1"\n'
        f"dialects = [{speaks.get(name, chr(34) + 'openai.chat' + chr(34))}]\n"
        'headers = { authorization = "Bearer replayed" }\n'
        for name in providers
    )


async def played(
    url: str, provider: ReplayProvider, cases: Sequence[Case], *, timeout_s: float = 60.0
) -> list[Verdict]:
    """How each case fared at this gateway."""
    verdicts: list[Verdict] = []
    player = Player(Gateway(url, timeout_s=timeout_s), provider, load_book())
    await player.play(cases, verdicts.append)
    return verdicts


@contextlib.asynccontextmanager
async def scrimp_before(
    provider_url: str, *, more: str = "", providers: Sequence[str] = (*CHAT_PROVIDERS, "anthropic")
) -> AsyncIterator[RunningGateway]:
    """A real gateway of ours, whose providers are all at one address."""
    held = gateway(provider_url, more=more, providers=pointed_at(provider_url, providers))
    running = await asyncio.to_thread(held.__enter__)
    try:
        yield running
    finally:
        await asyncio.to_thread(held.__exit__, None, None, None)


@contextlib.asynccontextmanager
async def careless(
    provider_url: str, *, change: Change = bytes, status: int | None = None
) -> AsyncIterator[str]:
    """Somebody else's gateway: it hands on whole bodies, changed, with a status of its own."""

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        kept, broken = bytearray(), False
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{provider_url}{request.path}", data=body) as reply,
        ):
            try:
                async for piece in reply.content.iter_any():
                    kept += piece
            except aiohttp.ClientPayloadError:
                broken = True
            code = reply.status if status is None else status
            kind = reply.headers["content-type"]
        code = 502 if broken and status is None and b"data:" not in kept else code
        return web.Response(status=code, body=change(bytes(kept)), headers={"content-type": kind})

    async with _served(answer) as url:
        yield url


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[str]]]:
    """A gateway that takes requests and never answers; gives its address and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        await asyncio.Event().wait()
        return web.Response()

    async with _served(answer) as url:
        yield url, asked


@contextlib.asynccontextmanager
async def _served(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
