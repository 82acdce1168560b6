"""Both vendors' own SDKs over the library: what they read, what they raise, what is booked."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from pydantic import BaseModel

from scrimp.money import decimal_usd
from tests.support.library import Library
from tests.support.stage import until

MODEL = "gpt-4o-mini"
CLAUDE = "claude-haiku-4-5"
NO_CACHE = {"x-scrimp-cache": "no-store"}
GENERATIONS = pytest.mark.parametrize("http", [httpx, httpx2], ids=["httpx", "httpx2"])


def gpt(lib: Library, **more: Any) -> openai.OpenAI:
    """OpenAI's client, wrapped."""
    return lib.scrimp.wrap(openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine", **more))


def agpt(lib: Library, **more: Any) -> openai.AsyncOpenAI:
    """The same, awaited."""
    return lib.scrimp.wrap(openai.AsyncOpenAI(base_url=lib.openai_url, api_key="sk-mine", **more))


def claude(lib: Library) -> anthropic.Anthropic:
    """Anthropic's client, wrapped."""
    return lib.scrimp.wrap(anthropic.Anthropic(base_url=lib.sim.url, api_key="sk-mine"))


def aclaude(lib: Library) -> anthropic.AsyncAnthropic:
    """The same, awaited."""
    return lib.scrimp.wrap(anthropic.AsyncAnthropic(base_url=lib.sim.url, api_key="sk-mine"))


def chat(text: str) -> dict[str, Any]:
    """The arguments of one chat with either vendor."""
    return {"messages": [{"role": "user", "content": text}]}


def test_a_wrapped_client_keeps_its_class_and_the_given_one_stays_bare(lib: Library) -> None:
    """The same type in and out; who still uses the first client has nothing of Scrimp's."""
    given = openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine", timeout=7, max_retries=4)
    wrapped = lib.scrimp.wrap(given)
    assert type(wrapped) is openai.OpenAI
    assert (wrapped.api_key, wrapped.base_url, wrapped.timeout) == ("sk-mine", given.base_url, 7)
    assert (wrapped.max_retries, given.max_retries) == (0, 4)
    raw = given.chat.completions.with_raw_response.create(model=MODEL, **chat("hello"))
    assert "x-scrimp-id" not in raw.headers
    given.close()


@GENERATIONS
def test_a_reply_is_the_providers_and_is_booked_at_its_bill(lib: Library, http: Any) -> None:
    """By either generation of the HTTP library: the same words, the same money, the own key."""
    client = gpt(lib, http_client=http.Client())
    raw = client.chat.completions.with_raw_response.create(model=MODEL, **chat("hello"))
    row = lib.sim.bill.rows[0]
    assert raw.parse().choices[0].message.content
    assert raw.headers["x-request-id"] == row.request_id
    assert raw.headers["x-scrimp-cost-usd"] == decimal_usd(row.billed_nanousd)
    assert dict(lib.sim.requests[0].headers)["authorization"] == "Bearer sk-mine"
    (entry,) = lib.entries()
    assert (entry.id, entry.cost_nanousd) == (raw.headers["x-scrimp-id"], row.billed_nanousd)
    assert (entry.provider, entry.operation, entry.served_by) == ("openai", "chat", "upstream")
    assert isinstance(raw.http_response, http.Response)


@GENERATIONS
async def test_an_awaited_reply_and_stream_are_the_providers(lib: Library, http: Any) -> None:
    """By either generation, on the test's own event loop."""
    client = agpt(lib, http_client=http.AsyncClient())
    whole = await client.chat.completions.create(model=MODEL, **chat("hi"), extra_headers=NO_CACHE)
    stream = await client.chat.completions.create(
        model=MODEL, **chat("hi"), stream=True, extra_headers=NO_CACHE
    )
    text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert text == whole.choices[0].message.content
    assert [entry.stream for entry in lib.entries()] == [False, True]
    assert sum(e.cost_nanousd or 0 for e in lib.entries()) == lib.sim.bill.total_nanousd


@GENERATIONS
def test_a_stream_comes_piece_by_piece(lib: Library, http: Any) -> None:
    """With its own content type and chunks, by either generation."""
    client = gpt(lib, http_client=http.Client())
    stream = client.chat.completions.create(model=MODEL, **chat("hello"), stream=True)
    assert "text/event-stream" in stream.response.headers["content-type"]
    assert len(list(stream)) > 8
    (entry,) = lib.entries()
    assert (entry.outcome, entry.cost_nanousd) == ("ok", lib.sim.bill.total_nanousd)


def test_claude_answers_streams_and_counts(lib: Library) -> None:
    """Messages, the stream helper, token counts: booked under Anthropic at its bill."""
    client = claude(lib)
    ask: dict[str, Any] = {"model": CLAUDE, **chat("hello")}
    whole = client.messages.create(max_tokens=200, **ask, extra_headers=NO_CACHE)
    with client.messages.stream(max_tokens=200, **ask, extra_headers=NO_CACHE) as stream:
        final = stream.get_final_message()
    assert [b.to_dict()["text"] for b in final.content] == [
        b.to_dict()["text"] for b in whole.content
    ]
    assert client.messages.count_tokens(**ask).input_tokens == whole.usage.input_tokens
    entries = lib.entries()
    assert {entry.provider for entry in entries} == {"anthropic"}
    assert [entry.operation for entry in entries] == ["chat", "chat", "count_tokens"]
    assert sum(entry.cost_nanousd or 0 for entry in entries) == lib.sim.bill.total_nanousd


async def test_claude_answers_and_streams_awaited(lib: Library) -> None:
    """The same through the awaited client, text piece by piece."""
    client = aclaude(lib)
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 200, **chat("hello")}
    whole = await client.messages.create(**ask, extra_headers=NO_CACHE)
    async with client.messages.stream(**ask, extra_headers=NO_CACHE) as stream:
        pieces = [text async for text in stream.text_stream]
    assert "".join(pieces) == "".join(b.text for b in whole.content if b.type == "text")
    assert len(pieces) > 1


class City(BaseModel):
    """What a structured answer must look like."""

    name: str
    people: int


def test_structured_output_and_tools_are_parsed_by_the_sdk(lib: Library) -> None:
    """The SDK's own helpers find what they look for."""
    client = gpt(lib)
    parsed = client.chat.completions.parse(
        model=MODEL, **chat("A city, please."), response_format=City
    )
    assert isinstance(parsed.choices[0].message.parsed, City)
    tool: Any = {
        "type": "function",
        "function": {
            "name": "find_city",
            "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    }
    called = client.chat.completions.create(
        model=MODEL, **chat("Find Paris."), tools=[tool], tool_choice="required"
    )
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "find_city"


def test_the_second_time_is_a_hit_in_the_form_that_is_asked_for(lib: Library) -> None:
    """One bill for a reply, the same again, and the same as a stream."""
    client = gpt(lib)
    first = client.chat.completions.create(model=MODEL, **chat("hello"))
    again = client.chat.completions.with_raw_response.create(model=MODEL, **chat("hello"))
    stream = client.chat.completions.create(model=MODEL, **chat("hello"), stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert again.parse() == first
    assert text == first.choices[0].message.content
    assert again.headers["x-scrimp-served-by"] == "exact_cache"
    assert len(lib.sim.bill.rows) == 1
    entries = lib.entries()
    assert [entry.served_by for entry in entries] == ["upstream", "exact_cache", "exact_cache"]
    assert [entry.cost_nanousd for entry in entries] == [lib.sim.bill.total_nanousd, 0, 0]


def test_clients_with_different_keys_never_share_an_answer(lib: Library) -> None:
    """The same question by another key reaches the provider again, under another tenant."""
    gpt(lib).chat.completions.create(model=MODEL, **chat("hello"))
    other = lib.scrimp.wrap(openai.OpenAI(base_url=lib.openai_url, api_key="sk-other"))
    other.chat.completions.create(model=MODEL, **chat("hello"))
    first, second = lib.entries()
    assert (first.served_by, second.served_by) == ("upstream", "upstream")
    assert first.tenant != second.tenant
    assert "sk-" not in first.tenant + second.tenant


def test_labels_of_a_client_and_of_a_call_are_booked(lib: Library) -> None:
    """A call's own header wins over what the client was wrapped with; none goes upstream."""
    client = lib.scrimp.wrap(
        openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine"),
        user="Anna Ö",
        task="summarization",
        tags=("blue", "red"),
    )
    client.chat.completions.create(model=MODEL, **chat("one"))
    client.chat.completions.create(
        model=MODEL, **chat("two"), extra_headers={"x-scrimp-user": "bob"}
    )
    first, second = lib.entries()
    assert (first.user, first.task, first.tags) == ("Anna Ö", "summarization", ("blue", "red"))
    assert (second.user, second.task) == ("bob", "summarization")
    names = {name for one in lib.sim.requests for name, _ in one.headers}
    assert not {name for name in names if name.startswith("x-scrimp")}


def test_what_scrimp_does_not_read_passes_through(lib: Library) -> None:
    """Other methods of the SDK work; their cost is unknown, never $0."""
    assert "gpt-4o" in {model.id for model in gpt(lib).models.list()}
    (entry,) = lib.entries()
    assert (entry.operation, entry.cost_nanousd) == ("passthrough", None)


def test_what_the_sdk_tells_of_a_reply_is_there(lib: Library) -> None:
    """How long it took, its length, its bytes as a stream; for a miss and a hit."""
    for _ in range(2):
        raw = gpt(lib).chat.completions.with_raw_response.create(model=MODEL, **chat("hello"))
        assert raw.elapsed.total_seconds() > 0
        assert raw.headers["content-length"] == str(len(raw.content))
        streamed = gpt(lib).chat.completions.with_streaming_response
        with streamed.create(model=MODEL, **chat("hello")) as answer:
            assert b"".join(answer.iter_bytes()) == raw.content


def test_a_copy_of_a_wrapped_client_goes_where_it_is_told(lib: Library) -> None:
    """With another base URL it is served all the same, under that address's name."""
    client = gpt(lib).with_options(base_url=f"{lib.sim.url.replace('127.0.0.1', 'localhost')}/v1")
    assert client.chat.completions.create(model=MODEL, **chat("hello")).choices
    (entry,) = lib.entries()
    assert entry.provider.startswith("localhost:")
    assert entry.cost_nanousd is None  # nobody said whose prices hold there


class OldClient:
    """As the SDKs before these stand on the HTTP library: what `wrap` looks at, and no more."""

    def __init__(self, base_url: str, http_client: Any) -> None:
        self.base_url = base_url
        self._client = http_client

    def with_options(self, *, http_client: Any, max_retries: int) -> OldClient:
        """A copy."""
        assert max_retries == 0
        return type(self)(self.base_url, http_client)


OldAnthropic: type[OldClient] = type("Anthropic", (OldClient,), {"__module__": "anthropic._client"})
OLD_HEADERS = {"x-api-key": "sk-mine", "anthropic-version": "2023-06-01"}


async def test_the_generation_before_speaks_anthropic_too(lib: Library) -> None:
    """`httpx` under messages, blocking and awaited, whole and streamed."""
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 50, **chat("hello")}
    url, headers = f"{lib.sim.url}/v1/messages", {**OLD_HEADERS, **NO_CACHE}
    old = lib.scrimp.wrap(OldAnthropic(lib.sim.url, httpx.Client(headers=headers)))
    whole = old._client.post(url, json=ask).json()
    with old._client.stream("POST", url, json={**ask, "stream": True}) as answer:
        assert b"message_stop" in b"".join(answer.iter_bytes())
    awaited = lib.scrimp.wrap(OldAnthropic(lib.sim.url, httpx.AsyncClient(headers=headers)))
    assert (await awaited._client.post(url, json=ask)).json()["content"] == whole["content"]
    async with awaited._client.stream("POST", url, json={**ask, "stream": True}) as answer:
        assert b"message_stop" in b"".join([piece async for piece in answer.aiter_bytes()])
    entries = lib.entries()
    assert [entry.stream for entry in entries] == [False, True, False, True]
    assert sum(entry.cost_nanousd or 0 for entry in entries) == lib.sim.bill.total_nanousd


def test_responses_embeddings_and_uploads_work(lib: Library) -> None:
    """What Scrimp reads is priced; an upload arrives as it is, at an unknown cost."""
    client = gpt(lib)
    assert client.responses.create(model=MODEL, input="hello").output_text
    assert client.embeddings.create(model="text-embedding-3-small", input="hello").data
    assert client.files.create(file=b'{"custom_id":"1"}', purpose="batch").bytes == 17
    entries = lib.entries()
    assert [entry.operation for entry in entries] == ["chat", "embeddings", "passthrough"]
    assert [entry.cost_nanousd is None for entry in entries] == [False, False, True]


ERRORS: tuple[tuple[str, type[openai.APIStatusError], type[anthropic.APIStatusError]], ...] = (
    ("429", openai.RateLimitError, anthropic.RateLimitError),
    ("500", openai.InternalServerError, anthropic.InternalServerError),
    ("503", openai.InternalServerError, anthropic.InternalServerError),
)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(("fault", "of_openai", "of_anthropic"), ERRORS, ids=str)
def test_a_providers_error_is_the_sdks_own_exception(
    lib: Library,
    fault: str,
    of_openai: type[openai.APIStatusError],
    of_anthropic: type[anthropic.APIStatusError],
    *,
    stream: bool,
) -> None:
    """With the provider's status and words, after Scrimp's three attempts and not nine."""
    lib.sim.fault(fault)
    with pytest.raises(of_openai) as one:
        gpt(lib).chat.completions.create(model=MODEL, **chat("hello"), stream=stream)
    assert one.value.status_code == int(fault)
    assert len(lib.sim.requests) == 3
    with pytest.raises(of_anthropic) as other:
        claude(lib).messages.create(model=CLAUDE, max_tokens=9, **chat("hello"), stream=stream)
    assert other.value.status_code == int(fault)
    assert len(lib.sim.requests) == 6


def test_a_refusal_of_ours_is_the_sdks_own_exception(lib: Library) -> None:
    """Nothing reaches the provider, and the SDK is told not to try again."""
    with pytest.raises(openai.BadRequestError, match="messages") as refused:
        gpt(lib).chat.completions.create(model=MODEL, messages=[])
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert not lib.sim.requests


@GENERATIONS
def test_who_cannot_be_reached_is_a_connection_error(lib: Library, http: Any) -> None:
    """As the bare SDK raises it; it was never sent, so it cost nothing."""
    client = gpt(lib, http_client=http.Client())
    lib.sim.__exit__(None, None, None)
    with pytest.raises(openai.APIConnectionError) as error:
        client.chat.completions.create(model=MODEL, **chat("hello"))
    assert isinstance(error.value.__cause__, http.ConnectError)
    (entry,) = lib.entries()
    assert (entry.outcome, entry.cost_nanousd) == ("failed", 0)


def test_who_hangs_up_is_a_connection_error(lib: Library) -> None:
    """Without a status there is no status error."""
    lib.sim.fault("cut-before-headers")
    with pytest.raises(openai.APIConnectionError):
        gpt(lib).chat.completions.create(model=MODEL, **chat("hello"))


@GENERATIONS
def test_the_clients_own_patience_holds(lib: Library, http: Any) -> None:
    """Its read timeout ends the wait as the SDK's own exception, and the provider's work."""
    lib.sim.fault("timeout")
    client = gpt(lib, http_client=http.Client(), timeout=0.2)
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=MODEL, **chat("hello"))
    until(lambda: len(lib.entries()) == 1)
    assert lib.entries()[0].outcome == "cancelled"


async def test_the_clients_own_patience_holds_awaited(lib: Library) -> None:
    """The same on an event loop, between two pieces of a stream."""
    lib.sim.fault("stall")
    stream = await agpt(lib, timeout=0.3).chat.completions.create(
        model=MODEL, **chat("hello"), stream=True
    )
    with pytest.raises((openai.APITimeoutError, httpx2.ReadTimeout)):
        async for _ in stream:
            pass
    await asyncio.to_thread(until, lambda: len(lib.entries()) == 1)
    entry = lib.entries()[0]
    assert (entry.outcome, entry.cost_basis) == ("cancelled", "estimate")


@pytest.mark.parametrize("fault", ["cut=600", "error-event"])
def test_a_stream_that_breaks_is_an_error_in_the_stream(lib: Library, fault: str) -> None:
    """After what had come; the SDK raises its own exception, the entry has bounds."""
    lib.sim.fault(fault)
    stream = gpt(lib).chat.completions.create(model=MODEL, **chat("hello"), stream=True)
    heard: list[object] = []
    with pytest.raises(openai.APIError):
        heard.extend(stream)
    assert heard
    (entry,) = lib.entries()
    assert (entry.outcome, entry.cost_basis) == ("cut", "estimate")
