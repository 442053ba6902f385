"""The egress proxy as a process, in a network of its own, asked by plain clients and by a real hardened container."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from interpreters.lifecycle import State
from interpreters.models import EgressDecision, EgressProxy, EgressTotal, Session, SessionPool
from interpreters.runtime import LaunchFailed
from interpreters.runtime.bubblewrap import BubblewrapRuntime
from interpreters.runtime.docker import DockerRuntime
from interpreters.runtime.egress import await_egress, egress_folder, make_egress_folder, remove_egress_folder
from tests import sandboxes
from tests.services import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(os.geteuid() != 0, reason="making a network namespace needs root"),
]
ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = ["203.0.113.10", "203.0.113.99", "10.0.0.5", "169.254.169.254", "2001:db8::10", "fd00::5"]
NAMES = {
    "public.example": [["203.0.113.10"]],
    "six.example": [["2001:db8::10"]],
    "private.example": [["10.0.0.5"]],
    "metadata.example": [["169.254.169.254"]],
    "loopback.example": [["127.0.0.1", "::1"]],
    "mixed.example": [["10.0.0.5", "fd00::5", "203.0.113.10", "127.0.0.1"]],
    "rebind.example": [["203.0.113.10"], ["169.254.169.254"]],
    "own.example": [["203.0.113.99"]],
}


class Outside:
    """The process, and what it knows of the world."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "world.json").write_text(
            json.dumps({"addresses": ADDRESSES, "names": NAMES, "own": ["203.0.113.99"]})
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "EGRESS_WORLD_DATABASE": str(connection.settings_dict["NAME"]),
        }
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", sys.executable, "-m", "tests.egress_world", str(self.folder / "world.json")],
                cwd=ROOT, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(lambda: self.process.poll() is not None or EgressProxy.objects.alive().exists(), "a heartbeat", 30)
        assert self.process.poll() is None, self.log()

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    def lookups(self) -> list[str]:
        path = self.folder / "lookups"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def outside() -> Iterator[Outside]:
    with tempfile.TemporaryDirectory(prefix="thm-egress-") as folder:
        running = Outside(Path(folder))
        running.start()
        yield running
        running.stop()
        EgressProxy.objects.all().delete()


@pytest.fixture
def sandbox(pool: Any, acme: Any) -> Iterator[Callable[..., UUID]]:
    """A leased session with a folder, as a worker would have made: `sandbox("allow_list", "example.org")`."""
    made: list[UUID] = []

    def make(mode: str, *entries: str, folder: bool = True) -> UUID:
        SessionPool.objects.filter(pk=pool.pk).update(egress=mode, egress_allow=list(entries))
        now = timezone.now()
        held = {"tenant": acme, "identifier": uuid4().hex, "leased_at": now, "last_used_at": now}
        session = Session.objects.create(pool=pool, state=State.LEASED, **held)
        made.append(session.pk)
        if folder:
            make_egress_folder(session.pk)
            await_egress(session.pk)
        return session.pk

    yield make
    for session in made:
        remove_egress_folder(session)


def dial(session: UUID) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(egress_folder(session) / "proxy.sock"))
    return client


def say(session: UUID, *pieces: bytes) -> bytes:
    """Everything that is answered. The second piece is said when the first is answered."""
    with dial(session) as client:
        heard = b""
        for n, piece in enumerate(pieces):
            client.sendall(piece)
            if n < len(pieces) - 1:
                heard += client.recv(4096)
        while data := client.recv(65536):
            heard += data
        return heard


def plain(session: UUID, host: str, port: int = 80) -> str:
    return say(session, f"GET http://{host}:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()).decode()


def tunnelled(session: UUID, host: str, port: int = 80) -> str:
    return say(session, f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode(), b"GET / HTTP/1.1\r\n\r\n").decode()


def by_socks(session: UUID, host: str, port: int = 80) -> str:
    name = host.encode()
    request = b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big")
    return say(session, b"\x05\x01\x00", request, b"GET / HTTP/1.1\r\n\r\n").decode("latin-1")


WAYS = (plain, tunnelled, by_socks)


def test_everything_public_is_reached_in_open_mode_and_nothing_else(
    outside: Outside, sandbox: Callable[..., UUID]
) -> None:
    session = sandbox("open")
    reached = {
        "public.example": "203.0.113.10",
        "six.example": "2001:db8::10",
        "mixed.example": "203.0.113.10",
        "203.0.113.10": "203.0.113.10",
        "[2001:db8::10]": "2001:db8::10",
        "[::ffff:203.0.113.10]": "203.0.113.10",
    }
    for host, address in reached.items():
        for ask in WAYS[: 2 if "[" in host else 3]:
            assert f"{address} 8080 GET /" in ask(session, host, 8080), (ask, host, outside.log())
    refused = [
        *("private.example", "metadata.example", "loopback.example", "own.example", "203.0.113.99", "10.0.0.5"),
        *("169.254.169.254", "127.0.0.1", "[::1]", "[fd00::5]", "[::ffff:10.0.0.5]", "[::ffff:127.0.0.1]", "0.0.0.0"),
    ]
    for host in refused:
        for ask in WAYS[: 2 if "[" in host else 3]:
            heard = ask(session, host)
            assert "GET /" not in heard, (ask, host)
            assert heard.startswith(("HTTP/1.1 403", "\x05\x00\x05\x02")), (ask, host, heard)


def test_a_rebound_name_is_refused_at_its_second_look(outside: Outside, sandbox: Callable[..., UUID]) -> None:
    session = sandbox("open")
    assert "203.0.113.10 80 GET" in plain(session, "rebind.example")
    assert "403" in plain(session, "rebind.example")
    assert outside.lookups().count("rebind.example") == 2


def test_a_list_lets_through_what_it_names_and_a_change_counts_at_once(
    outside: Outside, sandbox: Callable[..., UUID], pool: Any
) -> None:
    session = sandbox("allow_list", "public.example:8080", "2001:db8::/32")
    assert "203.0.113.10 8080 GET" in tunnelled(session, "public.example", 8080)
    assert "2001:db8::10 443 GET" in tunnelled(session, "[2001:db8::10]", 443)
    for host, port in (("public.example", 80), ("six.example", 80), ("203.0.113.10", 8080), ("private.example", 80)):
        assert "does not name this destination" in tunnelled(session, host, port)
    assert set(outside.lookups()) == {"public.example"}
    with dial(session) as tunnel:
        tunnel.sendall(b"CONNECT public.example:8080 HTTP/1.1\r\n\r\n")
        assert b"200" in tunnel.recv(4096)
        tunnel.sendall(b"echo\nstill here")
        assert tunnel.recv(4096) == b"still here"
        SessionPool.objects.filter(pk=pool.pk).update(egress_allow=["six.example"])
        assert tunnel.recv(4096) == b""  # what was open is ended, within seconds
    assert "2001:db8::10 80 GET" in tunnelled(session, "six.example")
    Session.objects.filter(pk=session).update(state=State.STOPPING)
    wait_until(lambda: "session has ended" in tunnelled(session, "six.example"), "the end of the session", 5)


def test_a_lowered_ceiling_switches_a_tenants_pool_off(
    outside: Outside, sandbox: Callable[..., UUID], pool: Any, acme: Any
) -> None:
    SessionPool.objects.filter(pk=pool.pk).update(tenant=acme)
    type(acme).objects.filter(pk=acme.pk).update(egress_ceiling="open")
    session = sandbox("open")
    assert "203.0.113.10 80 GET" in plain(session, "public.example")
    type(acme).objects.filter(pk=acme.pk).update(egress_ceiling="allow_list")
    wait_until(lambda: "does not allow this tenant" in plain(session, "public.example"), "the ceiling", 5)
    type(acme).objects.filter(pk=acme.pk).update(egress_ceiling="open", egress_allowed=["six.example"])
    wait_until(lambda: "does not let this tenant" in plain(session, "public.example"), "the ceiling's list", 5)
    assert "2001:db8::10 80 GET" in plain(session, "six.example")


def test_decisions_are_written_down_and_a_flood_of_them_is_folded(
    outside: Outside, sandbox: Callable[..., UUID], acme: Any
) -> None:
    session = sandbox("open")
    plain(session, "public.example")
    for _ in range(40):
        plain(session, "private.example")
    refused = EgressDecision.objects.filter(allowed=False)
    wait_until(lambda: sum(refused.values_list("count", flat=True)) == 40, "the flood to be counted", 10)
    assert refused.count() <= 2
    row = refused.first()
    assert row is not None
    assert (row.tenant, row.session, row.host, row.port) == (acme, session, "private.example", 80)
    assert (row.address, row.reason) == ("10.0.0.5", "private")
    allowed = EgressDecision.objects.get(allowed=True)
    assert (allowed.host, allowed.address, allowed.reason) == ("public.example", "203.0.113.10", "")
    assert allowed.bytes_out > 20
    assert allowed.bytes_in > 60
    assert EgressTotal.objects.get(allowed=True).bytes_in == allowed.bytes_in
    assert "decision='private'" in outside.log()


def test_a_killed_process_leaves_no_way_out_and_the_next_one_listens_again(
    outside: Outside, sandbox: Callable[..., UUID]
) -> None:
    session = sandbox("open")
    outside.stop()
    with pytest.raises(ConnectionRefusedError):
        dial(session)
    EgressProxy.objects.all().delete()
    outside.start()
    await_egress(session)
    assert "203.0.113.10 80 GET" in plain(session, "public.example")
    outside.stop(signal.SIGTERM)
    assert outside.process.returncode == 0, outside.log()
    assert not EgressProxy.objects.exists()


# --- A real sandbox ---

CODE = """
import json, os, socket, urllib.request
found = {}
for host in ("public.example", "private.example", "169.254.169.254"):
    try:
        found[host] = urllib.request.urlopen(f"http://{host}/", timeout=15).read().decode()
    except urllib.error.HTTPError as error:
        found[host] = f"{error.code} {error.read().decode()}"
    except OSError as error:
        found[host] = f"failed {error}"
try:
    socket.create_connection(("203.0.113.10", 80), timeout=5)
except OSError as error:
    found["direct"] = f"failed {error}"
try:
    open("/run/egress/mine", "w")
except OSError as error:
    found["write"] = f"failed {error}"
try:
    found["port"] = socket.create_connection(("127.0.0.1", 3128), timeout=5) and "open"
except OSError as error:
    found["port"] = f"failed {error}"
found["folder"] = os.path.exists("/run/egress")
found["interfaces"] = sorted(name for _, name in socket.if_nameindex())
found["proxy"] = os.environ.get("https_proxy", "")
print(json.dumps(found))
"""


@pytest.mark.bubblewrap
def test_code_under_bubblewrap_reaches_what_its_list_names(
    outside: Outside, sandbox: Callable[..., UUID], settings: Any
) -> None:
    settings.KERNELS_DIR = sandboxes.kernels()
    runtime = BubblewrapRuntime()
    pk = sandbox("allow_list", "public.example", folder=False)
    handle = runtime.create(replace(Session.objects.get(pk=pk).sandbox_spec, image="python")).handle
    try:
        assert sandboxes.wait_until_ready(pk)["state"] == "ready"
        seen = json.loads(sandboxes.run(pk, CODE, 60))
        assert seen["public.example"].startswith("203.0.113.10 80 GET / HTTP/1.1"), (seen, outside.log())
        assert seen["private.example"].startswith("403 ")
        assert (seen["direct"][:6], seen["write"][:6], seen["interfaces"]) == ("failed", "failed", ["lo"])
    finally:
        runtime.remove(handle)
    assert not egress_folder(pk).exists()


@pytest.fixture
def contained(sandbox: Callable[..., UUID], pool: Any) -> Iterator[Callable[..., dict[str, Any]]]:
    """What code in a hardened container finds: `contained("allow_list", "public.example")`."""
    runtime = DockerRuntime()
    handles: list[str] = []

    def find(mode: str, *entries: str) -> dict[str, Any]:
        pk = sandbox(mode, *entries, folder=False)
        row = Session.objects.select_related("pool__image").get(pk=pk)
        row.pool.image.reference = sandboxes.image("python")
        handles.append(runtime.create(row.sandbox_spec).handle)
        assert sandboxes.wait_until_ready(pk)["state"] == "ready"
        seen: dict[str, Any] = json.loads(sandboxes.run(pk, CODE, 60))
        inspected: Any = runtime.inspect(handles[-1])
        seen["network"] = inspected["HostConfig"]["NetworkMode"]
        seen["mounts"] = {mount["Destination"]: mount["RW"] for mount in inspected["Mounts"]}
        return seen

    yield find
    for handle in handles:
        runtime.remove(handle)
        assert not egress_folder(UUID(handle.removeprefix("thermae-"))).exists()


@pytest.mark.docker
def test_code_in_a_container_reaches_what_its_list_names(
    outside: Outside, contained: Callable[..., dict[str, Any]]
) -> None:
    seen = contained("allow_list", "public.example")
    assert seen["public.example"].startswith("203.0.113.10 80 GET / HTTP/1.1"), (seen, outside.log())
    assert seen["private.example"].startswith("403 Thermae's egress proxy")
    assert seen["169.254.169.254"].startswith("403 ")
    assert seen["direct"].startswith("failed")
    assert seen["write"].startswith("failed")
    assert (seen["network"], seen["interfaces"]) == ("none", ["lo"])
    assert seen["proxy"] == "http://127.0.0.1:3128"
    assert seen["mounts"]["/run/egress"] is False
    assert outside.lookups() == ["public.example"]


@pytest.mark.docker
def test_without_egress_there_is_no_folder_no_port_and_no_variable(contained: Callable[..., dict[str, Any]]) -> None:
    seen = contained("none")
    assert seen["public.example"].startswith("failed")
    assert seen["port"].startswith("failed")
    assert (seen["folder"], seen["proxy"], seen["network"]) == (False, "", "none")
    assert list(seen["mounts"]) == ["/run/thermae"]


@pytest.mark.docker
def test_without_its_proxy_a_sandbox_with_egress_is_not_launched(
    contained: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpreters.runtime.egress.PATIENCE", 0.3)
    with pytest.raises(LaunchFailed, match="No egress process answers"):
        contained("open")
    assert DockerRuntime().list(settings.INSTALLATION) == []
    assert not any(Path(settings.EGRESS_DIR).iterdir())
