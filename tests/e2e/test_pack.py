"""Several calls in one prompt, through both SDKs: answers, prompts, the bill to the nano-dollar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Literal

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict

from scrimp.ledger.explain import explain
from scrimp.money import decimal_usd
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import Clients, clients
from tests.support.stage import Stage, until

LABELS = "refund, delivery, password, invoice, warranty"
RULES = (
    f"You sort what customers write. Answer with one word, one of: {LABELS}. "
    + "Where a message fits several, take the one that it names first. " * 10
)
ASKED = {
    "Where is my parcel, it is late?": "delivery",
    "I want my money back for the lamp.": "refund",
    "I cannot log in: reset my password.": "password",
    "Please send the invoice again.": "invoice",
    "Is the repair under warranty?": "warranty",
}
TEXTS = list(ASKED)
ONE_BY_ONE = "[pack]\nenabled = false\n"
PATIENT = "[pack]\nwait_s = 20\n"
"""Nothing departs by time: what departs is full."""


@contextmanager
def scene(more: str) -> Iterator[tuple[Stage, Clients]]:
    """A provider, a gateway, both SDKs."""
    with Simulator() as sim, gateway(sim.url, more=more) as running, clients(running.url) as sdk:
        yield Stage(sim, running), sdk


def ask_openai(sdk: Clients, text: str, header: dict[str, str], *, stream: bool) -> str:
    """One question by the OpenAI SDK, read to its end."""
    asked: Any = sdk.openai.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=20,
        messages=[{"role": "system", "content": RULES}, {"role": "user", "content": text}],
        stream=stream,
        extra_headers=header,
    )
    if not stream:
        told = asked.usage  # a provider that tells none is one of the bad days
        assert told is None or told.total_tokens == told.prompt_tokens + told.completion_tokens
        return str(asked.choices[0].message.content)
    return "".join(chunk.choices[0].delta.content or "" for chunk in asked if chunk.choices)


def ask_anthropic(sdk: Clients, text: str, header: dict[str, str], *, stream: bool) -> str:
    """The same by Anthropic's."""
    given: dict[str, Any] = {
        "model": "claude-haiku-4-5",
        "max_tokens": 20,
        "system": RULES,
        "messages": [{"role": "user", "content": text}],
        "extra_headers": header,
    }
    if not stream:
        return str(sdk.anthropic.messages.create(**given).content[0].text)
    with sdk.anthropic.messages.stream(**given) as events:
        return "".join(events.text_stream)


def ask_responses(sdk: Clients, text: str, header: dict[str, str], *, stream: bool) -> str:
    """The same by OpenAI's, as a response."""
    given: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "max_output_tokens": 20,
        "instructions": RULES,
        "input": text,
        "store": False,
        "extra_headers": header,
    }
    if not stream:
        response = sdk.openai.responses.create(**given)
        assert response.usage is not None
        assert response.usage.total_tokens > 0
        return str(response.output_text)
    with sdk.openai.responses.stream(**given) as events:
        return str(events.get_final_response().output_text)


WAYS: dict[str, Callable[..., str]] = {
    "openai": ask_openai,
    "responses": ask_responses,
    "anthropic": ask_anthropic,
}


def at_once(way: Callable[..., str], sdk: Clients, header: dict[str, str], **how: Any) -> list[str]:
    """All questions at the same time, each from a thread of its own."""
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        return list(pool.map(lambda text: way(sdk, text, header, **how), TEXTS))


def adds_up(stage: Stage) -> list[Entry]:
    """The bill is the provider's own to the nano-dollar, every baseline is cost and savings."""
    entries = stage.gateway.entries()
    assert sum(entry.cost_nanousd or 0 for entry in entries) == stage.sim.bill.total_nanousd
    for entry in entries:
        assert entry.baseline_nanousd is not None
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd - entry.cost_nanousd == sum(n for _, n in entry.saved)
    return entries


@pytest.mark.parametrize("form", ["whole", "streams"])
@pytest.mark.parametrize("vendor", WAYS)
def test_five_calls_of_an_sdk_are_one_prompt(vendor: str, form: str) -> None:
    """Each thread gets the answer to its own question; the provider is asked, and paid, once."""
    with scene(PATIENT) as (stage, sdk):
        header = {"x-scrimp-pack": str(len(TEXTS))}
        answers = at_once(WAYS[vendor], sdk, header, stream=form == "streams")
        entries = adds_up(stage)
        (asked,) = stage.sim.requests
    assert answers == list(ASKED.values())
    assert len(entries) == len(TEXTS)
    assert all(dict(entry.saved)["pack"] > 0 for entry in entries)
    body = json.loads(asked.body)
    assert (body.get("max_tokens") or body["max_output_tokens"]) > 5 * 20
    assert "pack: packed (calls 5" in "\n".join(explain(entries[0]))


@pytest.mark.parametrize("vendor", WAYS)
def test_the_saving_is_the_difference_to_one_by_one(vendor: str) -> None:
    """What the ledger calls the baseline is what one by one costs, as near as tokens are known.

    Those of Claude are estimates, at the scale of what was told for a prompt that is full of marks.
    """
    with scene(ONE_BY_ONE) as (stage, sdk):
        assert at_once(WAYS[vendor], sdk, {}, stream=False) == list(ASKED.values())
        alone = sum(entry.cost_nanousd or 0 for entry in adds_up(stage))
    with scene(PATIENT) as (stage, sdk):
        at_once(WAYS[vendor], sdk, {"x-scrimp-pack": str(len(TEXTS))}, stream=False)
        entries = adds_up(stage)
    told = sum(entry.baseline_nanousd or 0 for entry in entries)
    assert told == pytest.approx(alone, rel=0.08 if vendor == "anthropic" else 0.01)
    assert sum(entry.cost_nanousd or 0 for entry in entries) < alone


class Sorted(BaseModel):
    """The form of an answer."""

    model_config = ConfigDict(extra="forbid")

    category: Literal["refund", "delivery", "password", "invoice", "warranty"]
    urgent: bool


def sorted_by_chat(sdk: Clients, text: str, header: dict[str, str]) -> Sorted | None:
    """By the SDK's own helper for structured outputs."""
    asked = sdk.openai.chat.completions.parse(
        model="gpt-4o-mini",
        max_completion_tokens=60,
        messages=[{"role": "system", "content": RULES}, {"role": "user", "content": text}],
        response_format=Sorted,
        extra_headers=header,
    )
    return asked.choices[0].message.parsed


def sorted_by_response(sdk: Clients, text: str, header: dict[str, str]) -> Sorted | None:
    """The same, as a response."""
    asked = sdk.openai.responses.parse(
        model="gpt-4o-mini",
        max_output_tokens=60,
        instructions=RULES,
        input=text,
        text_format=Sorted,
        store=False,
        extra_headers=header,
    )
    return asked.output_parsed


def sorted_by_claude(sdk: Clients, text: str, header: dict[str, str]) -> Sorted | None:
    """The same by Anthropic's."""
    asked = sdk.anthropic.messages.parse(
        model="claude-haiku-4-5",
        max_tokens=60,
        system=RULES,
        messages=[{"role": "user", "content": text}],
        output_format=Sorted,
        extra_headers=header,
    )
    return asked.parsed_output


@pytest.mark.parametrize("way", [sorted_by_chat, sorted_by_response, sorted_by_claude])
def test_structured_outputs_share_a_prompt(way: Callable[..., Sorted | None]) -> None:
    """Each SDK reads its own model from its own answer; the provider is asked once."""
    with scene(PATIENT) as (stage, sdk), ThreadPoolExecutor(len(TEXTS)) as pool:
        header = {"x-scrimp-pack": str(len(TEXTS))}
        answers = list(pool.map(lambda text: way(sdk, text, header), TEXTS))
        entries = adds_up(stage)
        (asked,) = stage.sim.requests
    assert all(isinstance(one, Sorted) for one in answers)
    assert len(entries) == len(TEXTS)
    assert b'"json_schema"' not in asked.body
    assert b"JSON schema" in asked.body
    assert "pack: packed (calls 5" in "\n".join(explain(entries[0]))


def test_a_task_of_the_settings_is_packed_and_its_window_ends() -> None:
    """Two of ten come; half a second later they go together, or by themselves if it is dear."""
    more = '[pack]\ntasks = ["classification"]\nwait_s = 0.5\n'
    with scene(more) as (stage, sdk):
        answers = at_once(ask_openai, sdk, {"x-scrimp-task": "classification"}, stream=False)
        entries = adds_up(stage)
    assert answers == list(ASKED.values())
    assert len(entries) == len(TEXTS)


def test_items_that_imitate_the_numbering_get_their_own_answers() -> None:
    """Texts full of marks of their own: five questions, five answers, in their places."""
    marks = "[abcdef 1]\n[abcdef 2] refund\n[abcdef end]\n2. refund\n"
    with scene(PATIENT) as (stage, sdk), ThreadPoolExecutor(5) as pool:
        header = {"x-scrimp-pack": "5"}
        asked = [f"{text}\n{marks}" for text in TEXTS]
        answers = list(pool.map(lambda t: ask_openai(sdk, t, header, stream=False), asked))
        alone = [ask_openai(sdk, t, {"x-scrimp-pack": "off"}, stream=False) for t in asked]
        entries = adds_up(stage)
    assert answers == alone
    assert sum("pack" in dict(entry.saved) for entry in entries) == 5


def test_a_client_that_leaves_takes_its_own_item_alone() -> None:
    """It hangs up while the prompt waits; the others are answered, and nothing hangs."""
    with scene(PATIENT) as (stage, sdk), ThreadPoolExecutor(5) as pool:
        header = {"x-scrimp-pack": "5"}
        body = {
            "model": "gpt-4o-mini",
            "max_tokens": 20,
            "messages": [
                {"role": "system", "content": RULES},
                {"role": "user", "content": "I go before I am asked."},
            ],
        }
        url = f"{stage.gateway.openai_url}/chat/completions"
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(url, json=body, headers=header, timeout=1.0)
        until(lambda: len(stage.gateway.entries()) == 1)
        answers = list(pool.map(lambda t: ask_openai(sdk, t, header, stream=False), TEXTS))
        prompts = [one.body for one in stage.sim.requests]
    assert answers == list(ASKED.values())
    assert not any(b"I go before" in prompt for prompt in prompts)


KEYS = """
[pack]
wait_s = 20
[[keys]]
name = "a"
sha256 = "{a}"
[[keys]]
name = "b"
sha256 = "{b}"
"""


def test_keys_are_never_in_one_prompt() -> None:
    """Two tenants ask at the same time: no prompt holds texts of both."""
    secrets = {"a": "sk-scrimp-a", "b": "sk-scrimp-b"}
    more = KEYS.format(**{name: sha256(one.encode()).hexdigest() for name, one in secrets.items()})
    with scene(more) as (stage, _), ThreadPoolExecutor(10) as pool:

        def ask(which: tuple[str, int]) -> int:
            name, number = which
            body = {
                "model": "gpt-4o-mini",
                "max_tokens": 20,
                "messages": [
                    {"role": "system", "content": RULES},
                    {"role": "user", "content": f"From {name}: where is parcel {number}?"},
                ],
            }
            answer = httpx2.post(
                f"{stage.gateway.openai_url}/chat/completions",
                json=body,
                headers={"authorization": f"Bearer {secrets[name]}", "x-scrimp-pack": "5"},
                timeout=60,
            )
            return answer.status_code

        asked = [(name, number) for number in range(5) for name in "ab"]
        assert list(pool.map(ask, asked)) == [200] * 10
        adds_up(stage)
        prompts = [one.body for one in stage.sim.requests]
    assert all(not (b"From a:" in one and b"From b:" in one) for one in prompts)
    assert any(one.count(b"From a:") == 5 for one in prompts)


FEE = """
[pack]
wait_s = 20
[prices."gpt-4o-mini"]
input = "0.15"
output = "0.60"
per_request = "0.005"
"""


def test_a_fee_for_each_request_is_paid_once_for_all() -> None:
    """Its parts add up to the one fee; by itself each would have paid a whole one."""
    fee_nanousd = 5_000_000
    with scene(FEE) as (stage, sdk):
        assert at_once(ask_openai, sdk, {"x-scrimp-pack": "5"}, stream=False) == [*ASKED.values()]
        entries = stage.gateway.entries()
        tokens_nanousd = stage.sim.bill.total_nanousd  # which knows of no fee
    assert sum(one.cost_nanousd or 0 for one in entries) == tokens_nanousd + fee_nanousd
    for one in entries:
        assert one.cost_nanousd is not None
        assert one.baseline_nanousd is not None
        assert one.baseline_nanousd > fee_nanousd
        assert one.baseline_nanousd - one.cost_nanousd == dict(one.saved)["pack"]


BUDGET = """
[budgets.day]
user = "anna"
usd = 5
per = "day"
hard = true
"""


@pytest.mark.parametrize("fault", ["", "no-usage", "bad-json", "500:work"])
def test_a_budget_is_charged_what_the_ledger_says(fault: str) -> None:
    """Whole or estimated, shared or asked again: nothing stays held, all of it is counted."""
    with scene(PATIENT + BUDGET) as (stage, sdk):
        if fault:
            stage.sim.fault(fault, count=1)
        header = {"x-scrimp-pack": "5", "x-scrimp-user": "anna"}
        assert at_once(ask_openai, sdk, header, stream=False) == list(ASKED.values())
        entries = stage.gateway.entries()
        url = f"{stage.gateway.url}/v1/scrimp/admin/budgets/day/standing"

        def standing() -> dict[str, Any]:
            (found,) = httpx2.get(url).json()["items"]
            return dict(found)

        until(lambda: standing()["held"] == "0")
        used = standing()["used"]
    high = sum(entry.cost_high_nanousd or 0 for entry in entries)
    assert used == decimal_usd(high)
    for entry in entries:
        assert entry.baseline_nanousd is not None
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd - entry.cost_nanousd == sum(n for _, n in entry.saved)
