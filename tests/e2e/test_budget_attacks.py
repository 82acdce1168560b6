"""Ways to spend past a hard budget, tried against a running gateway: the provider's bill tells."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from scrimp.calls import Cost
from scrimp.pipeline.settle import Settler
from tests.support import raw_http
from tests.support.spoken import ALL, ANTHROPIC, OPENAI, RESPONSES, SPOKEN, Spoken
from tests.support.stage import Stage, staged, until

_HARD = '[exact_cache]\nenabled = false\n[budgets.ci]\nusd = "0.02"\nper = "day"\n'
_FAULTS = (
    *("500:work", "500", "503", "529", "429", "cut=200", "reset=200", "early-end=2"),
    *("no-usage", "error-event=2", "bad-json=2", "bad-event=2", "html-200", "cut-before-headers"),
)


def _nano(stage: Stage) -> tuple[int, int]:
    """What the budget has used and holds, in nano-dollars."""
    shown = httpx2.get(f"{stage.url}/v1/scrimp/budget").json()["budgets"][0]
    used, held = (round(float(shown[name]) * 10**9) for name in ("used", "held"))
    return used, held


def _drained(stage: Stage) -> None:
    stage.gateway.settle()
    until(lambda: _nano(stage)[1] == 0)


def _refusal(stage: Stage, spoken: Spoken, **fields: Any) -> str:
    return str(spoken.refused(stage.url, spoken.body(**fields)))


@ALL
def test_who_leaves_again_and_again_gets_no_more_than_the_budget(spoken: Spoken) -> None:
    """Streams and whole answers, left at any moment: all that is billed was charged before."""
    with staged(more=_HARD, per_token_ms=2) as stage:

        def leave(number: int) -> None:
            fields: dict[str, Any] = {"stream": number % 3 > 0}
            fields["max_output_tokens" if spoken.name == "responses" else "max_tokens"] = 60
            body = spoken.body(**fields, **spoken.talk(f"Tell me about the number {number}."))
            with raw_http.connect(stage.url) as sock:
                sock.sendall(raw_http.request(spoken.path, body, spoken.headers))
                sock.settimeout(0.01 * (number % 9 + 1))
                try:
                    while sock.recv(200):
                        if number % 4 == 0:
                            break
                except TimeoutError:
                    pass

        with ThreadPoolExecutor(24) as pool:
            list(pool.map(leave, range(250)))
        billed = stage.sim.quiet().total_nanousd
        _drained(stage)
        used, _ = _nano(stage)
        assert 0 < billed <= used <= 20_000_000


@ALL
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_no_fault_of_the_provider_spends_more_than_was_charged(
    spoken: Spoken,
    stream: bool,  # noqa: FBT001 (parametrized)
) -> None:
    """Whatever breaks, however often it is tried again: the bill is within what was charged."""
    more = (
        _HARD.replace("0.02", "5") + "[retry]\nattempts = 3\nbase_s = 0.001\nmax_wait_s = 0.002\n"
    )
    with staged(more=more) as stage:
        for fault in _FAULTS:
            stage.sim.no_faults()
            stage.sim.fault(fault, every=2)
            body = spoken.body(stream=stream, **spoken.talk(f"What is {fault}?"))
            data = raw_http.request(spoken.path, body, spoken.headers)
            raw_http.ask(stage.url, data)
        billed = stage.sim.quiet().total_nanousd
        _drained(stage)
        assert 0 < billed <= _nano(stage)[0]


def test_of_two_limits_of_output_the_larger_counts() -> None:
    """A provider may read the other one."""
    with staged(more=_HARD.replace("0.02", "0.0001")) as stage:
        said = _refusal(stage, OPENAI, max_completion_tokens=1, max_tokens=4000)
        assert "has $0.0001 left" in said
        assert not stage.sim.requests


def test_a_part_of_the_calls_is_not_left_by_a_path_that_hides_its_model() -> None:
    """A budget for one model meets what is not read at all: the model may be that one."""
    more = '[budgets.dear]\nmodel = "gpt-4o"\nusd = 1\nper = "day"\n'
    with staged(more=more) as stage, httpx2.Client(base_url=stage.url) as client:
        batch = client.post("/v1/batches", json={"input_file_id": "f"})
        padded = {"model": "gpt-4o", "input": "x" * (1 << 20)}
        large = client.post("/v1/responses/compact", json=padded)
        other = client.post("/v1/responses/compact", json={"model": "gpt-4o-mini", "input": "x"})
        assert (batch.status_code, large.status_code) == (400, 400)
        assert "budget 'dear' is hard" in large.text
        assert "budget" not in other.text
        assert client.get("/v1/files").status_code == 200
        OPENAI.answered(stage.url)


def test_a_hard_budget_of_tokens_lets_nothing_pass_that_nobody_counts() -> None:
    """What is not read uses tokens, too; a path with a stated price is believed."""
    more = (
        '[budgets.words]\ntokens = 1_000_000\nhard = true\nper = "day"\n'
        '[budget]\npaths = { "/v1/images/generations" = "0.01" }\n'
    )
    with staged(more=more) as stage, httpx2.Client(base_url=stage.url) as client:
        legacy = client.post("/v1/completions", json={"model": "gpt-4o", "prompt": "x"})
        assert legacy.status_code == 400
        assert "budget 'words' is hard" in legacy.text
        assert "budget" not in client.post("/v1/images/generations", json={}).text


_SEARCH = {"type": "web_search"}
_SEARCH_CLAUDE = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("spoken", "fields", "says"),
    [
        (OPENAI, {"models": ["o1-pro"]}, "'models' lets the provider answer with other models"),
        (OPENAI, {"plugins": [{"id": "web"}]}, "'plugins'"),
        (OPENAI, {"search_parameters": {"mode": "on"}}, "'search_parameters'"),
        (ANTHROPIC, {"fallbacks": "default"}, "'fallbacks'"),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}, "'prompt' names a prompt"),
        (RESPONSES, {"tools": [_SEARCH]}, "set 'max_tool_calls'"),
        (
            RESPONSES,
            {
                "tools": [{"type": "image_generation", "model": "gpt-image-1"}],
                "max_tool_calls": 1,
            },
            r"what image_generation costs .*\[prices.\"gpt-4o-mini\".tools\]",
        ),
        (RESPONSES, {"tools": [{"type": "teleport"}]}, "a tool of type 'teleport'"),
        (
            RESPONSES,
            {
                "input": [
                    {"role": "user", "content": "Hi"},
                    {"type": "additional_tools", "role": "developer", "tools": [_SEARCH]},
                ]
            },
            "web_search may run without an end",
        ),
        (
            ANTHROPIC,
            {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5"}]},
            "what advisor costs",
        ),
        (
            ANTHROPIC,
            {
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {
                        "role": "user",
                        "content": [{"type": "tool_addition", "tool": _SEARCH_CLAUDE}],
                    },
                ]
            },
            "'tool_addition'",
        ),
    ],
)
def test_what_has_no_known_end_is_refused_under_a_hard_budget(
    spoken: Spoken, fields: dict[str, Any], says: str
) -> None:
    """Other models, tools without an end or a price, what the provider keeps: with the way out."""
    with staged(more=_HARD.replace("0.02", "500")) as stage:
        error = spoken.refused(stage.url, spoken.body(**fields))
        assert error.status_code == 400
        assert re.search(says, json.loads(error.response.text)["error"]["message"])
        assert not stage.sim.requests


def test_one_budget_for_all_dialects_at_once_is_never_passed() -> None:
    """Models, forms and several choices together, until nothing is left."""
    with staged(more=_HARD, per_token_ms=0.2) as stage:
        refused = threading.Event()

        def one(number: int) -> None:
            spoken = SPOKEN[number % 3]
            fields: dict[str, Any] = {"stream": number % 2 == 0}
            fields["max_output_tokens" if spoken.name == "responses" else "max_tokens"] = 80
            if spoken is OPENAI:
                fields |= {"n": number % 4 + 1, "model": ("gpt-4o", "gpt-4o-mini")[number % 2]}
            body = spoken.body(**fields, **spoken.talk(f"Number {number}: " + "word " * number))
            answer = raw_http.ask(stage.url, raw_http.request(spoken.path, body, spoken.headers))
            if answer.status == 429:
                refused.set()

        with ThreadPoolExecutor(24) as pool:
            list(pool.map(one, range(240)))
        billed = stage.sim.quiet().total_nanousd
        _drained(stage)
        used, _ = _nano(stage)
        assert refused.is_set()
        assert 0 < billed <= used <= 20_000_000
        assert stage.gateway.app.levers["budget"].counts.breaches == 0  # type: ignore[attr-defined]  # the lever's own


def test_an_estimate_that_breaks_charges_all_that_was_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing stays held for half an hour because counting failed."""

    async def broken(*_: object) -> Cost:
        raise OverflowError("no number is large enough")

    monkeypatch.setattr(Settler, "_estimate", broken)
    with staged(more=_HARD, per_token_ms=5) as stage:
        with raw_http.connect(stage.url) as sock:
            body = OPENAI.body(stream=True, max_tokens=60)
            sock.sendall(raw_http.request(OPENAI.path, body, OPENAI.headers))
            until(lambda: bool(stage.sim.requests))
        billed = stage.sim.quiet().total_nanousd
        _drained(stage)
        assert 0 < billed < _nano(stage)[0]
