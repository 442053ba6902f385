"""What the answers of probes mean, how a check is shown and kept; that sandboxes hold is tried in tests/integration."""

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from interpreters.isolation import bundle, reports, runner
from interpreters.isolation.base import Act, Given, Observation, Probe, Result, Verdict
from interpreters.isolation.canaries import Canaries, own_addresses, own_process
from interpreters.isolation.inside import beside, calls, files, limits, network, program, rights
from interpreters.isolation.judging import EMULATED, judge, why_not
from interpreters.isolation.probes import PROBES, TABLE
from interpreters.isolation.probes.applications import WITHOUT_CODE
from interpreters.isolation.runner import Report
from interpreters.isolation.specs import CannotProbe, spec_for_probing
from interpreters.isolation.telling import log_size, told
from interpreters.models import InterpreterImage, IsolationReport, SessionPool
from interpreters.runtime import LaunchFailed, RuntimeUnavailable, get_runtime, reset_runtime
from interpreters.tasks import check_isolation
from tests.services import wait_until

RUNC, GVISOR = Given("docker"), Given("docker", oci_runtime="runsc-ptrace")
CUSTOM = Given("docker", custom=True, folder="/dev/shm", writable={"/data": 8}, ports=[8080], mounts=())


# --- The table ---


def test_every_probe_is_told_apart_and_says_what_should_contain_it() -> None:
    assert len(PROBES) == len(TABLE) >= 100
    for probe in TABLE:
        assert probe.barrier, probe.name
        assert probe.tries, probe.name
        assert "done" not in probe.contained, probe.name


def test_every_probe_has_a_function_that_takes_its_arguments() -> None:
    import inspect

    for probe in TABLE:
        if probe.act is Act.OUTSIDE:
            assert not probe.kind, probe.name
            continue
        function = program.KINDS[probe.kind]
        for given in (RUNC, GVISOR, CUSTOM):
            inspect.signature(function).bind(lambda **_: None, **probe.arguments(given))


def test_no_function_is_left_that_no_probe_uses() -> None:
    assert set(program.KINDS) - {"main", "run"} == {probe.kind for probe in TABLE if probe.kind}


def test_exceptions_for_gvisor_name_probes() -> None:
    assert set(EMULATED) <= set(PROBES)
    assert set(WITHOUT_CODE) <= set(PROBES)


# --- Judging ---


@pytest.mark.parametrize(
    ("name", "seen", "result"),
    [
        ("mount", Observation("EPERM"), Result.CONTAINED),
        ("mount", Observation("done"), Result.ESCAPED),
        ("umount", Observation("EINVAL"), Result.ESCAPED),  # it was let through, and failed by itself
        ("mount", Observation("failed", "no such thing"), Result.UNCHECKED),
        ("mount", Observation("hung"), Result.UNCHECKED),
        ("mount", None, Result.UNCHECKED),
        ("mount", Observation("killed"), Result.ESCAPED),
        ("i386 calls", Observation("killed"), Result.CONTAINED),
        ("fork bomb", Observation("EAGAIN", figure=200), Result.CONTAINED),
        ("fork bomb", Observation("EAGAIN", figure=257), Result.ESCAPED),  # a limit, and not the one asked for
        ("fork bomb", Observation("no end", figure=400), Result.ESCAPED),
        ("memory bomb", Observation("killed", figure=900), Result.CONTAINED),
        ("memory bomb", Observation("killed", figure=1100), Result.ESCAPED),
        ("fill /work", Observation("ENOSPC", figure=256), Result.CONTAINED),
        ("fill /work", Observation("EFBIG", figure=1), Result.ESCAPED),
        ("log flooding", Observation("bounded", figure=1.0), Result.CONTAINED),
        ("log flooding", Observation("bounded", figure=4.0), Result.ESCAPED),
        ("services of the host", Observation("unreachable"), Result.CONTAINED),
        ("services of the host", Observation("unanswered"), Result.ESCAPED),
        ("mknod", Observation("done"), Result.ESCAPED),
        ("the relay's files", Observation("found"), Result.NOT_APPLICABLE),
        ("setuid programs", Observation("held", "2"), Result.CONTAINED),
        ("setuid programs", Observation("found", "2"), Result.ESCAPED),
    ],
)
def test_what_an_answer_means(name: str, seen: Observation | None, result: Result) -> None:
    assert judge(PROBES[name], seen, RUNC).result is result


def test_what_is_tried_beside_a_relay_is_not_what_is_tried_below_an_agent() -> None:
    assert judge(PROBES["signal the agent"], Observation("done"), CUSTOM).result is Result.NOT_APPLICABLE
    assert judge(PROBES["the relay's files"], Observation("found"), CUSTOM).result is Result.ESCAPED
    assert judge(PROBES["fill the writable folders"], Observation("full", figure=0), CUSTOM).result is Result.CONTAINED
    assert judge(PROBES["fill the writable folders"], Observation("full", figure=1), CUSTOM).result is Result.ESCAPED
    assert judge(PROBES["kill everybody"], Observation("neighbour ended"), CUSTOM).result is Result.ESCAPED
    assert why_not(PROBES["fill the writable folders"], Given("docker", custom=True))
    # Whatever it is, it is told which; and what concerns the machine is tried of both.
    assert all(why_not(probe, RUNC) or why_not(probe, CUSTOM) or probe.name not in WITHOUT_CODE for probe in TABLE)
    for name in ("services of the host", "mounts of the host", "processes of the host", "memory bomb", "fork bomb"):
        assert not why_not(PROBES[name], CUSTOM), name


def test_what_gvisor_answers_itself_is_contained_with_the_reason() -> None:
    verdict = judge(PROBES["unshare user"], Observation("done"), GVISOR)
    assert verdict.result is Result.CONTAINED
    assert "own kernel" in verdict.detail
    assert judge(PROBES["unshare user"], Observation("done"), RUNC).result is Result.ESCAPED
    assert judge(PROBES["services of the host"], Observation("reached"), GVISOR).result is Result.ESCAPED
    assert judge(PROBES["memory bomb"], Observation("sandbox ended"), GVISOR).result is Result.CONTAINED
    # A device that can be opened is the machine's, whoever answers the call.
    assert judge(PROBES["mknod"], Observation("done"), GVISOR).result is Result.CONTAINED
    assert judge(PROBES["mknod"], Observation("opened"), GVISOR).result is Result.ESCAPED
    assert judge(PROBES["the agent in /proc"], Observation("done"), GVISOR).result is Result.ESCAPED
    assert PROBES["device nodes"].arguments(RUNC) == {"own": []}


@pytest.mark.parametrize(
    ("described", "size"),
    [
        ({"LogPath": "{file}", "HostConfig": {"LogConfig": {"Config": {"max-size": "1m"}}}}, 2.0),
        ({"LogPath": "", "Application": {"LogPath": "{file}"}}, 2.0),  # of the application, not of the relay
        ({"LogPath": "/none/such", "HostConfig": {"LogConfig": {"Config": {"max-size": "1m"}}}}, 0.0),
        ({"LogPath": "/none/such", "HostConfig": {"LogConfig": {"Config": {}}}}, 4.0),
        ({}, 4.0),
    ],
)
def test_a_log_is_as_large_as_its_file(described: dict[str, Any], size: float, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(2 << 20))
    found = json.loads(json.dumps(described).replace("{file}", str(tmp_path / "log")))
    assert log_size(found, 4.0).figure == size


# --- What is sent, and what comes back ---


def test_the_program_runs_by_a_bare_python_without_anything_of_ours(tmp_path: Path) -> None:
    (tmp_path / "check.pyz").write_bytes(bundle.program())
    some = [PROBES[name] for name in ("uid", "environment of the agent", "open files")]
    wrong = Probe("wrong", "be wrong", "", "uid", lambda _: {"no": 1})
    slow = Probe("slow", "take long", "", "knock", lambda _: {"hosts": ["127.0.0.1"], "port": 1}, deadline=0.0)
    (tmp_path / "orders").write_bytes(bundle.orders([*some, wrong, slow], RUNC))
    words = [sys.executable, "-I", "-S", "check.pyz", "orders", "results"]
    subprocess.run(words, cwd=tmp_path, env={}, check=True, timeout=30)
    seen = bundle.observations((tmp_path / "results").read_bytes())
    assert set(seen) == {"uid", "environment of the agent", "open files", "wrong", "slow"}
    assert seen["wrong"].answer == "failed"
    assert "TypeError" in seen["wrong"].detail
    assert seen["slow"].answer == "hung"
    assert seen["open files"].figure is not None


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe", b"[1]", b"{", b'{"probe": 1, "answer": "x"}', b'{"probe": "a"}', b"[" * 100_000,
        b'{"probe": "a", "answer": {"x": 1}}',
    ],
)  # fmt: skip
def test_a_sandbox_that_says_something_else_has_said_nothing(line: bytes) -> None:
    good = b'{"probe": "b", "answer": "EPERM", "figure": "x", "detail": "a\\u001b[2Jb"}'
    seen = bundle.observations(line + b"\n" + good)
    assert seen == {"b": Observation("EPERM", "a [2Jb")}


def test_canaries_are_heard_where_they_are_until_they_are_left() -> None:
    with Canaries() as canaries:
        assert "127.0.0.1" in [host for host, _ in canaries.addresses]
        assert canaries.unheard() == []
        with Canaries() as others:  # another check, which ends first
            assert others.queue == canaries.queue
        canaries.make_queue()  # which was the other's too
        assert network.reach(lambda **_: None, canaries.addresses, canaries.token)["answer"] == "reached"
        assert network.abstract_socket(lambda **_: None, canaries.abstract) == {"answer": "reached"}
        assert network.message_queue(lambda **_: None, canaries.queue) == {"answer": "reached"}
    assert network.reach(lambda **_: None, canaries.addresses, canaries.token)["answer"] != "reached"
    assert "127.0.0.1" in canaries.unheard()
    with pytest.raises(ConnectionRefusedError):
        network.abstract_socket(lambda **_: None, canaries.abstract)
    with pytest.raises(FileNotFoundError):
        network.message_queue(lambda **_: None, canaries.queue)


def test_addresses_of_both_kinds_are_read_from_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.1.2.3\n        /32 host LOCAL\n     |-- 10.1.2.255\n"
        "        /32 link BROADCAST\nLocal:\n     |-- 10.1.2.3\n        /32 host LOCAL\n"
    )
    (tmp_path / "if_inet6").write_text(
        "fe800000000000000000000000000001 02 40 20 80     eth0\n20010db8000000000000000000000005 02 40 00 80 eth0\n"
    )
    assert own_addresses(tmp_path) == ["10.1.2.3", "fe80::1%eth0", "2001:db8::5"]
    assert own_addresses(tmp_path / "none") == []


def test_the_runner_is_found_by_its_name_and_start() -> None:
    say = lambda **_: None  # noqa: E731
    assert beside.find_process(say, own_process())["answer"] == "found"
    assert beside.find_process(say, "nobody 1")["answer"] == "none"


def test_harmless_probes_answer_here_too(tmp_path: Path) -> None:
    say = lambda **_: None  # noqa: E731
    (tmp_path / "zeros").write_bytes(bytes(100))
    assert files.read(say, [str(tmp_path / "z*")])["answer"] == "refused"
    (tmp_path / "words").write_text("x")
    assert files.read(say, [str(tmp_path / "*")])["answer"] == "done"
    assert files.write(say, [str(tmp_path / "none*")])["answer"] == "absent"
    assert (tmp_path / "words").read_text() == "x"
    assert limits.disk(say, str(tmp_path), 1) == {"answer": "no end", "figure": 1.0}
    assert limits.inodes(say, str(tmp_path), 3) == {"answer": "no end", "figure": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["words", "zeros"]
    assert rights.environment(say, ["NOBODY_HAS_"])["answer"] == "none"
    assert calls.call(say, 39, 172, [])["answer"] == "done"  # getpid


# --- A report ---


def verdict(result: Result, name: str = "mount", detail: str = "EPERM") -> Verdict:
    return Verdict(name, "mount a file system", "seccomp", result, detail)


def report(*results: Result, **fields: Any) -> Report:
    return Report("python", "docker", "", {"Engine": "29.3.1"}, 4.0, [verdict(result) for result in results], **fields)


@pytest.mark.parametrize(
    ("results", "failed"),
    [
        ([Result.CONTAINED], False), ([Result.CONTAINED, Result.NOT_APPLICABLE], False), ([], True),
        ([Result.CONTAINED, Result.ESCAPED], True), ([Result.CONTAINED, Result.UNCHECKED], True),
    ],
)  # fmt: skip
def test_what_escapes_or_was_not_checked_is_a_failure(results: list[Result], failed: bool) -> None:
    assert report(*results).failed is failed


def test_the_table_says_probe_barrier_and_result_and_what_failed() -> None:
    text = reports.table(report(Result.CONTAINED, Result.ESCAPED, Result.UNCHECKED, Result.NOT_APPLICABLE))
    assert re.search(r"^ok   mount +seccomp +contained$", text, re.M)
    assert re.search(r"^BAD  mount +seccomp +NOT CONTAINED\n     → mount a file system: EPERM$", text, re.M)
    assert re.search(r"^\?    mount +seccomp +could not be checked$", text, re.M)
    assert "Engine 29.3.1" in text
    assert text.endswith("1 contained, 1 NOT CONTAINED, 1 not applicable, 1 could not be checked, in 4 s")


@pytest.mark.django_db
def test_the_newest_twenty_of_a_pool_are_kept(pool: SessionPool) -> None:
    image = pool.image
    other = SessionPool.objects.create(name="other", image=image)
    kept = reports.keep(other, report(Result.CONTAINED))
    for _ in range(22):
        last = reports.keep(pool, report(Result.CONTAINED, Result.ESCAPED))
    assert IsolationReport.objects.filter(pool=pool).count() == 20
    assert IsolationReport.objects.filter(pk__in=[kept.pk, last.pk]).count() == 2
    assert (last.contained, last.escaped, last.holds, kept.holds) == (1, 1, False, True)


# --- What is probed ---


@pytest.fixture
def tenants_pool(pool: SessionPool, acme: Any) -> SessionPool:
    image = InterpreterImage.objects.create(
        tenant=acme, name="theirs", reference="theirs:1", kernel="evil", state="ready", source="python"
    )
    pool.image, pool.environment, pool.memory = image, {"LD_PRELOAD": "/work/lie.so"}, 777
    pool.save()
    return pool


@pytest.mark.django_db
def test_nothing_of_a_tenant_is_in_the_sandbox_that_is_probed(tenants_pool: SessionPool, settings: Any) -> None:
    own = InterpreterImage.objects.get(tenant=None)
    spec = spec_for_probing(tenants_pool)
    assert (spec.image, spec.kernel) == (own.reference, own.kernel)
    assert (spec.environment, spec.warm_up, spec.memory) == ({}, "", 777)
    assert spec.installation == f"{settings.INSTALLATION}-isolation"


@pytest.mark.django_db
def test_without_a_shared_image_a_tenants_pool_cannot_be_checked(tenants_pool: SessionPool) -> None:
    InterpreterImage.objects.filter(tenant=None).update(reference="")
    with pytest.raises(CannotProbe, match="make images"):
        spec_for_probing(tenants_pool)
    assert runner.check_pool(tenants_pool, get_runtime()).failed


@pytest.fixture
def custom_pool(acme: Any) -> SessionPool:
    InterpreterImage.objects.create(
        name="relay", language="Relay", source="relay", state="ready", reference="thermae/relay:1", digest="sha256:1"
    )
    theirs = InterpreterImage.objects.create(
        tenant=acme, name="app", kind="custom", state="ready", reference="sha256:theirs"
    )
    return SessionPool.objects.create(
        tenant=acme, name="app", image=theirs, target_port=9000, secrets={"PASSWORD": "canary-7f3a"}, memory=333,
        environment={"PYTHONPATH": "/data"}, command=["/serve"], args=["--all"], run_as="1234", egress="open",
        writable_paths=["/data", "/tmp"], disk=64,
    )  # fmt: skip


@pytest.mark.django_db
def test_in_a_custom_container_ours_runs_in_the_tenants_place(custom_pool: SessionPool, settings: Any) -> None:
    spec = spec_for_probing(custom_pool)
    assert (spec.image, spec.relay, spec.args, spec.environment, spec.secrets) == ("sha256:1", "sha256:1", (), {}, {})
    assert spec.command[0] == "/opt/agent/bin/python"
    assert "canary" not in repr(spec) + "".join(spec.command)
    assert (spec.kind, spec.target_port, spec.run_as, spec.memory) == ("custom", 9000, "1234", 333)
    assert spec.installation == f"{settings.INSTALLATION}-isolation"
    with Canaries() as canaries:
        given = told("docker", spec, spec, canaries)
    assert (given.custom, given.mounts, given.writable) == (True, (), {"/data": 32, "/tmp": 32})
    assert given.ports == [9000, 3128], "the relay offers the proxy there"


@pytest.mark.django_db
def test_without_a_relay_no_custom_pool_can_be_checked(custom_pool: SessionPool) -> None:
    InterpreterImage.objects.filter(source="relay").update(digest="")
    with pytest.raises(CannotProbe, match="build_images relay"):
        spec_for_probing(custom_pool)


def test_an_application_is_given_the_program_and_answers_what_it_found(tmp_path: Path) -> None:
    """As a process of this machine: only quiet probes, and its own folder."""
    text = (bundle.FOLDER / "server.py").read_text().replace("/dev/shm/isolation", str(tmp_path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", text, str(port)], env={}) as server:
        try:
            wait_until(lambda: network.knock(lambda **_: None, ["127.0.0.1"], port)["answer"] == "reached", "a server")
            sent = [("PUT", "/check.pyz", bundle.program()), ("POST", "/quiet", bundle.orders([PROBES["uid"]], RUNC))]
            for method, path, body in sent:
                line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                line.request(method, path, body)
                said = line.getresponse().read()
                line.close()
            assert bundle.observations(said)["uid"].answer in ("root", "other")
        finally:
            server.kill()


# --- Who asks for it, and who sees it ---


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Checks that end at once: a pool holds unless its name says otherwise."""
    names: list[str] = []

    def check_pool(pool: SessionPool, runtime: object) -> Report:
        names.append(pool.name)
        if pool.name == "silent":
            raise RuntimeUnavailable("Docker does not answer")
        return report(Result.ESCAPED if pool.name == "weak" else Result.CONTAINED)

    monkeypatch.setattr(runner, "check_pool", check_pool)
    reset_runtime()
    yield names
    reset_runtime()


def doctor(*words: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", "--isolation", *words, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.django_db
def test_the_command_checks_enabled_pools_and_its_status_tells(pool: SessionPool, checked: list[str]) -> None:
    SessionPool.objects.create(name="weak", image=pool.image, enabled=False)
    status, text = doctor()
    assert (status, checked) == (0, ["python"])
    assert "1 contained" in text
    assert IsolationReport.objects.count() == 1
    status, text = doctor("--pool", "weak")
    assert (status, checked) == (1, ["python", "weak"])
    assert "BAD  mount" in text
    assert doctor("--pool", "none")[0] == 1
    SessionPool.objects.update(enabled=True)
    status, text = doctor("--json")
    assert status == 1
    assert [one["failed"] for one in json.loads(text)] == [False, True]


@pytest.mark.django_db
def test_nothing_to_check_and_an_engine_that_is_silent_are_failures(pool: SessionPool, checked: list[str]) -> None:
    SessionPool.objects.update(enabled=False)
    assert doctor()[0] == 1
    SessionPool.objects.update(name="silent", enabled=True)
    status, text = doctor()
    assert status == 1
    assert "THERMAE_DOCKER_HOST" in text


@pytest.mark.django_db
def test_a_worker_checks_and_keeps_what_it_found(pool: SessionPool, checked: list[str]) -> None:
    check_isolation(pool.pk)
    assert IsolationReport.objects.get().results[0]["probe"] == "mount"


@pytest.mark.django_db
def test_a_sandbox_that_cannot_be_made_is_not_checked(pool: SessionPool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(*_: object, **__: object) -> list[Verdict]:
        raise LaunchFailed("no such image")

    monkeypatch.setattr(runner, "check", check)
    reset_runtime()
    found = runner.check_pool(pool, get_runtime())
    assert found.failed
    assert found.verdicts[0].detail == "no such image"
    reset_runtime()


@pytest.mark.django_db
@pytest.mark.urls("tests.unit.test_admin_tenants")
def test_operators_read_the_table_and_nobody_writes_it(
    admin_client: Any, pool: SessionPool, monkeypatch: pytest.MonkeyPatch, alice: Any, client: Any
) -> None:
    bad = verdict(Result.ESCAPED, "<b>bold</b>", "reached")
    row = reports.keep(pool, Report("python", "docker", "", {}, 1.0, [verdict(Result.CONTAINED), bad]))
    address = reverse("admin:interpreters_isolationreport_change", args=[row.pk])
    page = admin_client.get(address).content.decode()
    assert page.index("NOT CONTAINED") < page.index("EPERM"), "what failed comes first"
    assert "&lt;b&gt;bold" in page
    assert "<b>bold" not in page
    assert admin_client.post(address, {"contained": 5}).status_code == 403
    assert "1 FAILED" in admin_client.get(reverse("admin:interpreters_isolationreport_changelist")).content.decode()
    client.force_login(alice)
    assert client.get(address).status_code in (302, 403)
    assert client.get(reverse("admin:interpreters_isolationreport_changelist")).status_code == 403


@pytest.mark.django_db
@pytest.mark.urls("tests.unit.test_admin_tenants")
def test_only_an_operator_asks_for_a_check(
    admin_client: Any, pool: SessionPool, monkeypatch: pytest.MonkeyPatch, alice: Any, client: Any
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("interpreters.admin.enqueue", lambda task, *words: asked.append((task.name, *words)))
    form = {"action": "check_isolation", "_selected_action": [pool.pk]}
    admin_client.post(reverse("admin:interpreters_sessionpool_changelist"), form)
    assert asked == [("interpreters.tasks.check_isolation", pool.pk)]
    client.force_login(alice)
    client.post(reverse("admin:interpreters_sessionpool_changelist"), form)
    assert len(asked) == 1
