"""The web server's queues and valve, without a network; tests/integration/test_backpressure.py has the real thing."""

import asyncio
import logging

import pytest

from project import backpressure
from project.backpressure import BodyQueue, MessageQueue, NoContent, Valve
from project.channel import trailers
from project.server import Server, log_access
from project.websocket import may_be_sent


class Transport:
    """What the queues and the valve use of a Twisted transport."""

    def __init__(self) -> None:
        self.dataBuffer, self.offset, self._tempDataLen = b"", 0, 0
        self.reading, self.aborted = True, False

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def abortConnection(self) -> None:
        self.aborted = True


class Body:
    """A request's body on its way, and what its connection was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        hold, release, wanted = (lambda word=word: self.told.append(word) for word in ("hold", "release", "wanted"))
        self.queue = BodyQueue(hold, release, wanted)

    async def rest(self) -> list[dict[str, object]]:
        messages = [await self.queue.get()]
        while messages[-1].get("more_body"):
            messages.append(await self.queue.get())
        return messages


@pytest.mark.parametrize("size", [0, 1, backpressure.BODY_CHUNK, backpressure.BODY_CHUNK + 1])
async def test_a_body_comes_in_pieces_and_ends_once(size: int) -> None:
    body = Body()
    body.queue.feed(b"x" * size)
    body.queue.end()
    messages = await body.rest()
    assert sum(len(message["body"]) for message in messages) == size  # type: ignore[arg-type]
    assert all(len(message["body"]) <= backpressure.BODY_CHUNK for message in messages)  # type: ignore[arg-type]
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]


async def test_a_body_is_handed_on_before_it_is_whole() -> None:
    body = Body()
    waiting = asyncio.create_task(body.queue.get())
    await asyncio.sleep(0)
    body.queue.feed(b"abc")
    assert await waiting == {"type": "http.request", "body": b"abc", "more_body": True}
    body.queue.end([(b"x-sum", b"6")])
    last = await body.queue.get()
    assert last == {"type": "http.request", "body": b"", "more_body": False, "trailers": [(b"x-sum", b"6")]}


async def test_a_body_is_not_read_while_it_waits() -> None:
    body = Body()
    body.queue.feed(b"x" * backpressure.BODY_LIMIT)
    assert body.told == []
    body.queue.feed(b"x")
    body.queue.feed(b"x")
    assert body.told == ["hold"]
    while "release" not in body.told:
        await body.queue.get()
    assert len(body.queue._waiting) <= backpressure.BODY_LIMIT // 2


async def test_what_daphne_reads_of_a_body_is_not_told_twice() -> None:
    body = Body()
    body.queue.feed(b"abc")
    body.queue.end()
    body.queue.put_nowait({"type": "http.request", "body": NoContent().read(8192), "more_body": False})
    assert await body.queue.get() == {"type": "http.request", "body": b"abc", "more_body": False}
    body.queue.put_nowait({"type": "http.disconnect"})
    assert await body.queue.get() == {"type": "http.disconnect"}


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_told_as_such() -> None:
    body = Body()
    body.queue.feed(b"x" * 3 * backpressure.BODY_CHUNK)
    await body.queue.get()
    body.queue.put_nowait({"type": "http.disconnect"})
    assert await body.queue.get() == {"type": "http.disconnect"}


def test_trailers_of_a_request_are_checked() -> None:
    lines = [bytearray(b"X-Sum: 6 "), bytearray(b"no colon"), bytearray(b"a b: 1"), bytearray(b"x: a\nb: c")]
    assert trailers(lines) == [(b"x-sum", b"6")]


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, True), (1001, True), (1005, False), (1006, False), (1016, False), (4409, True)]
)
def test_a_close_code_that_means_there_was_none_is_not_sent(code: int, sent: bool) -> None:
    assert may_be_sent(code) is sent


async def test_a_websocket_is_not_read_while_its_messages_wait() -> None:
    transport = Transport()
    queue = MessageQueue(transport)
    large = {"type": "websocket.receive", "bytes": b"x" * (backpressure.INBOUND_LIMIT // 2)}
    for _ in range(3):
        queue.put_nowait(large)
    assert not transport.reading
    await queue.get()
    assert not transport.reading
    await queue.get()
    assert not transport.reading
    await queue.get()
    assert transport.reading


async def test_a_flood_of_empty_messages_is_bounded_too() -> None:
    transport = Transport()
    queue = MessageQueue(transport)
    for _ in range(backpressure.INBOUND_LIMIT // 512 + 1):
        queue.put_nowait({"type": "websocket.receive", "text": ""})
    assert not transport.reading


async def test_writers_wait_until_the_transport_has_drained() -> None:
    valve = Valve(Transport())
    await valve.drained()
    valve.pauseProducing()
    waiting = asyncio.create_task(valve.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    valve.resumeProducing()
    await asyncio.wait_for(waiting, 1)


async def test_a_client_that_takes_something_now_and_then_is_kept() -> None:
    transport = Transport()
    transport._tempDataLen = 1000
    valve = Valve(transport)
    valve.pauseProducing()

    async def read_slowly() -> None:
        for _ in range(5):
            transport._tempDataLen -= 10
            await asyncio.sleep(0.02)
        valve.resumeProducing()

    await asyncio.gather(valve.drained(stall_limit=0.03), read_slowly())
    assert not transport.aborted


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    transport = Transport()
    transport._tempDataLen = 1000
    valve = Valve(transport)
    valve.pauseProducing()
    await asyncio.wait_for(valve.drained(stall_limit=0.01), 1)
    assert transport.aborted


def test_requests_and_websockets_have_a_line_in_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    details = {"method": "GET", "path": "/healthz", "status": 200, "size": 4, "time_taken": 0.01, "client": "::1:5"}
    with caplog.at_level(logging.INFO, "thermae.access"):
        log_access("http", "complete", details)
        log_access("http", "complete", {**details, "path": "/.thermae/enter?ticket=secret"})
        log_access("http", "complete", {**details, "path": "/invitations/secret/"})
        log_access("http", "complete", {**details, "path": "/shared/secret/copy?x"})
        log_access("websocket", "connecting", {"path": "/ws/", "client": None})
        log_access("websocket", "rejected", {"path": "/ws/", "client": None})
    assert [record.getMessage() for record in caplog.records] == [
        "GET /healthz 200 4 bytes 0.010 s from ::1:5",
        "GET /.thermae/enter 200 4 bytes 0.010 s from ::1:5",
        "GET /invitations/…/ 200 4 bytes 0.010 s from ::1:5",
        "GET /shared/…/copy 200 4 bytes 0.010 s from ::1:5",
        "WebSocket /ws/ rejected from None",
    ]


def test_the_server_takes_what_daphnes_own_takes() -> None:
    server = Server(application=None, endpoints=["tcp:0"], max_body=10)
    assert server.max_body == 10


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (b"/api/v1/images/app/archive?kind=code", 100),
        (b"/api/v1/images/app/context", 100),
        (b"/admin/interpreters/interpreterimage/add/", 100),
        (b"/api/v1/images/app/archive/../../../sessions", 10),
        (b"/api/v1/images", 10),
        (b"/api/v1/sessions/x/files/api/v1/images/app/archive", 10),
        (b"/", 10),
    ],
)
def test_only_where_an_image_is_uploaded_a_body_may_be_larger(path: bytes, limit: int) -> None:
    server = Server(application=None, endpoints=["tcp:0"], max_body=10, max_image=100)
    assert server.body_limit(b"localhost", path) == limit
