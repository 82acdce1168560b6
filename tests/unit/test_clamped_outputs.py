"""How the settings switch clamp_output on: what it knows of other models that may answer."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.billing import book_of, price_names
from scrimp.calls import Call, Reply
from scrimp.choosing import Wish
from scrimp.clamped_outputs import clamp_output
from scrimp.errors import ConfigError
from scrimp.served import targets_of
from scrimp.settings import read
from tests.support.core import FakeClock, call_of, numbers, reply_of, verdicts

PROVIDERS = {
    "openai": {"key_env": "A"},
    "anthropic": {"key_env": "B"},
    "house": {"base_url": "http://127.0.0.1:9/v1", "dialects": ["openai.chat"]},
}
MODELS = {"house-model": {"provider": "house", "model": "mistral-small"}}
ON: dict[str, Any] = {"enabled": True, "tasks": {"general": {"max_tokens": 64}}}


async def sent(call: Call, **tables: Any) -> Call:
    """The call as it leaves the lever, by settings."""
    named = {"providers": PROVIDERS, "models": MODELS}
    settings = read({**named, "clamp_output": ON, **tables}, source="the test")
    book, names = book_of(settings), price_names(settings)
    lever = clamp_output(settings, targets_of(settings, book), book, names, FakeClock())
    found: list[Call] = []

    async def below(got: Call) -> Reply:
        found.append(got)
        return reply_of()

    await lever(call, below)
    return found[0]


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({}, ""),
        ({"fallback": {"default": ["gpt-4o", "claude-haiku-4-5"]}}, ""),
        ({"fallback": {"default": ["o3"]}}, "o3 may answer, and think"),
        ({"fallback": {"models": {"gpt-4o-mini": ["o3"]}}}, "o3 may answer, and think"),
        ({"fallback": {"enabled": False, "default": ["o3"]}}, ""),
        ({"cascade": {"models": ["o3"], "checks": ["json"]}}, "o3 may answer, and think"),
        (
            {"fallback": {"default": ["house-model"]}},
            "mistral-small may answer, and knows another field",
        ),
    ],
)
async def test_a_limit_is_set_where_all_that_may_answer_take_it(
    tables: dict[str, Any], why: str
) -> None:
    """Else it is advised, with the model that would not."""
    call = call_of()
    got = await sent(call, **tables)
    assert (got is call) == bool(why)
    assert verdicts(call, "clamp_output") == ["advised" if why else "set"]
    assert numbers(call, "clamp_output").get("why", "") == why


async def test_models_that_the_call_itself_allows_count_too() -> None:
    """They stand in its wish, and in no settings."""
    call = call_of(wish=Wish(instead=("o3",)))
    assert await sent(call) is call


async def test_json_mode_is_left_out_where_a_call_may_be_translated() -> None:
    """Anthropic's dialect has no word for it: the translation would be refused."""
    brief = {
        "clamp_output": {"enabled": True, "tasks": {"general": {"brief": "json object, always"}}}
    }
    for tables, mode in (
        ({}, True),
        ({"fallback": {"default": ["claude-haiku-4-5"]}}, False),
    ):
        got = await sent(call_of(), **brief, **tables)
        assert ("response_format" in got.request.fields) == mode
        assert "JSON object" in got.request.fields["messages"][0]["content"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"tasks": {"chat": {}}}, "clamp_output.tasks.chat is no task type"),
        ({"tasks": {"general": {"brief": "shortish"}}}, "shortish"),
        ({"tasks": {"general": {"max_tokens": 3}}}, "max_tokens"),
        ({"tasks": {"general": {"stop": list("abcde")}}}, "at most 4"),
        ({"tasks": {"general": {"stop": [" "]}}}, "white space"),
        ({"truncated": "mend"}, "one of report, continue, again"),
        ({"own": "raise"}, "one of keep, lower"),
    ],
)
def test_what_the_table_may_not_say(table: dict[str, Any], said: str) -> None:
    """In words, with the field."""
    with pytest.raises(ConfigError, match=said):
        read({"clamp_output": table}, source="the test")
