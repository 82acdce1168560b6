"""The scope of answers by meaning: all but the question counts, and no two tenants meet."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Task
from scrimp.dialects import DIALECTS
from scrimp.semantics.question import Question, Unasked, question_of
from scrimp.semantics.scope import ScopeRules, scope_key, script
from tests.properties.test_core_fingerprint import FIELDS, same
from tests.support.core import call_of, chat_fields

RULES = ScopeRules(secret=b"s" * 32, embedder="test/1")
WORDS = st.text("abcdefghij ", min_size=1, max_size=40).filter(lambda text: text.strip() != "")
TEXTS = st.text(max_size=6)


def key(call: Call, rules: ScopeRules = RULES) -> bytes:
    """The scope of a call that asks something."""
    dialect = DIALECTS[call.target.dialect]
    found = question_of(call.request, dialect)
    assert isinstance(found, Question), found
    return scope_key(call, found, dialect, rules)


def asked(text: str, dialect: str, system: str = "", **more: Any) -> Call:
    """The same question in any dialect."""
    fields: dict[str, Any]
    if dialect == "openai.responses":
        fields = {"model": "m", "input": text, "instructions": system}
    elif dialect == "anthropic.messages":
        turns = [{"role": "user", "content": text}]
        fields = {"model": "m", "max_tokens": 9, "system": system, "messages": turns}
    else:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        fields = {"model": "m", "messages": turns}
    return call_of({**fields, **more}, dialect=dialect)


DIALECT = st.sampled_from(["openai.chat", "openai.responses", "anthropic.messages"])


@given(WORDS, WORDS, DIALECT)
def test_the_question_does_not_count(one: str, other: str, dialect: str) -> None:
    """Whatever two calls ask, they look among the same answers."""
    assert key(asked(one, dialect)) == key(asked(other, dialect))


@given(FIELDS, FIELDS, WORDS, WORDS)
def test_every_other_field_counts(
    one: dict[str, Any], other: dict[str, Any], text: str, too: str
) -> None:
    """Known or not, nested or not: equal scopes if and only if all else is equal."""
    ours, theirs = chat_fields(text, **one), chat_fields(too, **other)
    assert (key(call_of(ours)) == key(call_of(theirs))) == same(one, other)


@given(TEXTS, TEXTS, DIALECT)
def test_system_prompts_count(one: str, other: str, dialect: str) -> None:
    """An answer under another system prompt is another answer."""
    ours, theirs = asked("Why?", dialect, one), asked("Why?", dialect, other)
    assert (key(ours) == key(theirs)) == (one == other)


@given(TEXTS, TEXTS)
def test_two_tenants_never_share(one: str, other: str) -> None:
    """The same text of two tenants has two scopes, whatever they are called."""
    ours, theirs = call_of(caller=Caller(one)), call_of(caller=Caller(other))
    assert (key(ours) == key(theirs)) == (one == other)


@given(TEXTS, TEXTS)
def test_only_declared_tenants_share(one: str, pool: str) -> None:
    """A pool joins those that it names; a tenant that is called like it stays outside."""
    rules = ScopeRules(secret=RULES.secret, embedder="test/1", pools={"a": pool, "b": pool})
    ours, theirs = call_of(caller=Caller("a")), call_of(caller=Caller("b"))
    assert key(ours, rules) == key(theirs, rules)
    outside = call_of(caller=Caller(one))
    assert (key(outside, rules) == key(ours, rules)) == (one in ("a", "b"))


@given(st.lists(st.text(max_size=3), min_size=6, max_size=6), st.data())
def test_parts_do_not_run_into_each_other(parts: list[str], data: st.DataObject) -> None:
    """Moving a character from the end of one part to the start of the next changes the scope."""

    def made(parts: list[str]) -> bytes:
        tenant, provider, path, task, corpus, by = parts
        call = call_of(caller=Caller(tenant), path=path, task=Task(task, "header"))
        call = replace(call, target=replace(call.target, provider=provider))
        return key(call, ScopeRules(secret=b"s" * 32, embedder=by, corpus=corpus))

    other = list(parts)
    at = data.draw(st.integers(0, 4))
    other[at], other[at + 1] = other[at][:-1], other[at][-1:] + other[at + 1]
    assert (made(parts) == made(other)) == (parts == other)


@given(WORDS, WORDS, WORDS)
def test_passages_count_whole(passage: str, other: str, question: str) -> None:
    """The same question over other passages is looked up elsewhere."""
    ours = call_of(chat_fields(f"Read: {passage}\nQuestion: {question}"))
    theirs = call_of(chat_fields(f"Read: {other}\nQuestion: {question}"))
    assert (key(ours) == key(theirs)) == (passage == other)


@given(TEXTS, TEXTS, WORDS)
def test_history_counts(one: str, other: str, text: str) -> None:
    """Another conversation before it, another scope; so has one without any."""

    def after(said: str) -> Call:
        before = [{"role": "user", "content": said}, {"role": "assistant", "content": "Yes."}]
        return call_of({"model": "m", "messages": [*before, *chat_fields(text)["messages"]]})

    assert (key(after(one)) == key(after(other))) == (one == other)
    assert key(after(one)) != key(call_of({**chat_fields(text), "model": "m"}))


@given(st.text(max_size=30), DIALECT)
def test_any_text_is_cut_or_refused(text: str, dialect: str) -> None:
    """Nothing raises, and nothing empty is looked up."""
    call = asked(text, dialect)
    found = question_of(call.request, DIALECTS[dialect])
    assert isinstance(found, Unasked) or found.text.strip()


def test_secret_corpus_embedder_model_and_path_count() -> None:
    """Each alone makes another scope."""
    plain = call_of()
    keys = {
        key(plain),
        key(plain, ScopeRules(secret=b"t" * 32, embedder="test/1")),
        key(plain, ScopeRules(secret=b"s" * 32, embedder="test/2")),
        key(plain, ScopeRules(secret=b"s" * 32, embedder="test/1", corpus="2")),
        key(replace(plain, target=replace(plain.target, model="other"))),
        key(replace(plain, path="/chat/completions?api-version=2")),
        key(replace(plain, headers=(("openai-project", "x"),))),
        key(call_of(chat_fields("Почему небо синее?"))),
    }
    assert len(keys) == 8


def test_scripts() -> None:
    """Latin letters are one, whatever the language; Japanese is not Chinese."""
    texts = (
        "Why?",
        "Größe",
        "Почему?",
        "なぜ空は青い",
        "为什么天空是蓝色的",
        "왜 하늘은",
        "γιατί;",
    )
    assert [script(text) for text in texts] == [
        *("latin", "latin", "cyrillic", "kana", "han", "hangul", "greek"),
    ]
