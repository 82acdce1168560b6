"""Which beginnings of prompts were seen, and how often such come back. Digests only, bounded.

Every scope has its own memory: what one sends teaches nothing about what another sends.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from scrimp.values import Value

Kind = int
"""How often a piece was seen, in which turn, how far from the beginning, whether at the end; all in
one number, as a prompt has many pieces and every one of them asks for its kind several times."""

_PRIOR_TOKENS = 65_536.0
_PRIOR_NEW, _PRIOR_KNOWN = 0.2, 0.6  # new is not worth a write until something tells so
_PRIOR_READ_NEW, _PRIOR_READ_KNOWN = _PRIOR_TOKENS * _PRIOR_NEW, _PRIOR_TOKENS * _PRIOR_KNOWN
_MOST_FOLLOWING = 3.0
_WINDOW_TOKENS = 4 * _PRIOR_TOKENS  # what so much of a kind shows is believed against all before
_CONTRADICTS = 4  # … when it is read so many times less
_RIPE_S = 45.0
_MOST_RIPENING = 20_000
_MOST_TIMES, _MOST_TURN = 3, 4
_STEP_TOKENS = 512
_END, _FAR, _TURN, _TIMES = 1, 1 << 1, 1 << 7, 1 << 9
_OFTEN = _TIMES * _MOST_TIMES


class Piece(Value, frozen=True, gc=False):
    """A prompt up to a place where it may be marked: a hash of all of it, tokens of all of it."""

    digest: int
    tokens: int


class Known(msgspec.Struct, gc=False):
    """A beginning that was seen. `turn` counts prompts that it ended, each within the next.

    `until_s` is how long the provider keeps what was written, `ended_s` how long it would keep what
    it writes by itself: the ends of prompts.
    """

    at_s: float
    kind: Kind
    times: int = 1
    turn: int = 0
    until_s: float = -math.inf
    ended_s: float = -math.inf
    life_s: float = 0.0


class Sight(NamedTuple):
    """What is known of a prompt: of its first pieces what was seen, the kinds of all.

    `turn` is one less than that of this prompt.
    """

    found: list[Known]
    kinds: list[Kind]
    turn: int


class Habits:
    """How many reads a written token can expect while its prefix lives, by kind.

    What is read once may be read again: a piece that comes back brings the expectation of the kind
    that it is then (Sutton, "Learning to predict by the methods of temporal differences", 1988).
    What was sent just now says nothing yet, so it counts after a while only. Where habits change,
    what was learned before weighs no more than a window of what is seen now.
    """

    __slots__ = ("_lives_s", "_of", "_reviewed")

    def __init__(self, lives_s: tuple[float, ...]) -> None:
        self._lives_s = lives_s
        self._of = _Sums(len(lives_s))
        self._reviewed: dict[Kind, list[float]] = {}

    def sums(self, kinds: list[Kind]) -> list[list[float]]:
        """Of each kind tokens that were sent, and that were read in each life: not to be changed.

        What was read over what was sent are the reads that a token can expect.
        """
        sums = self._of
        return [sums[kind] for kind in kinds]

    def sent(self, kind: Kind, tokens: int) -> None:
        """So much of a kind was sent a while ago."""
        sums, before = self._of[kind], self._reviewed.get(kind)
        sums[0] += tokens
        if sums[0] - (_PRIOR_TOKENS if before is None else before[0]) >= _WINDOW_TOKENS:
            self._review(kind, sums, before)

    def _review(self, kind: Kind, sums: list[float], before: list[float] | None) -> None:
        """Forget what the window since the last review contradicts."""
        if before is not None and before[0] > _WINDOW_TOKENS:
            sent, was_sent = sums[0] - before[0], before[0]
            if any(
                (now - was) * _CONTRADICTS * was_sent < was * sent
                for now, was in zip(sums[1:], before[1:], strict=True)
            ):
                left = _WINDOW_TOKENS / was_sent
                new = [now - was + was * left for now, was in zip(sums, before, strict=True)]
                sums[:] = new
        self._reviewed[kind] = sums.copy()

    def came_back(self, again: Mapping[tuple[Kind, Kind, float], int]) -> None:
        """So much was sent again: of what kind it had been, of what it is now, after how long."""
        sums, lives = self._of, [*enumerate(self._lives_s, 1)]
        for (was, kind, gap_s), tokens in again.items():
            before, now = sums[was], sums[kind]
            for at, life_s in lives:
                if gap_s <= life_s:
                    following = now[at] / now[0]
                    more = 1.0 + min(_MOST_FOLLOWING, following)
                    before[at] += tokens * more


class _Sums(dict[Kind, list[float]]):
    """Tokens of each kind: sent, and read in each life; with what is supposed before any came."""

    def __init__(self, lives: int) -> None:
        self._lives = lives

    def __missing__(self, kind: Kind) -> list[float]:
        """Of what was seen before, or in a later turn, more reads are supposed."""
        prior = _PRIOR_READ_KNOWN if kind >= _TURN else _PRIOR_READ_NEW
        self[kind] = found = [_PRIOR_TOKENS, *[prior] * self._lives]
        return found


class Scope:
    """The memory of one scope, for one model of one provider. `lives_s` are those of its rules."""

    __slots__ = ("_known", "_most", "_ripening", "habits", "lives_s")

    def __init__(self, lives_s: tuple[float, ...], most: int) -> None:
        self._known: OrderedDict[int, Known] = OrderedDict()
        self._most = most
        self._ripening: deque[tuple[float, Kind, int]] = deque(maxlen=_MOST_RIPENING)
        self.lives_s = lives_s
        self.habits = Habits(lives_s)

    def __len__(self) -> int:
        """Beginnings that are kept."""
        return len(self._known)

    def find(self, pieces: list[Piece]) -> list[Known]:
        """What is known of the first pieces, up to the first that is new."""
        known, found = self._known.get, []
        for piece in pieces:
            one = known(piece.digest)
            if one is None:
                break
            found.append(one)
        return found

    def look(self, pieces: list[Piece]) -> Sight:
        """The same, with the kinds of all pieces."""
        found = self.find(pieces)
        turn = max([one.turn for one in found]) if found else 0
        of_turn = min(_MOST_TURN - 1, turn) * _TURN
        kinds = [of_turn + (one.tokens // _STEP_TOKENS).bit_length() * _FAR for one in pieces]
        for at, one in enumerate(found):
            kinds[at] += _TIMES * one.times if one.times < _MOST_TIMES else _OFTEN
        if kinds:
            kinds[-1] += _END
        return Sight(found, kinds, turn)

    def learn(self, pieces: list[Piece], sight: Sight, now_s: float) -> None:
        """These were sent now."""
        self._ripen(now_s)
        if not pieces:
            return
        found, kinds, turn = sight
        sizes: dict[Kind, int] = {}
        again: dict[tuple[Kind, Kind, float], int] = {}
        known, seen_again, before, count = self._known, self._known.move_to_end, 0, len(found)
        for at, (piece, kind) in enumerate(zip(pieces, kinds, strict=True)):
            tokens = piece.tokens
            size, before = tokens - before, tokens
            sizes[kind] = sizes[kind] + size if kind in sizes else size
            if at >= count:
                known[piece.digest] = Known(now_s, kind)
                continue
            one = found[at]
            change = (one.kind, kind, now_s - one.at_s)
            again[change] = again[change] + size if change in again else size
            one.at_s, one.kind = now_s, kind
            one.times += 1
            seen_again(piece.digest)
        last = known[pieces[-1].digest]
        if last.turn <= turn:
            last.turn = turn + 1
        if again:
            self.habits.came_back(again)
        self._ripening.extend([(now_s, kind, size) for kind, size in sizes.items()])
        while len(known) > self._most:
            known.popitem(last=False)

    def written(self, digests: tuple[int, ...], life_s: float, now_s: float) -> None:
        """The provider has these now, or has read them, and keeps them for so long."""
        for digest in digests:
            if (one := self._known.get(digest)) is None:
                continue
            if one.until_s < now_s:
                one.life_s = life_s
            one.until_s = max(one.until_s, now_s + one.life_s)

    def ended(self, piece: Piece, until_s: float) -> None:
        """A provider that writes the ends of prompts by itself would keep this one until then."""
        if (one := self._known.get(piece.digest)) is not None:
            one.ended_s = until_s

    def _ripen(self, now_s: float) -> None:
        while self._ripening and self._ripening[0][0] + _RIPE_S <= now_s:
            _, kind, size = self._ripening.popleft()
            self.habits.sent(kind, size)


class Seen:
    """All scopes, the least used of which are forgotten first."""

    def __init__(self, most_scopes: int = 64, most_prefixes: int = 4096) -> None:
        self._scopes: OrderedDict[tuple[str, ...], Scope] = OrderedDict()
        self._most_scopes = most_scopes
        self._most_prefixes = most_prefixes

    def of(self, name: tuple[str, ...], lives_s: tuple[float, ...]) -> Scope:
        """The memory of a scope; an empty one where there is none."""
        found = self._scopes.get(name)
        if found is None or found.lives_s != lives_s:
            found = self._scopes[name] = Scope(lives_s, self._most_prefixes)
            while len(self._scopes) > self._most_scopes:
                self._scopes.popitem(last=False)
        self._scopes.move_to_end(name)
        return found
