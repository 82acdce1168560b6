"""`scrimp.count`, `scrimp.estimate` and `scrimp.price` need no engine, file, key or server."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessage
from openai.types.completion_usage import CompletionUsage

import scrimp
from scrimp.calls import Usage
from scrimp.errors import InvalidRequest, PriceUnknown

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
CALL = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello world"}],
}


def test_a_text_is_counted() -> None:
    """Exactly for OpenAI's models, with bounds for others; special tokens are plain text."""
    found = scrimp.count("Hello world", "gpt-4o")
    assert (found.tokens, found.low, found.high, found.method) == (2, 2, 2, "o200k_base")
    other = scrimp.count("Hello world", "claude-opus-4-8")
    assert other.low < other.tokens < other.high
    assert scrimp.count("<|endoftext|>", "gpt-4o").tokens > 1
    assert scrimp.count("\ud800", "gpt-4o").tokens >= 1


def test_a_call_is_estimated_as_the_sdk_would_send_it() -> None:
    """Expected, at least, at most; the dialect is told by the body."""
    found = scrimp.estimate(CALL, at=AT)
    assert (found.dialect, found.provider, found.input.tokens) == ("openai.chat", "openai", 9)
    assert found.cost == Decimal("0.0000825")  # 9 x $2.50 and 6 x $10 per million
    assert found.upper_nanousd == 9 * 2500 + 100 * 10_000 + 12
    claude = scrimp.estimate({**CALL, "model": "claude-haiku-4-5"})
    assert (claude.dialect, claude.provider) == ("anthropic.messages", "anthropic")
    embedding = scrimp.estimate({"model": "text-embedding-3-small", "input": "hi"})
    assert (embedding.dialect, embedding.output.tokens) == ("openai.embeddings", 0)
    responses = scrimp.estimate({"model": "gpt-5", "input": "hi"})
    assert responses.dialect == "openai.responses"


def test_what_is_known_beside_the_body() -> None:
    """Output, tier, provider, time, dialect."""
    assert scrimp.estimate(CALL, output_tokens=7).output.tokens == 7
    assert scrimp.estimate(CALL, service_tier="batch").service_tier == "batch"
    assert scrimp.estimate(CALL, provider="azure").provider == "azure"
    assert scrimp.estimate(CALL, dialect="anthropic.messages").dialect == "anthropic.messages"


def test_objects_of_the_sdk_may_stand_in_a_call() -> None:
    """A reply's message is sent back as it is, as the SDK allows."""
    said = ChatCompletionMessage(role="assistant", content="Hi there")
    messages = [*CALL["messages"], said, {"role": "user", "content": "And?"}]  # type: ignore[misc]  # a list
    assert scrimp.estimate({**CALL, "messages": messages}).input.tokens > 9


@pytest.mark.parametrize(
    ("call", "options", "error", "words"),
    [
        ({}, {}, InvalidRequest, "no 'messages' and no 'input'"),
        ({**CALL, "model": ""}, {}, InvalidRequest, "model"),
        ({**CALL, "model": "gpt-4o-minn"}, {}, PriceUnknown, "did you mean gpt-4o-mini?"),
        ({**CALL, "messages": "hi"}, {}, InvalidRequest, "messages"),
        ({**CALL, "messages": [{"role": "user", "content": "\ud800"}]}, {}, InvalidRequest, "lone"),
        ({**CALL, "seed": object()}, {}, InvalidRequest, "a object is in it"),
        (CALL, {"dialect": "latin"}, InvalidRequest, "no dialect 'latin' (one of openai.chat"),
        (CALL, {"output_tokens": -1}, InvalidRequest, ">= 0"),
        (CALL, {"colour": "red"}, InvalidRequest, "colour"),
        (CALL, {"at": datetime(2026, 1, 1)}, InvalidRequest, "without a zone"),  # noqa: DTZ001 (that is the case)
        (CALL, {"service_tier": "golden"}, PriceUnknown, "golden"),
        (CALL, {"provider": "nobody"}, PriceUnknown, "nobody"),
    ],
)
def test_what_cannot_be_estimated_says_why(
    call: dict[str, Any], options: Any, error: type[Exception], words: str
) -> None:
    """Never $0, never the content."""
    with pytest.raises(error) as caught:
        scrimp.estimate(call, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("usage", "model", "provider", "nanousd"),
    [
        (Usage(input_tokens=1000, output_tokens=100), "gpt-4o", "", 3_500_000),
        ({"input_tokens": 1000, "output_tokens": 100}, "claude-haiku-4-5", "", 1_500_000),
        (
            {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
            "gpt-4o",
            "",
            3_500_000,
        ),
        (
            CompletionUsage(prompt_tokens=1000, completion_tokens=100, total_tokens=1100),
            "gpt-4o",
            "openai",
            3_500_000,
        ),
        (
            {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100},
            "gemini-2.5-flash",
            "google",
            550_000,
        ),
        (
            {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100},
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "aws",
            1_500_000,
        ),
    ],
)
def test_usage_in_any_shape_is_priced(
    usage: object, model: str, provider: str, nanousd: int
) -> None:
    """Line items and total, with the version of the book."""
    cost = scrimp.price(usage, model, provider, AT)
    assert cost.nanousd == nanousd == sum(line.nanousd for line in cost.lines)
    assert cost.price_version


def test_a_bill_says_who_told_its_rates_and_what_does_not_add_up() -> None:
    """A page of the provider, that of a row of ours, or a call; a doubt by both its numbers."""
    bill = scrimp.price({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 5}, "gpt-4o")
    assert "developers.openai.com" in bill.source
    assert "5 tokens reported" in bill.suspect
    assert bill.cost == Decimal("0.0000125")
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    peak = scrimp.price(usage, "deepseek-v4-pro", "deepseek", AT.replace(hour=2))
    assert (peak.nanousd, peak.suspect) == (1_716_000, "")
    assert "api-docs.deepseek.com" in peak.source
    told = scrimp.price({**usage, "cost": 0.25}, "any/model", "openrouter", AT)
    assert (told.nanousd, told.basis, told.source) == (
        250_000_000,
        "reported",
        "told by openrouter in the usage",
    )
    with pytest.raises(PriceUnknown, match="any/model"):  # nobody believes others
        scrimp.price({**usage, "cost": 0.25}, "any/model", "groq", AT)


def test_the_tier_that_a_usage_tells_prices_it() -> None:
    """Anthropic says it there; who names one beside the usage knows better."""
    usage = {"input_tokens": 1000, "output_tokens": 100, "cache_read_input_tokens": 0}
    standard = scrimp.price(usage, "claude-opus-4-8", at=AT).nanousd
    batch = scrimp.price({**usage, "service_tier": "batch"}, "claude-opus-4-8", at=AT)
    assert batch.nanousd * 2 == standard
    named = scrimp.price(
        {**usage, "service_tier": "batch"}, "claude-opus-4-8", at=AT, service_tier="standard"
    )
    assert named.nanousd == standard


def test_a_price_wants_a_time_with_a_zone() -> None:
    """Prices change by the hour; a clock on no wall is none. Said each time, and not only once."""
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="without a zone"):
            scrimp.price({"input_tokens": 1}, "gpt-4o", "openai", AT.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        ({}, "cannot be read"),
        (None, "NoneType"),
        ("12", "str"),
        ({"tokens": 3}, "tokens"),
        ({"input_tokens": -1}, "-1: a count is from 0"),
        ({"input_tokens": "x"}, "not a whole number"),
    ],
)
def test_a_usage_that_cannot_be_read_is_unknown(usage: object, words: str) -> None:
    """Its cost is nobody's guess."""
    with pytest.raises(PriceUnknown, match=words):
        scrimp.price(usage, "gpt-4o")


def test_an_engine_knows_the_settings_too(tmp_path: Path) -> None:
    """Own prices, aliases and models; nothing is started, nothing is booked."""
    engine = scrimp.Scrimp(
        {
            "state_dir": str(tmp_path / "state"),
            "providers": {
                "corp": {
                    "base_url": "http://127.0.0.1:1/v1",
                    "dialects": ["openai.chat"],
                    "prices_as": "openai",
                    "residency": "eu",
                }
            },
            "models": {"fast": {"provider": "corp", "model": "gpt-4o"}},
            "aliases": {"quick": "fast"},
            "prices": {"house": {"input": "1", "output": "2"}},
        },
        model="quick",
    )
    assert engine.count("Hello world").tokens == 2
    found = engine.estimate({**CALL, "model": "quick"}, at=AT)
    assert (found.model, found.provider, found.cost_nanousd) == ("gpt-4o", "openai", 82_500)
    assert engine.estimate({**CALL, "model": "house"}).cost_nanousd == 9 * 1000 + 6 * 2000
    assert engine.price({"input_tokens": 1000}, "house").nanousd == 1_000_000
    assert engine.price({"input_tokens": 1000}, "gpt-5.4", "corp", AT).nanousd == 2_750_000
    assert not (tmp_path / "state").exists()
    engine.close()


def test_naming_them_is_what_loads_them() -> None:
    """`import scrimp` loads nothing; the names are there all the same."""
    code = (
        "import sys, scrimp; before = set(sys.modules); "
        "assert {'count', 'estimate', 'price'} <= set(dir(scrimp)); "
        "assert 'msgspec' not in before; scrimp.count; assert 'msgspec' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
