"""A text has one vector, whatever stands beside it."""

from __future__ import annotations

from functools import lru_cache

import hypothesis
import hypothesis.strategies as st
import numpy as np

from scrimp.embedders.minilm import MiniLm

TEXTS = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(["how", "do", "I", "close", "my", "account", "2024", "refund?"]),
            max_size=90,
        ).map(" ".join),
    ),
    min_size=1,
    max_size=24,
)


@lru_cache(maxsize=1)
def model() -> MiniLm:
    """Loaded once."""
    made = MiniLm()
    made.load()
    return made


@hypothesis.settings(max_examples=25)
@hypothesis.given(texts=TEXTS, place=st.integers(0, 23))
def test_a_vector_does_not_depend_on_its_company(texts: list[str], place: int) -> None:
    """Alone, in any batch, in any order: the same to the sixth digit, and at length 1."""
    together = [np.frombuffer(one, "<f4") for one in model().encode(texts)]
    backwards = [np.frombuffer(one, "<f4") for one in model().encode(texts[::-1])][::-1]
    at = place % len(texts)
    alone = np.frombuffer(model().encode([texts[at]])[0], "<f4")
    assert np.abs(alone - together[at]).max() < 1e-6
    for one, other in zip(together, backwards, strict=True):
        assert np.abs(one - other).max() < 1e-6
        assert abs(float(np.linalg.norm(one)) - 1) < 1e-5
