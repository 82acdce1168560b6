"""What was counted is remembered within bounds, and never as text."""

from __future__ import annotations

import gc
import sys

import pytest

from scrimp.encoders.counter import ON_LOOP_CHARS, ON_LOOP_NEW_CHARS, Run, TooLong
from scrimp.encoders.memo import ENTRY_BYTES, TextMemo


class _Spy:
    """A tokenizer of one token per word, which tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def count(self, text: str) -> int:
        self.asked.append(text)
        return len(text.split())


def test_a_text_is_counted_once() -> None:
    """The second time nothing is asked of the tokenizer."""
    spy, memo = _Spy(), TextMemo(100_000)
    for _ in range(3):
        run = Run(spy, memo, on_loop=False)
        assert run.count_text("one two three") == 3
        assert run.count_text("one") == 1
        assert run.doubts == []
    assert spy.asked == ["one two three", "one"]


def test_texts_of_the_same_bytes_in_memory_are_two() -> None:
    """A text of wide characters must not be counted as the one that lies in memory as it does."""
    plain = "a b " * 100
    wide = plain.encode().decode("utf-16-le")
    assert hash(plain) == hash(wide)
    spy, memo = _Spy(), TextMemo(100_000)
    assert memo.find(wide) is memo.find(plain) is None
    run = Run(spy, memo, on_loop=False)
    assert run.count_text(plain) == 200
    assert run.count_text(wide) == run.count_texts([wide]) == len(wide.split())
    assert run.most_of_each([plain, wide, "new"]) == ([200, len(wide.split()), 3], [2])
    assert spy.asked == [plain, wide]


def test_a_doubt_is_remembered_with_its_count() -> None:
    """A text that had to be cut by force stays unsure."""
    spy, memo, long = _Spy(), TextMemo(100_000), "x" * 450_000
    first, again = (Run(spy, memo, on_loop=False) for _ in range(2))
    assert first.count_text(long) == again.count_text(long)
    assert first.doubts == again.doubts != []
    assert len(spy.asked) == 3


def test_the_memo_is_bounded() -> None:
    """It holds no more than it may, and what is in use outlives what is not."""
    most = 100
    memo = TextMemo(most * ENTRY_BYTES)
    for number in range(10 * most):
        memo.keep(f"text {number}", number)
        assert memo.find("text 0") == 0
        assert len(memo) <= most + 1
    assert memo.find("text 1") is None
    for number in range(1000):
        memo.keep_unsure(f"long {number}", number, 1)
    assert len(memo) <= most + 257
    memo.clear()
    assert len(memo) == 0


def test_an_entry_takes_no_more_than_it_is_booked_for() -> None:
    """The bound in bytes is one."""
    memo, number = TextMemo(1 << 40), 100_000
    for one in range(number):
        memo.keep(f"text {one}", one)
    size = sys.getsizeof(memo.young)
    size += sum(sys.getsizeof(key) + sys.getsizeof(value) for key, value in memo.young.items())
    assert size <= number * ENTRY_BYTES


def test_no_text_is_held() -> None:
    """The memo refers to numbers only."""
    memo = TextMemo(100_000)
    memo.keep("a secret", 2)
    memo.keep_unsure("another secret", 2, 1)
    held = [memo.young, *gc.get_referents(memo)]
    assert not [one for table in held for one in gc.get_referents(table) if isinstance(one, str)]


def test_the_loop_counts_only_so_much() -> None:
    """New text is counted up to a limit, known text is looked up to a larger one."""
    spy, memo = _Spy(), TextMemo(100_000)
    short, long = "x" * ON_LOOP_NEW_CHARS, "y" * (ON_LOOP_NEW_CHARS + 1)
    assert Run(spy, memo, on_loop=True).count_text(short) == 1
    with pytest.raises(TooLong):
        Run(spy, memo, on_loop=True).count_text(long)
    assert Run(spy, memo, on_loop=False).count_text(long) == 1
    run = Run(spy, memo, on_loop=True)
    for _ in range(ON_LOOP_CHARS // len(long)):
        assert run.count_text(long) == 1
    with pytest.raises(TooLong):
        run.count_text(long)
    assert len(spy.asked) == 2
