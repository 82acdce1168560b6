"""Calls for responses and embeddings: where they go, what they are for, what a held key may not."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from scrimp.app import App, Parts
from scrimp.calls import Call, Target, Trace
from scrimp.errors import InvalidRequest, UnknownModel
from scrimp.fingerprint import fingerprint, why_not
from scrimp.identity import VirtualKey
from scrimp.prices import load_book
from scrimp.providers import DEFAULT_PROVIDERS, spoken
from scrimp.settings import parse
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.routes import ROUTES
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.settings_keys import SettingsKeys
from scrimp.tasks import TTL_S
from tests.support.core import (
    FakeClock,
    HereSink,
    LetterEncoder,
    ListLedger,
    ScriptedUpstream,
    answer_fields,
    json_exchange,
)

RESPONSES, EMBEDDINGS = "/v1/responses", "/v1/embeddings"
MINI = "gpt-5-mini"
SMALL = "text-embedding-3-small"
PROVIDERS = """
[providers.first]
base_url = "https://f.example/v1"
dialects = ["openai.chat"]
prices_as = "mistral"
[providers.openai]
base_url = "https://o.example/v1"
dialects = ["openai.chat", "openai.responses"]
"""


def app_of(text: str = PROVIDERS) -> App:
    """An engine over nothing real."""
    clock = FakeClock()
    parts = Parts(
        clock=clock,
        upstream=ScriptedUpstream(json_exchange(answer_fields())),
        ledger=ListLedger(),
        replies=MemoryReplies(clock, max_bytes=1000),
        keys=SettingsKeys(()),
        encoder=LetterEncoder(),
    )
    return App(parse(text.encode(), source="the test"), parts, load_book())


def asked(path: str, key: VirtualKey | None, method: str, **fields: Any) -> Asked:
    """A request to a path."""
    raw = [(b"content-type", b"application/json")]
    identity = Identity(key=key, tenant=f"key:{key.name}" if key else "local")
    body = json.dumps(fields).encode()
    return Asked("1", identity, method, path, dict(raw), raw, body, HereSink(), Trace())


def called(path: str, *, key: VirtualKey | None = None, **fields: Any) -> Call:
    """The call of a request that is read."""
    intake = Intake(app_of(), tenant_secret=b"s")
    return intake.call(asked(path, key, "POST", **fields), ROUTES[path])


def passed(path: str, *, settings: str = PROVIDERS, method: str = "GET") -> Target:
    """Where a request goes that is not read."""
    intake = Intake(app_of(settings), tenant_secret=b"s")
    return intake.passthrough(asked(path, None, method)).target


def held(*models: str, task: str = "") -> VirtualKey:
    """A key that may use these models only."""
    return VirtualKey("ci", hashlib.sha256(b"x").hexdigest(), models=models, task=task)


def test_a_response_is_a_chat_and_goes_to_who_speaks_it() -> None:
    """In the ledger as in OpenTelemetry's words: what is generated is a chat."""
    call = called(RESPONSES, model=MINI, input="Translate this into French: a lamp")
    assert call.operation == "chat"
    assert call.target == Target("openai", MINI, "openai.responses")
    assert (call.task.name, call.task.source) == ("translation", "classifier")


def test_an_embedding_is_for_itself_unless_somebody_says_otherwise() -> None:
    """What is embedded is no wish; a key's own task and metadata still count."""
    call = called(EMBEDDINGS, model=SMALL, input="Translate this into French: a lamp")
    assert (call.operation, call.target.dialect) == ("embeddings", "openai.embeddings")
    assert (call.task.name, call.task.source) == ("embedding", "none")
    assert TTL_S["embedding"] == 30 * 24 * 3600
    mine = called(EMBEDDINGS, key=held(SMALL, task="classification"), model=SMALL, input="x")
    assert (mine.task.name, mine.task.source) == ("classification", "key")


@pytest.mark.parametrize(
    ("path", "fields"),
    [(RESPONSES, {"model": MINI, "input": "x"}), (EMBEDDINGS, {"model": SMALL, "input": ["x"]})],
)
def test_both_may_be_remembered(path: str, fields: dict[str, Any]) -> None:
    """Their keys change with every field of the body."""
    app = app_of()
    one, same = called(path, **fields), called(path, **fields)
    dialect = app.dialects[one.target.dialect]
    assert why_not(one, 60, max_temperature=1.0) == ""
    assert fingerprint(one, dialect) == fingerprint(same, dialect)
    for more in ({"input": "y"}, {"x_new": 1}, {"user": "ada"}):
        other = called(path, **{**fields, **more})
        assert fingerprint(one, dialect) != fingerprint(other, dialect)


def test_state_is_a_reason_not_to_be_remembered() -> None:
    """Even with nothing else against it."""
    call = called(RESPONSES, model=MINI, input="x", previous_response_id="resp_1")
    assert why_not(call, 60, max_temperature=1.0) == "stateful"


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "gpt-4o"},
        {"models": ["gpt-4o"]},
        {"tools": [{"type": "image_generation"}]},
        {"tools": [{"type": "image_generation", "model": "gpt-image-1"}]},
        {"input": [{"type": "additional_tools", "tools": [{"type": "image_generation"}]}]},
    ],
    ids=lambda fields: json.dumps(fields)[:50],
)
def test_a_held_key_reaches_no_other_model(fields: dict[str, Any]) -> None:
    """By the model, by a list of models, or by a tool that uses one."""
    with pytest.raises(UnknownModel, match="'ci'"):
        called(RESPONSES, key=held(MINI), **{"model": MINI, "input": "x", **fields})


def test_a_held_key_may_use_tools_of_its_models() -> None:
    """And tools that use none."""
    tools = [
        {"type": "function", "name": "f"},
        {"type": "web_search"},
        {"type": "image_generation", "model": "gpt-image-1"},
    ]
    key = held(MINI, "gpt-image-1")
    call = called(RESPONSES, key=key, model=MINI, input="x", tools=tools)
    assert call.caller.key == "ci"


@pytest.mark.parametrize(
    "path", ["/v1/responses/resp_1", "/v1/responses/resp_1/cancel", "/v1/conversations"]
)
def test_what_belongs_to_responses_goes_where_they_are(path: str) -> None:
    """The first provider speaks chat only: it has no such thing."""
    assert passed(path) == Target("openai", "", "openai.responses")
    assert passed("/v1/files").provider == "first"
    nobody = PROVIDERS.replace(', "openai.responses"', "")
    assert passed(path, settings=nobody) == Target("first", "", "openai.chat")


def test_settings_of_before_still_hold() -> None:
    """Chat brings embeddings; OpenAI's own address brings responses; others are asked to say so."""
    assert spoken(["openai.chat"], "https://own.example/v1") == {"openai.chat", "openai.embeddings"}
    for address in ("https://api.openai.com/v1", "https://api.openai.com/v1/"):
        assert "openai.responses" in spoken(["openai.chat"], address)
    assert spoken(["anthropic.messages"], "https://api.openai.com/v1") == {
        "anthropic.messages",
        "anthropic.count_tokens",
    }
    assert spoken(["openai.embeddings"], "https://own.example") == {"openai.embeddings"}
    both = {one.name for one in DEFAULT_PROVIDERS if "openai.responses" in one.dialects}
    assert both == {"openai", "groq", "x-ai", "openrouter"}


def test_who_does_not_speak_responses_says_how_to() -> None:
    """The way out is a line of the settings."""
    nobody = PROVIDERS.replace(', "openai.responses"', "")
    intake = Intake(app_of(nobody), tenant_secret=b"s")
    with pytest.raises(InvalidRequest, match=r"say so: providers\.openai\.dialects"):
        intake.call(asked(RESPONSES, None, "POST", model=MINI, input="x"), ROUTES[RESPONSES])
