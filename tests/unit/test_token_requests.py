"""The short way of requests that bring a token: the same guards, and cookies that do not count."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.test import Client

from project import asgi

pytestmark = pytest.mark.django_db(transaction=True)


async def answer(path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of a GET to the whole application."""
    named = {"host": "localhost", **headers}
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip
    communicator = ApplicationCommunicator(asgi.http, scope)
    await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
    start = await communicator.receive_output(10)
    body, more = b"", True
    while more:
        part = await communicator.receive_output(10)
        body, more = body + part.get("body", b""), part.get("more_body", False)
    await communicator.wait(10)
    fields = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    is_json = fields.get("content-type", "").startswith("application/json")
    return start["status"], fields, json.loads(body) if is_json else body


async def test_it_is_guarded_as_every_answer_is(alice: Any, token: Callable[..., str]) -> None:
    secret = await asyncio.to_thread(token, alice)
    status, short, pools = await answer("/api/v1/pools", authorization=f"Bearer {secret}")
    assert (status, pools) == (200, [])
    _, long, _ = await answer("/api/v1/pools")
    guards = [
        "content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy",
        "cross-origin-opener-policy",
    ]  # fmt: skip
    assert {name: short[name] for name in guards} == {name: long[name] for name in guards}
    assert short["content-length"] == "2"


async def test_a_foreign_host_is_refused(alice: Any, token: Callable[..., str]) -> None:
    secret = await asyncio.to_thread(token, alice)
    status, _, _ = await answer("/api/v1/pools", authorization=f"Bearer {secret}", host="evil.example")
    assert status == 400


async def test_a_cookie_does_not_help_a_bad_token(alice: Any) -> None:
    browser = Client()
    await asyncio.to_thread(browser.force_login, alice)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    assert (await answer("/api/v1/pools", cookie=cookie))[0] == 200
    assert (await answer("/api/v1/pools", cookie=cookie, authorization="Bearer thm_no"))[0] == 401
    assert (await answer("/api/v1/pools", cookie=cookie, authorization="Basic eDp5"))[0] == 401


async def test_an_address_that_is_none_is_told_in_json(alice: Any, token: Callable[..., str]) -> None:
    secret = await asyncio.to_thread(token, alice)
    status, _, body = await answer("/api/v2/pools", authorization=f"Bearer {secret}")
    assert (status, body["error"]) == (404, "not_found")


async def test_only_the_api_takes_the_short_way() -> None:
    scope = {"path": "/notebooks", "headers": [(b"authorization", b"Bearer x")]}
    assert not asgi.brings_token(scope)
    assert not asgi.brings_token({"path": "/api/v1/pools", "headers": [(b"cookie", b"sessionid=x")]})
