"""A client of the running stack, and the check that nothing is left behind."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest

from tests.client import Client
from tests.stack import Stack

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(stack: Stack) -> Connect:
    """A client by the token of a person, `connect("charlie")`, or by a token of its own."""

    @asynccontextmanager
    async def client(name: str = "alice", token: str = "") -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {token or stack.tokens[name]}"}
        async with aiohttp.ClientSession(stack.url, headers=headers) as http:
            yield Client(http, stack.holders, name)

    return client


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect("alice") as alice:
        yield alice


@pytest.fixture
def nothing_is_left(stack: Stack) -> Iterator[None]:
    """After the test: no sandbox without a session, no session without its sandbox, no outputs lost."""
    yield
    stack.check()
