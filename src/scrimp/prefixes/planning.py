"""Which beginnings of a prompt are worth writing to the provider's prefix cache. Pure.

What is written costs more than fresh input, what is read costs less. A place is marked where the
reads that are expected of all up to it pay for the write; what is written already is read again.
"""

from __future__ import annotations

from scrimp.prefixes.rules import Rules
from scrimp.prefixes.seen import Kind, Known, Piece, Scope
from scrimp.values import Value


class Prices(Value, frozen=True):
    """Pico-dollars for a token of input: fresh, read, and written for each life of the rules."""

    fresh: int
    read: int
    writes: tuple[int, ...]


class Plan(Value, frozen=True, gc=False):
    """What to mark. `reads` is the piece that the provider has already (-1: none of them).

    `marks` are pieces in their order, the one that is read included; `life` is a number of the
    rules' lives. `worth_picousd` is what the writes are expected to bring in the end. `tokens` are
    those of all pieces; `untold_read` and `untold_written` of them would a provider that writes the
    ends of prompts by itself have read and written, had nobody told it anything. `known` is how
    many pieces, from the first on, were sent before.
    """

    reads: int
    marks: tuple[int, ...]
    life: int
    worth_picousd: int
    digests: tuple[int, ...]
    tokens: int = 0
    untold_read: int = 0
    untold_written: int = 0
    known: int = 0


def plan(scope: Scope, pieces: list[Piece], prices: Prices, rules: Rules, now_s: float) -> Plan:
    """What to mark in a prompt that is sent now; the prompt is learned from."""
    sight = scope.look(pieces)
    found, kinds, _ = sight
    if not rules.lives or not pieces:
        scope.learn(pieces, sight, now_s)
        return Plan(-1, (), 0, 0, (), known=len(found))
    alive = [at for at, one in enumerate(found) if one.until_s >= now_s]
    read = alive[-1] if alive else -1
    worth, deepest, life = _deepest(scope, pieces, kinds, prices, read, least=rules.least_tokens)
    marks = _marks(found, read, deepest, rules.most_marks)
    untold = _untold(found, pieces, rules, now_s)
    scope.learn(pieces, sight, now_s)
    if untold[0]:
        scope.ended(pieces[-1], now_s + rules.lives[0].seconds)
    digests = tuple([pieces[at].digest for at in marks])
    return Plan(read, marks, life, int(worth), digests, *untold, known=len(found))


def _untold(
    found: list[Known], pieces: list[Piece], rules: Rules, now_s: float
) -> tuple[int, int, int]:
    """Of so many tokens what a provider would read and write by itself; all 0 where it would not.

    It writes the ends of prompts, and reads the longest that it still has.
    """
    tokens = pieces[-1].tokens
    if not rules.by_itself or tokens < rules.least_tokens:
        return (0, 0, 0)
    alive = [at for at, one in enumerate(found) if one.ended_s >= now_s]
    if not alive:
        return (tokens, 0, tokens)
    found[alive[-1]].ended_s = now_s + rules.lives[0].seconds
    read = pieces[alive[-1]].tokens
    return (tokens, read, tokens - read)


def _deepest(
    scope: Scope, pieces: list[Piece], kinds: list[Kind], prices: Prices, read: int, *, least: int
) -> tuple[float, int, int]:
    """What the best place for the last mark is worth, which it is, in which life.

    (0, `read`, 0) where nothing is worth a write.
    """
    gain, start = prices.fresh - prices.read, pieces[read].tokens if read >= 0 else 0
    sums, places = scope.habits.sums(kinds[read + 1 :]), pieces[read + 1 :]
    best, at_best, best_life = 0.0, read, 0
    for life in range(len(scope.lives_s)):
        worth, before, premium = 0.0, start, prices.writes[life] - prices.fresh
        for at, (piece, of_kind) in enumerate(zip(places, sums, strict=True), read + 1):
            tokens = piece.tokens
            reads = of_kind[life + 1] / of_kind[0]
            worth += (tokens - before) * (reads * gain - premium)
            before = tokens
            if worth > best and tokens >= least:
                best, at_best, best_life = worth, at, life
    return best, at_best, best_life


def _marks(found: list[Known], read: int, deepest: int, most: int) -> tuple[int, ...]:
    """The last one, the one that is read, and between them where prompts parted before.

    What stands there is written anyway: a mark costs nothing and serves those that part there.
    """
    if deepest < 0:
        return ()
    chosen = {deepest} | ({read} if read >= 0 else set())
    between = range(read + 1, min(deepest, len(found)))
    if between:
        after = [*[one.times for one in found[1:]], 0]
        parted = sorted([(found[at].times - after[at], at) for at in between], reverse=True)
        for less, at in parted:
            if len(chosen) >= most or less <= 0:
                break
            chosen.add(at)
    return tuple(sorted(chosen))
