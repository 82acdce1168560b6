"""What the runs inside one block came to, added up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from scrimp.calls import Usage
from scrimp.money import decimal_usd, format_usd


@dataclass(frozen=True, slots=True)
class Paid:
    """One run that was sent: its usage (None: nobody told) and cost (None: unknown, for `why`)."""

    usage: Usage | None
    nanousd: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums so far. `known_nanousd` is what is known of the cost; `unpriced` says what is not.

    `prompt_tokens` hold the cached ones, `completion_tokens` the reasoning, as providers tell them.
    `unbooked_requests` are those that the ledger which was asked for does not have.
    `cached_requests` were answered by LangChain's cache: not sent, free, and in no other number.
    """

    successful_requests: int = 0
    failed_requests: int = 0
    cached_requests: int = 0
    prompt_tokens: int = 0
    prompt_tokens_cached: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    known_nanousd: int = 0
    unpriced_requests: int = 0
    unbooked_requests: int = 0
    unpriced: tuple[str, ...] = ()

    @property
    def total_tokens(self) -> int:
        """In and out."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def total_nanousd(self) -> int | None:
        """Exact cost in nano-dollars; None when that of any request is unknown."""
        return None if self.unpriced_requests else self.known_nanousd

    @property
    def total_cost(self) -> Decimal | None:
        """The same in US dollars."""
        return None if self.unpriced_requests else self.known_cost

    @property
    def known_cost(self) -> Decimal:
        """US dollars of those requests whose cost is known."""
        return Decimal(decimal_usd(self.known_nanousd))

    def with_hit(self) -> Totals:
        """With one more run that LangChain's cache answered."""
        return replace(self, cached_requests=self.cached_requests + 1)

    def with_failed(self, why: str) -> Totals:
        """With one more run that failed; `why` its cost is unknown, empty where it has none."""
        more = replace(self, failed_requests=self.failed_requests + 1)
        return more.with_unpriced(why) if why else more

    def with_paid(self, paid: Paid, *, booked: bool = True) -> Totals:
        """With one more run that was answered."""
        usage = paid.usage or Usage()
        read = usage.cache_read_tokens + usage.cache_read_audio_tokens
        more = replace(
            self,
            successful_requests=self.successful_requests + 1,
            prompt_tokens=self.prompt_tokens + usage.total_input_tokens,
            prompt_tokens_cached=self.prompt_tokens_cached + read,
            completion_tokens=self.completion_tokens + usage.total_output_tokens,
            reasoning_tokens=self.reasoning_tokens + usage.reasoning_tokens,
            unbooked_requests=self.unbooked_requests + (not booked),
        )
        if paid.nanousd is None:
            return more.with_unpriced(paid.why)
        return replace(more, known_nanousd=self.known_nanousd + paid.nanousd)

    def with_unpriced(self, why: str) -> Totals:
        """With one more cost that nobody knows; each reason is kept once."""
        reasons = self.unpriced if why in self.unpriced else (*self.unpriced, why)
        return replace(self, unpriced_requests=self.unpriced_requests + 1, unpriced=reasons)

    def __str__(self) -> str:
        """Lines for people."""
        into = f"{self.prompt_tokens:,} in ({self.prompt_tokens_cached:,} cached)"
        out = f"{self.completion_tokens:,} out ({self.reasoning_tokens:,} reasoning)"
        sent = f"{self.successful_requests:,}, {self.failed_requests:,} failed"
        lines = [
            f"tokens    {self.total_tokens:,}: {into}, {out}",
            f"requests  {sent}, {self.cached_requests:,} answered from cache",
            f"cost      {format_usd(self.known_nanousd)}",
        ]
        if self.unpriced_requests:
            lines[-1] += f", and {self.unpriced_requests:,} of unknown cost:"
            lines += [f"          {reason}" for reason in self.unpriced]
        return "\n".join(lines)
