"""`POST /v1/scrimp/feedback`: a thumb up or down, or that the question was asked again."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from scrimp.app import App
from scrimp.errors import StoreError
from scrimp.gateway.records import Booker, Receipt
from scrimp.shell import wire
from scrimp.shell.feedback import read_said, take
from scrimp.shell.intake import Intake
from scrimp.shell.refusal import Refusal

FEEDBACK = "/v1/scrimp/feedback"


class FeedbackDesk:
    """Who speaks is known as for any other call, and is heard about their own calls only."""

    max_bytes = 4096

    def __init__(self, app: App, intake: Intake) -> None:
        self._app = app
        self._intake = intake

    async def identify(self, headers: Mapping[bytes, bytes]) -> Booker:
        """What takes the body; asked before it is read. Raises Unauthenticated."""
        tenant = (await self._intake.identify(headers)).tenant

        async def taken(body: bytes) -> Receipt | Refusal:
            if not wire.declares_json(headers):
                text = "the body must be sent as content-type: application/json"
                return Refusal(415, "invalid_request", text)
            try:
                done = await take(self._app, tenant, read_said(body))
            except StoreError as error:
                return Refusal(503, "internal", str(error), ())
            return Receipt(200, msgspec.json.encode(done))

        return taken
