"""What errors of providers mean for a fallback: where to go, and whose fault it was."""

from __future__ import annotations

import pytest

from scrimp.calls import Outcome
from scrimp.errors import UpstreamError
from scrimp.routing.failing import Blame, Way, blame_of, way_of
from tests.support.core import attempt_of

OPENAI_TOO_LONG = (
    b'{"error":{"message":"This model\'s maximum context length is 128000 tokens.",'
    b'"type":"invalid_request_error","code":"context_length_exceeded"}}'
)
ANTHROPIC_TOO_LONG = (
    b'{"type":"error","error":{"type":"invalid_request_error",'
    b'"message":"prompt is too long: 210000 tokens > 200000 maximum"}}'
)
NO_MONEY = (
    b'{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is'
    b' too low to access the Anthropic API."}}'
)
WITHDRAWN = b'{"error":{"message":"The model `gpt-4-32k` does not exist","code":"model_not_found"}}'
NOT_FOUND = b'{"error":{"message":"No such file"}}'
QUOTA = b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'


@pytest.mark.parametrize(
    ("status", "body", "way"),
    [
        *((status, b"", "elsewhere") for status in (402, 408, 409, 425, 429)),
        *((status, b"", "elsewhere") for status in (500, 501, 502, 503, 504, 520, 529)),
        *((status, b"", "nowhere") for status in (300, 400, 401, 403, 404, 405, 410, 415, 422)),
        (429, QUOTA, "elsewhere"),
        (400, OPENAI_TOO_LONG, "larger"),
        (400, ANTHROPIC_TOO_LONG, "larger"),
        (413, b"", "larger"),
        (400, NO_MONEY, "elsewhere"),
        (404, WITHDRAWN, "elsewhere"),
        (404, NOT_FOUND, "nowhere"),
        (400, b'{"error":{"message":"bad temperature"}}', "nowhere"),
    ],
)
def test_where_an_error_leads(status: int, body: bytes, way: Way) -> None:
    """What another may mend leads on; what the call itself causes does not."""
    assert way_of(UpstreamError("no", status=status, body=body)) == way


def test_settings_may_add_statuses() -> None:
    """401: the key at this provider has run out, that of another has not."""
    assert way_of(UpstreamError("no", status=401), {401}) == "elsewhere"
    assert way_of(UpstreamError("no", status=403), {401}) == "nowhere"


@pytest.mark.parametrize(
    ("outcome", "status", "blame"),
    [
        ("ok", 200, ""),
        ("cancelled", 0, ""),
        ("cancelled", 200, ""),
        ("rejected", 400, ""),
        ("rejected", 401, ""),
        ("rejected", 404, ""),
        ("rejected", 429, "model"),
        ("rejected", 503, "model"),
        ("rejected", 529, "model"),
        ("failed", 500, "model"),
        ("cut", 200, "model"),
        ("failed", 502, "provider"),
        ("failed", 504, "provider"),
        ("rejected", 408, "provider"),
        ("failed", 0, "provider"),
        ("failed", 200, "provider"),
        ("unsent", 0, "provider"),
    ],
)
def test_who_is_to_blame(outcome: Outcome, status: int, blame: Blame) -> None:
    """A refusal of the call is nobody's fault, a silence everybody's there."""
    assert blame_of(attempt_of(outcome=outcome, status=status), own_key=True) == blame


def test_a_limit_of_another_key_is_nobodys_fault() -> None:
    """The client has brought its own."""
    limited = attempt_of(outcome="rejected", status=429)
    assert blame_of(limited, own_key=False) == ""
    assert blame_of(attempt_of(outcome="failed", status=500), own_key=False) == "model"
