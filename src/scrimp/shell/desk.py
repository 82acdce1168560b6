"""Who may call: organisations, teams, users and keys, as the admin API and `scrimp keys` keep them.

What stands in `scrimp.toml` is shown beside the rest and changed there only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict, replace

from scrimp.errors import Conflict, InvalidRequest, NotThere
from scrimp.identity import ControlStore, KeyRecord, Member, MemberKind
from scrimp.ports import Clock
from scrimp.settings import KeySettings, Settings
from scrimp.shell.forms import (
    KeyChange,
    KeyForm,
    KeyStatus,
    KeyView,
    NewKey,
    check_name,
    check_texts,
)
from scrimp.shell.new_keys import kept, new_key, shown
from scrimp.tasks import TTL_S


class Desk:
    """One place for both shells. `by` goes into the audit log."""

    def __init__(self, control: ControlStore, settings: Settings, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._listed = {key.name: key for key in settings.keys}

    async def create_key(self, form: KeyForm, *, by: str, admin: bool = False) -> NewKey:
        """A new key, shown this once. Raises Conflict, InvalidRequest."""
        check_name("key", form.name)
        if form.name in self._listed:
            raise listed_elsewhere("key", form.name)
        now = self._clock.now()
        record = KeyRecord(suffix="", created_at=now, admin=admin, **_checked(asdict(form)))
        self._check_time(record.expires_at, now)
        await self._check_whose(record)
        key = new_key()
        secret = kept(key)
        await self._control.add_key(record, secret, by=by)
        return NewKey(secret=key, key=self._view(replace(record, suffix=secret.suffix)))

    async def change_key(self, name: str, change: KeyChange, *, by: str) -> KeyView:
        """Other rights for a key. Raises NotThere, Conflict, InvalidRequest."""
        given = {field: value for field, value in asdict(change).items() if value is not UNSET}
        record = replace(await self._record(name), **_checked(given))
        if "expires_at" in given:
            self._check_time(record.expires_at, self._clock.now())
        await self._check_whose(record)
        if record.admin and (record.models or record.trusted):
            raise InvalidRequest(f"key '{name}' is an admin key: it makes no calls")
        if not await self._control.change_key(record, by=by):
            raise _revoked(name)
        return self._view(await self._record(name))

    async def rotate_key(self, name: str, grace_s: int, *, by: str) -> NewKey:
        """A new secret; the old one works for `grace_s` more. Raises NotThere, Conflict."""
        await self._record(name)
        key = new_key()
        ends = self._clock.now() + timedelta(seconds=grace_s)
        record = await self._control.rotate_key(name, kept(key), old_ends_at=ends, by=by)
        if record is None:
            raise _revoked(name)
        return NewKey(secret=key, key=self._view(record))

    async def revoke_key(self, name: str, *, by: str) -> KeyView:
        """End a key at once; calls in the air finish. Raises NotThere, Conflict."""
        await self._record(name)
        await self._control.revoke_key(name, by=by)
        return self._view(await self._record(name))

    async def key(self, name: str) -> KeyView:
        """One key. Raises NotThere."""
        if (listed := self._listed.get(name)) is not None:
            return _listed_view(listed, self._clock.now())
        return self._view(await self._record(name))

    async def keys(self, *, after: str = "", limit: int = 100) -> tuple[KeyView, ...]:
        """Keys by name, those of the settings among them."""
        stored = [self._view(one) for one in await self._control.keys(after=after, limit=limit)]
        now = self._clock.now()
        listed = [_listed_view(key, now) for name, key in self._listed.items() if name > after]
        return tuple(sorted((*stored, *listed), key=lambda one: one.name)[:limit])

    async def create_member(self, member: Member, *, by: str) -> Member:
        """A new organisation, team or user. Raises Conflict, InvalidRequest."""
        check_name(member.kind, member.name)
        await self._check_belongs(member)
        await self._control.put_member(member, by=by, new=True)
        return member

    async def change_member(self, member: Member, *, by: str) -> Member:
        """Another place for a team or user. Raises NotThere, InvalidRequest."""
        await self._check_belongs(member)
        if not await self._control.put_member(member, by=by, new=False):
            raise no_such(member.kind, member.name)
        return member

    async def member(self, kind: MemberKind, name: str) -> Member:
        """One of them. Raises NotThere."""
        if (found := await self._control.member(kind, name)) is None:
            raise no_such(kind, name)
        return found

    async def delete_member(self, kind: MemberKind, name: str, *, by: str) -> None:
        """Take it away. Raises NotThere, Conflict."""
        if not await self._control.delete_member(kind, name, by=by):
            raise no_such(kind, name)

    async def known(self, kind: MemberKind, name: str) -> bool:
        """True for what the store or a key of the settings names."""
        if any(getattr(key, kind) == name for key in self._listed.values()):
            return True
        return await self._control.member(kind, name) is not None

    async def known_key(self, name: str) -> bool:
        """True for a key of the settings or the store, revoked ones included."""
        return name in self._listed or await self._control.key(name) is not None

    async def _record(self, name: str) -> KeyRecord:
        if name in self._listed:
            raise listed_elsewhere("key", name)
        if (found := await self._control.key(name)) is None:
            raise no_such("key", name)
        return found

    async def _check_whose(self, record: KeyRecord) -> None:
        """Raises InvalidRequest for a task, org, team or user that nobody knows."""
        if record.task and record.task not in TTL_S:
            raise InvalidRequest(f"task '{record.task[:40]}' is none of {', '.join(TTL_S)}")
        kinds: tuple[tuple[MemberKind, str], ...] = (
            ("org", record.org),
            ("team", record.team),
            ("user", record.user),
        )
        for kind, name in kinds:
            if name and not await self.known(kind, name):
                raise unknown(kind, name)
        await self._check_team(record.team, record.org)

    async def _check_belongs(self, member: Member) -> None:
        for kind, name in (("org", member.org), ("team", member.team)):
            if name and not await self.known(kind, name):  # type: ignore[arg-type]  # two kinds
                raise unknown(kind, name)
        await self._check_team(member.team, member.org)

    async def _check_team(self, team: str, org: str) -> None:
        if not (team and org):
            return
        found = await self._control.member("team", team)
        if found is not None and found.org and found.org != org:
            raise InvalidRequest(f"team '{team}' belongs to org '{found.org}', not to '{org}'")

    def _check_time(self, ends: datetime | None, now: datetime) -> None:
        if ends is not None and ends <= now:
            raise InvalidRequest(
                f"expires_at {_stamp(ends)} is not in the future (it is {_stamp(now)})"
            )

    def _view(self, one: KeyRecord) -> KeyView:
        now = self._clock.now()
        old = one.old_ends_at if one.revoked_at is None else None
        return KeyView(
            name=one.name,
            key=shown(one.suffix),
            status=_status(one.revoked_at is not None, one.expires_at, now),
            source="store",
            org=one.org,
            team=one.team,
            user=one.user,
            task=one.task,
            tags=one.tags,
            models=one.models,
            trusted=one.trusted,
            admin=one.admin,
            created_at=one.created_at,
            expires_at=one.expires_at,
            revoked_at=one.revoked_at,
            old_key_works_until=old if old is not None and old > now else None,
        )


def _listed_view(key: KeySettings, now: datetime) -> KeyView:
    """Of a key of the settings not even the last characters are known."""
    return KeyView(
        name=key.name,
        key=shown(""),
        status=_status(False, key.expires, now),  # noqa: FBT003 (it is a table, nobody revokes it)
        source="settings",
        org=key.org,
        team=key.team,
        user=key.user,
        task=key.task,
        tags=key.tags,
        models=key.models,
        trusted=key.trusted,
        admin=False,
        created_at=None,
        expires_at=key.expires,
        revoked_at=None,
        old_key_works_until=None,
    )


def _status(revoked: bool, ends: datetime | None, now: datetime) -> KeyStatus:  # noqa: FBT001 (one caller's word)
    if revoked:
        return "revoked"
    return "expired" if ends is not None and ends <= now else "active"


def listed_elsewhere(kind: str, name: str) -> Conflict:
    """The refusal to change here what stands in the settings."""
    return Conflict(f"{kind} '{name}' stands in scrimp.toml: it is changed there, not here")


def no_such(kind: str, name: str) -> NotThere:
    """What was asked for by name does not exist."""
    shown = kind if kind in ("budget", "tier") else f"{kind}s"
    return NotThere(f"there is no {kind} '{name[:128]}' (scrimp {shown} list shows all)")


def unknown(kind: str, name: str) -> InvalidRequest:
    """What was named in a form does not exist: most likely a slip of the pen."""
    way_out = "scrimp keys create" if kind == "key" else f"scrimp {kind}s create"
    return InvalidRequest(f"there is no {kind} '{name[:128]}' (make it first: {way_out} {name})")


def _revoked(name: str) -> Conflict:
    return Conflict(f"key '{name}' is revoked (make another one: scrimp keys create)")


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Fields of a key with their lists in order."""
    lists = {what: check_texts(what, given[what]) for what in ("tags", "models") if what in given}
    return given | lists


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
