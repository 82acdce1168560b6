"""Load from keep-alive connections, as the OpenAI SDK would send it, without the SDK's own cost.

Usage: load.py PORT KIND CONNECTIONS CALLS, KIND one of miss, hit, stream. Prints one JSON line:
calls, seconds, latency quantiles in ms.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

_SYSTEM = "You are the support assistant of a maker of smart lamps. Be brief and kind. " * 4
_HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n"
    b"content-type: application/json\r\nuser-agent: AsyncOpenAI/Python 3.54.0\r\n"
    b"x-stainless-lang: python\r\nx-stainless-package-version: 3.54.0\r\nx-stainless-os: Linux\r\n"
    b"x-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\n"
    b"x-stainless-runtime-version: 3.11.7\r\nauthorization: Bearer sk-benchmark\r\n"
    b"x-stainless-async: async:asyncio\r\nx-stainless-retry-count: 0\r\n"
    b"x-stainless-read-timeout: 600\r\n"
)


def request(kind: str, name: str) -> bytes:
    """One HTTP request; a `hit` asks the same each time."""
    asked = "same" if kind == "hit" else name
    fields = {
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": f"How do I pair lamp {asked}?"},
        ],
        "model": "gpt-4o-mini",
        "temperature": 0.2,
    }
    if kind == "stream":
        fields["stream"] = True
    body = json.dumps(fields, separators=(",", ":")).encode()
    return _HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


async def connection(port: int, kind: str, calls: int, latencies: list[float]) -> None:
    """Ask one call after another on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(calls):
        sent = time.perf_counter()
        writer.write(request(kind, str(time.monotonic_ns())))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(head.decode("latin-1"))
        at = head.find(b"content-length:")
        if at >= 0:
            await reader.readexactly(int(head[at + 15 :].split(b"\r\n", 1)[0]))
        else:
            await reader.readuntil(b"0\r\n\r\n")
        latencies.append((time.perf_counter() - sent) * 1000)
    writer.close()


async def main() -> None:
    """Run the load, print the figures."""
    port, kind, connections, calls = (
        int(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        int(sys.argv[4]),
    )
    latencies: list[float] = []
    started = time.perf_counter()
    each = calls // connections
    await asyncio.gather(*(connection(port, kind, each, latencies) for _ in range(connections)))
    seconds = time.perf_counter() - started
    latencies.sort()
    quantiles = {f"p{q}_ms": latencies[len(latencies) * q // 100] for q in (50, 99)}
    print(json.dumps({"calls": each * connections, "seconds": seconds, **quantiles}))


if __name__ == "__main__":
    uvloop.run(main())
