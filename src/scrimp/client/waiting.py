"""Wrapped clients whose calls may wait: marked as by the gateway, and told of their own jobs."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from msgspec.structs import replace

from scrimp.app import App
from scrimp.calls import Call
from scrimp.client.transport import Parcel
from scrimp.errors import NotThere, StoreError, Unavailable
from scrimp.shell import wire
from scrimp.shell.jobs_desk import JobsDesk
from scrimp.shell.jobs_told import PATH, Told, answered
from scrimp.shell.waiting import able_to_wait


def is_of_jobs(parcel: Parcel) -> bool:
    """True for a request that is for Scrimp, and for no provider."""
    path = parcel.path.partition("?")[0]
    return path == PATH or path.startswith(f"{PATH}/")


class Waiting:
    """For one engine. `secrets` are the keys of the settings, by provider."""

    def __init__(self, app: App, secrets: Mapping[str, str]) -> None:
        self._section = app.settings.defer
        self._desk = None if app.jobs is None else JobsDesk(app.jobs.desk)
        self._secrets = {name: secret.encode() for name, secret in secrets.items()}

    def marked(self, call: Call, headers: Mapping[bytes, bytes]) -> Call:
        """The call with what it may wait, or the same one. Raises InvalidRequest.

        A batch is sent with the key of the settings. A client that has this very key may wait; any
        other key is never written down, so its calls go live.
        """
        if not self._section.enabled:
            return call
        call = able_to_wait(call, headers, self._section)
        if not call.wait.seconds or call.caller.credential is None:
            return call
        own = self._secrets.get(call.target.provider)
        given = wire.secret_of(call.caller.credential).encode()
        if not own or not hmac.compare_digest(own, given):
            return call
        return replace(call, caller=replace(call.caller, credential=None))

    async def told(self, parcel: Parcel, tenant: str) -> Told:
        """What a client is told of its own jobs. Raises Rejected."""
        if self._desk is None:
            raise NotThere("no call may wait here ([defer] enabled = true in the settings)")
        parts = parcel.path.partition("?")[0][len(PATH) :].split("/")[1:]
        try:
            return await answered(self._desk, tenant, parcel.method, parts)
        except StoreError as error:
            raise Unavailable(str(error)) from error
