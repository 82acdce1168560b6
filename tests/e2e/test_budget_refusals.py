"""Refusals of budgets in every dialect, and budgets under what is no text."""

from __future__ import annotations

import base64
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.support.spoken import ALL, ANTHROPIC, OPENAI, Spoken
from tests.support.stage import Stage, staged

_EMPTY = '[budgets.ci]\nusd = "0.000001"\nper = "day"\n'
_PNG = base64.b64encode(
    bytes.fromhex("89504e470d0a1a0a0000000d49484452000004000000040008020000000000000000")
).decode()
_PDF = base64.b64encode(b"%PDF-1.4\n" + b"1 0 obj << /Type /Page >> endobj\n" * 3).decode()


def _client(stage: Stage, spoken: Spoken) -> openai.OpenAI | anthropic.Anthropic:
    """With the SDK's own retries on."""
    if spoken.vendor == "openai":
        return openai.OpenAI(base_url=f"{stage.url}/v1", api_key="sk-any", max_retries=3)
    return anthropic.Anthropic(base_url=stage.url, api_key="sk-any", max_retries=3)


@ALL
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_every_sdk_raises_its_own_error_once(spoken: Spoken, *, stream: bool) -> None:
    """With our numbers; one call came in, none went out."""
    error_of: Any = openai.RateLimitError if spoken.vendor == "openai" else anthropic.RateLimitError
    fields: dict[str, Any] = {**spoken.fields, "stream": stream}
    with staged(more=_EMPTY) as stage, _client(stage, spoken) as client:
        create: Any
        if isinstance(client, anthropic.Anthropic):
            create = client.messages.create
        elif spoken is OPENAI:
            create = client.chat.completions.create
        else:
            create = client.responses.create
        with pytest.raises(error_of, match=r"has \$0\.000001 left of \$0\.000001") as caught:
            create(**fields)
        assert caught.value.response.headers["x-scrimp-budget-needed-usd"]
        assert len(stage.gateway.entries()) == 1
        assert not stage.sim.requests


def test_embeddings_meet_budgets_too() -> None:
    """OpenAI's SDK raises its own error; nothing was asked of the provider."""
    with staged(more='[budgets.ci]\nusd = "0.000000001"\nper = "day"\n') as stage:
        with (
            openai.OpenAI(base_url=f"{stage.url}/v1", api_key="sk-any", max_retries=3) as client,
            pytest.raises(openai.RateLimitError, match="budget 'ci'"),
        ):
            client.embeddings.create(model="text-embedding-3-small", input="word " * 500)
        assert len(stage.gateway.entries()) == 1
        assert not stage.sim.requests


def _parts(spoken: Spoken, what: str) -> list[dict[str, Any]]:
    asked = {"type": "text", "text": "What is this?"}
    if spoken is OPENAI:
        url = f"data:image/png;base64,{_PNG}"
        found: dict[str, list[dict[str, Any]]] = {
            "image": [asked, {"type": "image_url", "image_url": {"url": url}}],
            "pdf": [
                asked,
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": f"data:application/pdf;base64,{_PDF}",
                    },
                },
            ],
        }
        return found[what]
    kind, media, data = {
        "image": ("image", "image/png", _PNG),
        "pdf": ("document", "application/pdf", _PDF),
    }[what]
    return [asked, {"type": kind, "source": {"type": "base64", "media_type": media, "data": data}}]


@pytest.mark.parametrize("what", ["image", "pdf"])
@pytest.mark.parametrize("spoken", [OPENAI, ANTHROPIC], ids=lambda one: one.name)
def test_images_and_files_are_held_above_their_bill(spoken: Spoken, what: str) -> None:
    """Their tokens are not bounded by their bytes: the hold still is over what is billed."""
    with staged(more='[budgets.ci]\nusd = 5\nper = "day"\n') as stage:
        messages = [{"role": "user", "content": _parts(spoken, what)}]
        body = spoken.body(messages=messages, max_tokens=50)
        headers = {**spoken.headers, "content-type": "application/json"}
        answer = httpx2.post(f"{stage.url}{spoken.path}", content=body, headers=headers)
        billed = stage.sim.quiet().total_nanousd
        (entry,) = stage.gateway.entries()
        (line,) = [one for one in entry.trace if one.lever == "budget"]
        numbers = dict(line.numbers)
        assert line.verdict == "settled"
        assert int(numbers["held_nanousd"]) >= int(numbers["nanousd"]) >= billed
        assert (answer.status_code == 200) == (billed > 0)
