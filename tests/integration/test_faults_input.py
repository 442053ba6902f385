"""Bad input on the wire: refused in words that say what to do, and the session goes on."""

import contextlib
import json
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.client import Client
from tests.integration.conftest import Connect
from tests.stack import Stack

pytestmark = [
    pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip
MB = 1024 * 1024


async def test_code_over_one_megabyte_is_refused_everywhere_and_one_megabyte_runs(client: Client, shared: str) -> None:
    long, too_long = "#" * (MB - 8) + "\n1 + 1", "#" * (MB + 1)
    async with client.tab(shared) as tab:
        refused = await client.call("POST", f"/sessions/{shared}/executions", {"code": too_long})
        execution = await tab.start(too_long)
        told = await tab.told("error", id=execution)
        ran = await client.run(shared, long)
    assert refused.status in (400, 413, 422)
    assert {"error", "message"} <= refused.body.keys()
    assert told["message"]
    assert ran["state"] == "ok"


@pytest.mark.parametrize(
    "frame",
    ["no json", "[]", '"execute"', "{}", '{"type": "explode"}', '{"type": 7}', "[" * 100_000, '{"type": "execute"}',
     '{"type": "execute", "id": "../../x", "code": "1"}', '{"type": "execute", "id": 5, "code": ["1"]}',
     '{"type": "complete", "id": "c", "code": "x", "cursor_pos": -5}', '{"type": "input", "value": {}}'],
    ids=["text", "list", "string", "empty", "unknown", "number", "deep", "no code", "bad id", "bad types",
         "bad position", "bad value"],
)  # fmt: skip
async def test_a_frame_that_makes_no_sense_is_answered_and_the_tab_goes_on(
    client: Client, shared: str, frame: str
) -> None:
    async with client.tab(shared) as tab:
        await tab.socket.send_str(frame)
        told = await tab.told("error")
        assert told["code"]
        assert told["message"]
        assert (await tab.run("print(1)"))[1] == "1\n"


async def test_bytes_where_text_belongs_do_no_harm(client: Client, shared: str) -> None:
    async with client.tab(shared) as tab:
        await tab.socket.send_bytes(b"\xff\x00" * 100)
        await tab.socket.send_str('{"type": "ping"}')
        try:
            await tab.told("pong")
        except ConnectionError:
            assert tab.socket.close_code in (4400, 1003)


async def test_a_frame_over_the_limit_closes_that_tab_alone(client: Client, shared: str) -> None:
    frame = json.dumps({"type": "execute", "id": "x", "code": "#" * (MB + 128 * 1024)})
    async with client.tab(shared) as good:
        for _ in range(20):  # it comes while the tab is still being attached, at one moment or another
            async with client.tab(shared) as bad:
                await bad.socket.send_str(frame)
                assert await bad.closed(10) == 4413
        assert (await good.run("print(1)"))[1] == "1\n"


async def test_a_frame_far_over_the_limit_is_cut_off(client: Client, shared: str) -> None:
    async with client.tab(shared) as good, client.tab(shared) as bad:
        with contextlib.suppress(ConnectionError):
            await bad.socket.send_str("#" * (16 * MB))
        assert await bad.closed() in (1006, 1009)
        assert (await good.run("print(1)"))[1] == "1\n"


@pytest.mark.parametrize("after", ["-1", "x", "9" * 40])
async def test_a_bad_position_in_the_log_is_a_bad_request(client: Client, shared: str, after: str) -> None:
    async with client.tab(shared, after=after) as tab:  # type: ignore[arg-type]
        assert await tab.closed() == 4400


async def test_another_tenants_session_is_not_there(client: Client, connect: Connect, shared: str) -> None:
    execution = await client.run(shared, "1")
    async with connect("charlie") as charlie:
        answers = [
            await charlie.call("GET", f"/sessions/{shared}"),
            await charlie.call("POST", f"/sessions/{shared}/executions", {"code": "1"}),
            await charlie.call("GET", f"/executions/{execution['id']}"),
            await charlie.call("GET", f"/sessions/{shared}/files?path="),
            await charlie.call("POST", f"/sessions/{shared}/tokens", {"lifetime": 60}),
            await charlie.call("DELETE", f"/sessions/{shared}"),
        ]
        assert {answer.status for answer in answers} == {404}
        assert await refusal(charlie, f"/ws/sessions/{shared}/channels") == 4404
        assert await refusal(charlie, f"/ws/sessions/{shared}/terminals/main?rows=24&cols=80") == 4404


async def test_a_foreign_origin_opens_no_websocket_by_cookie(stack: Stack, shared: str) -> None:
    async with aiohttp.ClientSession(stack.url) as browser:
        for path in ("channels", "terminals/main?rows=24&cols=80"):
            options: dict[str, Any] = {"origin": "https://evil.example"}
            assert await refusal(Client(browser), f"/ws/sessions/{shared}/{path}", **options) in (4401, 4403)


@pytest.mark.parametrize("path", ["../etc/passwd", "%2e%2e/etc/passwd", "a/../../../etc/passwd", "/etc/passwd", "a\0b"])
async def test_no_path_leads_out_of_the_work_directory(client: Client, stack: Stack, shared: str, path: str) -> None:
    # Encoded, for a client would tidy the path up before it sends it.
    raw = quote(path, safe="").replace(".", "%2e")
    url = URL(f"{stack.url}/api/v1/sessions/{shared}/files/{raw}", encoded=True)
    async with client.http.get(url) as response:
        assert response.status in (400, 404)
        assert b"root:" not in await response.read()


async def test_a_link_out_of_the_work_directory_is_not_followed(client: Client, shared: str) -> None:
    await client.run(shared, "import os; os.symlink('/tmp', 'out'); os.symlink('/tmp/secret', 'secret')")
    await client.run(shared, "open('/tmp/secret', 'w').write('root:')")
    for path in ("out/secret", "secret"):
        assert (await client.call("GET", f"/sessions/{shared}/files/{path}")).status in (400, 403, 404)
        # Refused, or the link itself is replaced.
        await client.call("PUT", f"/sessions/{shared}/files/{path}", data=b"overwritten")
        await client.call("DELETE", f"/sessions/{shared}/files/{path}")
    whole = await client.call("GET", f"/sessions/{shared}/archive?path=")
    kept = await client.run(shared, "print(open('/tmp/secret').read())")
    assert b"root:" not in whole.body
    assert kept["outputs"][0]["text"] == "root:\n"


async def refusal(client: Client, path: str, **options: Any) -> int:
    """The close code of a WebSocket, or 4000 plus the status that its handshake was refused with."""
    try:
        async with client.http.ws_connect(path, **options) as socket:
            await socket.receive(timeout=10)
            return int(socket.close_code or 0)
    except aiohttp.WSServerHandshakeError as error:
        return 4000 + error.status
