"""The clamp_output lever: limits, lines, what providers refuse, what is learned and told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace as with_fields
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply, ReplyFacts, Task, Usage
from scrimp.choosing import Wish
from scrimp.clamping.outputs import Outputs
from scrimp.clamping.presets import Brief
from scrimp.clamping.worth import Prices
from scrimp.dialects import DIALECTS
from scrimp.errors import BudgetExceeded, UpstreamError
from scrimp.levers.clamp_output import (
    MAX_TOKENS,
    TRUNCATED,
    ClampMeans,
    ClampOutput,
    ClampSettings,
    Others,
)
from scrimp.pipeline.briefing import BRIEF, Briefing, key_of
from scrimp.pipeline.mended import Mender
from tests.support.core import FakeClock, HereSink, answer_fields, call_of, reply_of, verdicts

GENERAL = {"general": 64}
MINI = "gpt-4o-mini"


class Below:
    """Answers by script; the last one again and again."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self.answers = list(answers) or [reply_of()]
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Reply:
        """Remember and answer."""
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def fields(self) -> dict[str, Any]:
        """Those of the last call, as they are sent."""
        found: dict[str, Any] = json.loads(self.calls[-1].request.body)
        assert found == dict(self.calls[-1].request.fields)
        return found


def lever(
    outputs: Outputs | None = None,
    *,
    why: str = "",
    presets: Mapping[str, Brief] | None = None,
    mend: str = "",
    price: Prices | None = None,
    **settings: Any,
) -> ClampOutput:
    """The lever; `settings` are those of ClampSettings."""
    outputs = Outputs() if outputs is None else outputs
    prices = price or Prices(150_000, 600_000, 75_000)
    briefing = Briefing(outputs, lambda _: prices, presets or {}, settings.get("max_tokens", {}))
    means = ClampMeans(outputs, briefing, lambda _: Others(why), FakeClock(), DIALECTS)
    if mend:
        made = Mender(lambda _, said: said, lambda _: "mistral", DIALECTS, continues=2, again=True)
        means = with_fields(means, mender=made)
    return ClampOutput(means, ClampSettings(**settings))


def cut(text: str = "One two") -> Reply:
    """A reply that its limit has cut."""
    facts = ReplyFacts(
        usage=Usage(input_tokens=9, output_tokens=64), model=MINI, finish="truncated", complete=True
    )
    body = answer_fields(text, finish="length")
    return reply_of(body=body, facts=facts, cacheable=False)


async def test_a_limit_goes_into_the_field_that_the_model_knows() -> None:
    """OpenAI's new name for OpenAI's models, the old one for all others."""
    for model, name in ((MINI, "max_completion_tokens"), ("mistral-small", "max_tokens")):
        below = Below()
        await lever(max_tokens=GENERAL)(call_of({"model": model, "messages": [USER]}), below)
        assert below.fields[name] == 64
        assert below.calls[0].request.max_output_tokens == 64


USER = {"role": "user", "content": "Say hi"}


async def test_what_a_model_thinks_is_never_taken_from_it() -> None:
    """The limit of the settings is for the answer: thoughts come beside it."""
    below = Below()
    call = call_of({"model": "o4-mini", "messages": [USER]})
    await lever(max_tokens=GENERAL)(call, below)
    assert below.fields["max_completion_tokens"] == 64 + 25_000
    outputs = Outputs()
    for _ in range(300):
        outputs.take(key_of(call)).add(500, 400)
    below = Below()
    await lever(outputs, max_tokens=GENERAL)(call, below)
    assert below.fields["max_completion_tokens"] == 64 + 512, "what was measured, and a quarter"
    thinking = {"type": "enabled", "budget_tokens": 2000}
    claude = {"model": "claude-sonnet-4-5", "messages": [USER], "max_tokens": 9000}
    call = call_of({**claude, "thinking": thinking}, dialect="anthropic.messages")
    await lever(max_tokens=GENERAL, lower=True)(call, below)
    assert below.fields["max_tokens"] == 2064


async def test_what_is_measured_is_advice_until_it_is_enforced() -> None:
    """The 99th percentile and a quarter; by task and model, for each tenant apart."""
    outputs, call = Outputs(), call_of()
    learning = lever(outputs)
    for _ in range(300):
        await learning(call, Below(reply_of(facts=_facts(100))))
    below = Below()
    await learning(call, below)
    assert below.calls[0] is call, "byte for byte"
    assert call.trace.headers[MAX_TOKENS] == "advised 144 (99 % of 300 answers)"
    await lever(outputs, enforce=True)(call, below)
    assert below.fields["max_completion_tokens"] == 144
    for other in (
        call_of(task=Task("code_review", "header")),
        call_of(caller=replace(call.caller, tenant="key:other")),
        call_of({"model": "gpt-4o", "messages": [USER]}),
    ):
        await lever(outputs, enforce=True)(other, below)
        assert "max_completion_tokens" not in below.fields


def _facts(tokens: int, finish: Any = "complete") -> ReplyFacts:
    usage = Usage(input_tokens=9, output_tokens=tokens)
    return ReplyFacts(usage=usage, model=MINI, finish=finish, complete=True)


async def test_a_limit_that_cuts_makes_itself_unknown_and_never_tighter() -> None:
    """Who would learn from answers that were cut would cut ever more of them."""
    outputs, call = Outputs(), call_of()
    clamp = lever(outputs, enforce=True)
    for number in range(600):
        finish = "truncated" if number % 50 == 0 else "complete"
        await clamp(call_of(), Below(reply_of(facts=_facts(100, finish))))
    below = Below()
    await clamp(call, below)
    assert MAX_TOKENS not in call.trace.headers
    assert below.calls[0] is call


async def test_a_limit_is_not_set_where_another_model_may_think() -> None:
    """It is advised, and the trace says who."""
    call, below = call_of(), Below()
    await lever(max_tokens=GENERAL, why="o3 may answer, and think")(call, below)
    assert below.calls[0] is call
    assert verdicts(call, "clamp_output") == ["advised"]


async def test_what_a_provider_refuses_is_withdrawn_and_sent_no_more() -> None:
    """The call is sent once without it; the next one goes without from the beginning."""
    said = b'{"error": {"message": "Unsupported parameter: max_completion_tokens"}}'
    refusal = UpstreamError("no", status=400, body=said)
    clamp, below, call = lever(max_tokens=GENERAL), Below(refusal, reply_of()), call_of()
    await clamp(call, below)
    assert [one.request.max_output_tokens for one in below.calls] == [64, None]
    assert verdicts(call, "clamp_output") == ["set", "withdrawn"]
    assert MAX_TOKENS not in call.trace.headers
    await clamp(call_of(), below)
    assert below.calls[-1].request.max_output_tokens is None


async def test_a_call_that_fails_without_a_limit_too_teaches_nothing() -> None:
    """A prompt that is too long is refused in words that name the limit of every call."""
    said = b'{"error": "input length and `max_completion_tokens` exceed context limit"}'
    refusal = UpstreamError("no", status=400, body=said)
    clamp, below = lever(max_tokens=GENERAL), Below(refusal, refusal, reply_of())
    with pytest.raises(UpstreamError):
        await clamp(call_of(), below)
    await clamp(call_of(), below)
    assert [one.request.max_output_tokens for one in below.calls] == [64, None, 64]


@pytest.mark.parametrize("status", [400, 500])
async def test_other_errors_pass(status: int) -> None:
    """Whatever names no field of ours is no refusal of it."""
    below = Below(UpstreamError("no", status=status, body=b"{}"))
    with pytest.raises(UpstreamError):
        await lever(max_tokens=GENERAL)(call_of(), below)
    assert len(below.calls) == 1


async def test_a_line_that_costs_more_than_it_saves_is_refused() -> None:
    """Where answers are short already; `always` asks for it all the same."""
    outputs = Outputs()
    for _ in range(30):
        outputs.take(key_of(call_of())).add(5)
    for brief, done in (("concise", False), ("concise, always", True)):
        call, below = call_of(wish=Wish(brief=brief)), Below()
        await lever(outputs)(call, below)
        assert (below.calls[0] is not call) == done
        header = call.trace.headers[BRIEF]
        assert header == ("concise" if done else "refused: it would cost more than it saves")


async def test_a_conversation_keeps_what_its_first_turn_was_given() -> None:
    """Whatever a later question is taken for: its prefix is cached with the line, or without."""
    clamp = lever(presets={"general": Brief("concise")})
    messages: list[Any] = [USER]
    below = Below()
    for task in ("general", "factual_qa", "general"):
        fields = {"model": MINI, "messages": messages}
        await clamp(call_of(fields, task=Task(task, "classifier")), below)
        assert below.fields["messages"][0]["content"].startswith("Be brief")
        messages = [*messages, {"role": "assistant", "content": "hi"}, {**USER, "content": task}]


async def test_the_first_question_decides_where_nothing_is_remembered() -> None:
    """Another worker gives the same conversation the same line."""
    messages = [
        {"role": "user", "content": "Summarize the news."},
        {"role": "assistant", "content": "Rain."},
        {"role": "user", "content": "And then?"},
    ]
    presets = {"summarization": Brief("sentences", 2)}
    for source, done in (("classifier", True), ("header", False)):
        below = Below()
        task = Task("general", source)  # type: ignore[arg-type]  # one of its sources
        call = call_of({"model": MINI, "messages": messages}, task=task)
        await lever(presets=presets)(call, below)
        assert (below.calls[0] is not call) == done


async def test_another_line_in_the_middle_breaks_a_prefix_and_is_priced_so() -> None:
    """A long conversation that began without it is not told to be brief in its second turn."""
    clamp, below, long = lever(), Below(), {"role": "user", "content": "word " * 20_000}
    await clamp(call_of({"model": MINI, "messages": [long]}, wish=Wish(brief="off")), below)
    later = {"model": MINI, "messages": [long, {"role": "assistant", "content": "a"}, USER]}
    call = call_of(later, wish=Wish(brief="concise"))
    await clamp(call, below)
    assert below.calls[-1] is call
    assert call.trace.headers[BRIEF].startswith("refused")


@pytest.mark.parametrize(
    ("more", "brief"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "json"),
        ({"response_format": {"type": "json_object"}}, "code"),
        ({"store": True}, "concise"),
    ],
)
async def test_a_call_with_a_form_of_its_own_keeps_it(more: dict[str, Any], brief: str) -> None:
    """Tools, schemas, and conversations that the provider keeps."""
    call = call_of({"model": MINI, "messages": [USER], **more}, wish=Wish(brief=brief))
    below = Below()
    await lever()(call, below)
    assert below.calls[0] is call
    assert call.trace.headers[BRIEF].startswith("refused")


async def test_stop_sequences_of_the_task_where_the_model_takes_them() -> None:
    """A client's own stay, and models that think get none."""
    below = Below()
    clamp = lever(stop={"general": ("END",)})
    await clamp(call_of(), below)
    assert below.fields["stop"] == ["END"]
    for more in ({"model": "o3"}, {"stop": ["X"]}):
        call = call_of({"model": MINI, "messages": [USER], **more})
        await clamp(call, below)
        assert below.calls[-1] is call
        assert verdicts(call, "clamp_output") == ["no_stops"]


async def test_a_cut_answer_is_told_by_whose_limit() -> None:
    """The client's, the model's, or ours."""
    own = {"model": MINI, "messages": [USER], "max_tokens": 20}
    for call, clamp, said in (
        (call_of(own), lever(), "client's limit at 20 tokens"),
        (call_of(), lever(), "model's limit"),
        (call_of(), lever(max_tokens=GENERAL), "scrimp's limit at 64 tokens"),
    ):
        reply = await clamp(call, Below(cut()))
        assert call.trace.headers[TRUNCATED] == said
        assert not reply.cacheable


async def test_parts_that_do_not_fit_are_not_joined() -> None:
    """Mistral's reply begins with the text that it was given; what begins otherwise is no part."""
    whole = reply_of(body=answer_fields("One two three"))
    for text, said, header in (
        ("One two three", "One two three", "in 2 parts"),
        ("Two and three", "One two", None),
    ):
        call = call_of({"model": "mistral-small", "messages": [USER]})
        below = Below(cut("One two"), replace(whole, body=answer_fields(text)))
        reply = await lever(mend="yes", max_tokens=GENERAL)(call, below)
        assert json.loads(reply.body or b"")["choices"][0]["message"]["content"] == said
        assert call.trace.headers.get("x-scrimp-continued") == header
        assert below.fields["messages"][-1]["prefix"] is True
        assert not reply.cacheable


@pytest.mark.parametrize("error", [UpstreamError("down", status=503), BudgetExceeded("used up")])
async def test_what_cannot_be_had_leaves_the_answer_as_it_was(error: Exception) -> None:
    """A budget that is used up, a provider that fails: the paid part is served."""
    call, first = call_of({"model": "mistral-small", "messages": [USER]}), cut()
    assert await lever(mend="yes", max_tokens=GENERAL)(call, Below(first, error)) is first
    assert call.trace.headers[TRUNCATED] == "scrimp's limit at 64 tokens"


async def test_nothing_is_asked_once_bytes_have_left() -> None:
    """The commit point: a live stream that was cut is only told."""
    sink = HereSink()
    sink.begun = True
    call = call_of(sink=sink)
    below = Below(cut())
    await lever(mend="yes", max_tokens=GENERAL)(call, below)
    assert len(below.calls) == 1


async def test_switched_off_it_does_what_a_call_asks_and_nothing_else() -> None:
    """No limits, no learning; and embeddings are none of its business."""
    clamp = lever(enabled=False)
    for call in (
        call_of(),
        call_of({"model": "e", "input": "x"}, dialect="openai.embeddings", operation="embeddings"),
    ):
        below = Below()
        await clamp(call, below)
        assert below.calls[0] is call
        assert not call.trace.lines
    below = Below()
    await clamp(call_of(wish=Wish(brief="one paragraph")), below)
    assert below.fields["messages"][0]["content"] == "Answer in one paragraph."
