"""What tests of webhooks share: an endpoint, and a receiver on loopback that answers as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from interpreters.lifecycle.events import EVENTS
from interpreters.models import WebhookEndpoint


def endpoint_of(tenant: Any, **fields: Any) -> WebhookEndpoint:
    fields = {"url": "https://hooks.example.org/", "events": list(EVENTS), **fields}
    return WebhookEndpoint.objects.create(tenant=tenant, **fields)


@dataclass
class Receiver:
    """`answers`: of the first requests; all others are taken with 204."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    # Whoever sets `hold` keeps answers back until it is set; `reached` is set by each request.
    reached: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event | None = None


@contextmanager
def receiver(*answers: int | tuple[int, dict[str, str]]) -> Iterator[Receiver]:
    about = Receiver(answers=[answer if isinstance(answer, tuple) else (answer, {}) for answer in answers])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            about.got.append((self.path, headers, body))
            number = len(about.got) - 1
            about.reached.set()
            if about.hold is not None:
                about.hold.wait(60)
            status, more = about.answers[number] if number < len(about.answers) else (204, {})
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        about.url = f"http://127.0.0.1:{server.server_port}/hook?from=thermae"
        yield about
        server.shutdown()
