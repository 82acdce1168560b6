"""Answers and arguments of tools against JSON Schema, whoever wrote the schema.

Schemas come from clients: patterns are matched in linear time (Rust's regex, no backtracking),
nothing is ever fetched, and what a schema can cost is known before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs
from jsonschema_rs import Validator

from scrimp.checks.schema_cost import Cost, TooCostlyError
from scrimp.checks.values import MOST_CHARS, measured, parsed
from scrimp.checks.words import PASSED, Answer, Failed, Question, Unknown, Verdict
from scrimp.dialects.json_body import encode, parse

_MOST_SCHEMA_BYTES = 64 * 1024
_MOST_VALUES, _MOST_DEPTH = 50_000, 64
_DRAFTS: Mapping[str, type[Validator]] = {
    "draft-04": jsonschema_rs.Draft4Validator,
    "draft-06": jsonschema_rs.Draft6Validator,
    "draft-07": jsonschema_rs.Draft7Validator,
    "2019-09": jsonschema_rs.Draft201909Validator,
}
_UNUSABLE = (ValueError, TypeError, RecursionError, jsonschema_rs.ReferencingError)
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1_000_000, dfa_size_limit=1_000_000)


def json(question: Question, answer: Answer, argument: str) -> Verdict:
    """The answer is JSON, of the schema in the argument, else of the one that the call names."""
    if answer.tool_uses and not answer.text.strip():
        return Unknown("calls a tool in place of an answer")
    schema = question.schema
    if argument:
        schema = parse(argument.encode())
        if not isinstance(schema, dict | bool):
            return Unknown("the argument is no JSON schema")
    if len(answer.text) > MOST_CHARS:
        return Unknown("too long to be read")
    value = parsed(answer.text, fenced=not question.wants_json)
    if value is None:
        return Failed("is no JSON")
    return PASSED if schema is None else _fits(schema, value.it, "the answer")


def tool_arguments(question: Question, answer: Answer, argument: str) -> Verdict:
    """Every tool that the answer calls is one of the call's own, its arguments of its schema.

    An answer that calls none says nothing; with the argument `required` it fails.
    """
    if not answer.tool_uses:
        return Failed("calls no tool") if argument == "required" else Unknown("calls no tool")
    unsure: Unknown | None = None
    for use in answer.tool_uses:
        schema = question.tools.get(use.name)
        if schema is None:
            return Failed("calls a tool that it was not given")
        value = parsed(use.arguments or "{}")
        if value is None:
            return Failed(f"the arguments of {use.name[:40]} are no JSON")
        verdict = _fits(schema, value.it, f"the arguments of {use.name[:40]}")
        if isinstance(verdict, Failed):
            return verdict
        unsure = verdict if isinstance(verdict, Unknown) else unsure
    return unsure or PASSED


def usable(schema: Any) -> bool:
    """Whether values can be checked against a schema."""
    return not isinstance(_ready(schema), Unknown)


def _fits(schema: Any, value: Any, what: str) -> Verdict:
    """Whether a value is of a schema. `why` names the keyword at fault, never the value."""
    found = _ready(schema)
    if isinstance(found, Unknown):
        return found
    count, depth = measured(value, most=_MOST_VALUES)
    if count > _MOST_VALUES or depth > _MOST_DEPTH:
        return Unknown("the value is too large to be checked")
    validator, cost = found
    try:
        cost.allows(count, depth)
        wrong = next(iter(validator.iter_errors(value)), None)
    except TooCostlyError as error:
        return Unknown(str(error))
    except _UNUSABLE as error:
        return Unknown(f"the schema cannot be used ({type(error).__name__})")
    return PASSED if wrong is None else Failed(f"{what}: {wrong.kind.name} does not hold")


def _ready(schema: Any) -> tuple[Validator, Cost] | Unknown:
    try:
        written = encode(schema)
    except (TypeError, ValueError, RecursionError):
        return Unknown("the schema cannot be read")
    if len(written) > _MOST_SCHEMA_BYTES:
        return Unknown(f"a schema of over {_MOST_SCHEMA_BYTES} bytes is not checked")
    found = _compiled(written)
    return Unknown(found) if isinstance(found, str) else found


@lru_cache(maxsize=256)
def _compiled(written: bytes) -> tuple[Validator, Cost] | str:
    """A schema made ready, or why it cannot be used."""
    schema = parse(written)
    make: type[Validator] = jsonschema_rs.Draft202012Validator
    if isinstance(schema, dict):
        named = str(schema.pop("$schema", ""))  # by its name alone: what is there is not asked
        make = next((one for draft, one in _DRAFTS.items() if draft in named), make)
    try:
        cost = Cost(schema)
        validator = make(schema, validate_formats=False, pattern_options=_PATTERNS, offline=True)
    except TooCostlyError as error:
        return str(error)
    except _UNUSABLE as error:
        return f"the schema cannot be used ({type(error).__name__})"
    return validator, cost
