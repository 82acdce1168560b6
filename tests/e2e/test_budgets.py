"""Budgets and limits as clients meet them: real SDKs, a real gateway, the provider's own bill."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.stage import Stage, staged, until

_PLAIN = "[exact_cache]\nenabled = false\n"
_SMALL = f'{_PLAIN}[budgets.ci]\nusd = "0.004"\nper = "day"\n'


@contextmanager
def openai_of(stage: Stage, *, retries: int = 2, user: str = "") -> Iterator[openai.OpenAI]:
    """An OpenAI client that would retry, as it does by default."""
    headers = {"x-scrimp-user": user} if user else {}
    with openai.OpenAI(
        base_url=f"{stage.url}/v1", api_key="sk-x", max_retries=retries, default_headers=headers
    ) as client:
        yield client


def ask(client: openai.OpenAI, text: str, *, model: str = "gpt-4o-mini", most: int = 400) -> str:
    """The answer's text."""
    reply = client.chat.completions.create(
        model=model,
        max_completion_tokens=most,
        messages=[{"role": "user", "content": text}],
    )
    return reply.choices[0].message.content or ""


def billed_nanousd(stage: Stage) -> int:
    """What the provider itself bills."""
    return stage.sim.quiet().total_nanousd


def test_openais_sdk_raises_its_own_error_with_our_numbers_and_does_not_repeat() -> None:
    """RateLimitError, once: what is left, what is needed, when it resets, in text and headers."""
    with staged(more='[budgets.ci]\nusd = "0.0001"\nper = "day"\n') as stage:
        with openai_of(stage) as client, pytest.raises(openai.RateLimitError) as caught:
            ask(client, "How are you?")
        assert "budget 'ci' (everyone, day) has $0.0001 left of $0.0001" in str(caught.value)
        assert "it resets at" in str(caught.value)
        assert caught.value.code == "insufficient_quota"
        headers = caught.value.response.headers
        assert headers["x-should-retry"] == "false"
        assert headers["x-scrimp-budget-limit-usd"] == "0.0001"
        assert headers["x-scrimp-budget-resets-at"] > f"{datetime.now(UTC):%Y-%m-%d}"
        assert len(stage.gateway.entries()) == 1
        assert not stage.sim.requests


def test_anthropics_sdk_raises_its_own_error_with_our_numbers_and_does_not_repeat() -> None:
    """The same for messages, as a stream or not."""
    with staged(more='[budgets.ci]\nusd = "0.0001"\nper = "day"\n') as stage:
        with anthropic.Anthropic(base_url=stage.url, api_key="sk-x") as client:
            for stream in (False, True):
                with pytest.raises(anthropic.RateLimitError, match=r"has \$0.0001 left"):
                    client.messages.create(
                        model="claude-haiku-4-5",
                        max_tokens=400,
                        messages=[{"role": "user", "content": "How are you?"}],
                        stream=stream,
                    )
        assert len(stage.gateway.entries()) == 2
        assert not stage.sim.requests


def test_many_at_once_never_overspend_by_the_providers_own_bill() -> None:
    """64 parallel callers against a small budget: what is billed is within it, and much of it."""
    with staged(more=_SMALL, per_token_ms=0.05) as stage:
        with openai_of(stage, retries=0) as client:

            def one(number: int) -> bool:
                try:
                    ask(client, f"Tell me about the number {number}.")
                except openai.RateLimitError:
                    return False
                return True

            with ThreadPoolExecutor(64) as pool:
                served = list(pool.map(one, range(400)))
        billed = billed_nanousd(stage)
        assert 0 < billed <= 4_000_000
        assert sum(served) == len(stage.sim.bill.rows)
        assert False in served
        standing = _standing(stage)["budgets"][0]
        assert standing["held"] == "0"
        assert standing["used"] == _usd(billed)


def test_what_is_left_is_in_every_answer() -> None:
    """A header after each call, for a stream before it, and the API with every number."""
    with staged(more=_SMALL) as stage, openai_of(stage) as client:
        whole = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            max_completion_tokens=50,
            messages=[{"role": "user", "content": "One."}],
        )
        left = whole.headers["x-scrimp-budget-remaining-usd"]
        assert left == _usd(4_000_000 - billed_nanousd(stage))
        stream = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            max_completion_tokens=50,
            messages=[{"role": "user", "content": "Two."}],
            stream=True,
        )
        assert float(stream.headers["x-scrimp-budget-remaining-usd"]) < float(left)
        list(stream.parse())
        shown = _standing(stage)["budgets"]
        assert [(one["name"], one["scope"], one["window"]) for one in shown] == [
            ("ci", "everyone", "day")
        ]
        assert shown[0]["limit"] == "0.004"


def test_a_remembered_answer_costs_and_holds_nothing() -> None:
    """A budget that is used up does not keep what is free from anybody."""
    more = '[budgets.ci]\nusd = "0.0006"\nper = "day"\n'
    with staged(more=more) as stage, openai_of(stage, retries=0) as client:
        first = ask(client, "What is the capital of France?")
        numbers = iter(range(50))
        until(lambda: _refused(client, f"What is the capital of country {next(numbers)}?"))
        assert ask(client, "What is the capital of France?") == first


def test_what_is_held_is_over_what_the_provider_bills_for_every_kind_of_call() -> None:
    """Chats, responses, messages, embeddings, tools, other scripts: each hold is over its bill."""
    more = f'{_PLAIN}[budgets.ci]\nusd = "5"\ntokens = 10_000_000\nhard = true\nper = "day"\n'
    schema: dict[str, object] = {"type": "object", "properties": {"a": {"type": "string"}}}
    texts = (
        "Hi",
        "Wie geht es dir? " * 20,
        "\N{CJK UNIFIED IDEOGRAPH-8A9E}" * 60,
        '{"a": "\\\\n"}' * 30,
    )
    with staged(more=more) as stage:
        with (
            openai_of(stage) as client,
            anthropic.Anthropic(base_url=stage.url, api_key="sk-x") as claude,
        ):
            for text in texts:
                ask(client, text, model="gpt-4o", most=60)
                client.responses.create(model="gpt-4o-mini", input=text, max_output_tokens=60)
                client.embeddings.create(model="text-embedding-3-small", input=[text, text])
                claude.messages.create(
                    model="claude-haiku-4-5",
                    max_tokens=60,
                    messages=[{"role": "user", "content": text}],
                    tools=[{"name": "look", "input_schema": schema}],
                )
            claude.messages.count_tokens(
                model="claude-haiku-4-5", messages=[{"role": "user", "content": "Hi"}]
            )
        billed = stage.sim.quiet().total_nanousd
        lines = [
            dict(line.numbers)
            for entry in stage.gateway.entries()
            for line in entry.trace
            if line.lever == "budget" and line.verdict == "settled"
        ]
        assert len(lines) == 4 * len(texts) + 1
        assert all(int(one["held_nanousd"]) >= int(one["nanousd"]) for one in lines)
        assert sum(int(one["nanousd"]) for one in lines) == billed
        used = {one["unit"]: one["used"] for one in _standing(stage)["budgets"]}
        assert used["usd"] == _usd(billed)


def test_a_model_without_a_price_is_refused_under_a_hard_budget_only() -> None:
    """Never as if it were $0: the way out is in the message. Without a budget it passes."""
    model = '[models."house-model"]\nprovider = "openai"\nmodel = "gpt-4o-mini-house"\n'
    with staged(more=model + _SMALL) as stage, openai_of(stage, retries=0) as client:
        with pytest.raises(openai.BadRequestError, match="budget 'ci' cannot hold"):
            ask(client, "Hello", model="house-model")
        assert not stage.sim.requests


def test_paths_that_are_not_read_are_refused_unless_free_or_bounded() -> None:
    """Files are free, images have a stated most, a batch needs leave; all else is refused."""
    more = f'{_SMALL}[budget]\npaths = {{ "/v1/images/generations" = "0.001" }}\n'
    with staged(more=more) as stage:
        with httpx2.Client(base_url=stage.url) as client:
            refused = client.post("/v1/audio/speech", json={"model": "tts-1", "input": "Hi"})
            batch = client.post("/v1/batches", json={"input_file_id": "f"})
            files = client.get("/v1/files")
            images = client.post("/v1/images/generations", json={})
        assert refused.status_code == 400
        assert "[budget.paths]" in refused.json()["error"]["message"]
        assert batch.status_code == 400
        assert 'batches = "allow"' in batch.json()["error"]["message"]
        assert files.status_code < 400
        assert images.status_code != 400
        assert "budget" not in images.text


def test_a_cap_refuses_one_call_that_is_too_large() -> None:
    """Whatever is left of the budget; both numbers and the cap are told."""
    more = f'{_PLAIN}[budgets.ci]\ncall_usd = "0.0001"\ncall_input_tokens = 40\n'
    with staged(more=more) as stage, openai_of(stage) as client:
        with pytest.raises(openai.RateLimitError, match=r"allows \$0.0001 for each call"):
            ask(client, "Hello", most=400)
        with pytest.raises(openai.RateLimitError, match="allows 40 tokens for each call"):
            ask(client, "word " * 80, most=16)
        assert ask(client, "Hello", most=16)


def test_equal_calls_of_two_budgets_do_not_share_a_flight() -> None:
    """One user's refusal, or bill, is not another's; within one budget equal calls are one."""
    more = '[budgets.each]\nuser = "*"\nusd = "0.01"\nper = "day"\n'
    with staged(more=more, per_token_ms=40.0) as stage, ThreadPoolExecutor(4) as pool:

        def one(user: str) -> str:
            with openai_of(stage, user=user) as client:
                return ask(client, "What is a lamp?", most=40)

        list(pool.map(one, ["ann", "bob", "ann", "bob"]))
        assert len(stage.sim.requests) == 2


def test_over_a_soft_budget_a_cheaper_model_answers_and_nobody_remembers_it() -> None:
    """The header says so, the ledger has it, and the next call is not served from memory."""
    more = (
        '[degrade]\nmodels = ["gpt-4o-mini", "gpt-4.1"]\n'
        '[budgets.people]\nuser = "*"\nusd = "0.0001"\nper = "day"\nhard = false\n'
    )
    with staged(more=more) as stage, openai_of(stage, user="ann") as client:
        for _ in range(2):
            raw = client.chat.completions.with_raw_response.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": "What is a lamp?"}],
            )
            assert raw.headers["x-scrimp-degraded"] == "cheaper_model"
            assert raw.parse().model.startswith("gpt-4o-mini")
        assert len(stage.sim.requests) == 2
        entry = stage.gateway.entries()[0]
        assert (entry.model_requested, entry.model) == ("gpt-4o", "gpt-4o-mini")
        assert entry.baseline_nanousd is not None
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd > 10 * entry.cost_nanousd
        assert entry.saved == (("degrade", entry.baseline_nanousd - entry.cost_nanousd),)
        lines = [line for line in entry.trace if line.lever == "degrade"]
        assert [line.verdict for line in lines] == ["skipped_rung", "cheaper_model"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_shorter_answer_ends_with_a_notice(stream: bool) -> None:  # noqa: FBT001
    """At most so many tokens; plain text has our line at its end, JSON has not."""
    more = (
        '[degrade]\nladder = ["shorter_answer"]\nmax_output_tokens = 20\nnotice = "(short)"\n'
        '[budgets.people]\nusd = "0.0001"\nper = "day"\nhard = false\n'
    )
    with staged(more=_PLAIN + more) as stage:
        with anthropic.Anthropic(base_url=stage.url, api_key="sk-x") as client:
            asked: dict[str, Any] = {
                "model": "claude-haiku-4-5",
                "max_tokens": 900,
                "messages": [{"role": "user", "content": "Tell me a long story about a lamp."}],
            }
            if stream:
                with client.messages.stream(**asked) as events:
                    message: anthropic.types.Message = events.get_final_message()
            else:
                message = client.messages.create(**asked)
        last = message.content[-1]
        assert last.type == "text"
        assert last.text.endswith("(short)")
        assert message.usage.output_tokens <= 20


def test_what_limits_leave_is_told_as_the_provider_tells_it() -> None:
    """OpenAI's and Anthropic's own headers on every answer, and a 429 with Retry-After."""
    more = f"{_PLAIN}[limits.all]\nrequests_per_minute = 2\ntokens_per_minute = 50000\n"
    with staged(more=more) as stage:
        with openai_of(stage, retries=0) as client:
            raw = client.chat.completions.with_raw_response.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "One."}]
            )
            assert raw.headers["x-ratelimit-limit-requests"] == "2"
            assert raw.headers["x-ratelimit-remaining-requests"] == "1"
            assert raw.headers["x-ratelimit-limit-tokens"] == "50000"
        with anthropic.Anthropic(base_url=stage.url, api_key="sk-x", max_retries=0) as claude:
            told = claude.messages.with_raw_response.create(
                model="claude-haiku-4-5",
                max_tokens=20,
                messages=[{"role": "user", "content": "Two."}],
            )
            assert told.headers["anthropic-ratelimit-requests-remaining"] == "0"
            with pytest.raises(anthropic.RateLimitError) as caught:
                claude.messages.create(
                    model="claude-haiku-4-5",
                    max_tokens=20,
                    messages=[{"role": "user", "content": "Three."}],
                )
        assert "limit 'all' (everyone, any 1 min) has 0 calls left of 2" in str(caught.value)
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 70
        assert len(stage.sim.bill.rows) == 2


def test_no_more_calls_at_once_than_allowed() -> None:
    """The provider never sees three of them together; when they are over, others may come."""
    more = f"{_PLAIN}[limits.all]\nparallel = 2\n"
    with staged(more=more, per_token_ms=3.0) as stage, openai_of(stage, retries=0) as client:

        def one(number: int) -> bool:
            try:
                ask(client, f"Tell me about the number {number}.", most=60)
            except openai.RateLimitError:
                return False
            return True

        with ThreadPoolExecutor(12) as pool:
            served = list(pool.map(one, range(12)))
        assert 2 <= sum(served) < 12
        assert ask(client, "And now?", most=16)


def test_a_client_that_leaves_is_charged_at_the_high_end() -> None:
    """What nobody can know is settled by its estimate, and nothing stays held."""
    with staged(more=_SMALL, per_token_ms=20.0) as stage:
        with openai_of(stage, retries=0) as client:
            stream = client.chat.completions.create(
                model="gpt-4o-mini",
                max_completion_tokens=300,
                messages=[{"role": "user", "content": "Tell me a long story."}],
                stream=True,
            )
            next(iter(stream))
            stream.close()
        until(lambda: len(stage.gateway.entries()) == 1)
        entry = stage.gateway.entries()[0]
        until(lambda: _standing(stage)["budgets"][0]["held"] == "0")
        assert entry.cost_high_nanousd is not None
        assert _standing(stage)["budgets"][0]["used"] == _usd(entry.cost_high_nanousd)
        assert billed_nanousd(stage) <= entry.cost_high_nanousd


def _refused(client: openai.OpenAI, text: str) -> bool:
    try:
        ask(client, text)
    except openai.RateLimitError:
        return True
    return False


def _standing(stage: Stage) -> dict[str, list[dict[str, str]]]:
    reply = httpx2.get(f"{stage.url}/v1/scrimp/budget")
    assert reply.status_code == 200
    shown: dict[str, list[dict[str, str]]] = reply.json()
    return shown


def _usd(nanousd: int) -> str:
    dollars, rest = divmod(nanousd, 10**9)
    return f"{dollars}.{rest:09d}".rstrip("0").rstrip(".")
