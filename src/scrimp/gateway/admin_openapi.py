"""The OpenAPI 3.1 document of the admin API, made of the structs that check its requests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from scrimp.budgets.tables import MOST_USD
from scrimp.gateway.admin_words import PREFIX, Endpoint, Failure
from scrimp.limits import ScopeKind
from scrimp.shell.forms import KeyName, Label

_REF = "#/components/schemas/{name}"
_ERRORS = {
    "400": "The body is no JSON.",
    "401": "No admin key, or none that holds.",
    "403": "A key that makes calls, or a web page.",
    "404": "There is no such thing.",
    "405": "Another method is meant.",
    "409": "It stands against what is there, or it stands in scrimp.toml.",
    "413": "The body is too large.",
    "415": "The body is not declared as JSON.",
    "422": "A value is out of its range; the message says which, and the range.",
    "503": "The control store cannot be read or written.",
}
_USD = {
    "description": f"US dollars: a number or decimal text, from 0.000000001 to {MOST_USD}",
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_USD},
        {"type": "string", "pattern": "^[0-9]{1,7}([.][0-9]{1,9})?$"},
        {"type": "null"},
    ],
}
_NAMES: dict[str, Any] = {"keys": KeyName, "scopes": str}


def openapi(table: Iterable[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    endpoints = list(table)
    types: list[Any] = [Failure]
    for one in endpoints:
        types += [kind for kind in (one.form, one.answer) if kind is not None]
    _, components = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scrimp admin API",
            "version": "1",
            "description": "Organisations, teams, users, keys, budgets and tiers of a gateway.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: _exact(schema) for name, schema in components.items()},
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"admin": []}, {}],
    }


def _operation(one: Endpoint) -> dict[str, Any]:
    slug = re.sub(r"[^a-z]+", "_", one.path.replace("{", "").replace("}", "")).strip("_")
    operation: dict[str, Any] = {
        "operationId": f"{one.method.lower()}_{slug}",
        "summary": one.summary,
        "parameters": [*_path_parameters(one), *_query_parameters(one)],
        "responses": _responses(one),
    }
    if one.form is not None:
        operation["requestBody"] = {
            "required": not one.form_optional,
            "content": {"application/json": {"schema": _ref(one.form)}},
        }
    return operation


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    section = one.path.split("/")[1]
    return [
        {"name": name, "in": "path", "required": True, "schema": _name_schema(section, name)}
        for name in re.findall(r"{(\w+)}", one.path)
    ]


def _name_schema(section: str, name: str) -> dict[str, Any]:
    if name == "kind":
        return {"type": "string", "enum": list(get_args(ScopeKind))}
    if name == "scope":
        return {"type": "string", "minLength": 1, "maxLength": 128}
    return msgspec.json.schema(_NAMES.get(section, Label))


def _query_parameters(one: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": msgspec.json.schema(kind)}
        for name, kind in one.query.items()
    ]


def _responses(one: Endpoint) -> dict[str, Any]:
    if one.answer is None:
        good: dict[str, Any] = {"204": {"description": "Done."}}
    else:
        content = {"application/json": {"schema": _ref(one.answer)}}
        good = {str(one.status): {"description": one.summary, "content": content}}
    failure = {"application/json": {"schema": _ref(Failure)}}
    bad = {code: {"description": text, "content": failure} for code, text in _ERRORS.items()}
    return good | bad


def _ref(kind: type[Any]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _exact(schema: dict[str, Any]) -> dict[str, Any]:
    """Dollars are checked by more than their types."""
    properties = schema.get("properties", {})
    for name in ("usd", "call_usd"):
        if name in properties:
            properties[name] = {**_USD, "default": None}
    return schema
