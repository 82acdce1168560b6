"""The file of a comparison: a line after every step, so that nothing that was paid for is lost.

It holds prompts and answers, so that only its owner may read it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from scrimp.errors import ConfigError

if TYPE_CHECKING:
    from scrimp.studies.records import Record

_MODE = 0o600


class Kept:
    """Records of a file, by id; without a path they are only remembered for this run."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = -1
        self.records: dict[str, Record] = {}

    def __enter__(self) -> Self:
        """Read what is there. Raises InvalidRequest, ConfigError, OSError."""
        if self._path is not None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, _MODE)
            try:
                self._take(self._path)
            except BaseException:
                os.close(self._file)
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file >= 0:
            os.close(self._file)

    def put(self, record: Record) -> None:
        """Remember it, and append it. Raises OSError."""
        from scrimp.studies.records import line_of

        self.records[record.id] = record
        if self._file < 0:
            return
        rest = memoryview(line_of(record))
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def finish(self, records: Sequence[Record]) -> None:
        """Put these first, in their order, each once; what else was kept stays behind them."""
        from scrimp.studies.records import line_of

        mine = {record.id: record for record in records if record.answers}
        others = [one for one in self.records.values() if one.id not in mine]
        if self._path is None:
            return
        path = self._path.resolve()
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # made 0600
            try:
                file.writelines(line_of(one) for one in (*mine.values(), *others))
            except BaseException:
                Path(file.name).unlink()
                raise
        Path(file.name).replace(path)

    def _take(self, path: Path) -> None:
        from scrimp.studies.records import read_lines

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{path}: another comparison writes to it now") from None
        data = path.read_bytes()
        self.records = read_lines(data, str(path))
        os.fchmod(self._file, _MODE)
        if data and not data.endswith(b"\n"):  # the run before was ended within a line
            os.ftruncate(self._file, data.rfind(b"\n") + 1)
