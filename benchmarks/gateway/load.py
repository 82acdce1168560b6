"""Load without wrk: the same bytes, from Python. Slower, so its tables stand by themselves.

Usage: load.py PORT CONNECTIONS SECONDS; the rest comes as in load.lua, and goes out as it does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from pathlib import Path

import uvloop


class Load:
    """What all connections share: the bytes, the numbers, the figures."""

    def __init__(self, port: int, seconds: float) -> None:
        raw = Path(os.environ["LOAD_REQUEST"]).read_bytes()
        mark = os.environ["LOAD_MARK"].encode()
        self._before, self._mark, self._after = raw.partition(mark)
        self._numbers = itertools.count(1)
        self._port = port
        self._end_s = time.perf_counter() + seconds
        self.latencies_ms: list[float] = []
        self.errors = 0

    def _request(self) -> bytes:
        number = b"%0*d" % (len(self._mark), next(self._numbers)) if self._mark else b""
        return self._before + number + self._after

    async def connection(self) -> None:
        """Ask one call after another on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (sent := time.perf_counter()) < self._end_s:
            writer.write(self._request())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.find(b"content-length:")
            if at >= 0:
                await reader.readexactly(int(head[at + 15 :].split(b"\r\n", 1)[0]))
            else:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            self.errors += not head.startswith(b"http/1.1 200")
            self.latencies_ms.append((time.perf_counter() - sent) * 1000)
        writer.close()


async def main() -> None:
    """Run the load, print the figures."""
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    load = Load(port, seconds)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(load.connection())
    took_s = time.perf_counter() - began
    sorted_ms = sorted(load.latencies_ms)
    figures = {
        "calls": len(sorted_ms),
        "seconds": took_s,
        "errors": load.errors,
        "p50_ms": sorted_ms[len(sorted_ms) // 2],
        "p99_ms": sorted_ms[len(sorted_ms) * 99 // 100],
    }
    print("RESULT", json.dumps(figures))


if __name__ == "__main__":
    uvloop.run(main())
