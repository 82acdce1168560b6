"""The support assistant's customers: who asks what next, and what is asked again word for word."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from scrimp.demo.traffic.corpus import Subject, Support, Wording

AGAIN_SHARE = 0.31
"""How often a chat opens with a question that somebody else has asked in the same words."""

GAP = 8
"""The newest questions are not repeated yet: while they are being answered, nobody can gain."""

PRIVATE_SLOTS = frozenset({"order", "invoice", "serial"})


@dataclass(frozen=True, slots=True)
class Question:
    """What a customer sends. Two questions share an answer exactly when `meaning` is equal."""

    text: str
    lang: str
    subject: Subject
    meaning: str


class Crowd:
    """Asks questions with a popularity after Zipf: the n-th subject about 1/n as often.

    Wordings without a slot are new once; afterwards they come only as repeats. A question with
    somebody's own number in it is never repeated by somebody else.
    """

    def __init__(self, rng: Random, support: Support) -> None:
        self._rng = rng
        self._products = support.products
        self._subjects = {subject.id: subject for subject in support.subjects}
        # A flattened head: with a plain 1/n the first subject alone would be a fifth of the day.
        self._weight = {
            subject.id: 1.0 / (rank + 8) for rank, subject in enumerate(support.subjects)
        }
        self._fresh = {subject.id: list(subject.wordings) for subject in support.subjects}
        self._heard: dict[str, tuple[Question, float]] = {}

    def ask(self) -> Question:
        """The next question of the day."""
        known = list(self._heard.values())[:-GAP]
        open_subjects = [name for name, wordings in self._fresh.items() if wordings]
        if known and (not open_subjects or self._rng.random() < AGAIN_SHARE):
            return self._again(known)
        weights = [self._weight[name] for name in open_subjects]
        return self._new(self._rng.choices(open_subjects, weights)[0])

    def subject(self, subject_id: str) -> Subject:
        """What the corpus has on this."""
        return self._subjects[subject_id]

    def ask_about(self, subject_id: str) -> Question:
        """A question about this subject, in any wording, asked before or not."""
        subject = self._subjects[subject_id]
        wordings = subject.wordings
        shares = [1.0 / (number + 1) for number in range(len(wordings))]
        return self._word(subject, self._rng.choices(wordings, shares)[0])

    def _again(self, known: list[tuple[Question, float]]) -> Question:
        return self._rng.choices(
            [question for question, _ in known], [weight for _, weight in known]
        )[0]

    def _new(self, subject_id: str) -> Question:
        subject = self._subjects[subject_id]
        return self._word(subject, self._rng.choice(self._fresh[subject_id]))

    def _word(self, subject: Subject, wording: Wording) -> Question:
        slots = {name: self._fill(name) for name in wording.slots}
        question = Question(
            text=wording.text.format_map(slots),
            lang=wording.lang,
            subject=subject,
            meaning="|".join([wording.intent, *(f"{k}={v}" for k, v in sorted(slots.items()))]),
        )
        if not slots and wording in self._fresh[subject.id]:
            self._fresh[subject.id].remove(wording)
        if not PRIVATE_SLOTS.intersection(slots):
            # The short and plain wordings stand first, and are the ones that people share.
            place = 1.0 / (subject.wordings.index(wording) + 1)
            self._heard.setdefault(question.text, (question, self._weight[subject.id] * place))
        return question

    def _fill(self, slot: str) -> str:
        match slot:
            case "product":
                return self._rng.choice(self._products)
            case "order":
                return f"LM-{self._rng.randrange(48_000, 52_000)}"
            case "invoice":
                return f"INV-{self._rng.randrange(10_000, 14_000)}"
            case "serial":
                return f"LS{self._rng.randrange(100_000, 999_999)}"
            case _:
                msg = f"a wording asks for the unknown slot {slot!r}"
                raise ValueError(msg)
