"""Other people's software as custom containers, as it is, each used through the proxy by its own real client.

Images come by all three ways: a Dockerfile, an archive and a registry. Pools are made through REST.
"""

import asyncio
import hashlib
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from interpreters.runtime.docker import connect as connect_engine
from tests import third_party
from tests.client import PATIENCE, Client
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.registry, pytest.mark.timeout(300)]

SECRET, JUPYTER_TOKEN = "canary-7f3a", "of-jupyters-own"
SMALL = {"memory": 128, "disk": 32, "pids": 64, "ready_instances": 0, "max_concurrent": 5}
HTTP = {"startup": {"type": "http", "path": "/"}}
POOLS: dict[str, dict[str, Any]] = {
    "jupyter": {
        "image": "apps",
        "command": ["jupyter-server"],
        "args": ["--ip=127.0.0.1", "--port=8888", "--no-browser", "--ServerApp.root_dir=/work"],
        "target_port": 8888,
        "secrets": {"JUPYTER_TOKEN": JUPYTER_TOKEN},
        "probes": {"startup": {"type": "http", "path": "/api"}},
        "writable_paths": ["/work", "/tmp"],
        "memory": 512,
        "pids": 128,
    },
    "mcp": {"image": "apps", "command": ["python", "mcp_server.py"], "target_port": 8000, "memory": 256},
    "flask": {
        "image": "apps",
        "command": ["gunicorn"],
        "args": ["--bind", "127.0.0.1:5000", "--threads", "4", "flask_app:app"],
        "target_port": 5000,
        "writable_paths": ["/tmp"],
        "probes": {"startup": {"type": "http", "path": "/about"}, "liveness": {"type": "http", "path": "/about"}},
        "memory": 256,
    },
    # What Debian's configuration writes to, and nothing else, is writable.
    "nginx": {
        "image": "nginx",
        "target_port": 80,
        "writable_paths": ["/var/lib/nginx", "/var/log/nginx", "/run"],
        "probes": HTTP | {"liveness": {"type": "http", "path": "/", "period": 1}},
        "ready_instances": 1,
    },
    "echo": {"image": "echo", "target_port": 8765},
    "cloud-shell": {"image": "echo", "target_port": 8765, "shell": True, "secrets": {"PASSWORD": SECRET}},
    "brief": {"image": "echo", "target_port": 8765, "cooldown": 10},
    # Fails and fails while the other tests run.
    "failing": {
        "image": "echo",
        "target_port": 8765,
        "command": ["sh", "-c", "echo no database at $PASSWORD >&2; exit 3"],
        "secrets": {"PASSWORD": SECRET},
        "ready_instances": 1,
    },
}


def with_client(stack: Stack, verb: Callable[[Client], Awaitable[Any]], token: str) -> Any:
    async def ask() -> Any:
        async with manager(stack, token) as client:
            return await verb(client)

    return asyncio.run(ask())


@asynccontextmanager
async def manager(stack: Stack, token: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(stack.url, headers={"Authorization": f"Bearer {token}"}) as http:
        client = Client(http, stack.holders, "alice")
        try:
            yield client
        finally:
            await client.close_all()


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return str(stack.console.token(name="alice", scopes=["pools:manage", "pools:read", "sessions:use"]))


@pytest.fixture(scope="module")
def pools(stack: Stack, token: str) -> Iterator[None]:
    """All of POOLS, of images that came as tenants bring them; nothing is started for most until it is asked for."""
    stack.console.image(name="relay")
    with stack.registry:
        with_client(stack, lambda client: bring_images(client, stack), token)
    with_client(stack, make_pools, token)
    yield
    with_client(stack, delete_pools, token)


async def bring_images(client: Client, stack: Stack) -> None:
    engine = connect_engine(120)
    with tempfile.TemporaryFile() as archive:
        for chunk in engine.get_image(third_party.build("nginx")):
            archive.write(chunk)
        archive.seek(0)
        await client.want("PUT", "/images/nginx/archive?kind=custom", data=archive)
    reference = f"{stack.registry.host}/team/echo"
    engine.tag(third_party.build("echo"), reference, "1")
    told = list(engine.push(reference, "1", stream=True, decode=True))
    assert [each for each in told if "aux" in each], told
    engine.remove_image(f"{reference}:1")
    await client.want("POST", "/images", {"name": "echo", "reference": f"{reference}:1", "kind": "custom"})
    await client.want("PUT", "/images/apps/context?kind=custom", data=third_party.context())
    made = {name: await image(client, name) for name in ("nginx", "echo", "apps")}
    assert {name: about["origin"] for name, about in made.items()} == {
        "nginx": "archive", "echo": "registry", "apps": "dockerfile"
    }  # fmt: skip
    assert {name: about["port"] for name, about in made.items()} == {"nginx": 80, "echo": 8765, "apps": 8000}


async def image(client: Client, name: str) -> dict[str, Any]:
    """An image once it is ready."""
    async with asyncio.timeout(200):
        while True:
            about: dict[str, Any] = await client.want("GET", f"/images/{name}")
            assert about["state"] != "failed", about
            if about["state"] == "ready":
                return about
            await asyncio.sleep(0.2)


async def make_pools(client: Client) -> None:
    for name, fields in POOLS.items():
        await client.want("POST", "/pools", {"name": name, **SMALL, **fields})


async def delete_pools(client: Client) -> None:
    for name in POOLS:
        await client.call("DELETE", f"/pools/{name}")


@pytest.fixture
async def client(stack: Stack, token: str, pools: None) -> AsyncIterator[Client]:
    async with manager(stack, token) as one:
        yield one


async def in_process(name: str, *arguments: str) -> Any:
    return await asyncio.to_thread(third_party.run_client, name, *arguments)


# --- Each by its own client ---


async def test_a_jupyter_server_runs_cells_for_its_own_client(stack: Stack, client: Client, token: str) -> None:
    async with client.session("jupyter") as session:
        url = f"{stack.url}/api/v1/sessions/{session}/proxy"
        told = await in_process("jupyter_kernel", url, token, JUPYTER_TOKEN)
        assert told["status"] == "ok"
        assert told["outputs"][0] == {"output_type": "stream", "name": "stdout", "text": "42\n"}
        assert told["outputs"][1]["data"]["text/plain"] == "42"
        assert (told["error"], told["large"]) == ("ZeroDivisionError", 500_001)
        # Its own login still counts: ours does not open it.
        async with client.http.get(f"/api/v1/sessions/{session}/proxy/api/kernels") as answer:
            assert answer.status == 403


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_mcp_server_lists_and_runs_tools_for_its_own_client(
    stack: Stack, client: Client, token: str, mode: str
) -> None:
    url = f"{stack.url}/azure/acme/mcp/mcp?identifier=agent"
    told = await in_process("mcp_tools", url, token, mode)
    assert told["tools"] == ["add", "count"]
    assert told["sum"] == {"result": 42}
    assert told["counted"] == {"result": "counted to 3"}
    assert told["progress"] == [1, 2, 3]


async def test_a_websocket_echo_is_as_direct(stack: Stack, client: Client, token: str) -> None:
    url = f"{stack.url}/azure/acme/echo/any/path?identifier=a".replace("http", "ws", 1)
    assert await in_process("websocket_echo", url, token) == {
        "subprotocol": "echo.v1",
        "echoed": [True] * 4,
        "parts": "one message in parts",
        "large": True,
        "in order": True,
        "pong": True,
        "closed": [4321, "as you asked"],
    }


async def test_a_flask_application_behind_gunicorn(stack: Stack, client: Client, token: str) -> None:
    async with client.session("flask") as session:
        prefix = f"/api/v1/sessions/{session}/proxy"
        told = await in_process("flask_requests", f"{stack.url}{prefix}", token)
    about = told.pop("about")
    assert about == {
        "root": prefix, "host": stack.url.removeprefix("http://"), "address": "127.0.0.1", "cookies": [],
        "authorization": None,
    }  # fmt: skip
    assert told == {
        "login": [200, [303], True],
        "greeting": "Salve, Käthe & Co!",
        "stranger": "Salve, nobody!",
        "upload": True,
        "ticks": ["data: 0", "data: 1", "data: 2", "data: 3"],
        "ticks came one by one": True,
        "removed": [202, {"removed": "a/b c"}],
        "missing": 404,
        "wrong method": 405,
    }


async def test_nginx_serves_files_ranges_and_conditions_to_curl(stack: Stack, client: Client, token: str) -> None:
    def curl(path: str, *options: str) -> tuple[dict[str, str], bytes]:
        """Status and headers by their small names, and the body."""
        url = f"{stack.url}/azure/acme/nginx/{path}?identifier=a"
        words = ["curl", "-sS", "-H", f"Authorization: Bearer {token}", "-w", "%{stderr}%{http_code} %{header_json}"]
        done = subprocess.run([*words, *options, url], capture_output=True, timeout=60, check=True)
        status, _, headers = done.stderr.decode().partition(" ")
        return {"status": status, **{key: values[0] for key, values in json.loads(headers).items()}}, done.stdout

    def steps() -> None:
        head, page = curl("")
        assert (head["status"], head["server"].split("/")[0]) == ("200", "nginx")
        assert b"Welcome to nginx!" in page
        assert curl("nothing")[0]["status"] == "404"
        large = "".join(f"{number}\n" for number in range(1, 3_000_001)).encode()
        head, body = curl("large.txt")
        assert (head["status"], int(head["content-length"])) == ("200", len(large))
        assert hashlib.sha256(body).digest() == hashlib.sha256(large).digest()
        named, nothing = curl("large.txt", "--head")
        assert (named["status"], named["content-length"]) == ("200", head["content-length"])
        assert large not in nothing
        part, body = curl("large.txt", "--range", "1000000-1000099")
        assert (part["status"], part["content-range"]) == ("206", f"bytes 1000000-1000099/{len(large)}")
        assert body == large[1000000:1000100]
        assert curl("large.txt", "--range", "99999999-")[0]["status"] == "416"
        assert b"".join(curl("large.txt", "--range", "0-9,50-59")[1].split(large[50:60])).count(large[:10]) == 1
        assert curl("large.txt", "-H", f"If-None-Match: {head['etag']}")[0]["status"] == "304"
        assert curl("", "-X", "DELETE")[0]["status"] == "405"
        with tempfile.NamedTemporaryFile() as file:
            file.write(large[:5_000_000])
            file.flush()
            curl("large.txt", "--continue-at", "-", "-o", file.name)
            assert Path(file.name).read_bytes() == large

    await asyncio.to_thread(steps)


# --- What a pool of them promises ---


async def test_a_terminal_opens_where_the_pool_says_so_and_nowhere_else(client: Client) -> None:
    async with client.session("cloud-shell") as session, client.terminal(session) as terminal:
        await terminal.type("id -u; echo $((20 + 22)); hostname; ls /proc/net/../../dev | wc -l\n")
        await terminal.shows("1000")
        await terminal.shows("42")
        await terminal.shows("sandbox")
        await terminal.type("exit 7\n")
        with pytest.raises(ConnectionError):
            await terminal.shows("what never comes")
        assert {"exit": 7} in terminal.notices
    async with client.session("echo") as session:
        with pytest.raises(ConnectionError, match="closed with 4403"):
            async with client.terminal(session) as terminal:
                await terminal.shows("$")


async def test_a_secret_is_in_the_environment_and_nowhere_else(stack: Stack, client: Client) -> None:
    async with client.session("cloud-shell") as session:
        async with client.terminal(session) as terminal:
            await terminal.type('echo "<$PASSWORD>"\n')
            await terminal.shows(f"<{SECRET}>")
        told = [
            await client.want("GET", path)
            for path in ("/pools", "/pools/cloud-shell", "/sessions", f"/sessions/{session}", "/images/echo")
        ]
        assert told[1]["secrets"] == ["PASSWORD"]
        inspected = stack.console.inspect(session=session)
        assert "PASSWORD=•••" in inspected["Application"]["Config"]["Env"]
    logs = [path.read_text(errors="replace") for path in stack.folder.glob("*.log")]
    assert len(logs) >= 3
    assert SECRET not in json.dumps([told, inspected]) + "".join(logs)


async def test_a_session_cools_down_only_when_it_is_unused(stack: Stack, client: Client) -> None:
    """An open WebSocket on which nothing is said is use."""
    session = await client.open("brief")
    path = f"/api/v1/sessions/{session}/proxy/"
    async with client.http.ws_connect(path, protocols=("echo.v1",)) as socket:
        await asyncio.sleep(13)
        await socket.send_str("still there?")
        assert (await socket.receive()).data == "still there?"
    closed = asyncio.get_running_loop().time()
    async with asyncio.timeout(PATIENCE):
        while session not in {row["id"] for row in stack.console.sessions(state="gone")}:
            await asyncio.sleep(0.2)
    assert asyncio.get_running_loop().time() - closed > 9
    (row,) = stack.console.sessions(pk=session)
    assert row["reason"] == "cooldown"


async def test_an_image_that_exits_gives_a_degraded_pool_that_says_why_and_recovers(client: Client) -> None:
    async def pool(done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while not done(about := await client.want("GET", "/pools/failing")):
                await asyncio.sleep(0.2)
        return dict(about)

    about = await pool(lambda about: about["degraded"])
    assert about["last_error"].splitlines()[0] == "The container ended before it was ready: exit code 3."
    assert "no database at •••" in about["last_error"]
    assert SECRET not in json.dumps(about)
    about = await client.want("PATCH", "/pools/failing", {"command": []})
    assert not about["degraded"]
    about = await pool(lambda about: about["ready"] == 1)
    assert (about["degraded"], about["last_error"]) == (False, "")
