"""JSON that fits a schema, with values taken from the conversation where they can be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from scrimp.simulator.conversation import Dice

_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_REFERENCE: Final = re.compile(r"\b(?:[A-Z]{1,4}-?\d{2,}|#?\d{3,})\b")
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NAME: Final = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_WORDS: Final = ("standard", "alpha", "north", "weekly", "primary", "green")
_DEEPEST: Final = 8


def fitting(schema: Mapping[str, Any], text: str, dice: Dice) -> Any:
    """A value for the schema (the subset that providers accept)."""
    return _Sampler(schema, text, dice).value(schema, "value", 0)


class _Sampler:
    """Walks one schema; `$ref` is looked up in its root."""

    def __init__(self, root: Mapping[str, Any], text: str, dice: Dice) -> None:
        self._root = root
        self._text = text
        self._dice = dice

    def value(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        """A value for one part of the schema."""
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            return self._choice(list(options))
        match self._kind(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._string(schema, name)
            case kind:
                return self._simple(kind, schema)

    def _simple(self, kind: str, schema: Mapping[str, Any]) -> bool | float | None:
        match kind:
            case "integer":
                return int(self._number(schema))
            case "number":
                return self._number(schema)
            case "boolean":
                return bool(self._dice.below(2))
            case _:
                return None

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(_DEEPEST):
            if isinstance(reference := schema.get("$ref"), str):
                found: Any = self._root
                for part in reference.removeprefix("#").strip("/").split("/"):
                    found = found.get(part, {}) if part and isinstance(found, Mapping) else found
                schema = found if isinstance(found, Mapping) else {}
            elif options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                schema = options[0]
            else:
                break
        return schema

    @staticmethod
    def _kind(schema: Mapping[str, Any]) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return str(kind[0]) if kind else "string"
        if kind is None:
            return "object" if "properties" in schema else "string"
        return str(kind)

    def _choice(self, options: list[Any]) -> Any:
        lowered = self._text.lower()
        for option in options:
            if isinstance(option, str) and option and option.lower() in lowered:
                return option
        return self._dice.pick(options)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return {}
        required = schema.get("required")
        names = list(properties)
        if depth >= _DEEPEST:
            names = [name for name in names if isinstance(required, list) and name in required]
        return {name: self.value(properties[name], name, depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, 3))
        if depth >= _DEEPEST:
            most = least
        length = max(least, min(most, 1 + self._dice.below(3)))
        items = schema.get("items")
        return [
            self.value(items if isinstance(items, Mapping) else {}, name, depth + 1)
            for _ in range(length)
        ]

    def _number(self, schema: Mapping[str, Any]) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum", None))
        high = schema.get("maximum", schema.get("exclusiveMaximum", None))
        bottom = low if low is not None else (0 if high is None else high - 100)
        top = high if high is not None else bottom + 100
        if found := _NUMBER.search(self._text):
            number = float(found.group())
            if bottom < number < top:
                return number
        if top - bottom <= 1:
            return float(bottom) + (top - bottom) * (1 + self._dice.below(98)) / 100
        return float(int(bottom) + 1 + self._dice.below(max(1, int(top - bottom) - 1)))

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        lowered = name.lower()
        match schema.get("format"):
            case "date":
                return f"2026-0{1 + self._dice.below(9)}-1{self._dice.below(10)}"
            case "date-time":
                return f"2026-0{1 + self._dice.below(9)}-1{self._dice.below(10)}T09:30:00Z"
            case "email":
                lowered = "email"
            case _:
                pass
        if "mail" in lowered:
            found = _EMAIL.search(self._text)
            return found.group() if found else "customer@example.com"
        if any(part in lowered for part in ("id", "number", "order", "code", "reference")) and (
            found := _REFERENCE.search(self._text)
        ):
            return found.group()
        if found := _NAME.search(self._text):
            return found.group()
        return self._words(lowered)

    def _words(self, name: str) -> str:
        if any(part in name for part in ("text", "summary", "reason", "answer", "query", "desc")):
            return " ".join(self._text.split()[:12]) or "nothing was said"
        return self._dice.pick(_WORDS)
