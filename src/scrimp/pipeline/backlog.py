"""The chunks of a stream that somebody may still read, counted from the stream's start."""

from __future__ import annotations

_PIECE_BYTES = 64 * 1024


class Backlog:
    """Chunks by number. What everybody has read can be forgotten; numbers stay as they are."""

    __slots__ = ("_chunks", "_forgotten", "written_bytes")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._forgotten = 0
        self.written_bytes = 0

    @property
    def end(self) -> int:
        """The number that the next chunk will have."""
        return self._forgotten + len(self._chunks)

    def add(self, chunk: bytes) -> None:
        """Append one."""
        self._chunks.append(chunk)
        self.written_bytes += len(chunk)

    def piece(self, number: int) -> tuple[bytes, int]:
        """What follows for a reader that wants this chunk next, and the number after it.

        Small chunks are joined, so that a reader that is behind needs fewer writes; but a piece
        stays so small that a slow socket takes it in time.
        """
        chunks = self._chunks
        start = number - self._forgotten
        size, end = len(chunks[start]), start + 1
        while end < len(chunks) and (size := size + len(chunks[end])) <= _PIECE_BYTES:
            end += 1
        piece = chunks[start] if end == start + 1 else b"".join(chunks[start:end])
        return piece, self._forgotten + end

    def forget(self, number: int) -> None:
        """Drop all chunks before this one."""
        if number > self._forgotten:
            del self._chunks[: number - self._forgotten]
            self._forgotten = number
