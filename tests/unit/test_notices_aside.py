"""A process that answers people tells of changes beside its answers; every other tells at once."""

import asyncio
import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from channels.layers import get_channel_layer

from interpreters import notices


@pytest.fixture(autouse=True)
def _no_loop() -> Iterator[None]:
    yield
    notices._loop = None


def test_work_is_done_at_once_where_nobody_is_answered() -> None:
    done: list[int] = []
    notices.aside(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]


async def test_work_is_done_in_another_thread_where_people_are_answered() -> None:
    notices.answer_first(asyncio.get_running_loop())
    done, began = threading.Event(), threading.get_ident()
    where: list[int] = []
    notices.aside(lambda: (where.append(threading.get_ident()), done.set())[0])
    assert await asyncio.to_thread(done.wait, 10)
    assert where != [began]


async def test_a_process_that_stops_does_first_what_it_put_off() -> None:
    notices.answer_first(asyncio.get_running_loop())
    done: list[int] = []
    notices.aside(lambda: done.append(1))
    notices.finish()
    assert done == [1]
    await asyncio.sleep(5 * notices.AFTER_THE_ANSWER)
    assert done == [1], "and not once more"


async def test_a_notice_is_sent_on_the_loop_that_answers() -> None:
    notices.answer_first(asyncio.get_running_loop())
    layer, session = get_channel_layer(), uuid4()
    channel = await layer.new_channel()
    await layer.group_add(notices.session_group(session), channel)
    await asyncio.to_thread(notices.session_changed, session)
    async with asyncio.timeout(10):
        message = await layer.receive(channel)
    assert message == {"type": "session.changed", "session": str(session)}
