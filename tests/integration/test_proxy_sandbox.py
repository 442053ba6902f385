"""A web app that somebody starts in a real sandbox, and looks at: by token, and in a browser on its own origin."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(180)]

APP = """
import http.server, threading
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.path} {self.headers.get('Cookie')} {self.headers['Host']}".encode()
        self.send_response(200); self.send_header("Set-Cookie", "own=1; Domain=localhost")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8501), App)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {stack.tokens['alice']}"}
    async with aiohttp.ClientSession(stack.url, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def post(http: aiohttp.ClientSession, path: str, **body: Any) -> Any:
    async with http.post(f"/api/v1{path}", json=body) as response:
        assert response.ok, await response.text()
        return await response.json()


async def test_an_app_of_a_session_is_reached_by_port_and_by_preview(stack: Stack, http: aiohttp.ClientSession) -> None:
    session = (await post(http, "/sessions", pool="python", identifier="app"))["id"]
    async with http.get(f"/api/v1/sessions/{session}/ports/8501/") as response:
        assert response.status in (502, 503)
    assert (await post(http, f"/sessions/{session}/executions", code=APP))["state"] == "ok"
    async with http.get(f"/api/v1/sessions/{session}/ports/8501/a%20b?c=d", headers={"Cookie": "x=1"}) as response:
        assert await response.text() == "/a%20b?c=d x=1 127.0.0.1:8501"

    url = urlsplit((await post(http, f"/sessions/{session}/previews", port=8501))["url"])
    assert url.netloc == f"{session.replace('-', '')}-8501.preview.localhost:{stack.port}"
    async with aiohttp.ClientSession(stack.url, headers={"Host": url.netloc}) as browser:
        async with browser.get(f"{url.path}?{url.query}", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/")
            cookie = response.headers["Set-Cookie"].partition(";")[0]
        browser.cookie_jar.clear()
        async with browser.get("/page", headers={"Cookie": f"{cookie}; own=2"}) as response:
            assert await response.text() == "/page own=2 127.0.0.1:8501"
            assert response.headers["Set-Cookie"] == "own=1"
        async with browser.get("/api/v1/pools", headers={"Cookie": cookie}) as response:
            assert (await response.text()).startswith("/api/v1/pools ")

    async with http.delete(f"/api/v1/sessions/{session}") as response:
        assert response.ok
    async with http.get(f"/api/v1/sessions/{session}/ports/8501/") as response:
        assert response.status in (200, 409, 503)  # remembered for two seconds at most, while it is being removed
    stack.check()
    async with http.get(f"/api/v1/sessions/{session}/ports/8501/") as response:
        assert (response.status, (await response.json())["error"]) == (409, "session_ended")
