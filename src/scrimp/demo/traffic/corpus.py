"""What people say in the demo, read from the TOML files beside this module.

The texts are written for this project. Only package data is read, once, on first use.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Literal

Desk = Literal["shop", "devices"]
Label = Literal["praise", "defect", "delivery", "billing", "question"]

LANGUAGES = ("en", "de", "es", "fr")
LABELS: tuple[Label, ...] = ("praise", "defect", "delivery", "billing", "question")
SUPPORT_FILES: tuple[str, ...] = ("orders", "returns", "billing", "account", "devices", "features")
CODING_FILES: tuple[str, ...] = ("limiter", "pages", "flaky", "csv", "react", "deploy")


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to ask. `slots` are the names in braces that a customer fills in, such as order.

    `intent` is the id of the subject for all wordings of its one question. A question of its own,
    on the same subject, has a number behind it: `pair/2`.
    """

    text: str
    lang: str
    intent: str
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to be answered. `near` sounds alike and needs another answer.

    `asked` is its popularity from 1 (rare) to 10. Two questions share an answer exactly when the
    intents of their wordings and all their slots are equal.
    """

    id: str
    desk: Desk
    topic: str
    asked: int
    near: tuple[str, ...]
    wordings: tuple[Wording, ...]


@dataclass(frozen=True, slots=True)
class Support:
    """The support assistant and its customers; subjects stand from most to least popular."""

    system: str
    products: tuple[str, ...]
    follow_ups: tuple[str, ...]
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class Say:
    """A turn that a person opens."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A turn that a tool opens: the assistant had called `tool` with `arguments`."""

    tool: str
    arguments: Mapping[str, Any]
    result: str


Step = Say | ToolResult


@dataclass(frozen=True, slots=True)
class Conversation:
    """A developer's talk with the coding assistant, without the assistant's replies."""

    id: str
    title: str
    developer: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the assistant may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Coding:
    """The coding assistant: instruction, tools, and the conversations of the day."""

    system: str
    tools: tuple[Tool, ...]
    conversations: tuple[Conversation, ...]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A short text and its true label."""

    text: str
    label: Label


@dataclass(frozen=True, slots=True)
class Labels:
    """The batch classifier: a fixed instruction and the texts, label by label."""

    instruction: str
    tickets: tuple[Ticket, ...]


@cache
def load_support() -> Support:
    """The support assistant's customers."""
    head = _read("support")
    subjects = [subject for name in SUPPORT_FILES for subject in _subjects(f"support_{name}")]
    return Support(
        system=head["system"].strip(),
        products=tuple(head["products"]),
        follow_ups=tuple(head["follow_ups"]),
        subjects=tuple(sorted(subjects, key=lambda subject: (-subject.asked, subject.id))),
    )


@cache
def load_coding() -> Coding:
    """The coding assistant's conversations."""
    head = _read("coding")
    return Coding(
        system=head["system"].strip(),
        tools=tuple(Tool(t["name"], t["description"], t["parameters"]) for t in head["tool"]),
        conversations=tuple(_conversation(f"coding_{name}") for name in CODING_FILES),
    )


@cache
def load_labels() -> Labels:
    """The batch classifier's texts."""
    data = _read("tickets")
    return Labels(
        instruction=data["instruction"].strip(),
        tickets=tuple(Ticket(text, label) for label in LABELS for text in data[label]),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def _subjects(name: str) -> list[Subject]:
    data = _read(name)
    return [
        Subject(
            id=entry["id"],
            desk=data["desk"],
            topic=entry["topic"],
            asked=entry["asked"],
            near=tuple(entry.get("near", ())),
            wordings=_wordings(entry),
        )
        for entry in data["subject"]
    ]


def _wordings(entry: Mapping[str, Any]) -> tuple[Wording, ...]:
    same = [(text, lang, entry["id"]) for lang in LANGUAGES for text in entry.get(lang, ())]
    others = entry.get("also", ())
    own = [(text, "en", f"{entry['id']}/{number}") for number, text in enumerate(others, start=1)]
    return tuple(Wording(*wording, _slots(wording[0])) for wording in (*same, *own))


def _slots(text: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(text) if name)


def _conversation(name: str) -> Conversation:
    data = _read(name)
    return Conversation(
        id=data["id"],
        title=data["title"],
        developer=data["developer"],
        steps=tuple(_step(entry) for entry in data["step"]),
    )


def _step(entry: Mapping[str, Any]) -> Step:
    if "say" in entry:
        return Say(entry["say"].strip())
    return ToolResult(entry["tool"], entry["input"], entry["result"].strip("\n"))
