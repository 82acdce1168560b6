"""Which beginnings of prompts were seen, and how often such come back. Digests only, bounded.

Every scope has its own memory: what one sends teaches nothing about what another sends.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

Kind = tuple[int, int, int, bool]
"""How often a piece was seen, in which turn, how far from the beginning, whether at the end."""

_PRIOR_TOKENS = 65_536
_PRIOR_NEW, _PRIOR_KNOWN = 0.2, 0.6  # new is not worth a write until something tells so
_PRIOR_READ_NEW, _PRIOR_READ_KNOWN = _PRIOR_TOKENS * _PRIOR_NEW, _PRIOR_TOKENS * _PRIOR_KNOWN
_MOST_FOLLOWING = 3.0
_RIPE_S = 45.0
_MOST_RIPENING = 20_000


class Piece(NamedTuple):
    """A prompt up to a place where it may be marked: a digest of all of it, tokens of all of it."""

    digest: bytes
    tokens: int


class Known:
    """A beginning that was seen. `turn` counts prompts that it ended, each within the next.

    `until_s` is how long the provider keeps what was written, `ended_s` how long it would keep what
    it writes by itself: the ends of prompts.
    """

    __slots__ = ("at_s", "ended_s", "kind", "life_s", "times", "turn", "until_s")

    def __init__(self, at_s: float, kind: Kind) -> None:
        self.at_s = at_s
        self.kind = kind
        self.times = 1
        self.turn = 0
        self.until_s = self.ended_s = float("-inf")
        self.life_s = 0.0


class Habits:
    """How many reads a written token can expect while its prefix lives, by kind.

    What is read once may be read again: a piece that comes back brings the expectation of the kind
    that it is then (Sutton, "Learning to predict by the methods of temporal differences", 1988).
    What was sent just now says nothing yet, so it counts after a while only.
    """

    __slots__ = ("_read", "_sent")

    def __init__(self) -> None:
        self._sent: dict[Kind, float] = {}
        self._read: dict[Kind, float] = {}

    def expected(self, kind: Kind) -> float:
        """Reads per token."""
        prior = _PRIOR_READ_KNOWN if kind[0] or kind[1] > 1 else _PRIOR_READ_NEW
        return (prior + self._read.get(kind, 0.0)) / (_PRIOR_TOKENS + self._sent.get(kind, 0.0))

    def sent(self, kind: Kind, tokens: int) -> None:
        """So much of a kind was sent a while ago."""
        self._sent[kind] = self._sent.get(kind, 0.0) + tokens

    def came_back(self, kind: Kind, tokens: int, now: Kind) -> None:
        """So much of what had been of a kind was sent again in time."""
        expected, read = self.expected(now), self._read
        more = 1.0 + (min(_MOST_FOLLOWING, expected))
        read[kind] = read.get(kind, 0.0) + tokens * more


class Scope:
    """The memory of one scope, for one model of one provider. `lives_s` are those of its rules."""

    __slots__ = ("_known", "_most", "_ripening", "habits", "lives_s")

    def __init__(self, lives_s: tuple[float, ...], most: int) -> None:
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._most = most
        self._ripening: deque[tuple[float, Kind, int]] = deque(maxlen=_MOST_RIPENING)
        self.lives_s = lives_s
        self.habits = tuple([Habits() for _ in lives_s])

    def __len__(self) -> int:
        """Beginnings that are kept."""
        return len(self._known)

    def find(self, pieces: list[Piece]) -> list[Known]:
        """What is known of the first pieces, up to the first that is new."""
        known, found = self._known, []
        for piece in pieces:
            one = known.get(piece.digest)
            if one is None:
                break
            found.append(one)
        return found

    def learn(
        self, pieces: list[Piece], kinds: list[Kind], found: list[Known], now_s: float
    ) -> None:
        """These were sent now; `found` is what was known of them."""
        self._ripen(now_s)
        sizes: dict[Kind, int] = {}
        again: dict[tuple[Kind, Kind, float], int] = {}
        known, seen_again = self._known, self._known.move_to_end
        turn = 1 + max([one.turn for one in found], default=0)
        before = 0
        for (digest, tokens), kind, one in zip(pieces, kinds, found, strict=False):
            size, before = tokens - before, tokens
            sizes[kind] = sizes.get(kind, 0) + size
            change = (one.kind, kind, now_s - one.at_s)
            again[change] = again.get(change, 0) + size
            one.at_s, one.kind = now_s, kind
            one.times += 1
            seen_again(digest)
        for at in range(len(found), len(pieces)):
            (digest, tokens), kind = pieces[at], kinds[at]
            size, before = tokens - before, tokens
            sizes[kind] = sizes.get(kind, 0) + size
            known[digest] = Known(now_s, kind)
        if pieces:
            last = known[pieces[-1].digest]
            last.turn = max(last.turn, turn)
        for life_s, habits in zip(self.lives_s, self.habits, strict=True):
            for (was, kind, gap_s), size in again.items():
                if gap_s <= life_s:
                    habits.came_back(was, size, kind)
        self._ripening.extend([(now_s, kind, size) for kind, size in sizes.items()])
        while len(known) > self._most:
            known.popitem(last=False)

    def written(self, digests: tuple[bytes, ...], life_s: float, now_s: float) -> None:
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
            for habits in self.habits:
                habits.sent(kind, size)


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
