"""From a request to a call: who asks, for what, and who may not."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.app import App, Parts
from scrimp.calls import Call, Target, Trace
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest, StoreError, Unauthenticated, Unavailable, UnknownModel
from scrimp.identity import VirtualKey
from scrimp.prices import load_book
from scrimp.settings import parse
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.routes import Route
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.settings_keys import SettingsKeys
from tests.support.core import (
    NOON,
    FakeClock,
    HereSink,
    LetterEncoder,
    ListLedger,
    ScriptedUpstream,
    answer_fields,
    chat_fields,
    json_exchange,
)

CHAT = Route("openai.chat", "chat")
COUNT = Route("anthropic.count_tokens", "count_tokens")
PROVIDERS = """
[providers.openai]
base_url = "https://o.example/v1"
dialects = ["openai.chat"]
[providers.anthropic]
base_url = "https://a.example/v1"
dialects = ["anthropic.messages"]
"""
RENAMED = """
[aliases]
dear = "cheap"
"""
SECRET = "sk-scrimp-of-ci"
JSON = "application/json"


def intake(*keys: VirtualKey, mode: str = "keys", more: str = PROVIDERS) -> Intake:
    """An intake over a gateway with these keys."""
    clock = FakeClock()
    settings = parse(f'[auth]\nmode = "{mode}"\n{more}'.encode(), source="the test")
    parts = Parts(
        clock=clock,
        upstream=ScriptedUpstream(json_exchange(answer_fields())),
        ledger=ListLedger(),
        replies=MemoryReplies(clock, max_bytes=1000),
        keys=SettingsKeys(keys),
        encoder=LetterEncoder(),
    )
    return Intake(App(settings, parts, load_book()), tenant_secret=b"s")


def key(name: str = "ci", **more: Any) -> VirtualKey:
    """A key whose secret is SECRET."""
    return VirtualKey(name, hashlib.sha256(SECRET.encode()).hexdigest(), **more)


def passing(
    body: bytes, *, path: str = "/v1/completions", method: str = "POST", kind: str = JSON
) -> Asked:
    """A request to a path that Scrimp does not read, by SECRET."""
    one = asked(body, authorization=f"Bearer {SECRET}", content_type=kind)
    return replace(one, path=path, method=method)


def asked(body: bytes | None = None, **headers: Any) -> Asked:
    """A request; `_` in a header's name stands for `-`."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Asked(
        id="1",
        identity=Identity(),
        method="POST",
        path="/v1/chat/completions",
        headers=dict(raw),
        raw=raw,
        body=encode(chat_fields()) if body is None else body,
        sink=HereSink(),
        trace=Trace(),
    )


async def called(door: Intake, /, body: bytes | None = None, **headers: Any) -> Call:
    """The call of a chat request."""
    return door.call(await known(door, asked(body, **headers)), CHAT)


async def known(door: Intake, one: Asked) -> Asked:
    """A request whose sender has been identified by its headers, as the gateway does first."""
    return replace(one, identity=await door.identify(one.headers))


async def test_a_call_is_built_of_its_request() -> None:
    """Ours is read, the provider's is forwarded, nothing of it is lost."""
    call = await called(
        intake(),
        x_scrimp_user="ada",
        x_scrimp_tags="a,b",
        x_scrimp_session="s1",
        x_scrimp_task="analysis",
        x_scrimp_cache="refresh",
        x_new="1",
        authorization="Bearer whatever",
    )
    assert (call.purpose, call.operation, call.started_at) == ("client", "chat", NOON)
    assert call.headers == (("x-new", "1"),)
    assert call.target == Target("openai", "gpt-4o-mini", "openai.chat")
    assert (call.caller.tenant, call.caller.credential) == ("local", None)
    assert (call.caller.user, call.caller.tags, call.caller.session) == ("ada", ("a", "b"), "s1")
    assert (call.task.name, call.task.source, call.cache.mode) == ("analysis", "header", "refresh")
    assert call.request.body == encode(chat_fields())


def _headers(name: str, value: str) -> dict[str, Any]:
    return {name: value}


@pytest.mark.parametrize("header", ["authorization", "x_api_key"])
async def test_a_known_key_opens(header: str) -> None:
    """As the SDKs of either vendor send it; who it belongs to comes with it."""
    door = intake(key(team="infra", user="bot", task="extraction", tags=("k",)))
    given = f"Bearer {SECRET}" if header == "authorization" else SECRET
    call = await called(door, **_headers(header, given))
    assert (call.caller.tenant, call.caller.key, call.caller.team) == ("key:ci", "ci", "infra")
    assert (call.caller.user, call.caller.tags) == ("bot", ("k",))
    assert (call.task.name, call.task.source) == ("extraction", "key")
    assert call.caller.credential is None
    assert SECRET not in repr(call)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {SECRET}"},
        {"x_api_key": hashlib.sha256(SECRET.encode()).hexdigest()},
        {"authorization": "Bearer "},
    ],
)
async def test_anything_else_does_not(headers: dict[str, Any]) -> None:
    """The digest of a key is no key; what was given is not repeated."""
    with pytest.raises(Unauthenticated) as caught:
        await called(intake(key()), **headers)
    assert "wrong" not in str(caught.value)


async def test_the_key_is_asked_for_before_anything_is_read() -> None:
    """Strangers learn nothing of models, and no body of theirs is parsed."""
    with pytest.raises(Unauthenticated):
        await called(intake(key()), b"{")


async def test_a_providers_key_is_passed_through_where_settings_say_so() -> None:
    """Each credential is a tenant of its own, by a keyed digest and not by itself."""
    door = intake(mode="passthrough")
    one = await called(door, authorization="Bearer sk-1")
    two = await called(door, authorization="Bearer sk-2")
    assert one.caller.credential == ("authorization", "Bearer sk-1")
    assert one.caller.tenant != two.caller.tenant
    assert one.caller.tenant == (await called(door, authorization="Bearer sk-1")).caller.tenant
    assert "sk-1" not in repr(one)
    assert hashlib.sha256(b"sk-1").hexdigest()[:32] not in one.caller.tenant
    with pytest.raises(Unauthenticated):
        await called(door)


async def test_credentials_of_another_scheme_are_tenants_too() -> None:
    """Two people with Basic or bare credentials must not share answers."""
    door = intake(mode="passthrough")
    given = ("Basic one", "Basic two", "Api-Key one")
    tenants = [(await called(door, authorization=one)).caller.tenant for one in given]
    assert len(set(tenants)) == 3


async def test_a_key_may_be_held_to_some_models() -> None:
    """By the name that is asked for or the model behind it; elsewhere it is as good as unknown."""
    door = intake(key(models=("gpt-4o-mini",)))
    good: dict[str, Any] = {"authorization": f"Bearer {SECRET}"}
    assert (await called(door, **good)).target.model == "gpt-4o-mini"
    dear = encode({**chat_fields(), "model": "gpt-4o"})
    with pytest.raises(UnknownModel, match=r"'ci' may not use model 'gpt-4o' .*gpt-4o-mini"):
        await called(door, dear, **good)
    for body in (dear, b"", b"not json", b'{"model":7}', b'{"model":"\xff"}'):
        with pytest.raises(UnknownModel, match="held to the models"):
            door.passthrough(await known(door, asked(body, **good)))


async def test_a_held_key_passes_through_by_its_model_only() -> None:
    """A path whose work is by the model in its body, with a model of the list."""
    door = intake(key(models=("cheap",)), more=RENAMED + PROVIDERS)
    call = door.passthrough(await known(door, passing(b'{"model":"cheap","input":"x"}')))
    assert call.target == Target("openai", "cheap", "openai.chat")


@pytest.mark.parametrize(
    "given",
    [
        passing(b'{"model":"gpt-4o","model":"cheap"}'),
        passing(b'{"model":"cheap","models":["gpt-4o"]}'),
        passing(b'{"model":"cheap"}', kind="application/x-www-form-urlencoded"),
        passing(b'{"model":"cheap"}', path="/v1/batches"),
        passing(b'{"model":"cheap"}', path="/v1/files/f1", method="DELETE"),
        passing(b'{"model":"cheap"}', method="GET"),
        passing(b"", path="/v1/files", method="GET"),
        passing(b'{"model":"dear"}'),
        passing(b'{"input":"' + b"x" * (1 << 20) + b'"}'),
    ],
    ids=["twice", "list", "form", "batch", "delete", "get", "no body", "alias", "no model"],
)
async def test_a_held_key_has_no_way_round_its_models(given: Asked) -> None:
    """Two names in one body, another list of models, paths where other things than models count."""
    door = intake(key(models=("cheap",)), more=RENAMED + PROVIDERS)
    with pytest.raises(UnknownModel, match="held to the models"):
        door.passthrough(await known(door, given))
    free = intake(key(), more=RENAMED + PROVIDERS)
    assert free.passthrough(await known(free, given)).operation == "passthrough"


async def test_a_held_key_names_no_other_models_in_a_chat() -> None:
    """Routers take a list of models to fall back on: any of them could answer."""
    body = encode({**chat_fields(), "models": ["gpt-4o"]})
    good: dict[str, Any] = {"authorization": f"Bearer {SECRET}"}
    with pytest.raises(UnknownModel, match="'models'"):
        await called(intake(key(models=("gpt-4o-mini",))), body, **good)
    assert (await called(intake(key()), body, **good)).request.body == body


@pytest.mark.parametrize("name", ["x" * 257, "a\x1b[31mb"])
async def test_a_name_that_is_none_is_not_written_down(name: str) -> None:
    """A terminal obeys control characters; what is passed through may hold any."""
    call = intake().passthrough(asked(encode({"model": name})))
    assert call.request.model == ""


@pytest.mark.parametrize("model", ["x" * 257, "gpt\n4o", "gpt\x1b[31m"])
async def test_a_name_that_is_none(model: str) -> None:
    """It would stand in the ledger, in reports and in error messages."""
    with pytest.raises(InvalidRequest, match="'model' has"):
        await called(intake(), encode({**chat_fields(), "model": model}))


async def test_unknown_paths_find_a_provider() -> None:
    """By header, by the model in a body, by the client's dialect."""
    door = intake()
    by_header = door.passthrough(await known(door, asked(b"\x00", x_scrimp_provider="anthropic")))
    assert by_header.target.provider == "anthropic"
    body = encode({"model": "claude-3-5-haiku-latest", "input": "x"})
    by_model = door.passthrough(await known(door, asked(body, anthropic_version="2023-06-01")))
    assert by_model.target.provider == "anthropic"
    assert door.passthrough(asked(b"\x00")).target.provider == "openai"
    by_dialect = door.passthrough(await known(door, asked(b"\x00", anthropic_version="2023-06-01")))
    assert by_dialect.target.provider == "anthropic"
    assert by_dialect.operation == "passthrough"
    assert by_dialect.request.body == b"\x00"
    with pytest.raises(InvalidRequest, match="'nobody' is not configured"):
        door.passthrough(await known(door, asked(b"", x_scrimp_provider="nobody")))


async def test_a_key_that_is_passed_on_goes_to_a_provider_that_was_named() -> None:
    """A price list alone does not send a client's OpenAI key to whoever else serves a model."""
    door = intake(mode="passthrough", more=f"{PROVIDERS}[providers.deepseek]\n")
    own: dict[str, Any] = {"authorization": "Bearer sk-of-openai"}
    assert (await called(door, **own)).target.provider == "openai"
    foreign = encode({**chat_fields(), "model": "deepseek-chat"})
    with pytest.raises(InvalidRequest, match=r"ask for .deepseek/deepseek-chat."):
        await called(door, foreign, **own)
    with pytest.raises(InvalidRequest, match="goes to 'openai'"):
        door.passthrough(await known(door, asked(foreign, **own)))
    named = encode({**chat_fields(), "model": "deepseek/deepseek-chat"})
    assert (await called(door, named, **own)).target.provider == "deepseek"


async def test_counting_tokens_has_no_task() -> None:
    """Nothing of it is remembered, so nobody need classify it."""
    body = encode(
        {"model": "claude-3-5-haiku-latest", "messages": [{"role": "user", "content": "x"}]}
    )
    call = intake().call(asked(body), COUNT)
    assert (call.operation, call.task.source) == ("count_tokens", "none")
    assert call.target.dialect == "anthropic.count_tokens"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"revoked": True}, "revoked"),
        ({"ends_at": NOON}, "ended at 2026-05-06T12:00:00Z"),
        ({"ends_at": NOON - timedelta(days=1)}, "ended at 2026-05-05"),
    ],
)
async def test_a_key_that_no_longer_holds_is_told_why(more: dict[str, Any], reason: str) -> None:
    """Whoever has the key may know; the way out is beside it."""
    with pytest.raises(Unauthenticated, match=reason):
        await called(intake(key(**more)), authorization=f"Bearer {SECRET}")


async def test_a_key_holds_until_its_end() -> None:
    """Up to the last microsecond."""
    door = intake(key(ends_at=NOON + timedelta(microseconds=1)))
    assert (await called(door, authorization=f"Bearer {SECRET}")).caller.key == "ci"


class DeadKeys:
    """A store that cannot be read."""

    async def find(self, sha256: str) -> VirtualKey | None:
        """Fail."""
        raise StoreError(f"/secret/place is gone {sha256}")

    async def any(self) -> bool:
        """Fail."""
        raise StoreError("/secret/place is gone")

    async def close(self) -> None:
        """Nothing is open."""


async def test_while_keys_cannot_be_read_nobody_is_let_in() -> None:
    """With a 503 that an SDK may try again, and without the place of the file."""
    door = intake()
    door._app.keys = DeadKeys()  # type: ignore[misc]  # a property of the protocol
    with pytest.raises(Unavailable, match="keys cannot be checked now") as caught:
        await called(door, authorization=f"Bearer {SECRET}")
    assert "secret" not in str(caught.value)


async def test_a_credential_of_its_own_names_nobody() -> None:
    """In passthrough mode a stranger's word is written down and charges no budget."""
    door = intake(mode="passthrough")
    who = (await called(door, authorization="Bearer sk-own", x_scrimp_user="ceo")).caller
    assert (who.user, who.end_user, who.reported_user) == ("", "", "ceo")


CHOICE = """
[providers.openai]
base_url = "https://o.example/v1"
dialects = ["openai.chat"]
[providers.other]
base_url = "https://p.example/v1"
dialects = ["openai.chat"]
[models."elsewhere"]
provider = "other"
[route]
enabled = true
depth = "rules"
models = ["elsewhere", "gpt-4o-mini"]
reference = "elsewhere"
"""


async def test_a_choice_sends_no_key_to_a_provider_that_its_owner_did_not_name() -> None:
    """The settings' reference is elsewhere: who says its name means it, who leaves it open not."""
    door = intake(mode="passthrough", more=CHOICE)
    bearer = {"authorization": "Bearer sk-theirs"}
    left_open = await called(door, encode(chat_fields(model="scrimp/auto")), **bearer)
    assert left_open.target.provider == "openai"
    named = await called(
        door, encode(chat_fields(model="scrimp/auto:required=elsewhere")), **bearer
    )
    assert named.target.provider == "other"
