"""A provider whose one model grades answers: a real server for tests of commands that judge."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from scrimp.dialects.json_body import encode
from tests.support.grading import Say, shown


class GradingProvider:
    """Says what `say` makes of what it is shown, and keeps how often it was asked."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked = 0
        self.finish = "stop"
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = provider.answer(json.loads(self.rfile.read(length)))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # the library's name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, fields: dict[str, Any]) -> bytes:
        """A chat completion with two grades."""
        self.asked += 1
        system, user = (turn["content"] for turn in fields["messages"])
        said = self.say(*shown(system, user))
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": "grader-1"}
        return encode({**head, "choices": [choice], "usage": usage})

    def settings(self) -> str:
        """The tables of scrimp.toml that make it the model `grader`, with a price."""
        return (
            f'[providers.grading]\nbase_url = "{self.url}/v1"\ndialects = ["openai.chat"]\n'
            '[models.grader]\nprovider = "grading"\nmodel = "grader-1"\n'
            '[prices."grader-1"]\ninput = "1"\noutput = "2"\n'
        )

    @contextmanager
    def running(self) -> Iterator[Self]:
        """It serves in a thread of its own."""
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()
