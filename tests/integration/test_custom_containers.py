"""A tenant's own container beside our relay, on a real engine: reached, watched, hardened, and gone without a trace."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings

from interpreters.lifecycle import UNHEALTHY_EXIT, State
from interpreters.models import InterpreterImage, Session, SessionPool
from interpreters.runtime import LaunchFailed, Sandbox, SandboxSpec
from interpreters.runtime.docker import DockerRuntime
from interpreters.runtime.hardening import CORE
from interpreters.tasks import ask_agents
from tests import containers, sandboxes

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

Start = Callable[..., SandboxSpec]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="thm-") as folder, override_settings(SOCKET_DIR=Path(folder) / "s"):
        yield Path(folder) / "s"


@pytest.fixture(scope="module")
def runtime() -> DockerRuntime:
    return DockerRuntime()


@pytest.fixture(scope="module")
def installation(runtime: DockerRuntime) -> Iterator[str]:
    name = f"{os.environ['THERMAE_INSTALLATION']}-custom-{uuid4().hex[:6]}"
    yield name
    for sandbox in runtime.list(name):
        runtime.remove(sandbox.handle)
    assert docker("ps", "-aq", "--filter", f"label=thermae.installation={name}") == ""


@pytest.fixture
def start(runtime: DockerRuntime, installation: str, place: Path) -> Iterator[Start]:
    """`start("fail", "3", memory=64)`: a sandbox that is removed after the test."""
    made: list[Sandbox] = []

    def create(*args: str, **fields: Any) -> SandboxSpec:
        spec = containers.spec(installation, *args, **fields)
        made.append(runtime.create(spec))
        return spec

    yield create
    for sandbox in made:
        runtime.remove(sandbox.handle)


@pytest.fixture(scope="module")
def app(runtime: DockerRuntime, installation: str, place: Path) -> Iterator[SandboxSpec]:
    """One for all tests that leave it as it was."""
    spec = containers.spec(
        installation, environment={"GREETING": "hello"}, secrets={"PASSWORD": "canary-7f3a"}, probes=PROBES
    )
    runtime.create(spec)
    assert sandboxes.wait_until_ready(spec.session)["state"] == "ready"
    yield spec
    runtime.remove(f"thermae-{spec.session}")


PROBES = {"startup": {"type": "http", "path": "/redirect"}, "liveness": {"type": "http", "path": "/", "period": 1}}


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def found(runtime: DockerRuntime, spec: SandboxSpec) -> Sandbox:
    return next(s for s in runtime.list(spec.installation) if s.session == spec.session)


def ended(runtime: DockerRuntime, spec: SandboxSpec) -> Sandbox:
    return containers.wait_until(lambda: (s := found(runtime, spec)) and not s.running and s)


# --- Reached ---


def test_requests_reach_its_port_and_no_other(app: SandboxSpec) -> None:
    assert containers.request(app.session, "/a%20b?c=d") == (200, b"/a%20b?c=d says hello")
    status, body = containers.request(app.session, "/", port=3128)
    assert (status, json.loads(body)["error"]) == (404, "not_found")
    assert sandboxes.ask(app.session, "GET", "/contexts")[0] == 404


def test_a_request_in_flight_is_busy(app: SandboxSpec) -> None:
    import threading

    asking = threading.Thread(target=containers.request, args=(app.session, "/slow"))
    asking.start()
    containers.wait_until(lambda: sandboxes.health(app.session)["busy"])
    asking.join()
    containers.wait_until(lambda: not sandboxes.health(app.session)["busy"])
    assert time.time() - sandboxes.health(app.session)["last_activity"] < 10


def test_its_environment_arrives_and_nothing_of_ours(app: SandboxSpec) -> None:
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    environment = json.loads(containers.run(app.session, code))
    assert environment["GREETING"] == "hello"
    assert environment["PASSWORD"] == "canary-7f3a"
    assert environment["FROM_IMAGE"] == "yes"
    assert not [name for name in environment if name.startswith("THERMAE")]


def test_no_secret_is_told_of_it(app: SandboxSpec, runtime: DockerRuntime) -> None:
    handle = f"thermae-{app.session}"
    described = runtime.inspect(handle)
    assert {"PASSWORD=•••", "GREETING=•••"} <= set(described["Application"]["Config"]["Env"])  # type: ignore[index]
    assert "canary" not in json.dumps(described) + repr(app) + runtime.logs(handle)
    assert docker("inspect", "-f", "{{.Config.Env}}", handle).find("canary") == -1, "the relay is not told"


# --- Hardened ---

FACTS = """
import json, os, socket, subprocess
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def may(path):
    try: open(path, "w").close()
    except OSError as error: return os.strerror(error.errno)
    return "written"
def reach(address):
    try: socket.create_connection(address, 1).close()
    except OSError as error: return type(error).__name__
    return "reached"
def knock(path):
    with socket.socket(socket.AF_UNIX) as s:
        try: s.connect(path)
        except OSError as error: return type(error).__name__
    return "connected"
mounts = [line.split()[1:4] for line in open("/proc/mounts")]
print(json.dumps({
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "caps": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"].strip(), "seccomp": status["Seccomp"].strip(),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "reach": [reach(a) for a in (("1.1.1.1", 53), ("169.254.169.254", 80), ("172.17.0.1", 22))],
    "writes": {path: may(path) for path in ("/x", "/srv/x", "/etc/x", "/usr/x", "/dev/x", "/home/x", "/var/lib/x")},
    "may": {path: may(path) for path in ("/tmp/x", "/run/x", "/data/x", "/dev/shm/x")},
    "socket": [os.path.exists("/run/thermae"), knock("/run/thermae/agent.sock")],
    "processes": sorted(open(f"/proc/{p}/comm").read().strip() for p in os.listdir("/proc") if p.isdigit()),
    "mounts": {target: [kind, options] for target, kind, options in mounts},
    "hostname": socket.gethostname(),
    "core": __import__("resource").getrlimit(__import__("resource").RLIMIT_CORE),
    "checked": os.path.exists("/tmp/checked"),
}))
"""


@pytest.fixture(scope="module")
def facts(app: SandboxSpec) -> dict[str, Any]:
    """What the application sees of where it is."""
    seen: dict[str, Any] = json.loads(containers.run(app.session, FACTS))
    return seen


def test_it_has_no_rights(facts: dict[str, Any]) -> None:
    assert facts["user"] == [10001, 10001, [10001]]
    assert set(facts["caps"]) == {"0" * 16}
    assert (facts["no_new_privs"], facts["seccomp"], facts["core"]) == ("1", "2", [CORE, CORE])


def test_it_has_no_network_but_its_loopback(facts: dict[str, Any]) -> None:
    assert facts["interfaces"] == ["lo"]
    assert "reached" not in facts["reach"]
    assert facts["hostname"] == "sandbox"


def test_it_writes_only_where_it_may(facts: dict[str, Any]) -> None:
    assert "written" not in facts["writes"].values()
    assert set(facts["may"].values()) == {"written"}
    kinds = {target: kind for target, (kind, _) in facts["mounts"].items()}
    assert {kinds[path] for path in ("/tmp", "/run", "/data")} == {"tmpfs"}
    assert facts["mounts"]["/"][1].startswith("ro")
    assert {"nosuid", "nodev"} <= set(facts["mounts"]["/data"][1].split(","))


def test_it_sees_nothing_of_the_relay(facts: dict[str, Any]) -> None:
    assert facts["socket"][0] is False
    assert facts["socket"][1] != "connected"
    assert facts["processes"] == ["docker-init", "python3"]


def test_what_its_image_declares_has_no_effect(facts: dict[str, Any], app: SandboxSpec) -> None:
    assert not facts["checked"], "the image's own health check"
    handle = f"thermae-{app.session}-app"
    assert docker("inspect", "-f", "{{range .Mounts}}{{.Type}}{{end}}{{len .NetworkSettings.Ports}}", handle) == "0"
    assert docker("inspect", "-f", '{{index .Config.Labels "thermae.installation"}}', handle) == app.installation


def test_its_disk_is_bounded_and_so_are_its_files(app: SandboxSpec) -> None:
    code = """
import errno, os
for path in ("/tmp/fill", "/run/fill", "/data/fill", "/dev/shm/fill"):
    try:
        with open(path, "wb") as file:
            for _ in range(64): file.write(bytes(1 << 20))
        print("filled", path)
    except OSError as error: print(errno.errorcode[error.errno])
    finally: os.unlink(path)
n = 0
os.mkdir("/tmp/many")
try:
    for n in range(1_000_000): open(f"/tmp/many/{n}", "w").close()
except OSError as error: print(errno.errorcode[error.errno], n < 10_000)
__import__("shutil").rmtree("/tmp/many")
"""
    assert containers.run(app.session, code).split() == ["ENOSPC"] * 5 + ["True"]


def test_its_processes_are_bounded(app: SandboxSpec) -> None:
    code = """
import os, signal
children = []
try:
    for _ in range(500):
        child = os.fork()
        if child == 0: signal.pause()
        children.append(child)
except OSError: print("bounded", len(children) < 64)
for child in children: os.kill(child, 9); os.waitpid(child, 0)
"""
    assert containers.run(app.session, code) == "bounded True\n"
    assert sandboxes.health(app.session)["state"] == "ready"


@pytest.mark.parametrize(("run_as", "user"), [("1000", "[1000, 1000]"), ("1000:0", "[1000, 0]")])
def test_it_runs_as_the_user_that_the_pool_names(start: Start, run_as: str, user: str) -> None:
    spec = start(run_as=run_as)
    sandboxes.wait_until_ready(spec.session)
    assert containers.run(spec.session, "import os; print([os.getuid(), os.getgid()])").strip() == user


def test_root_is_refused_unless_the_operator_allows_it(start: Start, runtime: DockerRuntime) -> None:
    with pytest.raises(LaunchFailed, match="may not run as '0'"):
        start(run_as="0")
    with override_settings(ALLOW_ROOT_CONTAINERS=True):
        spec = start(run_as="0")
    sandboxes.wait_until_ready(spec.session)
    code = "print([line for line in open('/proc/self/status') if line.startswith(('Uid', 'CapPrm', 'CapBnd'))])"
    status = containers.run(spec.session, code)
    assert "Uid:\\t0\\t0\\t0\\t0" in status
    assert status.count("0" * 16) == 2, "root without a capability"


def test_a_port_below_1024_needs_no_root(start: Start) -> None:
    spec = start("serve", "80", target_port=80)
    assert sandboxes.wait_until_ready(spec.session)["state"] == "ready"


# --- Watched ---


def test_one_that_exits_at_once_is_told_with_its_last_words(start: Start, runtime: DockerRuntime) -> None:
    spec = start("fail", "3", secrets={"PASSWORD": "x"})
    dead = ended(runtime, spec)
    assert (dead.exit_code, dead.out_of_memory, dead.relay_exit) == (3, False, None)
    assert "no database" in runtime.logs(dead.handle)


def test_one_that_listens_elsewhere_fails_and_is_told_where(start: Start) -> None:
    spec = start("serve", "3000", start_timeout=1.5)
    now = sandboxes.wait_until_ready(spec.session)
    assert now["state"] == "failed"
    assert now["detail"] == "Nothing listens at port 8080 after 2 s, but at 3000: is target_port right?"


def test_one_that_never_gets_well_fails_with_its_answer(start: Start) -> None:
    spec = start(probes={"startup": {"type": "http", "path": "/failing", "failure_threshold": 3}})
    now = sandboxes.wait_until_ready(spec.session)
    assert now["state"] == "failed"
    assert now["detail"].startswith("GET /failing at port 8080 was answered with status 500")


def test_one_that_stops_answering_is_ended_as_unhealthy(start: Start, runtime: DockerRuntime) -> None:
    probe = {"type": "http", "path": "/healthz", "period": 0.3, "timeout": 0.3, "failure_threshold": 2}
    spec = start(probes={"liveness": probe})
    assert sandboxes.wait_until_ready(spec.session)["state"] == "ready"
    containers.request(spec.session, "/hang")
    dead = ended(runtime, spec)
    assert (dead.relay_exit, dead.exit_code) == (UNHEALTHY_EXIT, None)
    assert "The liveness probe failed 2 times in a row" in runtime.logs(dead.handle)


def test_one_that_leaves_by_itself_is_told_with_its_exit_code(start: Start, runtime: DockerRuntime) -> None:
    spec = start()
    sandboxes.wait_until_ready(spec.session)
    containers.request(spec.session, "/leave")
    assert ended(runtime, spec).exit_code == 0


def test_one_that_takes_too_much_memory_is_told_so(start: Start, runtime: DockerRuntime) -> None:
    spec = start()
    sandboxes.wait_until_ready(spec.session)
    with pytest.raises(AssertionError):  # nobody is there any more to answer
        containers.run(spec.session, "x = bytearray(1 << 28)")
    dead = ended(runtime, spec)
    assert (dead.exit_code, dead.out_of_memory) == (137, True)


def test_its_log_is_bounded_and_fit_for_a_terminal(start: Start, runtime: DockerRuntime) -> None:
    spec = start()
    sandboxes.wait_until_ready(spec.session)
    noise = "import os; os.write(1, b'\\x1b]0;owned\\x07\\x1b[31m' + b'x' * 3_000_000 + b'\\nlast \\x00words\\n')"
    containers.run(spec.session, noise)
    handle = f"thermae-{spec.session}"
    said = containers.wait_until(lambda: (log := runtime.logs(handle)) and "last words" in log and log)
    assert len(said) < 40_000
    assert "\x1b" not in said


def test_a_command_that_is_not_there_is_told(start: Start, runtime: DockerRuntime) -> None:
    dead = ended(runtime, start(command=("no-such-program",)))
    assert dead.exit_code == 127
    assert "no-such-program" in runtime.logs(dead.handle)


def test_what_cannot_be_launched_fails_in_words_and_leaves_nothing(
    start: Start, runtime: DockerRuntime, installation: str, place: Path
) -> None:
    before = len(runtime.list(installation))
    with pytest.raises(LaunchFailed, match=r"(?i)no such image"):
        start(image="thermae-tests/nothing:here")
    with pytest.raises(LaunchFailed, match=r"(?i)no such image"):
        start(relay="thermae-tests/nothing:here")
    with pytest.raises(LaunchFailed, match="too little for 3 writable folders"):
        start(disk=3)
    with pytest.raises(LaunchFailed, match="OCI runtime runsc"):
        start(oci_runtime="runsc")
    assert len(runtime.list(installation)) == before
    assert len(docker("ps", "-aq", "--filter", f"label=thermae.installation={installation}").split()) == 2 * before
    assert len(list(place.iterdir())) == before


# --- A pool of them ---


@pytest.fixture
def pool(db: None, acme: Any, settings: Any, place: Path, installation: str) -> SessionPool:
    settings.RUNTIME, settings.INSTALLATION, settings.START_TIMEOUT = "docker", installation, 10.0
    shared = {"state": "ready", "reference": "relay", "digest": containers.relay()}
    InterpreterImage.objects.create(name="relay", source="relay", **shared)
    image = InterpreterImage.objects.create(name="app", kind="custom", state="ready", reference=containers.image())
    pool: SessionPool = SessionPool.objects.create(
        tenant=acme, name="app", image=image, target_port=8080, secrets={"PASSWORD": "canary-7f3a"}, memory=128,
        disk=32, pids=64, ready_instances=1, writable_paths=["/tmp"],
    )  # fmt: skip
    pool.full_clean()
    return pool


def work(pool: SessionPool, runtime: DockerRuntime) -> None:
    """What workers do in one tick."""
    pool.maintain(runtime, ask_agents)
    for session in Session.objects.filter(state=State.STOPPING).select_related("pool"):
        session.tear_down(runtime, lambda _: None)
    while session := Session.objects.claim_queued():
        session.launch(runtime, ask_agents)


def test_a_pool_gives_one_and_is_deleted_with_it(pool: SessionPool, runtime: DockerRuntime, acme: Any) -> None:
    work(pool, runtime)
    session = pool.lease(acme, None, "a").session
    assert (session.state, session.launch_seconds < 10) == ("leased", True)
    assert containers.request(session.pk, "/x")[1] == b"/x says hello"
    pool.retire()
    for _ in range(2):
        work(pool, runtime) if SessionPool.objects.filter(pk=pool.pk).exists() else None
    assert not SessionPool.objects.filter(pk=pool.pk).exists()
    assert not [s for s in runtime.list(session.pool.name) if s.session == session.pk]
    assert docker("ps", "-aq", "--filter", f"name=thermae-{session.pk}") == ""


def test_a_pool_of_a_failing_image_says_why_and_waits(pool: SessionPool, runtime: DockerRuntime) -> None:
    pool.note(args=["fail", "3"])
    pool.maintain(runtime, ask_agents)
    session = Session.objects.claim_queued()
    assert session
    handle = runtime.create(session.sandbox_spec).handle  # its worker dies here, or waits for it to be healthy
    containers.wait_until(lambda: not found(runtime, session.sandbox_spec).running)
    assert pool.maintain(runtime, ask_agents).launch == 0
    assert pool.last_error.splitlines()[0] == "The container ended before it was ready: exit code 3."
    assert "no database, and the password is •••" in pool.last_error
    assert pool.backing_off_until
    work(pool, runtime)
    assert handle not in [sandbox.handle for sandbox in runtime.list(session.sandbox_spec.installation)]


def test_a_pool_with_the_wrong_port_is_told_the_right_one(pool: SessionPool, runtime: DockerRuntime) -> None:
    pool.note(target_port=9090, probes={"startup": {"failure_threshold": 10}})
    work(pool, runtime)
    pool.refresh_from_db()
    assert "but at 8080: is target_port right?" in pool.last_error
    assert "listening at 8080" in pool.last_error
    work(pool, runtime)
