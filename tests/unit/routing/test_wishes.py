"""What a call asks of the choice of its model: read exactly, or refused by the word at fault."""

from __future__ import annotations

import pytest

from scrimp.choosing import NO_WISH, Wish
from scrimp.errors import InvalidRequest, UnknownModel
from scrimp.routing.wishes import header_checks, header_wish, is_choice, named_wish


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("scrimp/auto", Wish("auto")),
        ("scrimp/cheap", Wish("cheap")),
        ("scrimp/auto:quality=0.98", Wish("auto", max_loss=0.02)),
        ("scrimp/auto:loss=0.03", Wish("auto", max_loss=0.03)),
        ("scrimp/auto:floor=.8, latency=low", Wish("auto", floor=0.8, low_latency=True)),
        ("scrimp/auto:usd=0.0015", Wish("auto", budget_nanousd=1_500_000)),
        ("scrimp/auto:models=a+b,budget=tight", Wish("auto", models=("a", "b"), constrained=True)),
        ("scrimp/auto:required=ft:gpt-4o:me", Wish("auto", required="ft:gpt-4o:me")),
        ("scrimp/auto:RUNG=Simple", Wish("auto", rung="simple")),
        (
            "scrimp/auto:cascade=off,fallback=a+b",
            Wish("auto", cascade=False, fallback=True, instead=("a", "b")),
        ),
        (
            "scrimp/auto:fallback=off,depth=rules,region=eu,deadline_ms=900",
            Wish("auto", fallback=False, depth="rules", region="eu", deadline_ms=900),
        ),
    ],
)
def test_a_name_says_what_is_wished(name: str, wish: Wish) -> None:
    """Every option, numbers exactly."""
    assert is_choice(name)
    assert named_wish(name) == wish


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("scrimp/auto:quality=1.1", "share of the quality"),
        ("scrimp/auto:quality=nan", "share of the quality"),
        ("scrimp/auto:usd=0", "amount of US dollars"),
        ("scrimp/auto:usd=1e99", "amount of US dollars"),
        ("scrimp/auto:usd=Infinity", "amount of US dollars"),
        ("scrimp/auto:deadline_ms=-1", "whole number of milliseconds"),
        ("scrimp/auto:deadline_ms=99999999999999999", "whole number of milliseconds"),
        ("scrimp/auto:rung=top", "one of simple, medium, complex, expert"),
        ("scrimp/auto:colour=red", "does not know 'colour'"),
        ("scrimp/auto:quality", "does not know 'quality'"),
        ("scrimp/auto:quality=0.9,quality=0.8", "says 'quality' twice"),
        ("scrimp/auto:quality=0.9,floor=0.8", "sets 2 dials, quality (or loss) and floor"),
        ("scrimp/auto:quality=0.98,loss=0.1", "sets 2 dials, quality and loss"),
        ("scrimp/cheap:quality=0.9", "the cheapest that can and for a quality"),
        ("scrimp/cheap:floor=0.9", "the cheapest that can and for a quality"),
        ("scrimp/auto:required=a,models=b+c", "requires 'a', which is not among"),
        ("scrimp/auto:cheap", "says 'cheap', the model's name says 'auto'"),
        ("scrimp/auto:models=+", "list of 1 to 16 models"),
        ("scrimp/auto:" + "models=a," * 400, "at most 1024 are read"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, said: str) -> None:
    """Never guessed; the text names the word and what would do."""
    with pytest.raises(InvalidRequest) as refused:
        named_wish(name)
    assert said in str(refused.value)


def test_an_unknown_name_is_an_unknown_model() -> None:
    """With the names that there are."""
    with pytest.raises(UnknownModel, match="scrimp/auto, scrimp/cheap"):
        named_wish("scrimp/cheapest")
    assert not is_choice("gpt-4o")


def test_a_header_says_the_same_over_a_name() -> None:
    """Both together; what they contradict each other in is refused."""
    assert header_wish("") is NO_WISH
    assert header_wish("off") == Wish("off")
    assert header_wish("auto, quality=0.9") == Wish("auto", max_loss=0.1)
    named = named_wish("scrimp/auto:quality=0.9")
    assert header_wish("latency=low", named) == Wish("auto", max_loss=0.1, low_latency=True)
    with pytest.raises(InvalidRequest, match="sets 2 dials"):
        header_wish("usd=1", named)
    with pytest.raises(InvalidRequest, match="switches routing off and says how"):
        header_wish("off, rung=simple")


def test_checks_keep_their_order_and_arguments() -> None:
    """A name may stand twice."""
    wish = header_checks("min_length=40, requires=price, requires=VAT, json", NO_WISH)
    assert wish.checks == (
        ("min_length", "40"),
        ("requires", "price"),
        ("requires", "VAT"),
        ("json", ""),
    )


def test_a_header_that_says_two_things_is_told_of_both() -> None:
    """The name of the model has said neither."""
    with pytest.raises(InvalidRequest, match="x-scrimp-route says both 'off' and 'auto'"):
        header_wish("off, auto")
    assert header_wish("auto, auto").mode == "auto"


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        (
            'min_length=3, json={"type": "object", "required": ["a", "b"]}, code',
            (
                ("min_length", "3"),
                ("json", '{"type": "object", "required": ["a", "b"]}'),
                ("code", ""),
            ),
        ),
        (
            'json={"pattern": "a{1,2}, ,\\",}"},citations',
            (("json", '{"pattern": "a{1,2}, ,\\",}"}'), ("citations", "")),
        ),
        ("json,min_length=3,,", (("json", ""), ("min_length", "3"))),
    ],
    ids=["object", "quoted", "plain"],
)
def test_a_schema_in_a_header_may_have_commas(
    text: str, checks: tuple[tuple[str, str], ...]
) -> None:
    """What stands in its braces and texts is its own."""
    assert header_checks(text, NO_WISH).checks == checks


def test_a_schema_that_does_not_end_is_refused() -> None:
    """Else nothing would be checked, and nobody told."""
    with pytest.raises(InvalidRequest, match="json needs a JSON schema"):
        header_checks('json={"type": "object", min_length=3', NO_WISH)
