"""A WebSocket of a client that may read slowly, with messages of any size out, and refusals that say why.

An application may refuse a handshake with `websocket.http.response.start` and `….body`, as ASGI defines them.
"""

import time
from http import HTTPStatus
from typing import Any

from autobahn.websocket import types
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from project.backpressure import Valve

ConnectionDeny: Any = types.ConnectionDeny
EXTENSIONS: dict[str, dict[str, Any]] = {"websocket.http.response": {}}
LONGEST_REASON = 123  # bytes, of a close frame


def may_be_sent(code: int) -> bool:
    """Whether a close frame may carry this code: 1005 and 1006 only say that there was none."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


class WebSocket(WebSocketProtocol):
    valve: Valve | None = None
    _denial: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None

    def onConnect(self, request: Any) -> Any:
        # Until now the transport reported to the HTTP channel that this connection began with.
        self.transport.unregisterProducer()
        self.valve = Valve(self.transport)
        self.transport.registerProducer(self.valve, True)
        server = self.factory.server_class
        if server.proxied(request.headers.get("host", "").encode("latin-1"), self.raw_path):
            self.maxMessagePayloadSize = self.maxFramePayloadSize = server.max_proxied_frame
        return super().onConnect(request)

    @property
    def raw_path(self) -> bytes:
        """The path as it came: autobahn's own loses what follows a semicolon."""
        raw: bytes = self.http_request_uri.encode("latin-1").partition(b"?")[0]
        return raw

    # --- Out ---

    def handle_reply(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "websocket.http.response.start":
                self._denial = (message["status"], list(message.get("headers", ())), b"")
            case "websocket.http.response.body" if self._denial and self.state == self.STATE_CONNECTING:
                self._denial = (*self._denial[:2], message.get("body", b""))
                self._deny(self._denial[0])
            case "websocket.send" if self.state != self.STATE_CONNECTING:
                text = message.get("text")  # an empty message is one too, which Daphne forgets
                self.serverSend(message.get("bytes") or b"" if text is None else text, binary=text is None)
            case "websocket.close" if self.state == self.STATE_OPEN:
                self._close(message.get("code") or 1000, message.get("reason") or "")
            case _:
                super().handle_reply(message)

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        if self.state != self.STATE_OPEN:
            return  # it is closing: its application hears of that soon
        # sendFrame and not sendMessage, whose size limit is that for what comes in.
        self.sendFrame(opcode=2 if binary else 1, payload=content.encode() if isinstance(content, str) else content)

    def _close(self, code: int, reason: str) -> None:
        # autobahn's sendClose refuses codes that only a server's own library may use; ours stands for other servers.
        short = reason.encode(errors="replace")[:LONGEST_REASON].decode(errors="ignore").encode()
        self.sendCloseFrame(code=code if may_be_sent(code) else 1000, reasonUtf8=short)

    def _deny(self, status: int) -> None:
        self.handshake_deferred.errback(ConnectionDeny(code=status, reason="refused"))
        del self.handshake_deferred
        self.server.protocol_disconnected(self)
        client = ":".join(map(str, self.client_addr)) if self.client_addr else None
        self.server.log_action("websocket", "rejected", {"path": self.request.path, "client": client})

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        if self._denial is None:
            super().sendHttpErrorResponse(code, reason, responseHeaders)
            return
        status, headers, body = self._denial
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Refused"
        lines = [b"HTTP/1.1 %d %b" % (status, phrase.encode()), b"Connection: close"]
        lines += [b"%b: %b" % field for field in headers if field[0].lower() != b"content-length"]
        lines += [b"Content-Length: %d" % len(body), b"", body]
        self.sendData(b"\r\n".join(lines))

    # --- In ---

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if hasattr(self, "application_queue"):
            self.application_queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason or ""})
        super().onClose(wasClean, code, reason)  # which puts it once more, without the reason

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
