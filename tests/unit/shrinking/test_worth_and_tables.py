"""What a cut is worth with the prefix cache counted, and what [trim] and [compact] may say."""

from __future__ import annotations

import pytest

from scrimp.errors import ConfigError
from scrimp.settings import read
from scrimp.shrinking.worth import TokenPrices, worth_picousd


def test_a_cut_saves_what_went_and_costs_what_is_read_anew() -> None:
    """1,000 tokens less for four calls at 10, against 2,000 that are written at 125 for once."""
    cached = TokenPrices(100, read=10, write=125)
    assert worth_picousd(1000, 2000, 4, cached) == 1000 * 4 * 10 - 2000 * 115
    assert worth_picousd(1000, 2000, 4, TokenPrices(100)) == 1000 * 4 * 100
    assert worth_picousd(0, 10, 1, TokenPrices(100, read=50)) == -10 * 50


def test_both_are_off_by_default() -> None:
    """Neither changes a call that nobody asked it to change."""
    settings = read({}, source="test")
    assert not settings.trim.enabled
    assert not settings.compact.enabled
    assert not settings.compact.phrases
    assert settings.compact.examples == 0


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"trim": {"window": 3000}},
            "trim.window is 3,000 tokens and trim.reserve_output is 4,000",
        ),
        ({"trim": {"window": "large"}}, "trim.window"),
        ({"trim": {"first": "newest"}}, "one of turns, tool_results"),
        ({"trim": {"last": -1}}, "trim.last"),
        ({"compact": {"json": "zip"}}, "one of off, minify, columns"),
        ({"compact": {"phrase": True}}, "did you mean 'phrases'?"),
    ],
)
def test_what_makes_no_sense_is_refused(tables: dict[str, object], said: str) -> None:
    """With the field, and both numbers where there are two."""
    with pytest.raises(ConfigError) as refused:
        read(tables, source="test")
    assert said in str(refused.value)
