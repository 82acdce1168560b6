"""Reads what a call is known by, in some microseconds and without keeping a word of it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from scrimp.calls import Call
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.fingerprint import body_bytes, fingerprint, why_not
from scrimp.likeness import STAMPS, alike, alike_fields
from scrimp.shrinking.blocks import RESULT_SIGNS, prompts_changed, results_changed
from scrimp.traits import Traits

MOST_BYTES: Final = 32 * 1024
"""Of a body that is compared with others but for its stamps: what is longer is a conversation, and
does not come again."""
MOST_BEGINNING_BYTES: Final = 256 * 1024
"""Of the beginning of a longer body, which comes again; the long ones cost most."""
_MOST_LONG: Final = 256  # that are the same again need not be read again
_MOST_TEXTS: Final = 16_384
_LEAST_CHARACTERS: Final = 256  # shorter texts are as soon read as hashed
_MOST_LOOSE_BYTES: Final = 8 * 1024  # people who type the same in other ways type less
_LOWER: Final = bytes(code + 32 if 0x41 <= code <= 0x5A else code for code in range(256))
_SPACES: Final = b" \t\r\n"
_FIRST_ROLES: Final = ("system", "developer")
_OWN_MARK: Final = b'"cache_control"'
_HOTTEST: Final = 1.0


class Reader:
    """`secret` keeps digests from being compared with those of guessed prompts."""

    def __init__(self, dialects: Mapping[str, Dialect], secret: bytes) -> None:
        self._dialects = dialects
        self._secret = secret
        self._long: dict[int, int | None] = {}
        self._bare_texts: set[int] = set()
        self._systems: dict[int, int] = {}

    def __call__(self, call: Call) -> Traits:
        """Raises RecursionError for what nobody nests like this."""
        request, name = call.request, call.target.dialect
        fields, size = request.fields, len(request.body)
        bare = prompts_changed(fields, name, self._alike) if size <= MOST_BYTES else None
        prompt = stamped = loose = None
        if _may_come_again(call):
            dialect = self._dialects[name]
            body = body_bytes(call, dialect.cache_fields(request))
            prompt = self._digest(call, fingerprint(call, dialect, body))
            if bare is not None:
                body = b"~" + body_bytes(call, dialect.cache_fields(replace(request, fields=bare)))
                stamped = self._digest(call, fingerprint(call, dialect, body))
            if size <= _MOST_LOOSE_BYTES:
                loose = self._digest(call, fingerprint(call, dialect, _loose(body)))
        first = _beginning(fields)
        said = encode(first) if first else b""
        system = self._system(call, said) if said else None
        return Traits(
            body_bytes=size,
            prompt=prompt,
            stamped=stamped,
            loose=loose,
            system=system,
            system_stamped=None if system is None else self._bare(call, bare, said, system),
            system_bytes=len(said),
            result_bytes=_result_bytes(fields, name) if _has_results(call) else 0,
            max_output_tokens=request.max_output_tokens,
            own_marks=_OWN_MARK in request.body,
        )

    def _alike(self, text: str) -> str:
        """Without its stamps. A text that has none comes again: it is known by a hash of it."""
        if len(text) < _LEAST_CHARACTERS:
            return alike(text, STAMPS)
        key = hash((text, len(text)))
        if key in self._bare_texts:
            return text
        new = alike(text, STAMPS)
        if new == text:
            if len(self._bare_texts) >= _MOST_TEXTS:
                self._bare_texts.clear()
            self._bare_texts.add(key)
        return new

    def _system(self, call: Call, said: bytes) -> int:
        """The digest of a beginning: most come again, and are known by a hash."""
        key = hash((call.caller.tenant, said))
        if (found := self._systems.get(key)) is None:
            if len(self._systems) >= _MOST_TEXTS:
                self._systems.clear()
            found = self._systems[key] = self._digest(call, said)
        return found

    def _bare(
        self, call: Call, bare: Mapping[str, Any] | None, said: bytes, system: int
    ) -> int | None:
        """The digest of the beginning without stamps; None where it has none."""
        if bare is not None:
            same = encode(_beginning(bare))
            return self._digest(call, same) if same != said else None
        if len(call.request.body) <= MOST_BYTES or len(said) > MOST_BEGINNING_BYTES:
            return None
        if system not in self._long:
            if len(self._long) >= _MOST_LONG:
                self._long.clear()
            self._long[system] = self._read_long(call)
        return self._long[system]

    def _read_long(self, call: Call) -> int | None:
        first = _beginning(call.request.fields)
        bare = alike_fields(first, call.target.dialect, STAMPS)
        return None if bare is None else self._digest(call, encode(bare))

    def _digest(self, call: Call, data: bytes) -> int:
        digest = hashlib.blake2b(digest_size=8, key=self._secret)
        digest.update(call.caller.tenant.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(hashlib.sha256(data).digest())
        return int.from_bytes(digest.digest(), signed=True)


def _may_come_again(call: Call) -> bool:
    """Whether an answer from memory would have been allowed, whatever the settings say of it."""
    asked_s = 1 if call.cache.ttl_s is None else call.cache.ttl_s
    return call.cache.mode != "refresh" and not why_not(call, asked_s, max_temperature=_HOTTEST)


def _loose(body: bytes) -> bytes:
    return body.replace(b"\\n", b"").translate(_LOWER, _SPACES)


def _beginning(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What stands before the first turn, and comes again with every call of a program."""
    found = {name: fields[name] for name in ("tools", "system", "instructions") if fields.get(name)}
    for name in ("messages", "input"):
        turns = fields.get(name)
        if not isinstance(turns, list):
            continue
        first = []
        for turn in turns:
            if not isinstance(turn, dict) or turn.get("role") not in _FIRST_ROLES:
                break
            first.append(turn)
        if first:
            found[name] = first
    return found


def _has_results(call: Call) -> bool:
    sign = RESULT_SIGNS.get(call.target.dialect)
    return sign is not None and sign in call.request.body


def _result_bytes(fields: Mapping[str, Any], dialect: str) -> int:
    size = 0

    def counted(_: str, text: str) -> str:
        nonlocal size
        size += len(text)
        return text

    results_changed(fields, dialect, counted)
    return size
