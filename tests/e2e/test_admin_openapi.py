"""The admin API keeps what its OpenAPI document says, whatever it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.admin import AdminClient
from tests.support.stage import staged

_CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """A gateway with something of each kind."""
    with staged() as both:
        admin = AdminClient(both.url)
        admin.make("/orgs", {"name": "acme"})
        admin.make("/teams", {"name": "red", "org": "acme"})
        admin.make("/users", {"name": "ann@example.com", "team": "red"})
        admin.make("/keys", {"name": "ci", "team": "red"})
        admin.put("/tiers/free", {"tokens": 5, "per": "day"})
        admin.put("/budgets/red", {"team": "red", "usd": 5, "per": "day", "tier": "free"})
        yield both.url


def test_random_requests_find_no_hole(served: str) -> None:
    """Every endpoint, good and bad data, a fixed seed: no 500, no answer that is not described."""
    document = AdminClient(served).get("/openapi.json")
    schema = schemathesis.openapi.from_dict(document)
    seen = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)

            @hypothesis.seed(7)
            @hypothesis.settings(
                max_examples=5,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(case=strategy)
            def ask(case: Case[Any]) -> None:
                nonlocal seen
                seen += 1
                case.call_and_validate(base_url=served, checks=list(_CHECKS))

            ask()
    assert seen > 200
