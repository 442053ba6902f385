"""The web server's queues and valve, without a network; tests/integration/test_backpressure.py has the real thing."""

import asyncio
import io
import logging
from types import SimpleNamespace

import pytest

from project import backpressure
from project.backpressure import BodyQueue, HandedOver, MessageQueue, Valve
from project.server import Request, Server, log_access


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


async def drain(queue: BodyQueue) -> list[dict[str, object]]:
    messages = [await queue.get()]
    while messages[-1].get("more_body"):
        messages.append(await queue.get())
    return messages


@pytest.mark.parametrize("size", [0, 1, backpressure.BODY_CHUNK, backpressure.BODY_CHUNK + 1])
async def test_a_body_comes_in_pieces_and_ends_once(size: int) -> None:
    queue = BodyQueue(io.BytesIO(b"x" * size))
    messages = await drain(queue)
    assert sum(len(message["body"]) for message in messages) == size  # type: ignore[arg-type]
    assert all(len(message["body"]) <= backpressure.BODY_CHUNK for message in messages)  # type: ignore[arg-type]
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]


async def test_what_daphne_reads_of_a_body_is_not_told_twice() -> None:
    body = io.BytesIO(b"abc")
    queue, left = BodyQueue(body), HandedOver(body)
    queue.put_nowait({"type": "http.request", "body": left.read(8192), "more_body": False})
    queue.put_nowait({"type": "http.disconnect"})
    assert await queue.get() == {"type": "http.request", "body": b"abc", "more_body": False}
    assert await queue.get() == {"type": "http.disconnect"}


async def test_a_client_that_goes_away_in_the_middle_of_its_body_is_told_as_such() -> None:
    body = io.BytesIO(b"x" * 3 * backpressure.BODY_CHUNK)
    queue = BodyQueue(body)
    await queue.get()
    HandedOver(body).close()
    assert await queue.get() == {"type": "http.disconnect"}


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
        log_access("websocket", "connecting", {"path": "/ws/", "client": None})
        log_access("websocket", "rejected", {"path": "/ws/", "client": None})
    assert [record.getMessage() for record in caplog.records] == [
        "GET /healthz 200 4 bytes 0.010 s from ::1:5",
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
    request = Request.__new__(Request)
    request.channel = SimpleNamespace(_path=path)
    request.server = Server(application=None, endpoints=["tcp:0"], max_body=10, max_image=100)
    assert request._limit == limit
