"""`/v1/scrimp/admin/…`: organisations, teams, users, keys, budgets, tiers, and who changed them.

JSON in and out. A request is known by its administrator first, then by its path, then by its form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from scrimp.app import App
from scrimp.errors import InvalidRequest, Rejected, StoreError
from scrimp.gateway.admin_access import administrator
from scrimp.gateway.admin_endpoints import endpoints
from scrimp.gateway.admin_openapi import openapi
from scrimp.gateway.admin_words import MAX_BODY_BYTES, PREFIX, Asked, Endpoint, Failure, Fault
from scrimp.shell import wire
from scrimp.shell.desk import Desk
from scrimp.shell.forms import in_words
from scrimp.shell.refusal import Refusal, refusal_of
from scrimp.shell.rules_desk import AllCounters, Counters, RulesDesk

_OPENAPI = f"{PREFIX}/openapi.json"
_MAX_NAME = 256


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: a status, a body (empty for none) and headers of its own."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Knock:
    """A request as it came, its body not read yet."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    peer: str


BodyReader = Callable[[int], Awaitable[bytes | Refusal]]


class Admin:
    """Answers what is asked below the prefix."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._routes: dict[tuple[str, ...], dict[str, Endpoint]] = {}
        self._document = b""
        if app.control is None:
            return
        people = Desk(app.control, app.settings, app.clock)
        rules = RulesDesk(app.control, app.settings, people)
        table = endpoints(app.control, people, rules, self._counters)
        for one in table:
            parts = tuple(one.path.strip("/").split("/"))
            self._routes.setdefault(parts, {})[one.method] = one
        self._document = msgspec.json.encode(openapi(table))

    async def answer(self, knock: Knock, read: BodyReader) -> Told:
        """Whatever comes of it, as JSON."""
        try:
            return await self._answer(knock, read)
        except InvalidRequest as error:
            return _fault(422, "invalid_request", str(error))
        except Rejected as error:
            refused = refusal_of(error)
            return _fault(error.status, refused.kind, str(error))
        except StoreError as error:
            return _fault(503, "store_error", str(error))

    async def _answer(self, knock: Knock, read: BodyReader) -> Told:
        app = self._app
        if not app.settings.admin.enabled:
            return _fault(404, "not_found", "the admin API is off (admin.enabled in scrimp.toml)")
        who = await administrator(app, knock.headers, knock.peer)
        if isinstance(who, Refusal):
            return _fault(who.status, who.kind, who.message)
        if knock.raw_path == _OPENAPI.encode():
            return _only_get(knock, self._document)
        found = self._find(knock)
        return found if isinstance(found, Told) else await self._done(knock, read, who, found)

    async def _done(
        self, knock: Knock, read: BodyReader, who: str, found: tuple[Endpoint, dict[str, str]]
    ) -> Told:
        endpoint, names = found
        query = _query(knock.query, endpoint)
        form = await _form(knock, endpoint, read)
        if isinstance(form, Told):
            return form
        answer = await endpoint.handler(Asked(who, names, query, form))
        if answer is None:
            return Told(204, b"")
        return Told(endpoint.status, msgspec.json.encode(answer))

    def _find(self, knock: Knock) -> tuple[Endpoint, dict[str, str]] | Told:
        """The endpoint of a path. Encoded slashes stay inside of names."""
        path = knock.raw_path.decode("latin-1")
        if not path.startswith(f"{PREFIX}/"):
            return _nowhere()
        parts = [unquote(part, errors="replace") for part in path[len(PREFIX) + 1 :].split("/")]
        for template, methods in self._routes.items():
            names = _match(template, parts)
            if names is None:
                continue
            if not all(names.values()):
                return _nowhere()
            if any(len(name) > _MAX_NAME for name in names.values()):
                raise InvalidRequest(f"a name in the path is over {_MAX_NAME} characters")
            if (endpoint := methods.get(knock.method)) is not None:
                return endpoint, names
            return _wrong_method(knock.method, ", ".join(methods))
        return _nowhere()

    def _counters(self) -> Counters | None:
        budgets, rates = self._app.budgets, self._app.rates
        return None if budgets is None or rates is None else AllCounters(budgets, rates)


def _match(template: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    names: dict[str, str] = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            names[wanted.strip("{}")] = part
        elif wanted != part:
            return None
    return names


def _query(raw: bytes, endpoint: Endpoint) -> dict[str, str]:
    """Parameters that the endpoint knows, each once. Raises InvalidRequest."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict"
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise InvalidRequest("the query cannot be read") from error
    query: dict[str, str] = {}
    for name, value in pairs:
        if name not in endpoint.query:
            known = ", ".join(endpoint.query) or "none"
            raise InvalidRequest(f"no parameter has the name {name[:40]!r} here (known: {known})")
        if name in query:
            raise InvalidRequest(f"{name} is given twice")
        most = 128 if name == "scope" else _MAX_NAME
        if len(value) > most:
            raise InvalidRequest(f"{name} has {len(value)} characters; at most {most}")
        query[name] = value
    return query


async def _form(knock: Knock, endpoint: Endpoint, read: BodyReader) -> Any:
    """The form of a request, or why it is not taken."""
    body = await read(MAX_BODY_BYTES)
    if isinstance(body, Refusal):
        text = f"the body is too large: an admin request has at most {MAX_BODY_BYTES} bytes"
        return _fault(413, "too_large", text)
    if endpoint.form is None:
        if body:
            raise InvalidRequest(
                f"{endpoint.method} takes no body here, and {len(body)} bytes came"
            )
        return None
    if not body and endpoint.form_optional:
        return None
    if not wire.declares_json(knock.headers):
        text = "the body must be sent as content-type: application/json"
        return _fault(415, "invalid_request", text)
    try:
        return msgspec.json.decode(body, type=endpoint.form, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidRequest(in_words(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _fault(400, "invalid_request", f"the body is no JSON: {error}"[:200])


def _nowhere() -> Told:
    return _fault(404, "not_found", f"nothing is here (the endpoints: GET {_OPENAPI})")


def _only_get(knock: Knock, body: bytes) -> Told:
    return Told(200, body) if knock.method == "GET" else _wrong_method(knock.method, "GET")


def _wrong_method(method: str, allowed: str) -> Told:
    told = _fault(405, "invalid_request", f"this takes {allowed}, not {method[:20]}")
    return Told(405, told.body, (("allow", allowed),))


def _fault(status: int, kind: str, message: str) -> Told:
    return Told(status, msgspec.json.encode(Failure(error=Fault(type=kind, message=message))))
