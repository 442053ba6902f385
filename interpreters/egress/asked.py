"""What a sandbox asks of the proxy, in whichever protocol, and what it is told."""

from dataclasses import dataclass

from interpreters.egress.policy import Decision, Destination


@dataclass(frozen=True, slots=True)
class Body:
    """What follows the head of a plain request: `length` bytes, or chunks."""

    length: int = 0
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be judged."""

    destination: Destination
    socks: bool = False
    opening: bytes = b""  # what the destination is sent first
    body: Body | None = None  # None: a tunnel, whatever passes through it


class BadRequest(Exception):
    """Nothing that can be judged. `answer` is what the client is told, if anything."""

    def __init__(self, message: str, answer: bytes = b"") -> None:
        super().__init__(message)
        self.answer = answer


class NothingAsked(Exception):
    """The client hung up before it asked for anything, as who only looks whether somebody listens."""


def granted(asked: Asked) -> bytes:
    """What the client is told when the destination is connected."""
    if asked.socks:
        return b"\x05\x00\x00\x01\0\0\0\0\0\0"
    return b"HTTP/1.1 200 Connection established\r\n\r\n" if asked.body is None else b""


def refused(asked: Asked, decision: Decision) -> bytes:
    """What the client is told otherwise."""
    if asked.socks:
        code = {"unreachable": 5, "no address": 4, "busy": 1, "unavailable": 1}.get(decision.reason, 2)
        return bytes((5, code)) + b"\x00\x01\0\0\0\0\0\0"
    unlucky = {"unreachable": 502, "no address": 502, "busy": 503, "unavailable": 503}
    return answer(unlucky.get(decision.reason, 403), f"{asked.destination}: {decision.sentence}")


def answer(status: int, message: str) -> bytes:
    phrase = {400: "Bad Request", 403: "Forbidden", 502: "Bad Gateway", 503: "Service Unavailable"}[status]
    body = f"Thermae's egress proxy: {message}\n".encode()
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
