"""A day of traffic as a plan: who asks what, when, through which SDK. Pure for a given seed.

Three applications share the gateway. A support assistant has two desks, the shop's (OpenAI) and
the devices' (Anthropic). A coding assistant has long conversations. A nightly job labels short
texts, fails once, and starts again from a checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from scrimp.demo.traffic.corpus import (
    Coding,
    Conversation,
    Desk,
    Labels,
    Say,
    Step,
    Support,
    Ticket,
    Tool,
    load_coding,
    load_labels,
    load_support,
)
from scrimp.demo.traffic.crowd import Crowd, Question

Actor = Literal["support", "coding", "classifier"]
Sdk = Literal["openai", "anthropic"]

DAY_S = 24 * 3600
CHATS = 700
FOLLOW_UP_SHARE = 0.16
STREAM_SHARE = 0.5
CUSTOMERS = 450
DESKS: dict[Desk, tuple[Sdk, str]] = {
    "shop": ("openai", "gpt-4o-mini"),
    "devices": ("anthropic", "claude-haiku-4-5"),
}

# Chats per hour of the day, relative: quiet nights, a peak at noon, a higher one after work.
HOURS = (2, 1, 1, 1, 1, 2, 6, 14, 22, 28, 32, 34, 38, 34, 30, 30, 34, 42, 50, 52, 44, 30, 16, 7)

# At 19:38 Lumen's cloud goes away for some minutes, and everybody asks the same thing at once.
OUTAGE_S = 19 * 3600 + 38 * 60
OUTAGE_LASTS_S = 240
OUTAGE_SHARE = 0.03
OUTAGE = "cloud-down"

# Then Lumen's app shows a banner with a question in it, and many tap it in the same second.
BANNER = "Is Lumen Cloud down right now? My lamps show as offline."
BANNER_S = OUTAGE_S + 150
BANNER_SHARE = 0.02
BANNER_FEWEST = 5

JOB_STARTS_S = 2 * 3600
JOB_RESUMES_S = 2 * 3600 + 25 * 60
JOB_PACE_S = 2
JOB_FAILS_AT = 70 / 130
JOB_CHECKPOINT = 50 / 130


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call of the day.

    `at_s` is a virtual second since midnight. `step` is only what this turn adds: the runner
    keeps the turns of each `conversation`, with the replies that it got, and hands them to
    `request_fields`; turns count from 1. `task` is the `x-scrimp-task` header, None when the
    application does not say. `subject` and `meaning` are the truth for a judge of answers, never
    sent: two support calls may share an answer exactly when their `meaning` is equal. For a
    ticket both name its true label.
    """

    at_s: int
    actor: Actor
    sdk: Sdk
    model: str
    stream: bool
    conversation: str
    turn: int
    system: str = field(repr=False)
    step: Step
    max_tokens: int
    temperature: float | None
    user: str
    session: str
    tags: tuple[str, ...]
    task: str | None = None
    tools: tuple[Tool, ...] = field(default=(), repr=False)
    subject: str = ""
    meaning: str = ""
    lang: str = "en"


def day(seed: int = 7, scale: float = 1.0) -> tuple[PlannedCall, ...]:
    """About 1,000 calls in the order of the day; the same seed and scale give the same day.

    `scale` below 1 makes every part smaller. Above 1 only the support chats grow: there are no
    more conversations and tickets than were written. Raises ValueError unless scale is positive.
    """
    if not scale > 0:
        msg = f"a day needs a scale above 0, got {scale}"
        raise ValueError(msg)
    rng = Random(seed)  # noqa: S311 - a plan that can be repeated, no secret
    calls = [
        *_support(rng, scale),
        *_coding(rng, load_coding(), scale),
        *_classifier(rng, load_labels(), scale),
    ]
    # Sorting is stable and turns of one conversation stand in order, so they stay in order.
    return tuple(sorted(calls, key=lambda call: call.at_s))


def _support(rng: Random, scale: float) -> list[PlannedCall]:
    support = load_support()
    crowd = Crowd(rng, support)
    chats = max(1, round(CHATS * scale))
    alarmed = round(chats * OUTAGE_SHARE)
    starts = [(_time_of_day(rng), False) for _ in range(chats - alarmed)]
    starts += [(OUTAGE_S + rng.randrange(OUTAGE_LASTS_S), True) for _ in range(alarmed)]
    calls: list[PlannedCall] = []
    for number, (at_s, outage) in enumerate(sorted(starts), start=1):
        question = crowd.ask_about(OUTAGE) if outage else crowd.ask()
        chat = f"chat-{number:04d}"
        user = f"customer-{rng.randrange(CUSTOMERS):04d}"
        first = _chat_call(rng, question, at_s=at_s, chat=chat, user=user, system=support.system)
        calls.append(first)
        # Follow-ups are written in English only.
        if question.lang == "en" and rng.random() < FOLLOW_UP_SHARE:
            calls.append(_follow_up(rng, first, rng.choice(support.follow_ups)))
    return [*calls, *_banner(crowd, max(BANNER_FEWEST, round(chats * BANNER_SHARE)), support)]


def _banner(crowd: Crowd, taps: int, support: Support) -> list[PlannedCall]:
    """Equal calls at the same moment; nobody has asked in these words before."""
    subject = crowd.subject(OUTAGE)
    sdk, model = DESKS[subject.desk]
    return [
        PlannedCall(
            at_s=BANNER_S,
            actor="support",
            sdk=sdk,
            model=model,
            stream=True,
            conversation=f"banner-{number:04d}",
            turn=1,
            system=support.system,
            step=Say(BANNER),
            max_tokens=300,
            temperature=0.2,
            user=f"customer-{number % CUSTOMERS:04d}",
            session=f"banner-{number:04d}",
            tags=("support", f"desk:{subject.desk}", "lang:en"),
            subject=subject.id,
            meaning=subject.id,
        )
        for number in range(1, taps + 1)
    ]


def _chat_call(
    rng: Random, question: Question, *, at_s: int, chat: str, user: str, system: str
) -> PlannedCall:
    desk = question.subject.desk
    sdk, model = DESKS[desk]
    return PlannedCall(
        at_s=at_s,
        actor="support",
        sdk=sdk,
        model=model,
        stream=rng.random() < STREAM_SHARE,
        conversation=chat,
        turn=1,
        system=system,
        step=Say(question.text),
        max_tokens=300,
        temperature=0.2,
        user=user,
        session=chat,
        tags=("support", f"desk:{desk}", f"lang:{question.lang}"),
        # The shop's desk says what kind of task it has, the devices' desk leaves it to Scrimp.
        task="factual_qa" if desk == "shop" else None,
        subject=question.subject.id,
        meaning=question.meaning,
        lang=question.lang,
    )


def _follow_up(rng: Random, first: PlannedCall, text: str) -> PlannedCall:
    return replace(
        first,
        at_s=min(first.at_s + rng.randrange(25, 180), DAY_S - 1),
        turn=2,
        step=Say(text),
        meaning=f"{first.meaning} > {text}",
    )


def _time_of_day(rng: Random) -> int:
    hour = rng.choices(range(24), weights=HOURS)[0]
    return hour * 3600 + rng.randrange(3600)


def _coding(rng: Random, coding: Coding, scale: float) -> list[PlannedCall]:
    count = min(len(coding.conversations), max(1, round(len(coding.conversations) * scale)))
    return [
        call for talk in coding.conversations[:count] for call in _coding_session(rng, coding, talk)
    ]


def _coding_session(rng: Random, coding: Coding, talk: Conversation) -> list[PlannedCall]:
    at_s = rng.randrange(9 * 3600, 16 * 3600)
    calls: list[PlannedCall] = []
    for turn, step in enumerate(talk.steps, start=1):
        calls.append(
            PlannedCall(
                at_s=at_s,
                actor="coding",
                sdk="anthropic",
                model="claude-sonnet-4-5",
                stream=True,
                conversation=f"coding-{talk.id}",
                turn=turn,
                system=coding.system,
                step=step,
                max_tokens=800,
                temperature=None,
                user=talk.developer,
                session=f"coding-{talk.id}",
                tags=("coding",),
                tools=coding.tools,
                subject=talk.id,
                meaning=f"{talk.id}|turn={turn}",
            )
        )
        # A person reads and thinks for some minutes; a tool answers in seconds.
        at_s += rng.randrange(60, 420) if isinstance(step, Say) else rng.randrange(3, 40)
    return calls


def _classifier(rng: Random, labels: Labels, scale: float) -> list[PlannedCall]:
    tickets = list(labels.tickets)
    rng.shuffle(tickets)
    tickets = tickets[: max(1, round(len(tickets) * scale))]
    failed, checkpoint = round(len(tickets) * JOB_FAILS_AT), round(len(tickets) * JOB_CHECKPOINT)
    runs = (
        (1, JOB_STARTS_S, range(failed)),
        (2, JOB_RESUMES_S, range(checkpoint, len(tickets))),
    )
    return [
        _ticket_call(
            tickets[row],
            at_s=starts_s + JOB_PACE_S * position,
            run=run,
            row=row,
            instruction=labels.instruction,
        )
        for run, starts_s, rows in runs
        for position, row in enumerate(rows)
    ]


def _ticket_call(ticket: Ticket, *, at_s: int, run: int, row: int, instruction: str) -> PlannedCall:
    return PlannedCall(
        at_s=at_s,
        actor="classifier",
        sdk="openai",
        model="gpt-4.1-nano",
        stream=False,
        conversation=f"labels-{run}-{row:03d}",
        turn=1,
        system=instruction,
        step=Say(ticket.text),
        max_tokens=5,
        temperature=0.0,
        user="nightly-labels",
        session=f"labels-run-{run}",
        tags=("classifier",),
        task="classification",
        subject=ticket.label,
        meaning=ticket.label,
    )
