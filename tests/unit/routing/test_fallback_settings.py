"""The tables [fallback] and [fallback.circuit] as people write them, and what they are told."""

from __future__ import annotations

import pytest

from scrimp.errors import ConfigError
from scrimp.falling_back import rules_of
from scrimp.routing.circuit import Rules
from scrimp.settings import Settings, parse

WHOLE = b"""
[fallback]
default = ["gpt-4o-mini"]
also_on = [401, 403]
larger_window = false
dearer = "never"
max_times_dearer = 2.5
deadline_ms = 30000
least_ms = 3000
retry_wait_s = 0.5

[fallback.models]
"gpt-4o" = ["azure/gpt-4o", "claude-sonnet-4-5"]

[fallback.circuit]
failure_rate = 0.3
least_calls = 20
probes = 5
"""


def test_the_tables_are_read() -> None:
    """Every field in its place."""
    section = parse(WHOLE, source="the test").fallback
    assert section.models == {"gpt-4o": ("azure/gpt-4o", "claude-sonnet-4-5")}
    assert (section.default, section.also_on) == (("gpt-4o-mini",), (401, 403))
    assert (section.circuit.failure_rate, section.circuit.probes) == (0.3, 5)


def test_defaults_of_settings_and_machine_are_the_same() -> None:
    """Said twice, meant once."""
    assert rules_of(Settings().fallback.circuit) == Rules()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[fallback.models]\na = ["b", "b"]', "fallback.models.\"a\" names 'b' twice"),
        ('[fallback.models]\na = ["a"]', "fallback.models.\"a\" names 'a' itself"),
        ('[fallback]\ndefault = [" "]', "fallback.default holds an empty name"),
        ("[fallback]\ndeadline_ms = 1000", "deadline_ms is 1000 and least_ms 2000"),
        ("[fallback.circuit]\nopen_s = 600", "open_s is 600 and longest_open_s 300"),
        ("[fallback.circuit]\nfailure_rat = 1", "did you mean 'failure_rate'?"),
        ('[fallback]\ndearer = "always"', "fallback.dearer"),
        ("[fallback]\nalso_on = [500]", "fallback.also_on"),
        ("[fallback]\nmodels = []", "fallback.models"),
    ],
)
def test_what_cannot_be_used_is_said(toml: str, said: str) -> None:
    """With the field, both numbers, the way out."""
    with pytest.raises(ConfigError) as caught:
        parse(toml.encode(), source="scrimp.toml")
    assert said in str(caught.value)
