"""Clients that leave, providers that drag or are not there, and many calls at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import anthropic
import openai
import pytest

from scrimp.ports import Entry
from scrimp.simulator import Settings, Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import VENDORS, Vendor, clients

ASK = "How do I return the lamp that I bought last week?"
NO_CACHE = "[exact_cache]\nenabled = false\n"
QUICK_S = 0.1


def _providers(url: str, timeouts: str) -> str:
    return "".join(
        f'[providers.{name}]\nbase_url = "{url}/v1"\ndialects = {dialects}\n'
        f'key_env = "{name.upper()}_KEY"\ntimeouts = {{ {timeouts} }}\n'
        for name, dialects in (
            ("openai", ["openai.chat", "openai.responses"]),
            ("anthropic", ["anthropic.messages"]),
        )
    )


def _inside(entry: Entry, owed: int) -> None:
    assert entry.cost_low_nanousd is not None
    assert entry.cost_high_nanousd is not None
    assert entry.cost_low_nanousd <= owed <= entry.cost_high_nanousd


def _entry_of(scrimp: RunningGateway, count: int) -> Entry:
    """The newest of `count` entries; a call whose client has left is booked soon after."""
    end_s = time.monotonic() + 2
    while len(entries := scrimp.entries()) < count and time.monotonic() < end_s:
        time.sleep(0.005)
    assert len(entries) == count
    return entries[-1]


@pytest.fixture(scope="module")
def slow() -> Iterator[Simulator]:
    """A provider that takes 20 ms for each token."""
    with Simulator(settings=Settings(per_token_ms=20.0)) as sim:
        yield sim


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_client_that_leaves_a_stream_ends_it_at_the_provider(
    slow: Simulator, vendor: Vendor
) -> None:
    """Within 100 ms; the entry says cancelled and bounds what was produced until then."""
    slow.reset()
    with gateway(slow.url, more=NO_CACHE) as scrimp, clients(scrimp.url) as sdk:
        idle = scrimp.tasks()
        if vendor == "openai":
            chunks = sdk.openai.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": ASK}], stream=True
            )
            for chunk in chunks:
                if chunk.choices[0].delta.content:
                    break
            chunks.close()
        elif vendor == "responses":
            made = sdk.openai.responses.create(model="gpt-4o", input=ASK, stream=True)
            for one in made:
                if one.type == "response.output_text.delta":
                    break
            made.close()
        else:
            events = sdk.anthropic.messages.create(
                model="claude-haiku-4-5",
                max_tokens=300,
                messages=[{"role": "user", "content": ASK}],
                stream=True,
            )
            for event in events:
                if event.type == "content_block_delta":
                    break
            events.close()
        left_s = time.monotonic()
        owed = slow.quiet().total_nanousd
        entry = _entry_of(scrimp, 1)
        ended = [one for one in slow.connections if one.closed_by == "client" and one.in_flight]
        assert ended
        assert ended[-1].closed_s is not None
        assert ended[-1].closed_s - left_s < QUICK_S
        assert slow.bill.rows[-1].delivered == "left"
        assert (entry.status, entry.outcome, entry.served_by) == (499, "cancelled", "none")
        _inside(entry, owed)
        assert scrimp.tasks() <= idle


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_that_drags_on_too_long_ends_in_an_error(slow: Simulator, vendor: Vendor) -> None:
    """The limit for the whole answer holds although bytes keep coming."""
    slow.reset()
    providers = _providers(slow.url, "total_s = 0.4")
    with gateway(slow.url, more=NO_CACHE, providers=providers) as scrimp:
        with clients(scrimp.url) as sdk:
            said = sdk.ask(vendor, ASK, stream=True)
        owed = slow.quiet().total_nanousd
        entry = scrimp.entries()[-1]
    assert type(said.error) in (openai.APIError, anthropic.APIStatusError)
    assert said.text
    assert (entry.outcome, len(entry.attempts)) == ("cut", 1)
    _inside(entry, owed)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_provider_that_is_not_there_costs_nothing(vendor: Vendor) -> None:
    """The SDK's server error; every attempt is booked as never sent, free of charge."""
    with Simulator() as gone:
        url = gone.url
    more = NO_CACHE + "[retry]\nattempts = 2\nbase_s = 0.001\n"
    with gateway(url, more=more) as scrimp, clients(scrimp.url) as sdk:
        said = sdk.ask(vendor, ASK, stream=True)
        entry = scrimp.entries()[-1]
    assert isinstance(said.error, openai.InternalServerError | anthropic.InternalServerError)
    assert (said.status, entry.status, entry.outcome) == (502, 502, "failed")
    assert [attempt.outcome for attempt in entry.attempts] == ["unsent", "unsent"]
    assert (entry.cost_basis, entry.cost_high_nanousd) == ("free", 0)


def test_an_sdk_does_not_repeat_what_was_repeated() -> None:
    """Two attempts of ours are two attempts, with an SDK that would make three of each."""
    more = NO_CACHE + "[retry]\nattempts = 2\nbase_s = 0.001\n"
    with Simulator() as sim, gateway(sim.url, more=more) as scrimp:
        sim.fault("503")
        with (
            openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=2) as client,
            pytest.raises(openai.InternalServerError),
        ):
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": ASK}]
            )
        with (
            anthropic.Anthropic(base_url=scrimp.url, api_key="k", max_retries=2) as claude,
            pytest.raises(anthropic.ServiceUnavailableError),
        ):
            claude.messages.create(
                model="claude-haiku-4-5",
                max_tokens=9,
                messages=[{"role": "user", "content": ASK}],
            )
        assert len(sim.requests) == 4
        assert len(scrimp.entries()) == 2


async def test_many_calls_at_once_never_mix() -> None:
    """Sixty, both SDKs, stream and not, one in four broken at first: each has its own answer."""
    more = "[retry]\nattempts = 10\nbase_s = 0.001\n"  # one call may be struck several times
    slow = Settings(per_token_ms=0.2)
    with Simulator(settings=slow) as sim, gateway(sim.url, more=more) as scrimp:
        before = scrimp.tasks()
        async with (
            openai.AsyncOpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
            openai.AsyncOpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as direct,
            anthropic.AsyncAnthropic(base_url=scrimp.url, api_key="k", max_retries=0) as claude,
            anthropic.AsyncAnthropic(base_url=sim.url, api_key="k", max_retries=0) as straight,
        ):
            texts = [f"Repeat after me: parcel number {number}" for number in range(30)]
            wanted = await asyncio.gather(*(_openai(direct, text) for text in texts))
            wanted_too = await asyncio.gather(*(_anthropic(straight, text) for text in texts))
            sim.reset()
            sim.fault("503", every=4)
            answers = await asyncio.gather(
                *(_openai(client, text) for text in texts),
                *(_anthropic(claude, text) for text in texts),
            )
            assert answers == [*wanted, *wanted_too]
        entries = scrimp.entries()
        assert len(entries) == 60
        assert {entry.outcome for entry in entries} == {"ok"}
        assert sum(len(entry.attempts) for entry in entries) == len(sim.requests) > 60
        assert sum(entry.cost_nanousd or 0 for entry in entries) == sim.bill.total_nanousd
        assert len({entry.id for entry in entries}) == 60
        assert scrimp.tasks() <= before
        assert [one for one in sim.connections if one.closed_s is None and one.in_flight] == []


async def _openai(client: openai.AsyncOpenAI, text: str) -> str:
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": text}], stream=True
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def _anthropic(client: anthropic.AsyncAnthropic, text: str) -> str:
    reply = await client.messages.create(
        model="claude-haiku-4-5", max_tokens=300, messages=[{"role": "user", "content": text}]
    )
    return "".join(block.text for block in reply.content if block.type == "text")
