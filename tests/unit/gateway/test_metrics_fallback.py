"""What `/metrics` shows of fallbacks and circuits."""

from __future__ import annotations

from contextlib import suppress

from scrimp.errors import UpstreamError
from scrimp.gateway.metrics_fallback import fallback_counts
from scrimp.gateway.metrics_text import exposition
from tests.support.core import call_of
from tests.support.upstreams import asking, down, stage


async def test_fallbacks_and_open_circuits_are_counted() -> None:
    """By outcome and by provider; no model is a label, for clients invent names."""
    one = stage()
    one.below.says |= {"openai": down(502), "azure": down(529)}
    for number in range(5):
        await one.answer(asking(call_of(), number))
    one.below.says["anthropic"] = down(500)
    with suppress(UpstreamError):
        await one.answer(call_of())
    found = fallback_counts({"fallback": one.lever})
    assert found == {
        'scrimp_fallbacks_total{outcome="answered"}': 5,
        'scrimp_fallbacks_total{outcome="failed"}': 1,
        "scrimp_circuit_skips_total": 4,
        'scrimp_circuits_open{provider="openai"}': 1,
        'scrimp_circuits_open{provider="azure"}': 1,
    }
    assert b"scrimp_circuits_open" in exposition(found)


def test_switched_off_there_is_nothing_to_show() -> None:
    """No series at all."""
    assert fallback_counts({}) == {}
