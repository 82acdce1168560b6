"""What a call asks of the choice of its model, read from a name or a header.

`scrimp/auto:quality=0.98` and `x-scrimp-route: auto, quality=0.98` say the same.

One grammar for both: words and `key=value`, parted by commas; several models are parted by `+`.
Pure. What cannot be meant is refused with the word at fault, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, DecimalException

from msgspec.structs import replace

from scrimp.checks.named import named
from scrimp.choosing import NO_WISH, RUNGS, Wish
from scrimp.errors import InvalidRequest, UnknownModel
from scrimp.money import NANO_PER_USD

PREFIX = "scrimp/"
NAMES = ("scrimp/auto", "scrimp/cheap")
"""Models that stand for a choice."""
_DIALS = ("max_loss", "floor", "budget_nanousd")
_DEPTHS = ("rules", "learned", "certified")
_MOST_MODELS = 16
_MOST_CHARS = 1024
_MODES = frozenset(("off", "auto", "cheap"))
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def is_choice(model: str) -> bool:
    """True for a name that leaves the choice to Scrimp."""
    return model.startswith(PREFIX)


def named_wish(model: str) -> Wish:
    """The wish in a name such as `scrimp/cheap`. Raises UnknownModel, InvalidRequest."""
    name, _, options = model.partition(":")
    if name not in NAMES:
        raise UnknownModel(
            f"model '{model[:80]}' is none of {', '.join(NAMES)} (options follow a colon: "
            "scrimp/auto:quality=0.98)"
        )
    begun = Wish("auto") if name == "scrimp/auto" else Wish("cheap")
    return _checked(_read(begun, options, f"model '{name}'"), f"model '{name}'")


def header_wish(text: str, base: Wish = NO_WISH) -> Wish:
    """`x-scrimp-route` over what the model's name has said. Raises InvalidRequest."""
    if not text:
        return base
    return _checked(_read(base, text, "x-scrimp-route"), "x-scrimp-route")


def header_checks(text: str, base: Wish) -> Wish:
    """`x-scrimp-checks`: checks of a cascade, such as `min_length=40, requires=price`.

    Raises InvalidRequest.
    """
    if not text:
        return base
    found = []
    for part in _checks(text, "x-scrimp-checks"):
        try:
            found.append(named(part))
        except ValueError as error:
            raise InvalidRequest(f"x-scrimp-checks: {error}") from None
    return replace(base, checks=tuple(found))


def chooses(wish: Wish) -> bool:
    """Whether a call asks for a choice: one that names its own model, and asks for none, keeps it.

    Where it runs and how quickly it answers are demands on whichever model it is.
    """
    return (
        wish.mode in ("auto", "cheap")
        or bool(wish.required or wish.models or wish.depth or wish.rung)
        or wish.constrained
        or wish.low_latency
        or any(getattr(wish, name) is not None for name in _DIALS)
    )


def demands(wish: Wish) -> bool:
    """Whether filters have something to keep for a call, though it keeps its model."""
    return bool(wish.region) or wish.deadline_ms is not None


def kept_by_filters_only(wish: Wish, model: str) -> str:
    """What of a wish only a filter can keep, for a call that names this model; empty: nothing."""
    if wish.models and not wish.required and model not in wish.models:
        return "models"
    if wish.budget_nanousd is not None:
        return "usd"
    return "region" if wish.region else ""


def _read(wish: Wish, text: str, where: str) -> Wish:
    seen: set[str] = set()
    for part in _parts(text, where):
        key, equals, value = part.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals and (other := (seen & _MODES) - {key}) and key in _MODES:
            raise InvalidRequest(f"{where} says both '{other.pop()}' and '{key}'")
        wish = _option(wish, key, value, where) if equals else _word(wish, key, where)
        if equals and key in seen:
            raise InvalidRequest(f"{where} says '{key}' twice")
        seen.add(key)
    if {"quality", "loss"} <= seen:
        raise InvalidRequest(f"{where} sets 2 dials, quality and loss: one is enough")
    return wish


def _parts(text: str, where: str) -> list[str]:
    if len(text) > _MOST_CHARS:
        raise InvalidRequest(f"{where} has {len(text)} characters, at most {_MOST_CHARS} are read")
    return [part for part in text.split(",") if part.strip()]


def _checks(text: str, where: str) -> list[str]:
    """The same for checks: a comma in braces, or in a text there, belongs to a schema."""
    _parts(text, where)
    found: list[str] = []
    for part in text.split(","):
        if found and _is_open(found[-1]):
            found[-1] += f",{part}"
        elif part.strip():
            found.append(part)
    return found


def _is_open(check: str) -> bool:
    """Whether a schema has begun in it that has not ended."""
    if not check.lstrip().startswith("json"):
        return False
    bare = _QUOTED.sub("", check)
    return '"' in bare or any(bare.count(one) > bare.count(other) for one, other in ("{}", "[]"))


def _word(wish: Wish, word: str, where: str) -> Wish:
    if word in _MODES:
        if wish.mode not in ("default", word):
            raise InvalidRequest(f"{where} says '{word}', the model's name says '{wish.mode}'")
        return replace(wish, mode=word)
    raise InvalidRequest(
        f"{where} does not know '{word[:40]}' (off, auto, cheap, or one of "
        f"{', '.join(sorted(_OPTIONS))} with '=')"
    )


def _option(wish: Wish, key: str, value: str, where: str) -> Wish:
    reader = _OPTIONS.get(key)
    if reader is None:
        raise InvalidRequest(
            f"{where} does not know '{key[:40]}' (it knows {', '.join(sorted(_OPTIONS))})"
        )
    try:
        return reader(wish, value)
    except ValueError as error:
        raise InvalidRequest(f"{where}: {key}={value[:40]!r} is not {error}") from None


def _checked(wish: Wish, where: str) -> Wish:
    """Raises InvalidRequest for demands that exclude each other."""
    dials = [name for name in _DIALS if getattr(wish, name) is not None]
    if len(dials) > 1:
        raise InvalidRequest(
            f"{where} sets {len(dials)} dials, {' and '.join(_SAID[one] for one in dials)}: one is "
            "enough (quality or loss, floor, usd)"
        )
    if wish.required and wish.models and wish.required not in wish.models:
        raise InvalidRequest(
            f"{where} requires '{wish.required}', which is not among its models "
            f"({', '.join(wish.models)})"
        )
    how = (wish.models, wish.rung, wish.depth, wish.constrained, wish.low_latency)
    if wish.mode == "cheap" and (wish.max_loss is not None or wish.floor is not None):
        raise InvalidRequest(
            f"{where} asks for the cheapest that can and for a quality, which nothing would keep "
            "(say auto, or leave out quality, loss and floor)"
        )
    if wish.mode == "off" and (dials or any(how)):
        raise InvalidRequest(f"{where} switches routing off and says how to route")
    return wish


_SAID = {"max_loss": "quality (or loss)", "floor": "floor", "budget_nanousd": "usd"}


def _share(value: str, what: str) -> float:
    try:
        number = Decimal(value)
    except DecimalException:
        raise ValueError(what) from None
    if not (number.is_finite() and 0 <= number <= 1):
        raise ValueError(what)
    return float(number)


def _quality(wish: Wish, value: str) -> Wish:
    kept = _share(value, "a share of the quality from 0 to 1")
    return replace(wish, max_loss=round(1 - kept, 9))


def _loss(wish: Wish, value: str) -> Wish:
    return replace(wish, max_loss=_share(value, "a loss from 0 to 1"))


def _floor(wish: Wish, value: str) -> Wish:
    return replace(wish, floor=_share(value, "a chance from 0 to 1"))


def _usd(wish: Wish, value: str) -> Wish:
    what = "an amount of US dollars above 0"
    try:
        amount = Decimal(value) * NANO_PER_USD
    except DecimalException:
        raise ValueError(what) from None
    if not (amount.is_finite() and 1 <= amount < 10**15):
        raise ValueError(what)
    return replace(wish, budget_nanousd=int(amount))


def _deadline(wish: Wish, value: str) -> Wish:
    if not (value.isascii() and value.isdigit() and 0 < int(value[:10]) < 10**8):
        raise ValueError("a whole number of milliseconds")
    return replace(wish, deadline_ms=int(value))


def _models(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split("+") if name.strip()))
    if not names or len(names) > _MOST_MODELS:
        raise ValueError(f"a list of 1 to {_MOST_MODELS} models, parted by '+'")
    return names


def _one(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value.lower() not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return value.lower()

    return read


_RUNG, _DEPTH, _TIGHT, _LOW = _one(*RUNGS), _one(*_DEPTHS), _one("tight"), _one("low", "any")
_SWITCH = _one("on", "off")


def _fallback(wish: Wish, value: str) -> Wish:
    if value.lower() in ("on", "off"):
        return replace(wish, fallback=value.lower() == "on")
    return replace(wish, fallback=True, instead=_models(value))


def _text(value: str) -> str:
    if not value or len(value) > 256:
        raise ValueError("a name")
    return value


_OPTIONS: Mapping[str, Callable[[Wish, str], Wish]] = {
    "quality": _quality,
    "loss": _loss,
    "floor": _floor,
    "usd": _usd,
    "budget": lambda wish, value: replace(wish, constrained=bool(_TIGHT(value))),
    "latency": lambda wish, value: replace(wish, low_latency=_LOW(value) == "low"),
    "deadline_ms": _deadline,
    "required": lambda wish, value: replace(wish, required=_text(value)),
    "models": lambda wish, value: replace(wish, models=_models(value)),
    "rung": lambda wish, value: replace(wish, rung=_RUNG(value)),
    "region": lambda wish, value: replace(wish, region=_text(value)),
    "depth": lambda wish, value: replace(wish, depth=_DEPTH(value)),
    "cascade": lambda wish, value: replace(wish, cascade=_SWITCH(value) == "on"),
    "fallback": _fallback,
}
