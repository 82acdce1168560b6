"""Any texts, any chances, any costs: rows pack, and a choice never breaks its dial."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scrimp.routing.decide import Candidate, Dial, choose
from scrimp.routing.predictor import Chances
from scrimp.routing.text_features import Reader, pack, unpack

CHANCE = st.floats(0, 1)
COST = st.one_of(st.none(), st.integers(0, 10**9))
MODELS = st.lists(st.tuples(CHANCE, COST), min_size=1, max_size=6)


@given(st.text(max_size=400))
def test_any_text_is_a_row_that_packs(text: str) -> None:
    """Numbers all, and packing once more changes nothing."""
    row = Reader().read(text)
    assert np.isfinite(row).all()
    packed = pack(row)
    assert pack(unpack(packed)) == packed


@given(MODELS, CHANCE)
def test_no_cheaper_model_would_have_kept_the_floor(
    models: list[tuple[float, int | None]], floor: float
) -> None:
    """The choice keeps it, if any priced one can, at the least cost."""
    good = {f"m{at}": chance for at, (chance, _) in enumerate(models)}
    candidates = [Candidate(f"m{at}", cost) for at, (_, cost) in enumerate(models)]
    chosen = choose(candidates, Chances(good, {}, 0.0), Dial(floor=floor)).model
    priced = [one for one in candidates if one.cost_nanousd is not None] or candidates
    enough = [one for one in priced if good[one.name] >= floor]
    cost = {one.name: one.cost_nanousd or 0 for one in candidates}
    if enough:
        assert good[chosen] >= floor
        assert cost[chosen] == min(cost[one.name] for one in enough)
    else:
        assert good[chosen] == max(good[one.name] for one in priced)


@given(MODELS, CHANCE)
def test_a_loss_is_never_above_what_is_allowed(
    models: list[tuple[float, int | None]], most: float
) -> None:
    """Below the best of those with a price."""
    good = {f"m{at}": chance for at, (chance, _) in enumerate(models)}
    candidates = [Candidate(f"m{at}", cost) for at, (_, cost) in enumerate(models)]
    chosen = choose(candidates, Chances(good, {}, 0.0), Dial(max_loss=most)).model
    priced = [one for one in candidates if one.cost_nanousd is not None] or candidates
    assert good[chosen] >= max(good[one.name] for one in priced) - most - 1e-9
