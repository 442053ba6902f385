"""An HTTP request that reaches its application when its head is there, with a body that arrives as it is read.

An application may also send `http.response.trailers` and `http.response.early_hint`, as ASGI defines them, and
`http.response.abort`, which breaks the connection off: for an answer whose rest will never come.
"""

from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web import http

from project.backpressure import BodyQueue, Fields, NoContent, Valve
from project.channel import CONTROL, TOKEN, Channel

TwistedRequest: Any = http.Request
EXTENSIONS: dict[str, dict[str, Any]] = {
    "http.response.trailers": {},
    "http.response.early_hint": {},
    "http.response.abort": {},
}


class Request(WebRequest):
    valve: Valve | None = None
    expects_continue = False
    trailers: Fields = ()
    chunked: int = 0
    _begun = _refused = _trailers_follow = False
    _received = _limit = 0

    def __init__(self, channel: Channel, *arguments: Any, **options: Any) -> None:
        self.body = BodyQueue(channel.hold, channel.release, self._ask_for_body)
        super().__init__(channel, *arguments, **options)

    @property
    def arriving(self) -> bool:
        """Whether the application was called and the body is not all here."""
        return self._begun and not self._refused and not self.body.complete

    # --- What the channel tells ---

    def gotLength(self, length: int | None) -> None:
        """The head is complete. `length` is None for a body in chunks."""
        self.content = NoContent()
        if self.channel.transport.disconnecting:  # a header was refused, and Twisted reads on
            self._refused = True
            return
        self._limit = self.server.body_limit(self.requestHeaders.getRawHeaders(b"Host", [b""])[0], self.channel._path)
        if self._is_too_large(length or 0):
            self._refuse_size()
        elif length != 0:
            self.requestHeaders.removeHeader(b"Upgrade")  # what brings a body stays HTTP
            self._begin(self.channel._command, self.channel._path, self.channel._version)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._refused:
            return
        if self._is_too_large(self._received):
            self._refuse_size()
        else:
            self.body.feed(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it has arrived. In place of Twisted's, which would parse a form in memory for nobody."""
        self.body.end(self.trailers)
        if not (self._begun or self._refused):
            self._begin(command, path, version)

    def connectionLost(self, reason: Any) -> None:
        if self.valve is not None:
            self.valve.resumeProducing()
        super().connectionLost(reason)

    def _begin(self, command: bytes, path: bytes, version: bytes) -> None:
        self._begun = True
        self.args: dict[bytes, list[bytes]] = {}
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.split(b"?", 1)[0]
        self.client, self.host = self.channel.getPeer(), self.channel.getHost()
        if len(self.requestHeaders.getRawHeaders(b"Host", [])) > 1:
            self._refuse(b"400 Bad Request", b"bad_request", b"Send one Host header.")
        else:
            self.process()

    def _ask_for_body(self) -> None:
        if self.expects_continue and self.arriving and self.channel is not None and not self.startedWriting:
            self.expects_continue = False
            self.channel.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # --- Refusing ---

    def _is_too_large(self, length: int) -> bool:
        return 0 < self._limit < length

    def _refuse_size(self) -> None:
        self._refuse(b"413 Content Too Large", b"too_large", b"Send at most %d bytes." % self._limit)

    def _refuse(self, status: bytes, code: bytes, message: bytes) -> None:
        """Answer here and end the connection; the application, if it was called, finds its client gone."""
        self._refused = True
        if self.application_queue is not None:
            self.application_queue.put_nowait({"type": "http.disconnect"})
        if self.startedWriting:
            self.channel.transport.abortConnection()
            return
        body = b'{"error": "%b", "message": "%b"}' % (code, message)
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        self.channel.transport.write(head % (status, len(body)) + body)
        self.channel.linger()

    # --- What the application sends ---

    def handle_reply(self, message: dict[str, Any]) -> None:
        if self._refused or self.finished or self.channel is None:
            return
        match message["type"]:
            case "http.response.start":
                self._trailers_follow = message.get("trailers", False)
                super().handle_reply(message)
                if self.arriving:
                    self.channel.persistent = 0
                    self.channel.stop_the_clock()
                    self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            case "http.response.body" if self._trailers_follow and not message.get("more_body"):
                TwistedRequest.write(self, message.get("body", b""))
            case "http.response.trailers":
                self._write_trailers(message.get("headers", ()))
            case "http.response.early_hint":
                self._hint(message["links"])
            case "http.response.abort":
                self.channel.transport.abortConnection()
            case _:
                super().handle_reply(message)

    def handle_exception(self, exception: BaseException) -> None:
        if self.startedWriting and self.channel is not None:  # a second answer would be taken for a part of the first
            self.channel.transport.abortConnection()
        else:
            super().handle_exception(exception)

    def _write_trailers(self, fields: Fields) -> None:
        self._trailers_follow = False
        if self.chunked:
            lines = [b"%b: %b\r\n" % field for field in fields if _is_field(*field)]
            self.channel.write(b"0\r\n%b\r\n" % b"".join(lines))
            self.chunked = 0  # its last chunk is written
        super().handle_reply({"type": "http.response.body", "body": b""})

    def _hint(self, links: list[bytes]) -> None:
        if not self.startedWriting and self.clientproto == b"HTTP/1.1":
            lines = [b"Link: %b\r\n" % link for link in links if _is_field(b"link", link)]
            self.channel.write(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % b"".join(lines))

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


def _is_field(name: bytes, value: bytes) -> bool:
    return TOKEN.fullmatch(name) is not None and not CONTROL.search(value)


class RequestFactory(HTTPFactory):
    protocol = Channel

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol

    def log(self, request: Any) -> None:
        """Twisted's own line for each request, which nobody reads."""
