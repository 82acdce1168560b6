"""The key of a remembered answer: equal only for calls that may share one."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import Call, Caller
from scrimp.dialects import DIALECTS
from scrimp.fingerprint import fingerprint
from tests.support.core import call_of, chat_fields

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["seed", "top_p", "x", "new_field", "logit_bias", "Ünïcode"])
FIELDS = st.dictionaries(NAMES, VALUES, max_size=4)


def key(call: Call) -> bytes:
    """The fingerprint in the call's own dialect."""
    return fingerprint(call, DIALECTS[call.target.dialect])


def shuffled(value: Any, dice: random.Random) -> Any:
    """The same JSON with its keys in another order."""
    if isinstance(value, dict):
        names = list(value)
        dice.shuffle(names)
        return {name: shuffled(value[name], dice) for name in names}
    return [shuffled(one, dice) for one in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Equality as JSON sees it: 1, 1.0 and true are three different things."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@given(FIELDS, st.randoms(use_true_random=False), st.booleans())
def test_order_and_delivery_do_not_count(
    fields: dict[str, Any],
    dice: random.Random,
    stream: bool,  # noqa: FBT001 (drawn)
) -> None:
    """The same fields in any order, streamed or not, share an answer."""
    whole = chat_fields(**fields)
    other = shuffled({**whole, "stream": stream}, dice)
    assert key(call_of(whole)) == key(call_of(other))


@given(FIELDS, FIELDS)
def test_every_field_counts(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Known or not, nested or not: equal keys if and only if equal bodies."""
    equal = key(call_of(chat_fields(**one))) == key(call_of(chat_fields(**other)))
    assert equal == same(one, other)


@given(st.text(), st.text())
def test_two_tenants_never_share(one: str, other: str) -> None:
    """Whatever they are called."""
    ours = call_of(caller=Caller(one))
    theirs = call_of(caller=Caller(other))
    assert (key(ours) == key(theirs)) == (one == other)


@given(st.lists(st.text(max_size=3), min_size=5, max_size=5), st.data())
def test_parts_do_not_run_into_each_other(parts: list[str], data: st.DataObject) -> None:
    """Moving a character from the end of one part to the start of the next changes the key."""

    def made(tenant: str, provider: str, model: str, path: str, beta: str) -> bytes:
        call = call_of(caller=Caller(tenant), path=path, headers=(("openai-beta", beta),))
        return key(replace(call, target=replace(call.target, provider=provider, model=model)))

    other = list(parts)
    at = data.draw(st.integers(0, 3))
    other[at], other[at + 1] = other[at][:-1], other[at][-1:] + other[at + 1]
    assert (made(*parts) == made(*other)) == (parts == other)


def test_headers_that_change_answers_count_and_others_do_not() -> None:
    """Organisation, project and beta; not a trace id."""
    plain = call_of()
    for name in ("openai-organization", "openai-project", "openai-beta"):
        assert key(replace(plain, headers=((name, "x"),))) != key(plain)
    assert key(replace(plain, headers=(("x-trace", "x"),))) == key(plain)


def test_the_query_counts() -> None:
    """An api-version or a beta switch in the path can change an answer."""
    plain = call_of()
    assert key(replace(plain, path=plain.path + "?api-version=2")) != key(plain)


def test_user_and_tags_do_not_count() -> None:
    """They say who asks, not what; sharing inside a tenant is what the cache is for."""
    plain = call_of()
    who = Caller("local", user="ada", tags=("a",), session="s")
    assert key(replace(plain, caller=who)) == key(plain)
