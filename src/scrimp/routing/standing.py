"""Words of a route's certificate: what is promised, what one request gets, how the proof stands."""

from __future__ import annotations

from scrimp.values import Value


class LossPromise(Value, frozen=True):
    """How much worse than the reference a route's answers may be, in the mean over its traffic.

    `max_loss` is in units of quality (0.03: three points of a hundred). `explore` is the least
    share of eligible requests whose two answers are compared, at random, with logged propensity.
    `spend` is the share of cheap traffic that is compared while a higher rung is within reach: the
    cost of proving, in savings, until the ladder ends. The first `first` labels are all taken.

    `sensitivity` is how probably the judge calls a good answer good, `specificity` a bad one bad,
    at their lower confidence limits, and the same for both models: a judge that tosses a coin sees
    no loss at all, so that what it may see shrinks by their sum minus 1. A label that could not be
    had (no verdict, an answer cut off) counts as `missing_as`: 1.0 holds whatever is behind it.
    """

    max_loss: float
    confidence: float = 0.95
    explore: float = 0.02
    spend: float = 0.25
    first: int = 300
    sensitivity: float = 1.0
    specificity: float = 1.0
    missing_as: float = 1.0

    @property
    def visible_loss(self) -> float:
        """The mean loss that this judge may see where the true one is `max_loss`.

        A verdict on one answer has the mean `1 - specificity + q * power` for quality q (Rogan &
        Gladen 1978, Am. J. Epidemiology 107); in the difference of two the constant falls out.
        """
        return self.max_loss * (self.sensitivity + self.specificity - 1)


class Verdict(Value, frozen=True):
    """What to do with one request: which model serves it, and whether the other is asked too.

    `propensity` is the probability with which this request is compared; `rung` the most cautious
    policy that would serve it cheap, the number of rungs where none would. `turn` tells the label
    to which request it belongs.
    """

    serve_cheap: bool
    shadow: bool
    propensity: float
    rung: int
    why: str
    turn: int = 0


class RungStanding(Value, frozen=True):
    """One policy of the ladder: the share of recent traffic it serves cheap, its loss, its proof.

    `loss` is an estimate in the mean over all traffic, as the judge sees it, None without labels;
    `recent_loss` the same, the newest labels counting most. `log_wealth` is won of what is needed.
    `exceeds`: the loss is above what is allowed, shown by
    the alarm.
    """

    share: float
    loss: float | None
    recent_loss: float | None
    log_wealth: float
    alarm: float
    labels: int
    proven: bool
    exceeds: bool


class Standing(Value, frozen=True):
    """How a certificate stands.

    `live` is the rung that serves, None while all traffic goes to the reference; `proven` the last
    that is proven, above `live` where recent labels look worse than promised; `testing` the next
    one, None where there is none left to prove. `log_wealth` of `needed` is won for `testing`,
    `missing` estimates how many more labels are needed: None where no number would do at the loss
    seen so far. `infeasible` says that the loss of `testing` is above what is allowed, beyond doubt
    of chance, so that the ladder ends here. `alarm` of `alarm_needed` is won by the test for harm
    at `live`. `lost` labels could not be had and counted at their worst; `pending` are awaited.
    `at` are the scores of the rungs.
    """

    live: int | None
    proven: int | None
    testing: int | None
    log_wealth: float
    needed: float
    labels: int
    missing: int | None
    infeasible: bool
    alarm: float
    alarm_needed: float
    restarts: int
    last_restart: str
    lost: int
    pending: int
    requests: int
    served_cheap: int
    rungs: tuple[RungStanding, ...]
    at: tuple[float, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of recent traffic that each rung would serve cheap."""
        return tuple(rung.share for rung in self.rungs)

    @property
    def said(self) -> str:
        """The state in one line."""
        if self.live is not None:
            now = f"rung {self.live} is certified: {self.rungs[self.live].share:.0%} served cheap"
        else:
            now = "nothing is certified yet: all traffic goes to the reference"
            if self.last_restart:
                now += f" (begun anew: {self.last_restart})"
        if self.proven is not None and self.proven != self.live:
            now += f" (rung {self.proven} waits: its recent labels look worse than promised)"
        if self.testing is None:
            return f"{now}; the ladder is climbed"
        if self.infeasible:
            return f"{now}; rung {self.testing} is infeasible: its loss is above what is allowed"
        if self.missing is None:
            return (
                f"{now}; rung {self.testing} is infeasible at the loss of its {self.labels} labels"
            )
        so_far = "infeasible so far: " if self.live is None else ""
        return f"{now}; {so_far}rung {self.testing} needs about {self.missing} more labels"
