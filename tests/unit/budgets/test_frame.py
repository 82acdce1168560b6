"""The frame of a request: all of it but what was said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.budgets.frame import frame_of
from scrimp.budgets.worst import quick_count
from tests.support.core import call_of

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "data": "AAAA"}}


def messages(content: Any, **more: Any) -> dict[str, Any]:
    """A chat of one message."""
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


@pytest.mark.parametrize(
    "content",
    [
        '{"image": "of base64"}',
        [{"type": "text", "text": '{"image": 1}'}],
        [{"type": "tool_result", "tool_use_id": "t", "content": '{"file": "base64"}'}],
        [{"type": "tool_result", "content": [{"type": "text", "text": '"audio'}]}],
    ],
)
def test_what_was_merely_said_is_no_part_of_another_kind(content: Any) -> None:
    """A tool that answers in JSON with a field `image` is still bounded by its size."""
    request = call_of(messages(content)).request
    assert quick_count(request, "openai.chat") is not None
    assert json.loads(frame_of(request)).keys() == request.fields.keys()


@pytest.mark.parametrize(
    "fields",
    [
        messages([{"type": "text", "text": "what is it?"}, PICTURE]),
        messages([{"type": "tool_result", "tool_use_id": "t", "content": [DOCUMENT]}]),
        messages("look", modalities=["text", "audio"], audio={"voice": "a"}),
        messages("look", metadata={"image": 1}),
        messages(PICTURE),
    ],
)
def test_whatever_else_stands_there_is_seen(fields: dict[str, Any]) -> None:
    """Wherever it stands, and whatever holds it."""
    assert quick_count(call_of(fields).request, "openai.chat") is None


def test_the_request_itself_stays_as_it_was() -> None:
    """The frame is a copy."""
    request = call_of(messages([{"type": "text", "text": "kept"}])).request
    frame_of(request)
    assert request.fields["messages"][0]["content"] == [{"type": "text", "text": "kept"}]
