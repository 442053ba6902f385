"""The web server: Daphne, with bounds on memory, message sizes and bodies that an untrusted client needs.

    python -m project.server --host 127.0.0.1 --port 8000

Daphne has no setting for its protocol classes, so `main` puts ours in their places before the server is made.
"""

import daphne.server  # isort: skip  # first: it installs the reactor
import argparse
import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from daphne.endpoints import build_endpoint_description_strings

from project import request, websocket
from project.backpressure import MessageQueue

# Seconds. A ping that is not answered in time ends a WebSocket; an application that does not end after its client
# has gone is cancelled. A handshake may wait for a sandbox that is being started.
PING_INTERVAL, PING_TIMEOUT = 20, 60
CONNECT_TIMEOUT, CLOSE_TIMEOUT = 75, 10
# Where an image's archive or build context is uploaded: the only bodies that may be larger than a user's file.
IMAGE_UPLOAD = re.compile(rb"/api/v1/images/[^/?]+/(?:archive|context)(?:\?|$)|/admin/interpreters/interpreterimage/")
access_log = logging.getLogger("thermae.access")
SECRET_ADDRESS = re.compile(r"^(/+(?:invitations|shared)/+)[^/]+")


def nothing_is_proxied(host: bytes, path: bytes) -> bool:
    return False


class Server(daphne.server.Server):
    """`proxied` tells by host and path what is for a sandbox: its bodies (0: of any size) and frames have bounds of
    their own."""

    def __init__(
        self,
        *,
        max_body: int,
        max_image: int = 0,
        proxied: Callable[[bytes, bytes], bool] = nothing_is_proxied,
        max_proxied_body: int = 0,
        max_proxied_frame: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.max_body, self.max_image, self.proxied = max_body, max(max_body, max_image), proxied
        self.max_proxied_body, self.max_proxied_frame = max_proxied_body, max_proxied_frame

    def run(self) -> None:
        daphne.server.HTTPFactory, daphne.server.WebSocketFactory = request.RequestFactory, websocket.WebSockets
        super().run()

    def body_limit(self, host: bytes, target: bytes) -> int:
        """Bytes that the body of a request may have; 0 for any number."""
        if self.proxied(host, target.partition(b"?")[0]):
            return self.max_proxied_body
        return self.max_image if IMAGE_UPLOAD.match(target) else self.max_body

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[dict[str, Any]] | None:
        """As Daphne's, with queues that are bounded."""
        if protocol not in self.connections:
            return None
        scope.setdefault("asgi", {"version": "3.0"})
        queue: asyncio.Queue[dict[str, Any]]
        if scope["type"] == "http":
            queue = protocol.body
            scope["extensions"] = request.EXTENSIONS
        else:
            queue = MessageQueue(protocol.transport)
            scope.update(raw_path=protocol.raw_path, extensions=websocket.EXTENSIONS)
        application = self.application(scope=scope, receive=queue.get, send=partial(self.handle_reply, protocol))
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(application)
        return queue

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and message.get("more_body"):
            protocol.open_valve()
        await super().handle_reply(protocol, message)
        if protocol.valve is not None:
            await protocol.valve.drained()

    def kill_all_applications(self) -> Any:
        # Daphne's expects an application on every connection, and stops half-way where there is none.
        self.connections: dict[Any, dict[str, Any]] = {
            key: value for key, value in self.connections.items() if "application_instance" in value
        }
        return super().kill_all_applications()


def log_access(protocol: str, action: str, details: Mapping[str, Any]) -> None:
    """Daphne's action logger: one line for each finished request and each WebSocket that opens, ends or is refused.

    Without what is secret: queries (those of a proxied application, and the tickets of previews), and the addresses of
    invitations and of shared copies.
    """
    if protocol == "http":
        shown = {**details, "path": SECRET_ADDRESS.sub(r"\1…", details["path"].partition("?")[0])}
        access_log.info("%(method)s %(path)s %(status)s %(size)s bytes %(time_taken).3f s from %(client)s", shown)
    elif action != "connecting":
        access_log.info("WebSocket %s %s from %s", details["path"], action, details["client"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m project.server", description="Serve Thermae over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

    from django.conf import settings

    from project.asgi import application, finish, is_proxied

    server = Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=options.host, port=options.port),
        action_logger=log_access,
        max_body=settings.MAX_UPLOAD_BYTES + 1024 * 1024,
        max_image=settings.MAX_IMAGE_UPLOAD_BYTES + 1024 * 1024,
        proxied=is_proxied,
        max_proxied_body=settings.MAX_PROXY_BODY_BYTES,
        max_proxied_frame=settings.MAX_PROXY_FRAME_BYTES,
        # Twice what we take: a frame that is a little too large is told so, by close code; one far beyond is cut off.
        websocket_max_message_size=2 * settings.MAX_FRAME_BYTES,
        websocket_max_frame_size=2 * settings.MAX_FRAME_BYTES,
        # No limit on how long a response takes: a stream lasts as long as its client reads. Requests that arrive
        # slowly are ended by Twisted after 60 s of silence, responses that are not read by the stall limit.
        http_timeout=None,
        websocket_timeout=-1,
        websocket_connect_timeout=CONNECT_TIMEOUT,
        websocket_handshake_timeout=CONNECT_TIMEOUT,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        application_close_timeout=CLOSE_TIMEOUT,
        proxy_forwarded_address_header="X-Forwarded-For" if settings.BEHIND_TLS_PROXY else None,
        proxy_forwarded_proto_header="X-Forwarded-Proto" if settings.BEHIND_TLS_PROXY else None,
        server_name="",
    )
    server.run()
    finish()
    raise SystemExit(1 if server.abort_start else 0)


if __name__ == "__main__":
    main()
