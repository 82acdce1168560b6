"""Counting is offline, exact where it says so, and nothing a client sends can break it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import pkgutil
import threading
from importlib import import_module
from typing import Any, NoReturn

import pytest
import tiktoken

from scrimp.encoders import TiktokenEncoder, tiktoken_encoder
from scrimp.encoders.pieces import count_tokens
from scrimp.encoders.vocabulary import VOCABULARIES
from scrimp.errors import ConfigError
from scrimp.ports import Encoder
from tests.support.vocabularies import shared_encoder, shared_vocabulary


@pytest.mark.parametrize(
    ("model", "text", "tokens"),
    [
        ("gpt-4", "Hello world", 2),
        ("gpt-4o", "Hello world", 2),
        ("gpt-4", "", 0),
        ("gpt-4", "tiktoken is great!", 6),
    ],
)
def test_known_counts(model: str, text: str, tokens: int) -> None:
    """Counts known from the cookbook."""
    count = shared_encoder().count_now(model, text)
    assert (count.low, count.tokens, count.high) == (tokens, tokens, tokens)


async def test_count_adds_texts_up() -> None:
    """The port counts each text by itself."""
    encoder: Encoder = shared_encoder()
    assert (await encoder.count("gpt-4", ("Hello world", "", "Hello world"))).tokens == 4
    assert (await encoder.count("gpt-4", ())).tokens == 0


async def test_estimates_have_bounds() -> None:
    """Another vendor's model gets a range and a method that says so."""
    count = await shared_encoder().count("claude-sonnet-4-5", ("Hello world " * 50,))
    assert count.low < count.tokens < count.high
    assert "Claude, estimate" in count.method


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (" " * 1_000_000, 7813),
        (" " * 1_000_000 + "x", 7814),
        ("\t" * 1_000_000, 62_500),
        ("a" * 1_000_000, 125_000),
        ("\u00a0" * 1_000_000, 125_000),
    ],
)
def test_a_megabyte_of_one_character(text: str, about: int) -> None:
    """Runs that make the native tokenizer panic are cut, and the range covers the truth."""
    count = shared_encoder().count_now("gpt-4o", text)
    assert count.low <= about <= count.high
    assert count.high - count.low <= 200
    assert "cut" in count.method


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00", "x" * 300 + "\ud800"])
async def test_lone_surrogates_count(text: str) -> None:
    """JSON may carry half a character; it counts as the replacement that providers see."""
    encoder = shared_encoder()
    count = await encoder.count("gpt-4o", (text,))
    assert count.tokens == encoder.count_now("gpt-4o", text).tokens >= 1


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>"])
def test_special_tokens_are_ordinary_text(text: str) -> None:
    """A client cannot write control tokens; the text is counted as it stands."""
    for model in ("gpt-4", "gpt-4o"):
        assert shared_encoder().count_now(model, text).tokens > 1


async def test_long_texts_are_counted_alike_off_the_loop() -> None:
    """The thread gives the same number as the loop, and the second time it is remembered."""
    encoder = shared_encoder()
    text = "The quick brown fox jumps over the lazy dog. " * 400
    first = await encoder.count("gpt-4o", (text,))
    assert first == encoder.count_now("gpt-4o", text)
    assert await encoder.count("gpt-4o", (text,)) == first


async def test_requests_are_counted_off_the_loop() -> None:
    """The port's whole-request count is that of the calling thread, cuts widen its range."""
    encoder: Encoder = shared_encoder()
    fields = {"messages": [{"role": "user", "content": "Hello world"}]}
    count = await encoder.count_request("gpt-4", fields, "openai.chat")
    assert (count.low, count.tokens, count.high) == (9, 9, 9)
    run = {"messages": [{"role": "user", "content": "a" * 400_000}]}
    wide = await encoder.count_request("gpt-4", run, "openai.chat")
    assert wide.low < wide.tokens < wide.high


class _Panicky:
    """Fails as a native extension does."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def count(self, text: str) -> NoReturn:
        assert text
        raise self._error


PanicException = type("PanicException", (BaseException,), {})


def test_a_panic_becomes_a_bound() -> None:
    """Every token is at least a byte, so bytes bound the count."""
    tokens, doubt = count_tokens(_Panicky(PanicException("boom")), "abcdef")
    assert tokens - doubt <= 1
    assert tokens + doubt >= 6


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), ValueError("x")])
def test_other_errors_pass(error: BaseException) -> None:
    """Cancellation and exit are not taken for a panic."""
    with pytest.raises(type(error)):
        count_tokens(_Panicky(error), "abc")


async def test_one_load_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask at once, the vocabulary is loaded once, and not on the loop's thread."""
    loads: list[str] = []
    real = shared_vocabulary("cl100k_base")

    def load(name: str) -> tiktoken.Encoding:
        loads.append(f"{name} in {threading.current_thread().name}")
        return real

    monkeypatch.setattr(tiktoken_encoder, "load_vocabulary", load)
    encoder = TiktokenEncoder()
    assert not encoder.ready("gpt-4")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(encoder.count("gpt-4", ("Hello world",))) for _ in range(20)]
    assert [task.result().tokens for task in tasks] == [2] * 20
    assert len(loads) == 1
    assert loads[0].startswith("cl100k_base in ")
    assert threading.current_thread().name not in loads[0]
    assert encoder.ready("gpt-4")
    assert not encoder.ready("gpt-4o")
    await encoder.close()
    assert not encoder.ready("gpt-4")


@pytest.mark.parametrize("data", [gzip.compress(b"YQ== 0\n", mtime=0), b"no gzip", b""])
async def test_a_damaged_vocabulary_is_refused(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """A wrong vocabulary would count wrong without an error; the hash stands in its way."""
    monkeypatch.setattr(pkgutil, "get_data", lambda *_: data)
    with pytest.raises(ConfigError, match="reinstall scrimp"):
        await TiktokenEncoder().count("gpt-4", ("Hello",))


@pytest.mark.parametrize("name", sorted(VOCABULARIES))
def test_facts_equal_tiktokens_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pattern, special tokens and hash are those of the installed tiktoken."""
    public = import_module("tiktoken_ext.openai_public")
    hashes: list[str] = []

    def remember(_url: str, expected_hash: str) -> dict[bytes, int]:
        hashes.append(expected_hash)
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", remember)
    theirs: dict[str, Any] = getattr(public, name)()
    ours = VOCABULARIES[name]
    assert ours.pattern == theirs["pat_str"]
    assert ours.special == theirs["special_tokens"]
    assert hashes == [ours.sha256]


@pytest.mark.parametrize("name", sorted(VOCABULARIES))
def test_the_vendored_file_is_the_published_one(name: str) -> None:
    """Its hash is the one that tiktoken expects."""
    packed = pkgutil.get_data("scrimp.encoders", f"vocab/{name}.tiktoken.gz")
    assert packed is not None
    digest = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert digest == VOCABULARIES[name].sha256
