"""An answer comes back from its bytes as it went in, and only what is whole goes in."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation
from msgspec.structs import replace
from pydantic import BaseModel

from scrimp.errors import ConfigError
from scrimp.integrations.langchain import ScrimpCache
from scrimp.integrations.langchain_cache import generations_of, reply_of


class City(BaseModel):
    """What a structured answer was parsed into."""

    name: str


def chat(content: Any, finish: str = "stop", **more: Any) -> ChatGeneration:
    """One answer of a chat model."""
    meta = {"model_name": "gpt-4o-mini", "finish_reason": finish}
    message = AIMessage(content=content, response_metadata=meta, **more)
    return ChatGeneration(message=message, generation_info={"finish_reason": finish})


ANSWERS: list[list[Generation]] = [
    [chat("Paris")],
    [chat("Paris"), chat("It is Paris.")],
    [chat([{"type": "text", "text": "Paris"}, {"type": "reasoning", "summary": []}])],
    [
        chat(
            "",
            "tool_calls",
            id="run-1",
            tool_calls=[{"name": "look", "args": {"at": [1, 2.5]}, "id": "call_1"}],
            usage_metadata={"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
            additional_kwargs={"refusal": None},
        )
    ],
    [Generation(text="Paris", generation_info={"finish_reason": "stop", "logprobs": None})],
    [chat("\u65e5\u672c \x00 \U0001f5fc")],
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_comes_back_as_it_was(answer: list[Generation]) -> None:
    """Content of every kind, tool calls, usage, metadata, several choices, plain texts."""
    reply = reply_of(answer)
    assert reply is not None
    assert generations_of(reply) == answer


def test_a_parsed_answer_comes_back_as_its_fields() -> None:
    """LangChain's parser makes the object of them again."""
    reply = reply_of([chat('{"name": "Rome"}', additional_kwargs={"parsed": City(name="Rome")})])
    assert reply is not None
    (found,) = generations_of(reply) or []
    message = getattr(found, "message", None)
    assert isinstance(message, AIMessage)
    assert message.additional_kwargs["parsed"] == {"name": "Rome"}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [chat("Par", "length")],
        [chat("", "content_filter")],
        [chat("Paris"), chat("Par", "max_tokens")],
        [Generation(text="Par", generation_info={"finish_reason": "LENGTH"})],
        [ChatGeneration(message=AIMessage("No", response_metadata={"stop_reason": "refusal"}))],
        [chat("Paris", additional_kwargs={"odd": object()})],
    ],
)
def test_what_is_not_whole_is_not_remembered(answer: list[Generation]) -> None:
    """Nothing, cut, refused, in any spelling; and what JSON has no words for."""
    assert reply_of(answer) is None


@pytest.mark.parametrize("body", [None, b"", b"{}", b"[1]", b'[{"info": null}]', b"\xff"])
def test_bytes_that_are_no_answer_are_a_miss(body: bytes | None) -> None:
    """A store may hold what another version wrote."""
    reply = reply_of([chat("Paris")])
    assert reply is not None
    assert not generations_of(replace(reply, body=body))


def test_an_unknown_kind_of_message_is_a_miss() -> None:
    """No class is loaded by a name that a store holds."""
    reply = reply_of([chat("Paris")])
    assert reply is not None
    body = b'[{"info": null, "message": {"type": "os.system", "data": {"content": "ls"}}}]'
    assert generations_of(replace(reply, body=body)) is None


def test_settings_that_cannot_be_are_refused() -> None:
    """With the way out, before the first call; a password of a URL is never shown."""
    with pytest.raises(ConfigError, match="not both"):
        ScrimpCache("replies.sqlite", redis_url="redis://:word@127.0.0.1/0")
    with pytest.raises(ConfigError, match="ttl_s 0"):
        ScrimpCache(ttl_s=0)
    assert "word" not in repr(ScrimpCache(redis_url="redis://:word@127.0.0.1/0"))
    with pytest.raises(TypeError, match="forgets all, got: llm_string"):
        ScrimpCache().clear(llm_string="gpt-4o")


def test_prompt_model_and_tenant_are_one_key() -> None:
    """Words that move from one to the other make another key."""
    one, other = ScrimpCache(), ScrimpCache(tenant="other")
    keys = {
        one._exact.key("ab", "c"),
        one._exact.key("a", "bc"),
        one._exact.key("abc", ""),
        other._exact.key("ab", "c"),
        one._exact.key("\ud800", "c"),
    }
    assert len(keys) == 5
    assert one._exact.key("ab", "c") == ScrimpCache()._exact.key("ab", "c")
