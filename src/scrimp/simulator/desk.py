"""What an endpoint may ask of the provider that it belongs to, and the way of one conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scrimp.simulator.bill import Delivered, Model, Usage
from scrimp.simulator.blocks import Block
from scrimp.simulator.conversation import Question, Refusal
from scrimp.simulator.delivery import Headers, Job, Pace, Renderer, deliver
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.production import Production, produce
from scrimp.simulator.settings import Settings

Blocks = Callable[[], Sequence[Block]]


@dataclass(frozen=True, slots=True)
class Sale:
    """What one row of the bill is for.

    `batch` is the batch whose line it is, at half the price; a line has a path, a request id and
    a client's id of its own.
    """

    model: Model
    usage: Usage
    delivered: Delivered
    stream: bool = False
    batch: str = ""
    path: str = ""
    request_id: str = ""
    client_id: str = ""


class Desk(Protocol):
    """The provider as its endpoints see it."""

    settings: Settings

    base_path: str

    def book(self, incoming: Incoming, sale: Sale) -> None:
        """One more row on the bill."""
        ...

    def cached(
        self, incoming: Incoming, question: Question, body: Mapping[str, Any], blocks: Blocks
    ) -> Question:
        """The question with the usage that the prompt cache leaves. Raises Refusal."""
        ...

    def headers(self, incoming: Incoming, pace: Pace) -> Headers:
        """The headers of every reply."""
        ...

    def later(self, seconds: float, done: Callable[[], None]) -> Callable[[], None]:
        """Call `done` after so long, as a call in flight; what is returned calls it off."""
        ...

    async def plain(self, incoming: Incoming, body: bytes) -> None:
        """Answer with JSON that is no conversation; the coarse faults apply to it too."""
        ...


def produced(question: Question) -> Production:
    """`produce`, with a refusal for schemas that nothing fits. Raises Refusal."""
    try:
        return produce(question)
    except (TypeError, ValueError, AttributeError) as error:
        raise Refusal(400, "A schema in the request is not a valid JSON schema.") from error


async def converse(
    desk: Desk,
    incoming: Incoming,
    production: Production,
    renderer: Renderer,
    *,
    completed: Callable[[], None] | None = None,
) -> None:
    """Answer one question, whole or as a stream, and book it.

    `completed` is called before the last bytes leave, and only if they all do.
    """
    question = production.question
    pace = Pace.of(desk.settings, question.last_user_text)

    def book(usage: Usage, delivered: Delivered) -> None:
        desk.book(incoming, Sale(question.model, usage, delivered, stream=question.stream))
        if delivered == "complete" and completed is not None:
            completed()

    headers = desk.headers(incoming, pace)
    await deliver(incoming.out, Job(production, renderer, headers, pace, incoming.error_body), book)
