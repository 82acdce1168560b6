"""Bodies that come again are not read again; what comes once is not kept."""

from __future__ import annotations

import json

import pytest

from scrimp.calls import Request, Task
from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest
from scrimp.shell import reading
from scrimp.shell.reading import Readings

CHAT, MESSAGES = DIALECTS["openai.chat"], DIALECTS["anthropic.messages"]


def body(text: str) -> bytes:
    """A chat, in words of both vendors."""
    fields = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
    return json.dumps(fields).encode()


def third(readings: Readings, text: str) -> tuple[Request, Request]:
    """What the second and the third reading of a body give."""
    readings.read(CHAT, body(text))
    return readings.read(CHAT, body(text)).request, readings.read(CHAT, body(text)).request


def test_a_body_that_comes_again_is_the_same_request() -> None:
    """And says what a fresh reading would say."""
    second, again = third(Readings(), "Translate this")
    assert again is second
    assert again == CHAT.read_request(body("Translate this"))


def test_the_task_type_is_that_of_the_words() -> None:
    """However often it is asked for."""
    readings = Readings()
    for _ in range(4):
        found = readings.read(CHAT, body("Translate this"))
        assert (found.task, found.task) == (Task("translation", "classifier"),) * 2


def test_dialects_are_kept_apart() -> None:
    """The same bytes are another request in another dialect."""
    readings = Readings()
    for _ in range(3):
        chat, message = readings.read(CHAT, body("x")), readings.read(MESSAGES, body("x"))
        assert chat.request == CHAT.read_request(body("x"))
        assert message.request == MESSAGES.read_request(body("x"))


def test_what_is_wrong_is_wrong_each_time() -> None:
    """A refusal is never remembered as a reading."""
    readings = Readings()
    for _ in range(4):
        with pytest.raises(InvalidRequest, match="not JSON"):
            readings.read(CHAT, b"{")


def test_large_bodies_are_not_kept() -> None:
    """They are read each time."""
    second, again = third(Readings(), "x" * 9000)
    assert again is not second
    assert again == second


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first, and may come again."""
    monkeypatch.setattr(reading, "_MOST_BYTES", 3 * len(body("x-0")))
    readings = Readings()
    first, _ = third(readings, "x-0")
    for number in range(1, 4):
        third(readings, f"x-{number}")
    assert readings.read(CHAT, body("x-3")).request is readings.read(CHAT, body("x-3")).request
    assert readings.read(CHAT, body("x-0")).request is not first


def test_bodies_that_come_once_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """But a mark of eight bytes, and of these only so many."""
    monkeypatch.setattr(reading, "_MOST_SEEN", 4)
    readings = Readings()
    for number in range(20):
        readings.read(CHAT, body(f"once {number}"))
    forgotten = readings.read(CHAT, body("once 0")).request
    assert readings.read(CHAT, body("once 0")).request is not forgotten
