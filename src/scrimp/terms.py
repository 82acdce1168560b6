"""What a bill depends on beside the tokens, and which part of a bill that several calls share."""

from __future__ import annotations

from scrimp.values import Value


class Part(Value, frozen=True):
    """Which part of an attempt's usage a usage is, where several calls shared the attempt.

    `before` are the units that stand in the parts before it, in the order of `COUNTERS`, then
    milliseconds; `prompt_tokens` is all that went in, since prices go by the whole prompt.
    `share` parts what is billed once: from, to, and of how much. Prices of parts at any rates add
    up to that of the whole.
    """

    before: tuple[int, ...]
    prompt_tokens: int
    share: tuple[int, int, int]


class Terms(Value, frozen=True, omit_defaults=True):
    """What else a provider said that its bill depends on, beside the tokens.

    `reported_nanousd` is what it says that the call cost, `geo` where it says that the model ran,
    `tool_calls` how often it ran a hosted tool that has a fee of its own, by the tool's name (of
    all that share an attempt). `compute_ms` is how long the call took, kept only for models that
    are priced by time. `part` is set where the attempt was shared.
    """

    reported_nanousd: int | None = None
    geo: str = ""
    tool_calls: tuple[tuple[str, int], ...] = ()
    compute_ms: int = 0
    part: Part | None = None


def unsaid(terms: Terms | None) -> Terms | None:
    """Without what a provider said of its own bill: of its words only which part this is stays."""
    return None if terms is None or terms.part is None else Terms(part=terms.part)
