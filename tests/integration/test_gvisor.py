"""All that a user does, in sandboxes under gVisor; and that nothing of one is left on the machine when it ends."""

import base64
import glob
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import override_settings

from interpreters.runtime import LaunchFailed, SandboxSpec, hardening
from interpreters.runtime.docker import DockerRuntime
from interpreters.runtime.sockets import socket_folder
from tests import sandboxes
from tests.client import Client, belongs
from tests.services import wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.runsc, pytest.mark.redis, pytest.mark.timeout(600, func_only=True)]
PNG = b"\x89PNG\r\n\x1a\n"
CONTAINERD = ("/run/docker/containerd/containerd.sock", "/run/containerd/containerd.sock")


def traces(container: str) -> list[str]:
    """What this machine still knows of a container: processes, control groups, records of containerd and runsc."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            command = Path(folder, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if container in command and "docker logs" not in command:
                found.append(f"process {folder} {command[:120]}")
        except OSError:
            continue
    for top in ("/sys/fs/cgroup", "/run/docker", "/run/containerd", "/var/lib/docker/containers"):
        for path, folders, _ in os.walk(top):
            found += [os.path.join(path, name) for name in folders if container in name]
    ctr, address = shutil.which("ctr"), next(filter(os.path.exists, CONTAINERD), "")
    if ctr and address:
        listed = subprocess.run(
            [ctr, "-a", address, "-n", "moby", "containers", "list", "-q"], capture_output=True, text=True, timeout=20
        )
        found += [f"containerd has {line}" for line in listed.stdout.split() if line == container]
    return found


def container_of(session: str) -> str:
    words = ["docker", "inspect", "--format", "{{.Id}} {{.HostConfig.Runtime}}", f"thermae-{session}"]
    container, runtime = subprocess.run(words, check=True, capture_output=True, text=True, timeout=20).stdout.split()
    assert runtime == "runsc"
    return container


@pytest.fixture(scope="module")
def pool(stack: Stack) -> Iterator[str]:
    with stack.pool("gvisor", oci_runtime="runsc", ready_instances=1, memory=768, pids=64) as name:
        yield name
    stack.check()


@pytest.fixture(scope="module")
def identifier() -> str:
    return uuid4().hex


@pytest.fixture
async def session(client: Client, pool: str, identifier: str) -> str:
    """One session for all tests that leave it well; a test that ends it gets the next."""
    return await client.open(pool, identifier)


async def test_the_kernel_below_is_gvisors(client: Client, session: str) -> None:
    assert container_of(session)
    told = await client.run(session, "import platform; print(platform.release(), end='')")
    assert told["outputs"][0]["text"] != os.uname().release


async def test_output_is_streamed_and_a_question_is_answered(client: Client, session: str) -> None:
    async with client.tab(session) as tab:
        execution = await tab.start("for i in range(3): print('line', i, flush=True)\nprint('you are', input('? '))")
        for i in range(3):
            await tab.printed(execution, f"line {i}\n")
        await tab.first(lambda message: belongs(message, execution, "input_request"), "question")
        await tab.send(type="input", value="Ada")
        assert (await tab.end(execution))["state"] == "ok"
        assert tab.text(execution).endswith("you are Ada\n")


async def test_a_plot_is_drawn(client: Client, session: str) -> None:
    async with client.tab(session) as tab:
        execution = await tab.start("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()")
        assert (await tab.end(execution))["state"] == "ok"
        [shown] = tab.of(execution, "display_data")
    assert base64.b64decode(shown["data"]["image/png"]).startswith(PNG)


async def test_an_interrupt_ends_a_loop_and_a_restart_forgets(client: Client, session: str) -> None:
    async with client.tab(session) as tab:
        await tab.run("kept = 1")
        execution = await tab.start("print('in', flush=True)\nwhile True: pass")
        await tab.printed(execution, "in\n")
        await tab.send(type="interrupt")
        ended = await tab.end(execution)
        assert (ended["state"], ended["error"]["ename"]) == ("error", "KeyboardInterrupt")
        assert (await tab.run("print(kept)"))[1] == "1\n"
    await client.want("POST", f"/sessions/{session}/restart")
    assert (await client.run(session, "kept"))["outputs"][0]["ename"] == "NameError"


async def test_a_terminal_and_files_share_the_work_directory(client: Client, session: str) -> None:
    content = bytes(range(256)) * 4096
    await client.want("PUT", f"/sessions/{session}/files/in/data.bin", data=content)
    async with client.terminal(session) as terminal:
        # `echo *` and not `ls`: that of Debian 12 asks with a flag of statx which gVisor of 2022 does not know.
        await terminal.type("cat in/data.bin | wc -c; echo in/*; echo from-$((40 + 2)) > made.txt; echo do''ne\n")
        await terminal.shows("done")
        assert "1048576" in terminal.seen
        assert "in/data.bin" in terminal.seen.split("done")[-2]
        await terminal.type("exit\n")
    assert (await client.call("GET", f"/sessions/{session}/files/made.txt")).body == b"from-42\n"
    part = await client.call("GET", f"/sessions/{session}/files/in/data.bin", headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, content[10:20])
    await client.want("DELETE", f"/sessions/{session}/files/in")


async def test_code_reaches_neither_the_agent_nor_a_network(client: Client, session: str) -> None:
    code = """
import errno, os, socket
def attempt(action):
    try: action()
    except OSError as error: return errno.errorcode.get(error.errno, str(error))
    return "done"
def connect(family, address):
    with socket.socket(family) as s:
        s.settimeout(3); s.connect(address)
print(attempt(lambda: connect(socket.AF_UNIX, "/run/thermae/agent.sock")),
      attempt(lambda: os.listdir("/run/thermae")), attempt(lambda: os.unlink("/run/thermae/agent.sock")),
      attempt(lambda: connect(socket.AF_UNIX, "\\0/run/thermae/host")))
for host in ("1.1.1.1", "169.254.169.254", "172.17.0.1"):
    print(attempt(lambda: connect(socket.AF_INET, (host, 80))))
"""
    printed = (await client.run(session, code))["outputs"][0]["text"].splitlines()
    assert printed[0] == "EACCES EACCES EACCES ECONNREFUSED"
    assert set(printed[1:]) <= {"EHOSTUNREACH", "ENETUNREACH"}, printed


async def test_too_many_processes_are_refused_and_the_session_goes_on(client: Client, session: str) -> None:
    """Small ones: forks of a kernel take so much memory here that it runs out first, as below."""
    code = """
import subprocess
children = []
try:
    while len(children) < 500: children.append(subprocess.Popen(["sleep", "60"]))
    print("no end")
except OSError as error: print(type(error).__name__, len(children))
for child in children: child.kill(); child.wait()
"""
    ended = await client.run(session, code)
    assert ended["outputs"][0]["text"].startswith("BlockingIOError")
    assert int(ended["outputs"][0]["text"].split()[1]) < 64
    assert (await client.run(session, "1 + 1"))["state"] == "ok"


async def test_a_kernel_that_is_killed_says_so_and_is_started_again(client: Client, session: str) -> None:
    async with client.tab(session) as tab:
        ended, _ = await tab.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        assert (ended["state"], (await tab.kernel("dead"))["reason"]) == ("lost", "killed")
        await tab.send(type="restart")
        await tab.kernel("idle")
        assert (await tab.run("print('again')"))[1] == "again\n"


async def test_without_memory_the_session_ends_and_says_why(client: Client, pool: str, session: str) -> None:
    """Here gVisor ends as a whole: the memory of its guests is its own, so there is no kernel to end alone."""
    container = container_of(session)
    async with client.tab(session) as tab:
        execution = await tab.start("blocks = []\nwhile True: blocks.append(b'x' * (64 << 20))")
        gone = await tab.told("state", state="gone")
    assert gone["reason"] == "out_of_memory"
    kept = await client.settled(execution)
    assert kept["state"] == "lost"
    wait_until(lambda: not traces(container), f"nothing is left: {traces(container)}", 30)


async def test_idle_for_its_cooldown_it_ends_and_leaves_nothing(client: Client, stack: Stack) -> None:
    with stack.pool("gvisor-brief", oci_runtime="runsc", ready_instances=0, cooldown=3, memory=768) as pool:
        session = await client.open(pool)
        container = container_of(session)
        assert traces(container)
        async with client.tab(session) as tab:
            await tab.run("import subprocess; subprocess.Popen(['sleep', '600'])")
            assert (await tab.told("state", state="gone"))["reason"] == "cooldown"
    wait_until(lambda: not traces(container), f"nothing is left: {traces(container)}", 30)


# --- starts that fail ----------------------------------------------------------------------------------------


@pytest.fixture
def spec(short_dir: Path) -> Iterator[SandboxSpec]:
    installation = f"{os.environ['THERMAE_INSTALLATION']}-gvisor"
    with override_settings(SOCKET_DIR=short_dir / "s", ALLOWED_OCI_RUNTIMES=["runsc"]):
        image = sandboxes.image("python")
        yield SandboxSpec(uuid4(), installation, 1, 1, image, "python3", memory=512, oci_runtime="runsc")


def test_a_start_that_fails_leaves_nothing(spec: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardening, "AGENT_COMMAND", ("/no/such/program",))
    runtime = DockerRuntime()
    start, begun = runtime._api.start, []

    def note_and_start(handle: str) -> None:
        begun.append(str(runtime.inspect(handle)["Id"]))
        start(handle)

    monkeypatch.setattr(runtime._api, "start", note_and_start)
    with pytest.raises(LaunchFailed, match="/no/such/program"):
        runtime.create(spec)
    assert runtime.list(spec.installation) == []
    [container] = begun
    wait_until(lambda: not traces(container), f"nothing is left: {traces(container)}", 30)


def test_a_runtime_that_cannot_start_anything_is_not_tried(spec: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gVisor with a network of its own would fail here after the sandbox was made, and leave it behind."""
    runtime = DockerRuntime()
    info = runtime._api.info()
    info["Runtimes"]["runsc"] = {"path": "runsc", "runtimeArgs": ["--platform=ptrace"]}
    monkeypatch.setattr(runtime._api, "info", lambda: info)
    with pytest.raises(LaunchFailed, match=r"--network=none.*--host-uds=all"):
        runtime.create(spec)
    assert runtime.list(spec.installation) == []
    assert not socket_folder(spec.session).exists()
