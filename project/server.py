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
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from project.backpressure import BodyQueue, HandedOver, MessageQueue, Valve

# Seconds. A ping that is not answered in time ends a WebSocket; an application that does not end after its client
# has gone is cancelled.
PING_INTERVAL, PING_TIMEOUT = 20, 60
CONNECT_TIMEOUT, CLOSE_TIMEOUT = 20, 10
# Where an image's archive or build context is uploaded: the only bodies that may be larger than a user's file.
IMAGE_UPLOAD = re.compile(rb"/api/v1/images/[^/?]+/(?:archive|context)(?:\?|$)|/admin/interpreters/interpreterimage/")
access_log = logging.getLogger("thermae.access")


class Request(WebRequest):
    """An HTTP request whose body is bounded, and whose form is left to Django to parse."""

    valve: Valve | None = None
    _received = 0

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        self._check(length or 0)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._check(self._received):
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # In place of Twisted's, which would read a whole form into memory to parse it for nobody.
        self.content.seek(0)
        self.args: dict[bytes, list[bytes]] = {}
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.split(b"?", 1)[0]
        self.client, self.host = self.channel.getPeer(), self.channel.getHost()
        self.process()

    def open_valve(self) -> None:
        """Called once it is known that this response is a stream."""
        if self.valve is None and self.channel is not None and not self.finished:
            self.valve = Valve(self.channel.transport)
            self.registerProducer(self.valve, True)

    def finish(self) -> None:
        if self.valve is not None:
            self.valve = None
            self.unregisterProducer()
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        if self.valve is not None:
            self.valve.resumeProducing()
        super().connectionLost(reason)

    @property
    def _limit(self) -> int:
        # Asked while the body comes in, when only the channel knows the path.
        larger = IMAGE_UPLOAD.match(getattr(self.channel, "_path", b""))
        limit: int = self.server.max_image if larger else self.server.max_body
        return limit

    def _check(self, length: int) -> bool:
        """False, and the connection ends, if the body is larger than any that we take."""
        limit = self._limit
        if length <= limit:
            return True
        if self.channel is not None and not self.channel.transport.disconnecting:
            message = b'{"error": "too_large", "message": "Send at most %d bytes."}' % limit
            head = b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
            self.channel.transport.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(message), message))
            self.channel.loseConnection()
        return False


class RequestFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol


class WebSocket(WebSocketProtocol):
    """A WebSocket that may send messages of any size, and that is not taken for dead while it reads slowly."""

    valve: Valve | None = None

    def onConnect(self, request: Any) -> Any:
        # Until now the transport reported to the HTTP channel that this connection began with.
        self.transport.unregisterProducer()
        self.valve = Valve(self.transport)
        self.transport.registerProducer(self.valve, True)
        return super().onConnect(request)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state != self.STATE_OPEN:
            return  # it is closing: its application hears of that soon
        # sendFrame and not sendMessage, whose size limit is that for what comes in.
        self.sendFrame(opcode=2 if binary else 1, payload=content.encode() if isinstance(content, str) else content)

    def connectionLost(self, reason: Any) -> None:
        if self.valve is not None:
            self.valve.resumeProducing()
        super().connectionLost(reason)

    def check_timeouts(self) -> None:
        # While output waits for the client a ping would wait behind it; the stall limit watches instead.
        if self.valve is not None and self.valve.closed:
            self.last_ping = time.time()
        super().check_timeouts()

    def onAutoPingTimeout(self) -> None:
        if self.valve is not None and self.valve.closed:
            self.autoPingTimeoutCall = None
            self.autoPingPending = None
        else:
            super().onAutoPingTimeout()


class WebSockets(WebSocketFactory):
    protocol = WebSocket


class Server(daphne.server.Server):
    def __init__(self, *, max_body: int, max_image: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.max_body, self.max_image = max_body, max(max_body, max_image)

    def run(self) -> None:
        daphne.server.HTTPFactory, daphne.server.WebSocketFactory = RequestFactory, WebSockets
        super().run()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[dict[str, Any]] | None:
        """As Daphne's, with queues that are bounded."""
        if protocol not in self.connections:
            return None
        scope.setdefault("asgi", {"version": "3.0"})
        queue: asyncio.Queue[dict[str, Any]]
        if scope["type"] == "http":
            queue = BodyQueue(protocol.content)
            protocol.content = HandedOver(protocol.content)
        else:
            queue = MessageQueue(protocol.transport)
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
    """Daphne's action logger: one line for each finished request and each WebSocket that opens, ends or is refused."""
    if protocol == "http":
        access_log.info("%(method)s %(path)s %(status)s %(size)s bytes %(time_taken).3f s from %(client)s", details)
    elif action != "connecting":
        access_log.info("WebSocket %s %s from %s", details["path"], action, details["client"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m project.server", description="Serve Thermae over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

    from django.conf import settings

    from project.asgi import application

    server = Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=options.host, port=options.port),
        action_logger=log_access,
        max_body=settings.MAX_UPLOAD_BYTES + 1024 * 1024,
        max_image=settings.MAX_IMAGE_UPLOAD_BYTES + 1024 * 1024,
        # Twice what we take: a frame that is a little too large is told so, by close code; one far beyond is cut off.
        websocket_max_message_size=2 * settings.MAX_FRAME_BYTES,
        websocket_max_frame_size=2 * settings.MAX_FRAME_BYTES,
        # No limit on how long a response takes: a stream lasts as long as its client reads. Requests that arrive
        # slowly are ended by Twisted after 60 s, responses that are not read by the stall limit.
        http_timeout=None,
        websocket_timeout=-1,
        websocket_connect_timeout=CONNECT_TIMEOUT,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        application_close_timeout=CLOSE_TIMEOUT,
        proxy_forwarded_address_header="X-Forwarded-For" if settings.BEHIND_TLS_PROXY else None,
        proxy_forwarded_proto_header="X-Forwarded-Proto" if settings.BEHIND_TLS_PROXY else None,
        server_name="",
    )
    server.run()
    raise SystemExit(1 if server.abort_start else 0)


if __name__ == "__main__":
    main()
