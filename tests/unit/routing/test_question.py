"""What the choice of a model reads of a call: the same whether its prompt came before or not."""

from __future__ import annotations

from scrimp.dialects import DIALECTS
from scrimp.routing.question import Prompts, asked_of
from tests.support.core import call_of

RULES = ("Be kind.", "Be kïnd to all 漢字.", "", "Be\0kind.")


def test_a_prompt_that_came_before_is_read_as_at_first() -> None:
    """Place and conversation too, of one prompt, of several, and of none."""
    chats = [
        [{"role": "system", "content": rules} for rules in RULES[:count]] for count in range(4)
    ]
    chats += [[{"role": "system", "content": rules}] for rules in RULES]
    dialect, prompts = DIALECTS["openai.chat"], Prompts()
    calls = [
        call_of({"model": "m", "messages": [*chat, {"role": "user", "content": "?"}]})
        for chat in chats
    ]
    alone = [asked_of(call, dialect) for call in calls]
    for _ in range(2):
        assert [asked_of(call, dialect, prompts) for call in calls] == alone
    assert len({one.place.prompt for one in alone}) == 5
