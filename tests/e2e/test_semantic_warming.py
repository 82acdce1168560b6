"""What is warmed is found in other words, too."""

from __future__ import annotations

import json

import pytest

from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import RunningGateway, gateway
from tests.support.raw_http import Answer
from tests.support.spoken import OPENAI
from tests.support.stage import until

SETTINGS = "[semantic_cache]\nenabled = true\nthreshold = 0.8\nlimit_s = 10\n"
ROOT, AGAIN = "How do I reset my password?", "How can I reset my password?"


def ask(one: RunningGateway, text: str) -> Answer:
    """One call."""
    body = OPENAI.body(messages=OPENAI.question(text))
    answer = raw_http.ask(one.url, raw_http.request(OPENAI.path, body, OPENAI.headers))
    assert answer.status == 200, answer.body
    return answer


def warm(one: RunningGateway, text: str, **more: object) -> str:
    """Of one question; what became of it."""
    body = json.loads(OPENAI.body(messages=OPENAI.question(text)))
    form = json.dumps({"body": body, **more}).encode()
    headers = {"content-type": "application/json"}
    answer = raw_http.ask(one.url, raw_http.request("/v1/scrimp/cache/warm", form, headers))
    assert answer.status == 200, answer.body
    outcome: str = json.loads(answer.body)["outcome"]
    return outcome


@pytest.mark.parametrize("given", ["Follow the link in the mail.", None])
def test_what_was_warmed_is_served_in_other_words(given: str | None) -> None:
    """An answer that was given, or asked for: at no cost, and no look-up was counted for it."""
    with Simulator() as sim, gateway(sim.url, more=SETTINGS) as one:
        more = {} if given is None else {"answer": given}
        assert warm(one, ROOT, **more) == ("asked" if given is None else "given")
        before = len(sim.requests)
        again = ask(one, AGAIN)
        assert again.headers["x-scrimp-served-by"] == "semantic_cache"
        assert given is None or given in again.body.decode()
        assert len(sim.requests) == before
        until(lambda: len(one.entries()) > 0)
        path = raw_http.request("/v1/scrimp/cache", b"", {}, method="GET")
        (scope,) = json.loads(raw_http.ask(one.url, path).body)["semantic"]["scopes"]
        assert (scope["hits"], scope["misses"]) == (1, 0)


def test_what_is_never_answered_by_meaning_is_warmed_word_for_word_alone() -> None:
    """A question about now."""
    with Simulator() as sim, gateway(sim.url, more=SETTINGS) as one:
        assert warm(one, "What is the weather today?", answer="Fine.") == "given"
        exact = ask(one, "What is the weather today?")
        assert exact.headers["x-scrimp-served-by"] == "exact_cache"
        assert ask(one, "The weather today, what is it?").headers["x-scrimp-served-by"] == (
            "upstream"
        )
