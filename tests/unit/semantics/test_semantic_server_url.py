"""Where the URL of the semantic cache's server comes from."""

from __future__ import annotations

import msgspec
import pytest

from scrimp.semantics.tables import SemanticCacheSection, url_env_of


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"engine": "postgres"}, "SCRIMP_POSTGRES_URL"),
        ({"engine": "redis"}, "SCRIMP_REDIS_URL"),
        ({"engine": "redis", "url_env": "OURS"}, "OURS"),
        ({"engine": "postgres", "url_env": "OURS"}, "OURS"),
    ],
)
def test_each_server_has_a_variable_of_its_own(given: dict[str, str], variable: str) -> None:
    """Unless one is named."""
    assert url_env_of(msgspec.convert(given, SemanticCacheSection)) == variable
