"""The results of `scrimp run`: a journal beside OUT while it runs, OUT in order when it ends.

Every result is appended to the journal the moment it is there, and every call is marked before it
is made: a run that was killed knows what it had paid for, and what was in the air. Both hold
answers, so that only their owner may read them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from scrimp.errors import ConfigError, InvalidRequest
from scrimp.many.results import Known, known, renamed

_MODE = 0o600
NOTHING, ANSWERED, FAILED = 0, 1, 2
_RECORD = b'{"id"'


class _Mark(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="mark", tag="begun"):
    """A call that is about to be made."""

    call: str
    line: int


class _Held(msgspec.Struct, frozen=True, tag_field="mark", tag="held"):
    """An attempt may cost so much, and is about to leave."""

    hold: str
    nanousd: int


class _Settled(msgspec.Struct, frozen=True, tag_field="mark", tag="settled"):
    """It has cost so much."""

    hold: str
    nanousd: int


_marked = msgspec.json.Decoder(_Mark | _Held | _Settled).decode
_encode = msgspec.json.Encoder().encode


def short(key: bytes) -> int:
    """A key as it is compared: 64 bits of it."""
    return int.from_bytes(key[:8], "big")


class Kept:
    """What is known of each line of the file, by its number. Open one at a time.

    `in_air` is how many calls were going on when the last run ended without a word, which may have
    cost `in_air_nanousd` where a budget had held that. `unknown` answers were there before of which
    nobody knows the cost.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.journal = out.with_name(out.name + ".journal")
        self.unknown = 0
        self.in_air = 0
        self.in_air_nanousd = 0
        self._places = array("q")  # twice the offset, and 1 where it is in the journal
        self._keys = array("Q")
        self._names = array("q")
        self._spent = array("q")
        self._states = bytearray()
        self._earlier: dict[int, int] = {}
        self._open: dict[int, list[str]] = {}  # calls that were begun, by line
        self._going: set[str] = set()  # the same
        self._money: dict[str, dict[str, int]] = {}  # by call: what each of its holds comes to
        self._late: deque[_Settled] = deque()
        self._files: tuple[BinaryIO | None, BinaryIO | None] = (None, None)
        self._fd = -1
        self._end = 0

    def __enter__(self) -> Self:
        """Read what is there. Raises InvalidRequest, ConfigError, OSError."""
        self._fd = _locked(self.journal)
        try:
            self._take()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def state(self, line: int) -> int:
        """What is known of a line."""
        return self._states[line] if line < len(self._states) else NOTHING

    def key(self, line: int) -> int:
        """What was asked there."""
        return self._keys[line] if line < len(self._keys) else 0

    def named(self, line: int, name: str) -> bool:
        """Whether it was called so."""
        return line < len(self._names) and self._names[line] == hash(name)

    @property
    def lines(self) -> int:
        """One more than the last line that is known of."""
        return len(self._states)

    @property
    def spent_nanousd(self) -> int:
        """The most that was spent on all of them so far, as far as anybody knows."""
        return sum(self._spent) + sum(self._earlier.values())

    def earlier(self, line: int) -> int:
        """The most that was spent on one, as far as anybody knows."""
        spent = self._spent[line] if line < len(self._spent) else 0
        return spent + self._earlier.get(line, 0)

    def begun(self, line: int, call_id: str) -> None:
        """A call is about to be made. Raises OSError: then it is not."""
        self._mark(_Mark(call_id, line))
        self._append(_encode(_Mark(call_id, line)) + b"\n")

    def held(self, hold: str, nanousd: int) -> None:
        """An attempt is about to leave. Raises OSError."""
        self._hold(_Held(hold, nanousd))
        self._append(_encode(_Held(hold, nanousd)) + b"\n")

    def settled(self, hold: str, nanousd: int) -> None:
        """It has cost so much. Never waits and never fails: it is written with what comes next."""
        self._hold(_Settled(hold, nanousd))
        self._late.append(_Settled(hold, nanousd))

    def most_of(self, call_id: str) -> int | None:
        """What a call may have cost, by its holds; None where there was none."""
        holds = self._money.get(call_id)
        return None if holds is None else sum(tuple(holds.values()))

    def put_off(self, line: int, call_id: str, high_nanousd: int | None) -> None:
        """A call has ended without a result; its line will be asked again."""
        most = self.most_of(call_id) if high_nanousd is None else high_nanousd
        self._forget(line)
        if most:
            self._earlier[line] = self._earlier.get(line, 0) + most

    def put(self, data: bytes) -> None:
        """A result. Raises OSError."""
        self._note(known(data, "a result"), self._end, in_journal=True)
        self._append(data)

    def move(self, moved: dict[int, int], names: dict[int, str]) -> None:
        """Results that belong to other lines now (by the new one), and what these are called."""
        places = {new: self._places[old] for new, old in moved.items()}
        for old in moved.values():
            if old not in moved:
                self.drop(old)
        for new, place in places.items():
            self.put(renamed(self._read(place), new, names[new]))

    def drop(self, line: int) -> None:
        """What is known of a line is not to be in OUT any more."""
        self._states[line] = NOTHING
        self._keys[line] = self._spent[line] = 0

    def finish(self) -> None:
        """Write OUT: every result once, in the order of the lines. Raises OSError."""
        self._append(b"")
        path = self.out.resolve()
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # made 0600
            try:
                for line, state in enumerate(self._states):
                    if state != NOTHING:
                        file.write(self._read(self._places[line]))
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                Path(file.name).unlink()
                raise
        Path(file.name).replace(path)
        os.ftruncate(self._fd, 0)
        marks: list[_Mark | _Held] = []
        for line, nanousd in self._earlier.items():  # spent, and no result: not to be forgotten
            call = f"earlier-{line}"
            marks += [_Mark(call, line), _Held(f"{call}/1", nanousd)]
        os.write(self._fd, b"".join(_encode(mark) + b"\n" for mark in marks))

    def _take(self) -> None:
        old = self.out.open("rb") if self.out.exists() else None
        journal = self.journal.open("rb")
        self._files = (old, journal)
        if old is not None:
            for offset, data in _lines(old):
                self._note(known(data, str(self.out)), offset, in_journal=False)
        torn = 0
        for offset, data in _lines(journal):
            if not data.endswith(b"\n"):
                torn = len(data)  # the run before was ended within a line
                break
            self._replay(data, offset)
        self._end = os.fstat(self._fd).st_size - torn
        os.ftruncate(self._fd, self._end)
        self._sum()

    def _replay(self, data: bytes, offset: int) -> None:
        if data.startswith(_RECORD):
            self._note(known(data, str(self.journal)), offset, in_journal=True)
            return
        try:
            mark = _marked(data)
        except msgspec.MsgspecError as error:
            raise InvalidRequest(f"{self.journal}: scrimp run did not write this") from error
        if isinstance(mark, _Mark):
            self._mark(mark)
        else:
            self._hold(mark)

    def _sum(self) -> None:
        """What was in the air may have been billed; and all that was spent."""
        self.in_air = len(self._open)
        for line, calls in self._open.items():
            if most := sum(self.most_of(call) or 0 for call in calls):
                self._earlier[line] = most
        self.in_air_nanousd = sum(self._earlier.values())
        self._open.clear()
        self._going.clear()
        self._money.clear()

    def _note(self, one: Known, offset: int, *, in_journal: bool) -> None:
        about = one.scrimp
        line, size = about.line, len(self._states)
        if line >= size:
            more = max(line + 1, 2 * size, 1024) - size
            self._states += bytes(more)
            for column in (self._places, self._keys, self._names, self._spent):
                column.frombytes(bytes(8 * more))
        self._states[line] = ANSWERED if one.error is None else FAILED
        self._places[line] = 2 * offset + in_journal
        self._keys[line] = short(bytes.fromhex(about.key)) if about.key else 0
        self._names[line] = hash("" if one.custom_id == f"line-{line}" else one.custom_id)
        self._spent[line] = about.most_nanousd
        self.unknown += about.cost_nanousd is None and about.high_nanousd is None
        self._earlier.pop(line, None)  # it is in the result
        self._forget(line)

    def _mark(self, mark: _Mark) -> None:
        self._open.setdefault(mark.line, []).append(mark.call)
        self._going.add(mark.call)

    def _forget(self, line: int) -> None:
        """Nothing of it is in the air any more."""
        for call in self._open.pop(line, ()):
            self._going.discard(call)
            self._money.pop(call, None)

    def _hold(self, mark: _Held | _Settled) -> None:
        call = mark.hold.partition("/")[0]
        if call in self._going:  # else it has its result already
            self._money.setdefault(call, {})[mark.hold] = mark.nanousd

    def _read(self, place: int) -> bytes:
        offset, in_journal = divmod(place, 2)
        file = self._files[in_journal]
        assert file is not None  # noqa: S101 - told to the type checker
        file.seek(offset)
        return file.readline()

    def _append(self, data: bytes) -> None:
        late = b""
        while self._late:
            late += _encode(self._late.popleft()) + b"\n"
        rest = memoryview(data + late)
        self._end += len(rest)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _close(self) -> None:
        for file in self._files:
            if file is not None:
                file.close()
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # then what was held counts
                self._append(b"")
            if not os.fstat(self._fd).st_size:
                self.journal.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for data in file:
        yield offset, data
        offset += len(data)


def _locked(path: Path) -> int:
    """The journal, opened and locked. Raises ConfigError where another run has it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = path.exists() and os.fstat(fd).st_ino == path.stat().st_ino
        except BlockingIOError:
            os.close(fd)
            raise ConfigError(f"{path}: another run writes to it now") from None
        if same:
            return fd
        os.close(fd)  # the run before has ended, and removed it, in this very moment
