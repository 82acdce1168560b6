"""Which questions are never answered by meaning, each with its reason. When in doubt: not.

Lists are short on purpose: what they miss is left to verdicts. English first; other languages as
far as their words cannot mean something else in English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from scrimp.calls import Call
from scrimp.fingerprint import why_not
from scrimp.semantics.question import Question

EXACT_TASKS = frozenset(
    {"translation", "summarization", "extraction", "code_generation", "code_review", "embedding"}
)
"""Their answers are functions of the very words that were sent."""


@dataclass(frozen=True, slots=True)
class BypassRules:
    """`words` are the user's own: a question with one of them is never answered by meaning."""

    max_temperature: float = 1.0
    words: AbstractSet[str] = frozenset()


def why_not_call(call: Call, ttl_s: int, rules: BypassRules) -> str:
    """Why a call is not even read for its question; empty when it is."""
    if call.operation != "chat":
        return "not_a_chat"
    if reason := why_not(call, ttl_s, max_temperature=rules.max_temperature):
        return reason
    return "task_word_for_word" if call.task.name in EXACT_TASKS else ""


def why_not_question(question: Question, rules: BypassRules) -> str:
    """Why a question is not answered by meaning; empty when it may be."""
    text = _seen(question.text)
    lowered = text.lower().replace("\u2019", "'")
    words = _WORD.findall(lowered)
    checks = (
        ("word_of_settings", bool(rules.words) and not rules.words.isdisjoint(words)),
        ("code", _is_code(text)),
        ("literal", _has_literal(text)),
        ("time", _is_about_now(words)),
        ("personal", _is_personal(lowered, words)),
        ("leans_on_history", question.history and not stands_alone(lowered, words)),
    )
    return next((reason for reason, applies in checks if applies), "")


def _seen(text: str) -> str:
    """What a reader sees: wide letters are letters, and what has no width is not there."""
    if text.isascii():
        return text
    shown = unicodedata.normalize("NFKC", text)
    return "".join(sign for sign in shown if unicodedata.category(sign) != "Cf")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

_CODE = re.compile(
    r"```|[{};]\s*$|=>|->|==|!=|&&|\|\||\w\(\)|\w\([\"']|</?\w+>|^\s*(?:def|class|import)\s"
    r"|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bUPDATE\b.+\bSET\b|\bDELETE FROM\b",
    re.MULTILINE,
)
_SUM = re.compile(r"\d\s*[-+*/^=\u00d7\u00f7]\s*\d")
_LITERAL = re.compile(
    r"https?://|www\.|[^\s@]+@[^\s@]+\.\w"  # addresses
    r"|\d[\d\s.-]{6,}\d"  # telephone, card and account numbers
    r"|\b(?=\w*\d)(?=\w*[A-Za-z])\w{8,}\b"  # identifiers
    r"|\S{41,}"
    r"|[\"\u201c\u00ab][^\"\u201d\u00bb]{41,}[\"\u201d\u00bb]"
    r"|(?:[A-Za-z]:)?(?:[\\/][\w.-]+){2,}"  # paths
)


def _is_code(text: str) -> bool:
    return _CODE.search(text) is not None or _SUM.search(text) is not None


def _has_literal(text: str) -> bool:
    """Something that stands for itself alone: the answer may be about just that."""
    return _LITERAL.search(text) is not None


_NOW = _set(
    "now today tonight tomorrow yesterday current currently latest newest recent recently nowadays "
    "weather forecast upcoming "
    "headlines bitcoin ethereum heute gestern morgen derzeit aktuell aujourd'hui demain hier "
    "actuellement hoy ma\u00f1ana ayer ahora actualmente oggi domani ieri adesso"
)
_NOW_PAIRS = (
    "right now",
    "the moment",
    "at present",
    *(
        f"{which} {unit}"
        for which in ("this", "last", "next")
        for unit in ("week", "month", "year")
    ),
    "this morning",
    "this evening",
    "so far",
    "what time is",
    "what day is",
    "what date",
    "who is the",
    "who's the",
    "stock price",
    "share price",
    "exchange rate",
    "long until",
    "days until",
    "weeks until",
    "what's new",
    "when is the next",
    "when's the next",
    "last night",
    "this weekend",
    "these days",
    "price of",
    "prices of",
    "is it raining",
    "is it snowing",
    "wie spät",
    "wer ist der",
    "wer ist die",
    "quelle heure",
    "qui est le",
    "qué hora",
    "quién es el",
    "quién es la",
    "che ore",
    "che ora",
)


def _is_about_now(words: list[str]) -> bool:
    """The answer will be another one later."""
    if not _NOW.isdisjoint(words):
        return True
    spaced = f" {' '.join(words)} "
    return any(f" {pair} " in spaced for pair in _NOW_PAIRS)


_OWN = _set(
    "my mine our ours mein meine meinen meiner mon ma mes mi mis mio mia unser unsere notre"
)
_STATE = _set(
    "name address balance order orders parcel package delivery shipment salary age birthday email "
    "number invoice invoices bill appointment reservation booking history usage score grade status "
    "ticket case data records location schedule calendar statement transactions payslip debt "
    "bestellung konto kontostand saldo paket lieferung rechnung adresse gehalt termin vertrag "
    "commande compte solde colis livraison facture adresse salaire rendez "
    "pedido cuenta paquete factura entrega dirección salario cita"
)
_ASKS_FACT = _set(
    "what what's whats where where's when which who show list tell give "
    "wo wann welche welcher zeig où quand quel quelle montre dónde cuándo cuál muestra"
)
_OPENINGS = (
    "do i have",
    "did i",
    "have i",
    "am i",
    "was i",
    "who am i",
    "do you remember",
    "did my",
    "has my",
    "is my",
    "was my",
    "how much do i",
    "how many do i",
    "how much have i",
    "remember that",
    "what did i",
    "when did i",
    "where did i",
    "i am called",
    "my name is",
)
_TOLD = ("my name is", "i live ", "my password is", "my pin is", "my email is", "my address is")
_FORGET = _set("please hi hello hey so and then well ok okay")


def _is_personal(lowered: str, words: list[str]) -> bool:
    """The answer is about the one who asks, and not about how things are done."""
    said = [word for word in words if word not in _FORGET]
    opening = " ".join(said[:4]) + " "
    if any(opening.startswith(f"{one} ") for one in _OPENINGS):
        return True
    if any(told in lowered for told in _TOLD):
        return True
    if not said or said[0] not in _ASKS_FACT:
        return False
    return any(
        word in _OWN and not _STATE.isdisjoint(said[at + 1 : at + 4])
        for at, word in enumerate(said)
    )


_POINTS = _set(
    "it its it's itself this that these those they them their theirs he him his she her hers there "
    "one ones same above previous former latter other others another else again more both either "
    "neither such instead too also"
)
_STARTS = _set("and but or so then why ok okay yes no sure continue go thanks also")
_SHORTEST = 4


def stands_alone(lowered: str, words: list[str]) -> bool:
    """True for a turn that says all that it means: nothing in it points back."""
    if len(words) < _SHORTEST or words[0] in _STARTS:
        return False
    if lowered.startswith(("what about", "how about", "what if", "how come")):
        return False
    return _POINTS.isdisjoint(words)
