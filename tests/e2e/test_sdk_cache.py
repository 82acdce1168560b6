"""The exact cache as both SDKs meet it: a free answer in the right form, or none at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import MODELS, VENDORS, Clients, Vendor, clients

ORDER = [("json", "stream"), ("stream", "json"), ("json", "json"), ("stream", "stream")]
QUESTION = "How long do I have to return the lamp?"


@dataclass(frozen=True, slots=True)
class Stage:
    """A fresh simulator, gateway and pair of SDKs."""

    sim: Simulator
    scrimp: RunningGateway
    clients: Clients

    def last(self) -> Entry:
        """The newest entry."""
        return self.scrimp.entries()[-1]


@pytest.fixture(params=["memory", "sqlite"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Nothing is remembered yet, in memory or in a file without memory in front of it."""
    more = f'[exact_cache]\nengine = "{request.param}"\nmemory_bytes = 0\n'
    with Simulator() as sim, gateway(sim.url, more=more) as scrimp, clients(scrimp.url) as made:
        yield Stage(sim, scrimp, made)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("first", "second"), ORDER, ids="-then-".join)
def test_the_second_time_is_free_and_in_the_form_asked_for(
    stage: Stage, vendor: Vendor, first: str, second: str
) -> None:
    """The same text and the same end, whichever way either came; the saving is its price."""
    fresh = stage.clients.ask(vendor, QUESTION, stream=first == "stream")
    again = stage.clients.ask(vendor, QUESTION, stream=second == "stream")
    assert again == fresh
    assert again.error is None
    assert again.text
    assert len(stage.sim.requests) == 1
    paid, free = stage.scrimp.entries()
    assert (free.served_by, free.outcome, free.status) == ("exact_cache", "ok", 200)
    assert (free.cost_nanousd, free.attempts) == (0, ())
    assert free.stream is (second == "stream")
    assert free.saved == (("exact_cache", stage.sim.bill.total_nanousd),)
    assert free.baseline_nanousd == paid.cost_nanousd == stage.sim.bill.total_nanousd


@pytest.mark.parametrize("first", ["json", "stream"])
def test_a_hit_is_the_whole_reply_for_openai(stage: Stage, first: str) -> None:
    """What the SDK accumulates from the stream equals the JSON answer, usage included."""
    client = stage.clients.openai
    body: dict[str, Any] = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "What is the status of order A-1042?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "order_status",
                    "strict": True,
                    "parameters": {
                        "type": "object",
                        "properties": {"order_id": {"type": "string"}},
                        "required": ["order_id"],
                        "additionalProperties": False,
                    },
                },
            }
        ],
    }

    def streamed() -> Any:
        options = {"include_usage": True}
        stream: Any = client.chat.completions.stream
        with stream(**body, stream_options=options) as events:
            return events.get_final_completion()

    def whole() -> Any:
        create: Any = client.chat.completions.create
        return create(**body)

    made = [whole(), streamed()] if first == "json" else [streamed(), whole()]
    calls = [reply.choices[0].message.tool_calls[0].function for reply in made]
    assert calls[0].name == calls[1].name
    assert calls[0].arguments == calls[1].arguments
    assert made[0].usage == made[1].usage
    assert (made[0].id, made[0].model) == (made[1].id, made[1].model)
    assert [reply.choices[0].finish_reason for reply in made] == ["tool_calls", "tool_calls"]
    assert len(stage.sim.requests) == 1


@pytest.mark.parametrize("first", ["json", "stream"])
def test_a_hit_is_the_whole_reply_for_anthropic(stage: Stage, first: str) -> None:
    """Thinking with its signature, text, usage, ids: equal by both ways."""
    body: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": QUESTION}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }

    def streamed() -> anthropic.types.Message:
        with stage.clients.anthropic.messages.stream(**body) as events:
            return events.get_final_message()

    def whole() -> anthropic.types.Message:
        create: Any = stage.clients.anthropic.messages.create
        reply: anthropic.types.Message = create(**body)
        return reply

    made = [whole(), streamed()] if first == "json" else [streamed(), whole()]
    one, other = (reply.to_dict() for reply in made)
    assert one["content"] == other["content"]
    assert (one["id"], one["model"], one["stop_reason"]) == (
        other["id"],
        other["model"],
        other["stop_reason"],
    )
    assert made[0].usage.output_tokens == made[1].usage.output_tokens
    assert made[0].usage.output_tokens_details == made[1].usage.output_tokens_details
    assert len(stage.sim.requests) == 1


@pytest.mark.parametrize("asked_first", [True, False], ids=["asked", "unasked"])
def test_a_streamed_hit_shows_usage_to_those_who_asked(stage: Stage, *, asked_first: bool) -> None:
    """Whoever paid for it: the chunk of usage is there exactly when this client asked."""
    for asked in (asked_first, not asked_first):
        chunks = list(
            stage.clients.openai.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": QUESTION}],
                stream=True,
                stream_options={"include_usage": asked},
            )
        )
        assert [bool(chunk.usage) for chunk in chunks if not chunk.choices] == [True] * asked
        assert not any(chunk.usage for chunk in chunks if chunk.choices)
    assert len(stage.sim.requests) == 1


def test_a_hit_says_what_it_is(stage: Stage) -> None:
    """Headers of a JSON hit: who served it, that it cost nothing, what it saved."""
    create = stage.clients.openai.chat.completions.with_raw_response.create
    for _ in range(2):
        raw = create(model="gpt-4o", messages=[{"role": "user", "content": QUESTION}])
    assert raw.headers["x-scrimp-served-by"] == "exact_cache"
    assert raw.headers["x-scrimp-cost-usd"] == "0"
    assert float(raw.headers["x-scrimp-saved-usd"]) > 0
    assert raw.headers["x-scrimp-trace"].startswith("exact_cache=hit")
    assert "x-request-id" not in raw.headers  # no request was made


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_request_may_rule_the_cache(stage: Stage, vendor: Vendor) -> None:
    """no-store neither reads nor writes, refresh writes anew, only never pays."""
    ask = stage.clients.ask

    def asked(mode: str, *, stream: bool = False) -> int:
        before = len(stage.sim.requests)
        said = ask(vendor, QUESTION, stream=stream, headers={"x-scrimp-cache": mode})
        if mode == "only" and said.error is not None:
            assert said.status == 400
        return len(stage.sim.requests) - before

    assert asked("only") == 0
    assert stage.last().outcome == "refused"
    assert asked("no-store") == 1
    assert asked("only", stream=True) == 0  # nothing was written
    assert stage.last().outcome == "refused"
    assert asked("default") == 1
    assert asked("no-store") == 1  # nothing was read
    assert asked("refresh") == 1
    assert asked("only", stream=True) == 0
    assert (stage.last().outcome, stage.last().served_by) == ("ok", "exact_cache")
    assert ask(vendor, QUESTION, stream=False, headers={"x-scrimp-cache": "maybe"}).status == 400


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_time_to_live_of_a_request_wins(stage: Stage, vendor: Vendor) -> None:
    """Zero never remembers; anything else does, even for a task that never would."""
    for ttl, requests in (("0", 2), ("60", 1)):
        before = len(stage.sim.requests)
        headers = {"x-scrimp-ttl": ttl, "x-scrimp-task": "creative"}
        for _ in range(2):
            stage.clients.ask(vendor, QUESTION, stream=False, headers=headers)
        assert len(stage.sim.requests) - before == requests
    headers = {"x-scrimp-ttl": "a week"}
    assert stage.clients.ask(vendor, QUESTION, stream=False, headers=headers).status == 400


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_creative_work_is_new_each_time(stage: Stage, vendor: Vendor, *, stream: bool) -> None:
    """By header and by the classifier."""
    for text, headers in (
        (QUESTION, {"x-scrimp-task": "creative"}),
        ("Write a poem about a lamp", {}),
    ):
        before = len(stage.sim.requests)
        for _ in range(2):
            stage.clients.ask(vendor, text, stream=stream, headers=headers)
        assert len(stage.sim.requests) - before == 2
        assert stage.last().task == "creative"


def test_truncated_answers_and_turns_with_tool_results_are_not_remembered(stage: Stage) -> None:
    """Both dialects."""
    for_openai: Any = stage.clients.openai.chat.completions.create
    for_anthropic: Any = stage.clients.anthropic.messages.create
    asked = {"role": "user", "content": QUESTION}
    called = {
        "role": "assistant",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    }
    used = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
    }
    got = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "t", "content": "done"}],
    }
    told = {"role": "tool", "tool_call_id": "call_1", "content": "done"}
    bodies: list[tuple[Any, dict[str, Any]]] = [
        (for_openai, {"messages": [asked], "max_tokens": 5}),
        (for_openai, {"messages": [asked, called, told]}),
        (for_anthropic, {"messages": [asked], "max_tokens": 5}),
        (for_anthropic, {"messages": [asked, used, got], "max_tokens": 300}),
    ]
    for create, body in bodies:
        vendor: Vendor = "openai" if create is for_openai else "anthropic"
        before = len(stage.sim.requests)
        for _ in range(2):
            create(model=MODELS[vendor], **body)
        assert len(stage.sim.requests) - before == 2, body


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_broken_answer_is_not_remembered(stage: Stage, vendor: Vendor) -> None:
    """The next one to ask gets a whole one, from the provider."""
    stage.sim.fault("error-event=2", count=1)
    assert stage.clients.ask(vendor, QUESTION, stream=True).error is not None
    whole = stage.clients.ask(vendor, QUESTION, stream=False)
    assert whole.error is None
    assert stage.last().served_by == "upstream"
    assert len(stage.sim.requests) == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_two_keys_never_share(vendor: Vendor) -> None:
    """Neither answers, nor the sight of each other's calls."""
    keys = "".join(
        f'[[keys]]\nname = "{name}"\nteam = "team of {name}"\n'
        f'sha256 = "{hashlib.sha256(f"sk-{name}".encode()).hexdigest()}"\n'
        for name in ("ada", "bob")
    )
    with (
        Simulator() as sim,
        gateway(sim.url, more=keys) as scrimp,
        clients(scrimp.url, key="sk-ada") as ada,
        clients(scrimp.url, key="sk-bob") as bob,
    ):
        for who in (ada, ada, bob, bob, ada):
            assert who.ask(vendor, QUESTION, stream=False).error is None
        entries = scrimp.entries()
        assert [entry.served_by for entry in entries] == [
            "upstream",
            "exact_cache",
            "upstream",
            "exact_cache",
            "exact_cache",
        ]
        assert [entry.team for entry in entries[1:3]] == ["team of ada", "team of bob"]
        path = f"/scrimp/calls/{entries[0].id}"
        told: Any = ada.openai.get(path, cast_to=object)
        assert told["key"] == "ada"
        with pytest.raises(openai.NotFoundError):
            bob.openai.get(path, cast_to=object)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_what_a_request_says_of_itself_is_in_the_ledger(
    stage: Stage, vendor: Vendor, *, stream: bool
) -> None:
    """Task, tags, user and session, of a paid call and of a hit."""
    headers = {
        "x-scrimp-task": "extraction",
        "x-scrimp-tags": "nightly, batch-7",
        "x-scrimp-user": "ada%20lovelace",
        "x-scrimp-session": "s-1",
    }
    for _ in range(2):
        stage.clients.ask(vendor, QUESTION, stream=stream, headers=headers)
    assert [entry.served_by for entry in stage.scrimp.entries()] == ["upstream", "exact_cache"]
    for entry in stage.scrimp.entries():
        assert (entry.task, entry.task_source) == ("extraction", "header")
        assert entry.tags == ("nightly", "batch-7")
        assert (entry.user, entry.session) == ("ada lovelace", "s-1")


def test_headers_that_change_answers_part_the_cache(stage: Stage) -> None:
    """A beta of Anthropic and a project of OpenAI are other questions."""
    for vendor, header in (("anthropic", "anthropic-beta"), ("openai", "openai-project")):
        before = len(stage.sim.requests)
        for value in ("one", "two", "one"):
            asked: Vendor = "anthropic" if vendor == "anthropic" else "openai"
            stage.clients.ask(asked, QUESTION, stream=False, headers={header: value})
        assert len(stage.sim.requests) - before == 2
