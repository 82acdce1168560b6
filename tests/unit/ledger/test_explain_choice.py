"""How a model was chosen, as `scrimp explain` tells it."""

from __future__ import annotations

from scrimp.calls import TraceLine
from scrimp.ledger.explain_choice import choice_words, is_choice


def line(verdict: str, **numbers: float | str) -> TraceLine:
    """The route lever's own."""
    return TraceLine("route", verdict, tuple(numbers.items()))


def test_a_proven_choice_tells_candidates_dial_and_certificate() -> None:
    """Costs in dollars, chances as they were estimated, names with signs of their own."""
    told = line(
        "certified",
        to_provider="p",
        to_model="small",
        model="small",
        **{"p_small": 0.81, "p_ft:a=b": 0.9},
        novelty=0.12,
        score=0.034,
        max_loss=0.02,
        rung=3,
        live=4,
        propensity=0.05,
        candidates="ft:a=b=295000,small=17700,odd=unknown",
        removed="blind:modality,x:y:context",
    )
    assert is_choice(told)
    assert list(choice_words(told)) == [
        "- route: small, certified",
        (
            "    candidates: ft:a=b expected $0.000295, good with 0.9, "
            "small expected $0.0000177, good with 0.81, odd price unknown"
        ),
        "    left out: blind (modality), x:y (context)",
        "    dial: max_loss 0.02, score 0.034, novelty 0.12",
        (
            "    certificate: proven up to rung 4, this call is of rung 3, "
            "compared with probability 0.05"
        ),
    ]


def test_a_choice_by_rules_tells_its_rung_and_reasons() -> None:
    """And nothing of proofs."""
    told = line("rung_simple", model="small", rung="simple", reasons="word:what is", candidates="")
    lines = list(choice_words(told))
    assert lines[0] == "- route: small, rung simple (word:what is)"
    assert not any("certificate" in one for one in lines)


def test_other_lines_are_none() -> None:
    """What the route did later is told as ever."""
    assert not is_choice(line("went_back", status=500))
    assert not is_choice(TraceLine("cascade", "accepted", (("candidates", "x=1"),)))
