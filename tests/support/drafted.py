"""Drafts whose wrong ones can be told by how they are said, in files, and by a real provider."""

from __future__ import annotations

import json
import random
import threading
from typing import Any, Literal

from scrimp.dialects.json_body import encode
from tests.support.grading_provider import GradingProvider

Tell = Literal["hedges", "turns", "nothing"]
"""What tells a wrong draft: doubt, a change of mind, or nothing does."""

_SAID = {
    "plain": "It is the old town of {name} by the river.",
    "hedges": "Maybe it is probably {name}, I guess, perhaps.",
    "turns": "Wait, sorry, actually a mistake: it is {name}.",
}


def draft_of(name: str, tell: Tell, *, good: bool, dice: random.Random) -> str:
    """What the cheap model says; the other way of doubting stands in right answers at times."""
    if tell == "nothing":
        return _SAID[dice.choice(("plain", "hedges", "turns"))].format(name=name)
    other = "hedges" if tell == "turns" else "turns"
    said = tell if not good else dice.choice(("plain", other))
    return _SAID[said].format(name=name)


def rows(count: int, *, tell: Tell = "hedges", seed: int = 1, right: float = 0.6) -> bytes:
    """Lines of a labelled file with answers: `weak` is right so often, `strong` nearly always."""
    dice = random.Random(seed)  # noqa: S311 (no secret)
    lines = []
    for number in range(count):
        good = dice.random() < right
        name = "".join(dice.choices("aeioulmnrst", k=6))
        answer = draft_of(name, tell, good=good, dice=dice)
        models = {
            "weak": {"quality": float(good), "cost": "0.001", "response": answer},
            "strong": {"quality": float(dice.random() < 0.97), "cost": "0.01"},
        }
        prompt = f"What is the capital of land {name}, {seed}-{number}?"
        lines.append(json.dumps({"prompt": prompt, "models": models}).encode() + b"\n")
    return b"".join(lines)


class DraftingProvider(GradingProvider):
    """`weak` drafts, `strong` knows, `grader-1` grades. Weak knows what begins with a vowel."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(self._grades)
        self.tell: Tell = tell
        self.served: dict[str, int] = {}
        self._lock = threading.Lock()
        self._dice = random.Random(7)  # noqa: S311 (no secret)

    def answer(self, fields: dict[str, Any]) -> bytes:
        """As the model that is asked would."""
        model = fields["model"]
        with self._lock:
            self.served[model] = self.served.get(model, 0) + 1
            if model == "grader-1":
                return super().answer(fields)
            name = fields["messages"][-1]["content"].rpartition(" ")[2].strip("?")
            said = f"Right: {name}, the old town by the river, as all books say of that land."
            if model == "weak":
                good = name[0] in "aeiou"
                said = draft_of(name, self.tell, good=good, dice=self._dice)
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 20, "completion_tokens": 15, "total_tokens": 35}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
        return encode({**head, "choices": [choice], "usage": usage})

    def _grades(self, labels: tuple[str, str], texts: tuple[str, str]) -> str:
        """An honest judge: it knows by what a wrong draft can be told."""
        begins = "Wait" if self.tell == "turns" else "Maybe"
        told = zip(labels, (2 if text.startswith(begins) else 9 for text in texts), strict=True)
        return " ".join(f"{label}={grade}" for label, grade in told)

    def tables(self) -> str:
        """The tables of scrimp.toml for its three models, each with a price."""
        return (
            f'[providers.mine]\nbase_url = "{self.url}/v1"\ndialects = ["openai.chat"]\n'
            '[models.weak]\nprovider = "mine"\n[models.strong]\nprovider = "mine"\n'
            '[models.grader]\nprovider = "mine"\nmodel = "grader-1"\n'
            '[prices.weak]\ninput = "1"\noutput = "2"\n'
            '[prices.strong]\ninput = "10"\noutput = "20"\n'
            '[prices."grader-1"]\ninput = "1"\noutput = "2"\n'
        )
