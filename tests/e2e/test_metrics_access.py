"""Who may read `/metrics`: what everybody spends is nobody else's business."""

from __future__ import annotations

import hashlib

import pytest

from tests.support import raw_http
from tests.support.gateway import gateway
from tests.support.stage import Stage, staged

KEY, SCRAPER = "sk-scrimp-of-somebody", "sk-scrimp-of-the-scraper"
NOWHERE = "http://127.0.0.1:9"


def digest(secret: str) -> str:
    """How a secret stands in the settings."""
    return hashlib.sha256(secret.encode()).hexdigest()


KEYS = f'[[keys]]\nname = "a"\nsha256 = "{digest(KEY)}"\n'
METRICS = f'[metrics]\nsha256 = "{digest(SCRAPER)}"\n'


def scrape(url: str, headers: dict[str, str] | None = None) -> raw_http.Answer:
    """One look."""
    data = raw_http.request("/metrics", b"", headers or {}, method="GET")
    return raw_http.ask(url, data, method="GET")


@pytest.mark.parametrize(
    ("more", "open_to"),
    [
        ("", ["", KEY, SCRAPER]),
        (METRICS, [SCRAPER]),
        (KEYS, []),
        (METRICS + KEYS, [SCRAPER]),
        ('[auth]\nmode = "passthrough"\n', []),
        ('[auth]\nmode = "passthrough"\n' + METRICS, [SCRAPER]),
    ],
    ids=["no keys", "own key", "keys", "keys and own", "passthrough", "passthrough and own"],
)
def test_counts_are_told_to_whom_they_are_meant_for(more: str, open_to: list[str]) -> None:
    """Where callers need keys, only the key of its own reads; a caller's key never does."""
    with gateway(NOWHERE, more=more) as running:
        for secret in ("", KEY, SCRAPER, "sk-unknown"):
            headers = {"authorization": f"Bearer {secret}"} if secret else {}
            answer = scrape(running.url, headers)
            allowed = secret in open_to or (not more)
            assert answer.status == (200 if allowed else 401), secret
            assert (b"scrimp_connections" in answer.body) == allowed
            if not allowed:
                assert b"metrics.sha256" in answer.body


def test_a_scrape_is_plain_text_and_follows_the_rules_of_all_views() -> None:
    """The content type of the format; a foreign Host is refused; nothing else than GET."""
    with staged() as stage:
        answer = scrape(stage.url)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert b"\nscrimp_workers 1\n" in answer.body
        assert scrape(stage.url, {"host": "evil.example"}).status == 403
        posted = raw_http.request("/metrics", b"{}", {"content-type": "application/json"})
        assert raw_http.ask(stage.url, posted).status == 404
        assert _calls(stage) == 0


def _calls(stage: Stage) -> int:
    return len(stage.gateway.entries())
