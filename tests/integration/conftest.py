"""A client of the running stack, and the check that nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

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
            one = Client(http, stack.holders, name)
            try:
                yield one
            finally:
                await one.close_all()

    return client


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect("alice") as alice:
        yield alice


@pytest.fixture(scope="module")
def shared(stack: Stack) -> Iterator[str]:
    """One session for all tests of a module that leave it as they found it: each sandbox costs a second."""

    async def ask(verb: Callable[[Client], Awaitable[Any]]) -> Any:
        headers = {"Authorization": f"Bearer {stack.tokens['alice']}"}
        async with aiohttp.ClientSession(stack.url, headers=headers) as http:
            return await verb(Client(http, stack.holders, "alice"))

    session = asyncio.run(ask(lambda client: client.open()))
    yield session
    asyncio.run(ask(lambda client: client.close(session)))


@pytest.fixture
def nothing_is_left(stack: Stack) -> Iterator[None]:
    """After the test: no sandbox without a session, no session without its sandbox, no outputs lost."""
    yield
    stack.check()
