"""The form that answers must have: taken from a call, told in a prompt of several, kept to. Pure.

A provider can hold a whole answer to a form, but not the parts of one that stand behind marks. So
the form is told in words, and an answer counts only where it keeps to it, as far as can be checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scrimp.checks import schema as schemas
from scrimp.checks.reading import form_in
from scrimp.checks.values import parsed, unfenced
from scrimp.checks.words import Answer, Passed, Question
from scrimp.dialects.json_body import encode
from scrimp.values import Value

FIELDS: Mapping[str, tuple[str, ...]] = {
    "openai.chat": ("response_format",),
    "openai.responses": ("text",),
    "anthropic.messages": ("output_config", "output_format"),
}
"""Where a call says its form, by dialect."""

_KEYS = {"type", "json_schema", "name", "schema", "strict"}
"""A description is not among them: a model reads it in a way that nobody tells."""
_AROUND = ("text", "output_config")
_BESIDE = {"format", "verbosity", "effort"}
_KINDS = ("text", "json_object", "json_schema")
_OBJECT = "Each answer is one JSON object and nothing else: no word before or after it, no fence.\n"
_OF_SCHEMA = (
    "Each answer is one JSON value and nothing else: no word before or after it, no fence. It is "
    "valid against this JSON schema:\n{schema}\n"
)


class Form(Value, frozen=True):
    """`wants_json`: an answer is JSON; of this `schema`, where there is one."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"schema"})

    wants_json: bool = False
    schema: Any = None

    def told(self) -> str:
        """What a prompt says of it; empty for plain text."""
        if not self.wants_json:
            return ""
        if self.schema is None:
            return _OBJECT
        return _OF_SCHEMA.format(schema=encode(self.schema).decode())

    def kept(self, text: str) -> str | None:
        """An answer that keeps to the form, without a fence around it; None for any other."""
        if not self.wants_json:
            return text
        text = unfenced(text).strip()
        value = parsed(text)
        if value is None:
            return None
        if self.schema is None:
            return text if isinstance(value.it, dict) else None
        asked = Question("", schema=self.schema, wants_json=True)
        return text if isinstance(schemas.json(asked, Answer(text), ""), Passed) else None


def form_of(fields: Mapping[str, Any], dialect: str) -> Form:
    """What form a call asks for."""
    return Form(*form_in(fields, dialect))


def strange_form(fields: Mapping[str, Any], dialect: str) -> str:
    """In a word why answers could not be held to a call's form; empty where they can."""
    for name in FIELDS.get(dialect, ()):
        if fields.get(name) is not None and not _is_known(name, fields[name]):
            return f"field {name}"
    form = form_of(fields, dialect)
    if form.schema is None:
        return "schema" if _names_schema(fields, dialect) else ""
    return "" if schemas.usable(form.schema) else "schema"


def without_form(fields: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The same fields for a prompt that tells the form in words."""
    found = dict(fields)
    for name in FIELDS.get(dialect, ()):
        said = found.pop(name, None)
        if name in _AROUND and (beside := _beside(said)):
            found[name] = beside
    return found


def _beside(value: object) -> dict[str, Any]:
    return {k: v for k, v in value.items() if k != "format"} if isinstance(value, dict) else {}


def _is_known(name: str, value: object) -> bool:
    """Whether all that is said there is understood."""
    if not isinstance(value, dict):
        return False
    if name in _AROUND:
        form = value.get("format")
        return value.keys() <= _BESIDE and (form is None or _is_known("", form))
    inner = value.get("json_schema")
    known = inner is None or (isinstance(inner, dict) and inner.keys() <= _KEYS)
    return known and value.keys() <= _KEYS and value.get("type") in _KINDS


def _names_schema(fields: Mapping[str, Any], dialect: str) -> bool:
    """Whether it asks for a schema and gives none."""
    said = [fields.get(name) for name in FIELDS.get(dialect, ())]
    forms = [one.get("format") or one for one in said if isinstance(one, dict)]
    return any(isinstance(one, dict) and one.get("type") == "json_schema" for one in forms)
