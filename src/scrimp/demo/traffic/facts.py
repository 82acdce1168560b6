"""What a planned day holds, counted from the plan itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scrimp.demo.traffic.corpus import Say
from scrimp.demo.traffic.plan import PlannedCall


@dataclass(frozen=True, slots=True)
class DayFacts:
    """Numbers of a day.

    `questions` are the distinct texts that open a support chat, `subjects` what they are about.
    A repeat is a call that an earlier one of the day equals word for word, history included: the
    most that an exact cache can answer.
    """

    calls: int
    support_calls: int
    coding_calls: int
    classifier_calls: int
    openai_calls: int
    anthropic_calls: int
    streamed: int
    conversations: int
    users: int
    subjects: int
    questions: int
    support_repeats: int
    coding_repeats: int
    classifier_repeats: int

    @property
    def repeats(self) -> int:
        """All calls that were sent before, word for word."""
        return self.support_repeats + self.coding_repeats + self.classifier_repeats


def facts(plan: Iterable[PlannedCall]) -> DayFacts:
    """Count a day. Calls must stand in the order in which they are sent."""
    calls = tuple(plan)
    opening = [call for call in calls if call.actor == "support" and call.turn == 1]
    repeats = repeated(calls)
    by_actor = [call.actor for call in calls]
    repeats_by_actor = [call.actor for call in repeats]
    return DayFacts(
        calls=len(calls),
        support_calls=by_actor.count("support"),
        coding_calls=by_actor.count("coding"),
        classifier_calls=by_actor.count("classifier"),
        openai_calls=sum(call.sdk == "openai" for call in calls),
        anthropic_calls=sum(call.sdk == "anthropic" for call in calls),
        streamed=sum(call.stream for call in calls),
        conversations=len({call.conversation for call in calls}),
        users=len({call.user for call in calls}),
        subjects=len({call.subject for call in opening}),
        questions=len({opened_with(call) for call in opening}),
        support_repeats=repeats_by_actor.count("support"),
        coding_repeats=repeats_by_actor.count("coding"),
        classifier_repeats=repeats_by_actor.count("classifier"),
    )


def repeated(calls: Iterable[PlannedCall]) -> tuple[PlannedCall, ...]:
    """The calls that an earlier one equals word for word, streaming apart."""
    said: dict[str, tuple[str, ...]] = {}
    seen: set[tuple[str, str, str, tuple[str, ...]]] = set()
    again: list[PlannedCall] = []
    for call in calls:
        said[call.conversation] = (*said.get(call.conversation, ()), opened_with(call))
        words = (call.sdk, call.model, call.system, said[call.conversation])
        if words in seen:
            again.append(call)
        seen.add(words)
    return tuple(again)


def opened_with(call: PlannedCall) -> str:
    """The new text of a call: what the person said, or what the tool returned."""
    return call.step.text if isinstance(call.step, Say) else call.step.result
