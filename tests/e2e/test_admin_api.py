"""The admin API of a real gateway: what is made there holds for calls; nobody else gets in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import raw_http
from tests.support.admin import AdminClient
from tests.support.spoken import ALL, OPENAI, Spoken
from tests.support.stage import Stage, staged, until


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A gateway as it is without any settings of its own."""
    with staged() as both:
        yield both


@ALL
def test_a_key_that_is_made_lets_calls_in_until_it_is_revoked(stage: Stage, spoken: Spoken) -> None:
    """From its first moment every call needs one; the SDK raises its own error without."""
    admin = AdminClient(stage.url)
    spoken.answered(stage.url)
    admin.make("/orgs", {"name": "acme"})
    admin.make("/teams", {"name": "red", "org": "acme"})
    made = admin.make("/keys", {"name": "ci", "team": "red"})
    error = spoken.refused(stage.url, key="sk-none")
    assert type(error).__name__ == "AuthenticationError"
    spoken.answered(stage.url, key=made["secret"])
    entry = stage.gateway.entries()[-1]
    assert (entry.key, entry.team, entry.tenant) == ("ci", "red", "key:ci")
    told = admin.ask("DELETE", "/keys/ci")
    assert told.json["status"] == "revoked"
    error = spoken.refused(stage.url, key=made["secret"])
    assert (type(error).__name__, error.status_code) == ("AuthenticationError", 401)
    assert "revoked" in str(error)
    data = raw_http.request(spoken.path, spoken.body(), spoken.headers)
    assert raw_http.ask(stage.url, data).status == 401  # no key is left, and the door stays shut


@ALL
def test_a_key_that_is_held_to_models_is_held_before_any_cache(
    stage: Stage, spoken: Spoken
) -> None:
    """What another key has had answered does not help it."""
    admin = AdminClient(stage.url)
    models = ["gpt-4o-mini", "claude-haiku-4-5"]
    free = admin.make("/keys", {"name": "free"})["secret"]
    held = admin.make("/keys", {"name": "held", "models": models})["secret"]
    dear = "gpt-4o" if spoken.vendor == "openai" else "claude-opus-5"
    spoken.ask(stage.url, spoken.body(model=dear), key=free)
    error = spoken.refused(stage.url, spoken.body(model=dear), key=held)
    assert type(error).__name__ == "NotFoundError"
    spoken.answered(stage.url, key=held)


def test_a_rotated_key_and_the_old_one_work_for_a_while(stage: Stage) -> None:
    """With grace both do, without it the old one ends at once."""
    admin = AdminClient(stage.url)
    first = admin.make("/keys", {"name": "ci"})["secret"]
    second = admin.make("/keys/ci/rotate", {"grace_s": 600})
    assert second["key"]["old_key_works_until"] is not None
    for key in (first, second["secret"]):
        OPENAI.answered(stage.url, key=key)
    third = admin.ask("POST", "/keys/ci/rotate").json
    OPENAI.answered(stage.url, key=third["secret"])
    for key in (first, second["secret"]):
        assert "ended at" in str(OPENAI.refused(stage.url, key=key))


def test_an_end_user_is_named_by_trusted_keys_alone(stage: Stage) -> None:
    """A stolen name is written down and charges nobody."""
    admin = AdminClient(stage.url)
    web = admin.make("/keys", {"name": "web", "trusted": True})["secret"]
    thief = admin.make("/keys", {"name": "thief"})["secret"]
    admin.put("/budgets/ada", {"end_user": "ada", "calls": 2, "per": "lifetime"})
    body = OPENAI.body(user="ada")
    headers = {"x-scrimp-cache": "no-store"}
    for _ in range(4):
        OPENAI.ask(stage.url, body, headers=headers, key=thief)
    stage.gateway.settle()
    assert admin.get("/budgets/ada/standing")["items"][0]["used"] == "0"
    for _ in range(2):
        OPENAI.ask(stage.url, body, headers=headers, key=web)
    error = OPENAI.refused(stage.url, body, headers=headers, key=web)
    assert type(error).__name__ == "RateLimitError"
    assert {one.user for one in stage.gateway.entries()} == {"ada"}


def test_a_budget_that_is_put_holds_and_counts_from_zero_when_it_is_reset(stage: Stage) -> None:
    """Refused with the SDK's own RateLimitError, and let in again."""
    admin = AdminClient(stage.url)
    admin.put("/budgets/all", {"calls": 1, "per": "lifetime"})
    headers = {"x-scrimp-cache": "no-store"}
    OPENAI.ask(stage.url, OPENAI.body(), headers=headers)
    assert type(OPENAI.refused(stage.url, headers=headers)).__name__ == "RateLimitError"
    told = admin.get("/budgets/all/standing")["items"][0]
    assert (told["limit"], told["used"], told["remaining"]) == ("1", "1", "0")
    assert admin.ask("POST", "/budgets/all/reset").json["items"][0]["used"] == "0"
    OPENAI.ask(stage.url, OPENAI.body(), headers=headers)
    assert [one["action"] for one in admin.get("/audit")["items"]] == ["reset", "create"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"usd": -1, "per": "day"}, "from $0.000000001 to $9,000,000"),
        ({"usd": 0, "per": "day"}, "from $0.000000001"),
        ({"usd": "NaN", "per": "day"}, "not an amount of dollars"),
        ({"usd": "Infinity", "per": "day"}, "not an amount of dollars"),
        ({"usd": 9_000_001, "per": "day"}, "$9,000,000"),
        ({"usd": "1,50", "per": "day"}, "not an amount"),
        ({"tokens": -5, "per": "day"}, "tokens"),
        ({"tokens": 10**16, "per": "day"}, "tokens"),
        ({"tokens": 1.5, "per": "day"}, "tokens"),
        ({"usd": 1, "per": "fortnight"}, "minute, hour, day"),
        ({"usd": 1}, "per"),
        ({"usd": 1, "per": "day", "zone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"usd": 1, "per": "day", "team": "nobody"}, "scrimp teams create nobody"),
        ({"usd": 1, "per": "day", "team": "a", "user": "b"}, "one scope"),
        ({"usd": 1, "per": "day", "colour": "red"}, "colour"),
        ({"tier": "gold"}, "gold"),
        ({}, "allows everything"),
        ([], "object"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_with_what_may(
    stage: Stage, form: Any, said: str
) -> None:
    """422, the field and the range; nothing is kept."""
    admin = AdminClient(stage.url)
    told = admin.ask("PUT", "/budgets/b", form)
    assert told.status == 422
    assert said in told.message
    assert admin.get("/budgets")["items"] == []
    assert admin.get("/audit")["items"] == []


def test_nan_and_huge_numbers_in_json_are_no_json(stage: Stage) -> None:
    """NaN is not JSON; 1e999 is a number that no budget can have."""
    admin = AdminClient(stage.url)
    for number, status in (("NaN", 400), ("1e999", 422), ("-1e-9", 422), ("1e5000", 422)):
        raw = f'{{"usd": {number}, "per": "day"}}'.encode()
        assert admin.ask("PUT", "/budgets/b", raw=raw).status in (status, 400), number
    assert admin.get("/budgets")["items"] == []


def test_pages_go_through_all_of_it(stage: Stage) -> None:
    """Every name once, in order; the last page says that it is."""
    admin = AdminClient(stage.url)
    names = [f"t{number}" for number in range(7)]
    for name in names:
        admin.make("/teams", {"name": name})
        admin.put(f"/tiers/{name}", {"tokens": 5, "per": "day"})
    for path in ("/teams", "/tiers"):
        seen: list[str] = []
        after = ""
        for _ in range(4):
            page = admin.page(path, limit=3, after=after)
            seen += [one["name"] for one in page["items"]]
            if page["next"] is None:
                break
            after = page["next"]
        assert seen == names
    lines = admin.page("/audit", limit=5)
    more = admin.page("/audit", limit=200, before=lines["next"])
    assert len(lines["items"]) + len(more["items"]) == 14
    for bad in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "colour=red", "before=1"):
        assert admin.ask("GET", f"/teams?{bad}").status == 422


def test_what_stands_in_the_settings_is_shown_and_not_changed() -> None:
    """409 with the place where it is changed; a name of theirs is not given again."""
    more = (
        f'[[keys]]\nname = "listed"\nsha256 = "{"a" * 64}"\nteam = "red"\n'
        '[budgets.fixed]\nteam = "red"\nusd = 1\nper = "day"\n'
        '[tiers.free]\ntokens = 5\nper = "day"\n'
    )
    with staged(more=more) as both:
        admin = AdminClient(both.url)
        assert admin.get("/keys/listed")["source"] == "settings"
        assert admin.get("/budgets/fixed")["source"] == "settings"
        assert admin.get("/tiers/free")["source"] == "settings"
        tries: tuple[tuple[str, str, Any], ...] = (
            ("POST", "/keys", {"name": "listed"}),
            ("PATCH", "/keys/listed", {"team": ""}),
            ("POST", "/keys/listed/rotate", {}),
            ("DELETE", "/keys/listed", None),
            ("PUT", "/budgets/fixed", {"usd": 9, "per": "day"}),
            ("DELETE", "/budgets/fixed", None),
            ("PUT", "/tiers/free", {"tokens": 9, "per": "day"}),
            ("DELETE", "/tiers/free", None),
        )
        for method, path, form in tries:
            told = admin.ask(method, path, form)
            assert told.status == 409, (method, path)
            assert "scrimp.toml" in told.message
        assert admin.put("/scopes/team/red/tier", {"tier": "free"})["tier"] == "free"


def test_a_key_that_is_revoked_while_it_streams_finishes_its_stream() -> None:
    """The answer that runs is paid for; the next call is refused."""
    with staged(per_token_ms=10) as both:
        admin = AdminClient(both.url)
        key = admin.make("/keys", {"name": "ci"})["secret"]
        headers = {"authorization": f"Bearer {key}"}
        data = raw_http.request(OPENAI.path, OPENAI.body(stream=True), headers)
        with raw_http.connect(both.url) as sock:
            sock.sendall(data)
            until(lambda: bool(both.sim.requests))
            admin.ask("DELETE", "/keys/ci")
            answer = raw_http.read(sock)
        assert answer.status == 200
        assert b"[DONE]" in answer.body
        assert "revoked" in str(OPENAI.refused(both.url, key=key))


def test_while_the_store_is_gone_calls_and_administrators_get_503(stage: Stage) -> None:
    """Nobody gets in because a file was deleted; when it is back, all is as before."""
    admin = AdminClient(stage.url)
    key = admin.make("/keys", {"name": "ci"})["secret"]
    path: Path = stage.gateway.loaded.settings.control_path
    path.rename(path.with_suffix(".away"))
    data = raw_http.request(OPENAI.path, OPENAI.body(), {"authorization": f"Bearer {key}"})
    until(lambda: raw_http.ask(stage.url, data).status == 503)
    answer = raw_http.ask(stage.url, data)
    assert "keys cannot be checked" in json.loads(answer.body)["error"]["message"]
    assert admin.ask("GET", "/keys").status == 503
    path.with_suffix(".away").rename(path)
    until(lambda: raw_http.ask(stage.url, data).status == 200)


def test_the_document_describes_every_endpoint(stage: Stage) -> None:
    """OpenAPI 3.1; each path with its names, each form with its fields."""
    document = AdminClient(stage.url).get("/openapi.json")
    assert document["openapi"] == "3.1.0"
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids)) >= 28
    form = document["components"]["schemas"]["KeyForm"]
    assert form["additionalProperties"] is False
    assert form["required"] == ["name"]
    assert "secret" not in document["components"]["schemas"]["KeyView"]["properties"]


def test_how_fast_calls_came_stands_beside_what_they_cost(stage: Stage) -> None:
    """Calls a minute and at once are counted apart, and shown and reset with the rest."""
    admin = AdminClient(stage.url)
    also = [{"calls": 2, "per": "1m"}]
    admin.put("/budgets/web", {"usd": "5", "per": "day", "parallel": 4, "also": also})
    OPENAI.ask(stage.url, OPENAI.body(), headers={"x-scrimp-cache": "no-store"})

    def used() -> list[tuple[str, str, str]]:
        items = admin.get("/budgets/web/standing")["items"]
        return [(one["unit"], one["window"], one["used"]) for one in items]

    assert used()[0][:2] == ("usd", "day")
    assert set(used()[1:]) == {("calls", "at once", "0"), ("calls", "any 1 min", "1")}
    admin.ask("POST", "/budgets/web/reset")
    assert {one[2] for one in used()} == {"0"}
