"""How much work a JSON schema can make, before any of it is done. Pure.

A hostile schema costs its checker exponential time: branches that refer to the same schema twice
double at each step. So references are followed here first: none may leave the document, none may
lead back to itself at the same value, and what all branches come to is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scrimp.checks.values import measured

MOST_VALUES = 5_000
MOST_DEPTH = 48
_MOST_AT_ONCE = 500
_MOST_WORK = 2_000_000

_REFS = ("$ref", "$dynamicRef", "$recursiveRef")
_HERE_ONE = ("not", "if", "then", "else")
_HERE_MANY = ("allOf", "anyOf", "oneOf")
_INSIDE_ONE = (
    *("items", "additionalItems", "additionalProperties", "unevaluatedItems", "contains"),
    *("unevaluatedProperties", "propertyNames"),
)
_INSIDE_NAMED = ("properties", "patternProperties")
_ANY = ""
"""The name of a child that may be any."""


class TooCostlyError(Exception):
    """The schema is not one that is checked here, and why."""


class Cost:
    """What a schema may cost. Raises TooCostlyError."""

    def __init__(self, schema: Any) -> None:
        count, depth = measured(schema, most=MOST_VALUES)
        if count > MOST_VALUES or depth > MOST_DEPTH:
            raise TooCostlyError(
                f"a schema of over {MOST_VALUES} values or {MOST_DEPTH} levels is not checked"
            )
        self._root = schema
        self._at: dict[int, list[Mapping[str, Any]]] = {}
        self.at_once = self.branching = 1
        self._walk()

    def allows(self, values: int, depth: int) -> None:
        """Raises TooCostlyError for a value of this size that would take too long."""
        work = self.at_once * values
        for _ in range(depth):
            work *= self.branching
            if work > _MOST_WORK:
                raise TooCostlyError("the branches of the schema double too often to be checked")

    def _walk(self) -> None:
        """Visit every schema that applies anywhere, as often as it is another one."""
        waiting: list[tuple[Any, ...]] = [(self._root,)]
        seen: set[frozenset[int]] = set()
        while waiting:
            group = waiting.pop()
            here = [one for schema in group for one in self._here(schema, ())]
            key = frozenset(map(id, here))
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > MOST_VALUES:
                raise TooCostlyError("the schema applies in too many ways to be checked")
            self.at_once = max(self.at_once, len(here))
            for applied in self._inside(here):
                different = {id(schema): schema for schema in applied}
                self.branching = max(self.branching, len(applied))
                waiting.append(tuple(different.values()))

    def _here(self, schema: Any, within: tuple[int, ...]) -> list[Mapping[str, Any]]:
        """Every schema that applies to the same value, references followed."""
        if not isinstance(schema, dict):
            return []
        me = id(schema)
        if schema is not self._root and not _is_plain(schema):
            raise TooCostlyError("a part of the schema has a name of its own")
        if me in within:
            raise TooCostlyError("the schema refers to itself without going deeper")
        if (known := self._at.get(me)) is not None:
            return known
        found: list[Mapping[str, Any]] = [schema]
        for other in self._beside(schema):
            found += self._here(other, (*within, me))
            if len(found) > _MOST_AT_ONCE:
                raise TooCostlyError(f"over {_MOST_AT_ONCE} schemas apply to one value")
        self._at[me] = found
        return found

    def _beside(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        for name in _REFS:
            if name in schema:
                yield self._referred(schema[name])
        for name in _HERE_ONE:
            if name in schema:
                yield schema[name]
        for name in _HERE_MANY:
            if isinstance(schema.get(name), list):
                yield from schema[name]
        for name in ("dependentSchemas", "dependencies"):
            if isinstance(schema.get(name), dict):
                yield from schema[name].values()

    def _inside(self, here: list[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
        """For each child that has schemas of its own: all that apply to it."""
        named: dict[str, list[Any]] = {}
        for schema in here:
            for keyword in _INSIDE_ONE:
                if keyword in schema:
                    named.setdefault(_ANY, []).extend(_several(schema[keyword]))
            named.setdefault(_ANY, []).extend(_several(schema.get("prefixItems", ())))
            for keyword in _INSIDE_NAMED:
                for name, child in _pairs(schema.get(keyword)):
                    of_any = keyword == "patternProperties"
                    named.setdefault(_ANY if of_any else name, []).append(child)
        anywhere = named.pop(_ANY, [])
        if anywhere:
            yield tuple(anywhere)
        for schemas in named.values():
            yield (*schemas, *anywhere)

    def _referred(self, reference: Any) -> Any:
        """What a reference within the document means. Raises TooCostlyError for any other."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise TooCostlyError("a reference of the schema leaves the document")
        if reference == "#":
            return self._root
        if not reference.startswith("#/") or "%" in reference:
            raise TooCostlyError("the schema refers by anchors or escapes, which are not followed")
        found = self._root
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            else:
                raise TooCostlyError("a reference of the schema leads nowhere")
        return found


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Whether references within it are read from the document's root: an id would move that."""
    return not any(isinstance(schema.get(name), str) for name in ("$id", "id"))


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
