"""One connection of a client: Twisted's HTTP/1.1 channel, for requests that are answered while their body arrives.

Twisted calls an application when the whole body is there. Here a request with a body begins at the end of its head
(`project.request`), and three things follow: how fast the body is read depends on the application alone, silence counts
only while nothing else goes on, and an answer given before the end of the body ends the connection, gently: a socket
that is closed with bytes unread is reset, and the client would lose the answer.
"""

import re
from typing import Any

from twisted.web import http

from project.backpressure import Fields

# Twisted's types are half there, which helps nobody.
HTTPChannel: Any = http.HTTPChannel

# After an early answer: seconds, and bytes, that a client may still send before it is hung up on.
LINGER, LINGER_BYTES = 3.0, 16 * 1024 * 1024
TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
MOST_TRAILERS = 100


class Channel(HTTPChannel):
    _lingering: Any = None
    _left = LINGER_BYTES
    _savedTimeOut: Any = None

    # --- The body's side ---

    def hold(self) -> None:
        """The application lags behind: read no more of the body, and do not blame the client for it."""
        self._networkProducer.pauseProducing()
        self.stop_the_clock()

    def release(self) -> None:
        self._networkProducer.resumeProducing()
        request = self.requests[-1] if self.requests else None
        if request is not None and request.arriving and not request.startedWriting:
            self.setTimeout(self._savedTimeOut)

    def stop_the_clock(self) -> None:
        """Silence does not end this connection until the request is done."""
        self._savedTimeOut = self.setTimeout(None) or self._savedTimeOut

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self._steer()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._steer()

    def _steer(self) -> None:
        """Twisted stops reading while output waits: a body that is answered as it arrives has its own measure."""
        request = self.requests[-1] if self.requests else None
        if request is None or not request.arriving:
            return
        if request.body.held:
            self._networkProducer.pauseProducing()
        else:
            self._networkProducer.resumeProducing()

    def _send100Continue(self) -> None:
        self.requests[-1].expects_continue = True  # it is said when the application asks for the body

    def _finishRequestBody(self, data: bytes) -> None:
        self.requests[-1].trailers = trailers(getattr(self._transferDecoder, "_trailerHeaders", ()))
        super()._finishRequestBody(data)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        # Twisted overlooks a `close` that is one of several words.
        said = b",".join(request.requestHeaders.getRawHeaders(b"Connection", ()))
        if version == b"HTTP/1.1" and b"close" not in {word.strip().lower() for word in said.split(b",")}:
            return True
        if version == b"HTTP/1.1":
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    # --- An early answer ---

    def requestDone(self, request: Any) -> None:
        if request.body.complete:
            super().requestDone(request)
        else:
            self.requests.remove(request)
            self.linger()

    def linger(self) -> None:
        """Take in, and forget, what the client is still sending, so that it comes to reading the answer."""
        if self._lingering is not None:
            return
        self.setTimeout(None)
        self._networkProducer.unregisterProducer()
        self._networkProducer.resumeProducing()
        self.transport.loseWriteConnection()
        self._lingering = self.callLater(LINGER, self._hang_up)

    def dataReceived(self, data: bytes) -> None:
        if self._lingering is None:
            super().dataReceived(data)
            return
        self._left -= len(data)
        if self._left < 0:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._lingering.active():
            self._lingering.cancel()
        if self._abortingCall is None:
            self.timeoutConnection()

    def connectionLost(self, reason: Any) -> None:
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        super().connectionLost(reason)


def trailers(lines: Any) -> Fields:
    """What came after a chunked body, as far as it is well-formed."""
    split = (bytes(line).partition(b":") for line in lines[:MOST_TRAILERS])
    fields = ((name.lower(), value.strip(b" \t")) for name, colon, value in split if colon)
    return [(name, value) for name, value in fields if TOKEN.fullmatch(name) and not CONTROL.search(value)]
