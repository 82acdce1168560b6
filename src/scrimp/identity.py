"""Words and ports of identity: organisations, teams, users, virtual keys. Nothing here does I/O.

A key is 256 random bits. It is shown once; what is kept and looked up is its SHA-256, in hex.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from scrimp.limits import RuleStore
from scrimp.values import Value

MemberKind = Literal["org", "team", "user"]
MEMBER_KINDS: tuple[MemberKind, ...] = ("org", "team", "user")


class VirtualKey(Value, frozen=True):
    """A key of ours as it is looked up.

    `trusted`: its calls may name an end user, who then has budgets of their own. `ends_at` is when
    it expires, or when the grace of a key that was rotated ends; `revoked` ends it at once.
    """

    name: str
    sha256: str
    team: str = ""
    user: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    org: str = ""
    trusted: bool = False
    ends_at: datetime | None = None
    revoked: bool = False


class KeyStore(Protocol):
    """Virtual keys. Raises StoreError; callers fail closed."""

    async def find(self, sha256: str) -> VirtualKey | None:
        """The key with this digest, whether or not it still holds; None when there is none."""
        ...

    async def any(self) -> bool:
        """True when at least one key was ever made: from then on every call needs one."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class Member(Value, frozen=True):
    """An organisation, a team or a user, and where it belongs."""

    kind: MemberKind
    name: str
    org: str = ""
    team: str = ""


class KeyRecord(Value, frozen=True):
    """A key as it is managed: what it may, its last four characters, never itself or its digest.

    An `admin` key opens the admin API and makes no calls. `old_ends_at` is when the one before the
    last rotation ends, while it still works.
    """

    name: str
    suffix: str
    created_at: datetime
    org: str = ""
    team: str = ""
    user: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    trusted: bool = False
    admin: bool = False
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    old_ends_at: datetime | None = None


class Secret(Value, frozen=True):
    """What is kept of a key that was just made."""

    sha256: str
    suffix: str


class AuditLine(Value, frozen=True):
    """One change: who made it, when, to what. `before` and `after` are JSON without secrets."""

    id: int
    at: datetime
    by: str
    action: str
    kind: str
    name: str
    before: str = ""
    after: str = ""


class Directory(Protocol):
    """Organisations, teams and users, and the log of all changes. Raises StoreError, Conflict."""

    async def members(
        self, kind: MemberKind, *, after: str = "", limit: int = 100
    ) -> tuple[Member, ...]:
        """Those whose names come after `after`, by name."""
        ...

    async def member(self, kind: MemberKind, name: str) -> Member | None:
        """One of them."""
        ...

    async def put_member(self, member: Member, *, by: str, new: bool) -> bool:
        """Add it (`new`: Conflict when it is there), or change it (False when it is not)."""
        ...

    async def delete_member(self, kind: MemberKind, name: str, *, by: str) -> bool:
        """Take it away; False when it is not there. Conflict while anything belongs to it."""
        ...

    async def note(self, action: str, kind: str, name: str, *, by: str) -> None:
        """A line for a change that was made elsewhere, such as a counter that was reset."""
        ...

    async def audit(self, *, before: int = 0, limit: int = 100) -> tuple[AuditLine, ...]:
        """Changes, newest first; with `before` those older than that id."""
        ...


class KeyDesk(Protocol):
    """Keys as they are managed. A name is a tenant: it is never given twice. Raises StoreError."""

    async def keys(self, *, after: str = "", limit: int = 100) -> tuple[KeyRecord, ...]:
        """Those whose names come after `after`, by name, admin keys and revoked ones included."""
        ...

    async def key(self, name: str) -> KeyRecord | None:
        """One of them."""
        ...

    async def add_key(self, record: KeyRecord, secret: Secret, *, by: str) -> None:
        """Make it known. Raises Conflict when the name was ever used."""
        ...

    async def change_key(self, record: KeyRecord, *, by: str) -> bool:
        """Change what it may and whose it is; False when it is not there or revoked."""
        ...

    async def rotate_key(
        self, name: str, secret: Secret, *, old_ends_at: datetime, by: str
    ) -> KeyRecord | None:
        """Put a new secret in the place of the old one, which works until `old_ends_at`.

        None when it is not there or revoked.
        """
        ...

    async def revoke_key(self, name: str, *, by: str) -> bool:
        """End it at once, and what was rotated away, too; False when it is not there."""
        ...


class ControlStore(KeyStore, KeyDesk, Directory, RuleStore, Protocol):
    """All of it in one place, with the keys of the admin API. What others change shows in 1 s."""

    async def find_admin(self, sha256: str) -> VirtualKey | None:
        """The admin key with this digest, whether or not it still holds."""
        ...

    async def any_admin(self) -> bool:
        """True when there was ever an admin key."""
        ...
