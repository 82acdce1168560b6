"""The table of faults: what each leads to, for tests that try them one by one or in company."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import anthropic
import openai

from scrimp.ports import Entry
from tests.support.sdk import Said, Vendor

Form = Literal["json", "stream"]
ASK = "How do I return the lamp that I bought last week?"
ATTEMPTS = 2
RETRY = f"""
[retry]
attempts = {ATTEMPTS}
base_s = 0.001
max_wait_s = 0.002
"""
PROVIDERS = """
[providers.openai]
base_url = "{url}/v1"
dialects = ["openai.chat", "openai.responses"]
key_env = "OPENAI_KEY"
timeouts = {{ first_byte_s = 0.5, idle_s = 0.5 }}
[providers.anthropic]
base_url = "{url}/v1"
dialects = ["anthropic.messages"]
key_env = "ANTHROPIC_KEY"
timeouts = {{ first_byte_s = 0.5, idle_s = 0.5 }}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault leads to when it strikes every attempt.

    `client` is the status of the SDK's error, `in-stream` for an error in the middle, `answer`
    for a true answer.
    """

    fault: str
    form: Form
    client: str
    status: int
    outcome: str
    attempts: tuple[str, ...]
    basis: str


# fault                | form   | client sees | status | outcome | attempts            | cost basis
TABLE = """
429                    | both   | 429         | 429 | rejected | rejected rejected | free
429:retry-after=60     | both   | 429         | 429 | rejected | rejected          | free
429:retry-after-ms=5   | both   | 429         | 429 | rejected | rejected rejected | free
500                    | both   | 500         | 500 | failed   | failed failed     | estimate
502                    | both   | 502         | 502 | failed   | failed failed     | estimate
503                    | both   | 503         | 503 | rejected | rejected rejected | free
529                    | both   | 529         | 529 | rejected | rejected rejected | free
500:work               | both   | 500         | 500 | failed   | failed failed     | estimate
timeout                | both   | 504         | 504 | failed   | failed failed     | estimate
slow-first-byte=40     | both   | answer      | 200 | ok       | ok                | usage
slow-first-byte=9000   | both   | 504         | 504 | failed   | failed failed     | estimate
stall=0                | json   | 504         | 504 | failed   | cut cut           | estimate
stall=3                | json   | 504         | 504 | failed   | cut cut           | estimate
stall=0                | stream | in-stream   | 200 | cut      | cut               | estimate
stall=3                | stream | in-stream   | 200 | cut      | cut               | estimate
cut=0                  | both   | 502         | 502 | failed   | failed failed     | estimate
cut=1                  | both   | 502         | 502 | failed   | cut cut           | estimate
cut=60                 | both   | 502         | 502 | failed   | cut cut           | estimate
cut=400                | json   | 502         | 502 | failed   | cut cut           | estimate
cut=2500               | stream | in-stream   | 200 | cut      | cut               | estimate
reset=0                | both   | 502         | 502 | failed   | failed failed     | estimate
reset=60               | both   | 502         | 502 | failed   | cut cut           | estimate
reset=400              | json   | 502         | 502 | failed   | cut cut           | estimate
reset=2500             | stream | in-stream   | 200 | cut      | cut               | estimate
cut-before-headers     | both   | 502         | 502 | failed   | failed failed     | estimate
hangup                 | both   | 502         | 502 | failed   | failed failed     | estimate
no-usage               | both   | answer      | 200 | ok       | ok                | estimate
usage-in-choices       | both   | answer      | 200 | ok       | ok                | usage
error-event            | json   | 500         | 500 | failed   | failed failed     | estimate
error-event            | stream | in-stream   | 200 | cut      | cut               | estimate
error-event=0          | stream | in-stream   | 200 | cut      | cut               | estimate
"""


def _rows() -> Iterator[Row]:
    for line in TABLE.strip().splitlines():
        fault, forms, client, status, outcome, attempts, basis = (
            cell.strip() for cell in line.split("|")
        )
        for form in ("json", "stream") if forms == "both" else (forms,):
            yield Row(
                fault,
                "stream" if form == "stream" else "json",
                client,
                int(status),
                outcome,
                tuple(attempts.split()),
                basis,
            )


ROWS = tuple(_rows())


def is_right_class(vendor: Vendor, said: Said, client: str) -> bool:
    """The SDK's own class for the status, as it raises it against the vendor itself."""
    if client == "in-stream":
        return type(said.error) is (
            anthropic.APIStatusError if vendor == "anthropic" else openai.APIError
        )
    sdk = anthropic if vendor == "anthropic" else openai
    kind = sdk.RateLimitError if client == "429" else sdk.InternalServerError
    return isinstance(said.error, kind) and said.status == int(client)


def check_money(owed_nanousd: int, entries: Sequence[Entry]) -> None:
    """The bill is inside the bounds; where usage was told, all four numbers are one."""
    low = cost = high = 0
    for entry in entries:
        assert entry.cost_low_nanousd is not None
        assert entry.cost_nanousd is not None
        assert entry.cost_high_nanousd is not None
        low += entry.cost_low_nanousd
        cost += entry.cost_nanousd
        high += entry.cost_high_nanousd
        if entry.baseline_nanousd is not None:
            saved = sum(nanousd for _, nanousd in entry.saved)
            assert entry.baseline_nanousd - entry.cost_nanousd == saved
    assert low <= owed_nanousd <= high, (low, owed_nanousd, high)
    assert low <= cost <= high
    if all(entry.cost_basis in ("usage", "free") for entry in entries):
        assert low == cost == high == owed_nanousd
