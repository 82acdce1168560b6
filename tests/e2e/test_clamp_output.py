"""Shorter outputs through both SDKs: what a provider gets, what a client hears, what is booked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from msgspec.structs import replace

from scrimp.calls import Target, Usage
from scrimp.ledger.explain import explain
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.cli_ledger import paid, written
from tests.support.gateway import gateway
from tests.support.sdk import VENDORS, Clients, Vendor, clients
from tests.support.stage import Stage, until

ON = "[exact_cache]\nenabled = false\n[clamp_output]\nenabled = true\n"
LIMIT = "[clamp_output.tasks.general]\nmax_tokens = 16\n"
RULES = "You help customers of a shop."
QUESTION = "Tell me all about refunds, parcels and invoices."
MODELS = {"openai": "gpt-4o-mini", "responses": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


@contextmanager
def scene(more: str) -> Iterator[tuple[Stage, Clients]]:
    """A provider, a gateway, both SDKs."""
    with (
        Simulator() as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        yield Stage(sim, running), sdk


class Heard:
    """What a client heard: headers, text, how it ended, output tokens in the body's usage."""

    def __init__(self, headers: Mapping[str, str], text: str, finish: str, tokens: int) -> None:
        self.headers = dict(headers)
        self.text = text
        self.finish = finish
        self.tokens = tokens


def ask(
    sdk: Clients,
    vendor: Vendor,
    *,
    brief: str = "",
    model: str = "",
    limit: int | None = None,
    text: str = QUESTION,
) -> Heard:
    """Ask for a whole answer; on Anthropic, whose API demands a limit, of at most 400 tokens."""
    headers = {"x-scrimp-task": "general"} | ({"x-scrimp-brief": brief} if brief else {})
    raw: Any
    more: dict[str, Any] = {"model": model or MODELS[vendor], "extra_headers": headers}
    if vendor == "openai":
        messages: list[Any] = [
            {"role": "system", "content": RULES},
            {"role": "user", "content": text},
        ]
        if limit is not None:
            more["max_tokens"] = limit
        raw = sdk.openai.chat.completions.with_raw_response.create(messages=messages, **more)
        chat: Any = raw.parse()
        choice = chat.choices[0]
        tokens = chat.usage.completion_tokens
        return Heard(raw.headers, choice.message.content, choice.finish_reason, tokens)
    if vendor == "responses":
        if limit is not None:
            more["max_output_tokens"] = limit
        raw = sdk.openai.responses.with_raw_response.create(
            instructions=RULES, input=text, store=False, **more
        )
        told: Any = raw.parse()
        return Heard(raw.headers, told.output_text, told.status, told.usage.output_tokens)
    raw = sdk.anthropic.messages.with_raw_response.create(
        system=RULES,
        max_tokens=limit or 400,
        messages=[{"role": "user", "content": text}],
        **more,
    )
    said: Any = raw.parse()
    return Heard(raw.headers, said.content[0].text, said.stop_reason, said.usage.output_tokens)


def sent(stage: Stage) -> list[dict[str, Any]]:
    """The bodies that the provider got."""
    return [json.loads(one.body) for one in stage.sim.requests]


def adds_up(entries: list[Entry], stage: Stage) -> None:
    """The bill to the nano-dollar; baseline less cost is what was saved, in every entry."""
    assert sum(entry.cost_nanousd or 0 for entry in entries) == stage.sim.bill.total_nanousd
    for entry in entries:
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd is not None
        saved = sum(part for _, part in entry.saved)
        assert entry.baseline_nanousd - entry.cost_nanousd == saved


FIELDS = {
    "openai": "max_completion_tokens",
    "responses": "max_output_tokens",
    "anthropic": "max_tokens",
}
CUT = {"openai": "length", "responses": "incomplete", "anthropic": "max_tokens"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_limit_of_the_settings_is_set_and_a_cut_answer_told(vendor: Vendor) -> None:
    """Provider, header, trace and ledger agree; nothing of it is remembered."""
    own = 'own = "lower"\n' if vendor == "anthropic" else ""
    with scene(ON.replace("[exact_cache]\nenabled = false\n", "") + own + LIMIT) as (stage, sdk):
        heard = [ask(sdk, vendor) for _ in range(2)]
        assert [body[FIELDS[vendor]] for body in sent(stage)] == [16, 16], "cut: never remembered"
        assert {one.finish for one in heard} == {CUT[vendor]}
        assert heard[0].headers["x-scrimp-max-tokens"] == "set 16 (settings)"
        assert heard[0].headers["x-scrimp-truncated"] == "scrimp's limit at 16 tokens"
        assert "clamp_output=truncated" in heard[0].headers["x-scrimp-trace"]
        entries = stage.gateway.entries()
        adds_up(entries, stage)
        assert any("truncated (whose scrimp" in line for line in explain(entries[0]))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_clients_own_limit_is_kept_and_never_raised(vendor: Vendor) -> None:
    """A tighter one stays in any case, a looser one unless settings lower it."""
    with scene(ON + 'own = "lower"\n' + LIMIT.replace("16", "64")) as (stage, sdk):
        for limit in (20, 300):
            ask(sdk, vendor, limit=limit)
        field = "max_tokens" if vendor == "openai" else FIELDS[vendor]
        assert [body[field] for body in sent(stage)] == [20, 64]
    with scene(ON + LIMIT.replace("16", "64")) as (stage, sdk):
        heard = ask(sdk, vendor, limit=300)
        assert sent(stage)[0][field] == 300
        assert heard.headers["x-scrimp-max-tokens"] == "advised 64 (settings)"


def test_an_answer_of_claude_is_gone_on_with_and_joined() -> None:
    """It is the answer that no limit had cut, within the client's own limit; all parts are paid."""
    with scene("") as (stage, sdk):
        whole = ask(sdk, "anthropic")
    more = ON + 'own = "lower"\ntruncated = "continue"\ncontinues = 8\n' + LIMIT
    with scene(more) as (stage, sdk):
        heard = ask(sdk, "anthropic")
        bodies = sent(stage)
        assert len(bodies) == 2
        assert bodies[1]["messages"][-1]["role"] == "assistant"
        assert whole.text.startswith(bodies[1]["messages"][-1]["content"])
        assert [body["max_tokens"] for body in bodies] == [16, 384]
        assert (heard.text, heard.finish) == (whole.text, "end_turn")
        assert heard.headers["x-scrimp-continued"] == "in 2 parts"
        assert "x-scrimp-truncated" not in heard.headers
        (entry,) = stage.gateway.entries()
        adds_up([entry], stage)
        assert len(entry.attempts) == 2
        assert heard.tokens == entry.usage.output_tokens, "the body tells what both parts used"
        (lost,) = [nanousd for lever, nanousd in entry.saved if lever == "clamp_output"]
        first, second = entry.attempts
        assert first.usage is not None
        assert second.usage is not None
        assert lost < 0
        again = second.usage.input_tokens * 1000
        assert -lost == again, "the input of the second part, at $1 a million"
        assert any("attempt 1 served as a part" in line for line in explain(entry))


def test_the_clients_own_limit_bounds_all_parts_together() -> None:
    """An answer that its own limit cuts is cut there, however it was asked for."""
    more = ON + 'own = "lower"\ntruncated = "continue"\ncontinues = 8\n' + LIMIT
    with scene("") as (_, sdk):
        whole = ask(sdk, "anthropic", limit=24)
    with scene(more) as (stage, sdk):
        heard = ask(sdk, "anthropic", limit=24)
        assert heard.finish == whole.finish == "max_tokens"
        assert whole.text.startswith(heard.text)
        assert heard.tokens <= 24
        assert heard.headers["x-scrimp-truncated"] == "scrimp's limit at 16 tokens"
        assert [body["max_tokens"] for body in sent(stage)][:2] == [16, 8]
        adds_up(stage.gateway.entries(), stage)


@pytest.mark.parametrize("vendor", ["openai", "responses"])
def test_what_cannot_go_on_is_told_or_asked_for_again(vendor: Vendor) -> None:
    """OpenAI has no way to go on with a text; asked again it comes whole, and both are paid."""
    with scene("") as (_, sdk):
        whole = ask(sdk, vendor)
    with scene(ON + 'truncated = "continue"\n' + LIMIT) as (stage, sdk):
        heard = ask(sdk, vendor)
        assert len(stage.sim.requests) == 1
        assert heard.finish == CUT[vendor]
        assert "clamp_output=cannot_continue" in heard.headers["x-scrimp-trace"]
    with scene(ON + 'truncated = "again"\n' + LIMIT) as (stage, sdk):
        heard = ask(sdk, vendor)
        assert heard.text == whole.text
        assert heard.headers["x-scrimp-continued"] == "asked again"
        assert "x-scrimp-truncated" not in heard.headers
        assert FIELDS[vendor] not in sent(stage)[1]
        (entry,) = stage.gateway.entries()
        adds_up([entry], stage)
        assert dict(entry.saved)["clamp_output"] == -(entry.attempts[0].cost.nanousd or 0)


def test_newer_models_of_anthropic_refuse_to_go_on_so_they_are_not_asked() -> None:
    """After 4.5 a text of the assistant's at the end is refused: nothing is tried."""
    more = ON + 'own = "lower"\ntruncated = "continue"\n'
    with scene(more + "[clamp_output.tasks.general]\nmax_tokens = 16\n") as (stage, sdk):
        heard = ask(sdk, "anthropic", model="claude-sonnet-4-6")
        assert "clamp_output=cannot_continue" in heard.headers["x-scrimp-trace"]
        assert len(stage.sim.requests) == 1


def test_an_openai_client_of_claude_gets_its_whole_answer() -> None:
    """Translated, too, the model goes on with its text; without a limit of the client's."""
    more = ON + 'truncated = "continue"\n' + LIMIT
    with scene("") as (_, sdk):
        whole = ask(sdk, "openai", model="claude-haiku-4-5")
    with scene(more) as (stage, sdk):
        heard = ask(sdk, "openai", model="claude-haiku-4-5")
        assert (heard.text, heard.finish) == (whole.text, "stop")
        assert heard.headers["x-scrimp-continued"] == "in 2 parts"
        assert sent(stage)[1]["messages"][-1]["role"] == "assistant"
        adds_up(stage.gateway.entries(), stage)


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_stream_is_cut_live_or_held_back_until_it_is_whole(vendor: Vendor) -> None:
    """Once bytes have left nothing is asked again; held back the stream is that of the whole."""
    on = ON + 'own = "lower"\ntruncated = "again"\n'
    for more, calls in ((on + LIMIT, 1), (on + "hold_streams = true\n" + LIMIT, 2)):
        with scene(more) as (stage, sdk):
            said, finish = streamed(sdk, vendor)
            (entry,) = stage.gateway.entries()
            adds_up([entry], stage)
            assert len(entry.attempts) == calls
            assert (finish == CUT[vendor]) == (calls == 1)
            assert any(line.verdict == "truncated" for line in entry.trace)
            assert said


def streamed(sdk: Clients, vendor: Vendor) -> tuple[str, str]:
    """Text and end of a stream."""
    said, finish = "", ""
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    headers = {"x-scrimp-task": "general"}
    if vendor == "openai":
        for chunk in sdk.openai.chat.completions.create(
            model="gpt-4o-mini", messages=messages, stream=True, extra_headers=headers
        ):
            for choice in chunk.choices:
                said += choice.delta.content or ""
                finish = choice.finish_reason or finish
        return said, finish
    with sdk.anthropic.messages.stream(
        model="claude-haiku-4-5", max_tokens=400, messages=messages, extra_headers=headers
    ) as stream:
        final = stream.get_final_message()
    block: Any = final.content[0]
    return block.text, final.stop_reason or ""


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_call_asks_for_a_short_answer_in_our_words(vendor: Vendor) -> None:
    """Behind all other instructions, with the lever switched off too; its line is paid for."""
    with scene("") as (stage, sdk):
        heard = ask(sdk, vendor, brief="3 sentences")
        plain = ask(sdk, vendor)
        first, second = sent(stage)
        told = f"{RULES}\n\nAnswer in at most 3 sentences."
        if vendor == "openai":
            assert first["messages"][0] == {"role": "system", "content": told}
            assert first["messages"][1:] == second["messages"][1:]
        else:
            name = "instructions" if vendor == "responses" else "system"
            assert first[name] == told
        assert heard.headers["x-scrimp-brief"] == "3 sentences"
        assert "x-scrimp-brief" not in plain.headers
        entry = stage.gateway.entries()[0]
        adds_up(stage.gateway.entries(), stage)
        assert dict(entry.saved)["clamp_output"] < 0, "what the line itself has cost"


def test_json_mode_is_the_providers_or_the_line_alone() -> None:
    """OpenAI's chat has one; Anthropic has none without a schema, and the trace says so."""
    with scene("") as (stage, sdk):
        ask(sdk, "openai", brief="json object, always")
        heard = ask(sdk, "anthropic", brief="json object, always")
        first, second = sent(stage)
        assert first["response_format"] == {"type": "json_object"}
        assert "output_config" not in second
        assert "JSON object" in second["system"]
        assert "json_mode" in heard.headers["x-scrimp-trace"]


def test_what_is_none_of_the_presets_is_refused() -> None:
    """With the names of those there are."""
    with scene("") as (_, sdk), pytest.raises(openai.BadRequestError, match="concise, json"):
        ask(sdk, "openai", brief="shortish")


def test_equal_calls_with_other_wishes_get_other_answers() -> None:
    """What is asked of the form of an answer is part of its key."""
    with scene("") as (stage, sdk):
        for brief in ("one paragraph", "one paragraph", "2 sentences", ""):
            ask(sdk, "openai", brief=brief)
        assert len(stage.sim.requests) == 3


def test_a_new_process_knows_what_the_ledger_knows(tmp_path: Path) -> None:
    """The limit is advised to the first call, from answers that were booked before."""
    usage = Usage(input_tokens=10, output_tokens=100)
    entries = []
    for number in range(300):
        one = paid(number + 1)
        target = Target("openai", "gpt-4o-mini", "openai.chat")
        attempt = replace(one.attempts[-1], usage=usage, target=target)
        named = {"provider": "openai", "model": "gpt-4o-mini", "tenant": "local", "task": "general"}
        entries.append(replace(one, operation="chat", attempts=(attempt,), trace=(), **named))
    path = written(tmp_path / "s", entries) / "ledger.sqlite"
    with scene(ON + f'[ledger]\npath = "{path}"\n') as (_, sdk):
        heard: list[Heard] = []

        def advised() -> bool:
            heard.append(ask(sdk, "openai"))
            return "x-scrimp-max-tokens" in heard[-1].headers

        until(advised, limit_s=60)
        assert heard[-1].headers["x-scrimp-max-tokens"].startswith("advised 144 (99 % of 3")
