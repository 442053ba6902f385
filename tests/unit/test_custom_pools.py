"""Pools of custom containers: what may be said of one, how it fails and recovers, and how it ends."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from interpreters.lifecycle import STEADY, UNHEALTHY_EXIT, State
from interpreters.models import InterpreterImage, PoolUnavailable, Session, SessionPool, probes
from interpreters.models.custom import merged_secrets
from interpreters.runtime.base import LaunchFailed
from interpreters.runtime.memory import MemoryRuntime
from tenants.encryption import CannotDecrypt

pytestmark = pytest.mark.django_db

SECRETS = {"PASSWORD": "canary-7f3a"}


@pytest.fixture
def relay() -> InterpreterImage:
    return InterpreterImage.objects.create(
        name="relay", language="Relay", source="relay", state="ready", reference="thermae/relay:1", digest="sha256:1"
    )


@pytest.fixture
def image(relay: InterpreterImage) -> InterpreterImage:
    return InterpreterImage.objects.create(name="app", kind="custom", state="ready", reference="sha256:app")


@pytest.fixture
def custom(image: InterpreterImage, acme: Any) -> SessionPool:
    return SessionPool.objects.create(
        tenant=acme, name="app", image=image, target_port=8080, secrets=SECRETS, ready_instances=1, max_concurrent=3
    )


@pytest.fixture
def runtime() -> MemoryRuntime:
    return MemoryRuntime()


def well(sessions: Sequence[UUID]) -> Mapping[UUID, Any]:
    return dict.fromkeys(sessions, SimpleNamespace(state="ready", detail="", busy=False, last_activity=0.0))


def work(pool: SessionPool, runtime: MemoryRuntime) -> None:
    """What workers do in one tick."""
    pool.maintain(runtime, well)
    for session in Session.objects.filter(state=State.STOPPING).select_related("pool"):
        session.tear_down(runtime, lambda _: None)
    while session := Session.objects.claim_queued():
        session.launch(runtime, well)


def handles(pool: SessionPool) -> list[str]:
    return list(pool.sessions.live().values_list("handle", flat=True))


def faults(pool: SessionPool, **changes: Any) -> dict[str, list[str]]:
    for name, value in changes.items():
        setattr(pool, name, value)
    try:
        pool.full_clean()
    except ValidationError as error:
        return dict(error.message_dict)
    return {}


# --- What may be said ---


def test_a_plain_one_is_well(custom: SessionPool) -> None:
    assert faults(custom) == {}
    assert faults(custom, ready_instances=0, lifecycle="on_container_exit", max_alive=60) == {}, "no cooldown applies"


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("target_port", None, "Name the port"),
        ("target_port", 0, "1 to 65535"),
        ("target_port", 70000, "1 to 65535"),
        ("target_port", 3128, "not 3128"),
        ("command", "python app.py", "as a list"),
        ("command", ["a", 1], "as a list"),
        ("args", ["a\0"], "as a list"),
        ("args", ["x" * 9000], "8 KiB"),
        ("args", ["\ud800"], "as a list"),
        ("secrets", {"a b": "x"}, "names are"),
        ("secrets", {"A": 1}, "as text"),
        ("secrets", {"A": "x" * 40_000}, "as text"),
        ("environment", {"A": "x" * 40_000}, "as text"),
        ("environment", {"PASSWORD": "x"}, "in the environment too"),
        ("oci_runtime", "runsc", "cannot do"),
        ("run_as", "root", "Give numbers"),
        ("run_as", "0", "not run as root"),
        ("run_as", "0:1000", "not run as root"),
        ("run_as", "10000", "our own agents"),
        ("run_as", "1000:", "Give numbers"),
        ("writable_paths", "/tmp", "as a list"),
        ("writable_paths", ["/"], "absolute paths"),
        ("writable_paths", ["tmp"], "absolute paths"),
        ("writable_paths", ["/a/../etc"], "absolute paths"),
        ("writable_paths", ["/proc/x"], "absolute paths"),
        ("writable_paths", ["/dev"], "absolute paths"),
        ("writable_paths", ["/a,exec"], "absolute paths"),
        ("writable_paths", ["/a:rw"], "absolute paths"),
        ("writable_paths", [f"/{n}" for n in range(21)], "At most 20"),
        ("disk", 8, "too little for 6 folders"),
        ("probes", [], '"startup"'),
        ("probes", {"readiness": {}}, '"startup"'),
        ("probes", {"startup": "tcp"}, "startup: give a probe"),
        ("probes", {"startup": {"type": "exec"}}, "http or tcp"),
        ("probes", {"liveness": {"command": "x"}}, "command is unknown"),
        ("probes", {"liveness": {"type": "tcp", "path": "/"}}, "for type http"),
        ("probes", {"liveness": {"period": 0}}, "period must be a number from 0.1 to 300"),
        ("probes", {"liveness": {"period": True}}, "period must be"),
        ("probes", {"liveness": {"port": 8080.5}}, "whole number"),
        ("probes", {"startup": {"path": "/a b"}}, "no spaces"),
        ("probes", {"startup": {"path": "/a\r\nX: y"}}, "no spaces"),
        ("probes", {"startup": {"headers": {"X": "a\r\nY: b"}}}, "headers must"),
        ("probes", {"startup": {"headers": {"Host": "evil"}}}, "not Host"),
    ],
)
def test_a_wrong_value_is_told_with_what_to_do(custom: SessionPool, field: str, value: Any, word: str) -> None:
    found = faults(custom, **{field: value})
    assert word in " ".join(text for texts in found.values() for text in texts), found
    assert "canary" not in str(found)


def test_what_is_for_custom_images_is_refused_of_code(pool: SessionPool) -> None:
    changes = {
        "target_port": 80, "command": ["x"], "args": ["x"], "secrets": {"A": "b"}, "probes": {"startup": {}},
        "lifecycle": "on_container_exit", "run_as": "1000", "shell": True, "writable_paths": ["/x"],
    }  # fmt: skip
    assert set(faults(pool, **changes)) == set(changes)


def test_root_is_the_operators_to_allow(custom: SessionPool, settings: Any) -> None:
    settings.ALLOW_ROOT_CONTAINERS = True
    assert faults(custom, run_as="0:0") == {}


def test_its_image_is_its_tenants_or_shared(custom: SessionPool, other: Any, relay: InterpreterImage) -> None:
    InterpreterImage.objects.filter(pk=custom.image_id).update(tenant=other)
    custom.refresh_from_db()
    assert "another tenant's" in faults(custom)["image"][0]
    custom.image = relay
    assert "own relay" in faults(custom)["image"][0]


def test_a_tenant_asks_for_no_more_than_its_share(custom: SessionPool, acme: Any, settings: Any) -> None:
    settings.MAX_SANDBOX_CPU, settings.MAX_SANDBOX_MEMORY, settings.MAX_SANDBOX_PIDS = 2, 2048, 512
    settings.MAX_SANDBOXES_PER_TENANT, settings.MAX_POOLS_PER_TENANT = 5, 1
    assert set(faults(custom, cpu=3, memory=4096, pids=1000)) == {"cpu", "memory", "pids"}
    assert set(faults(custom, cpu=float("nan"))) >= {"cpu"}
    second = SessionPool(tenant=acme, name="second", image=custom.image, target_port=80, max_concurrent=3)
    found = faults(second)
    assert "2 are left" in found["max_concurrent"][0]
    assert "at most 1 pools" in found["__all__"][0]
    assert faults(SessionPool(name="shared", image=custom.image, target_port=80, cpu=64)) == {}


def test_probes_are_given_whole_to_the_relay() -> None:
    whole = probes.whole({"liveness": {"path": "/up", "period": 5}}, 8080)
    assert whole["startup"] == {
        "type": "tcp", "path": "/", "port": 8080, "headers": {}, "success_threshold": 1, "initial_delay": 0,
        "period": 0.2, "timeout": 1, "failure_threshold": 0,
    }  # fmt: skip
    assert (whole["liveness"]["path"], whole["liveness"]["period"]) == ("/up", 5)


# --- What it is made of ---


def test_its_revision_is_of_all_that_it_is_made_of(custom: SessionPool) -> None:
    seen = {custom.revision}
    for field, value in {
        "command": ["x"], "args": ["x"], "secrets": {"PASSWORD": "other"}, "target_port": 81, "run_as": "1000",
        "probes": {"startup": {"type": "http"}}, "writable_paths": ["/x"], "memory": 512,
        "environment": {"A": "b"},
    }.items():  # fmt: skip
        setattr(custom, field, value)
        seen.add(custom.revision)
    assert len(seen) == 10


def test_a_sandbox_is_given_all_of_it(custom: SessionPool) -> None:
    spec = custom.sessions.create(pool_revision=custom.revision).sandbox_spec
    assert (spec.kind, spec.relay, spec.target_port, spec.secrets) == ("custom", "sha256:1", 8080, SECRETS)
    assert spec.probes["startup"]["port"] == 8080
    assert "canary" not in repr(spec)


def test_secrets_are_encrypted_at_rest(custom: SessionPool, settings: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM interpreters_sessionpool")
        assert "canary" not in str(cursor.fetchall())
    assert SessionPool.objects.get().secrets == SECRETS
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "new"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert SessionPool.objects.get().secrets == SECRETS
    settings.SECRET_KEY_FALLBACKS = []
    lost = SessionPool.objects.get()
    with pytest.raises(CannotDecrypt, match="enter the secret again"):
        _ = lost.secrets
    assert (lost.secrets_readable, lost.readable_secrets) == (False, {})
    assert lost.spec.revision
    with pytest.raises(LaunchFailed, match="SECRET_KEY_FALLBACKS"):
        _ = Session(pool=lost).sandbox_spec


def test_a_change_of_secrets_names_those_that_change() -> None:
    assert merged_secrets({"A": "1", "B": "2"}, {"B": None, "C": "3"}) == {"A": "1", "C": "3"}


def test_without_a_relay_nothing_is_launched(custom: SessionPool, relay: Any, acme: Any, runtime: Any) -> None:
    relay.delete()
    assert custom.maintain(runtime, well).launch == 0
    with pytest.raises(PoolUnavailable, match="build_images relay"):
        custom.lease(acme, None, "a")


def test_without_containers_it_says_so(custom: SessionPool, acme: Any, settings: Any) -> None:
    settings.RUNTIME = "bubblewrap"
    with pytest.raises(PoolUnavailable, match="need Docker"):
        custom.lease(acme, None, "a")


# --- How it fails ---


def test_one_that_dies_before_it_is_ready_is_a_failure_with_its_words(
    custom: SessionPool, runtime: MemoryRuntime
) -> None:
    custom.maintain(runtime, well)
    session = Session.objects.claim_queued()
    assert session
    handle = runtime.create(session.sandbox_spec).handle
    runtime.say(handle, "no database for canary-7f3a\n")
    runtime.crash(handle, 3)
    assert custom.maintain(runtime, well).launch == 0
    session.refresh_from_db()
    assert (session.reason, session.detail.splitlines()) == (
        "start_failed",
        ["The container ended before it was ready: exit code 3.", "no database for •••"],
    )
    assert (custom.failures_in_a_row, custom.last_error) == (1, session.detail)


def test_an_image_that_dies_once_it_is_ready_does_not_loop(
    custom: SessionPool, runtime: MemoryRuntime, monkeypatch: Any
) -> None:
    start = now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    launches = []
    for _ in range(120):  # ten minutes of ticks
        now += timedelta(seconds=5)
        work(custom, runtime)
        for handle in handles(custom):
            launches.append((now - start).seconds)
            runtime.crash(handle, 1)
        custom.refresh_from_db()
    assert len(launches) < 12, launches
    assert custom.degraded
    assert "ended by itself" in custom.last_error


def test_it_is_degraded_after_three_failures_until_an_instance_stands(
    custom: SessionPool, runtime: MemoryRuntime, acme: Any
) -> None:
    for number in range(3):
        assert not custom.degraded
        custom.launch_failed(f"failure {number}")
    assert custom.degraded
    with pytest.raises(PoolUnavailable, match="who runs this pool"):
        custom.lease(acme, None, "a")
    custom.note(retry_at=timezone.now())
    custom.instance_crashed("it died")
    custom.note(retry_at=timezone.now())
    work(custom, runtime)
    custom.refresh_from_db()
    assert (custom.failures, custom.crashes, custom.retry_at) == (0, 1, None), "a launch does not undo a crash"
    custom.sessions.update(state_since=timezone.now() - timedelta(seconds=STEADY + 1))
    work(custom, runtime)
    custom.refresh_from_db()
    assert (custom.failures_in_a_row, custom.last_error) == (0, "")


def test_a_change_of_what_it_is_made_of_is_a_new_beginning(custom: SessionPool, runtime: MemoryRuntime) -> None:
    for _ in range(3):
        custom.launch_failed("no")
    custom.note(memory=512)
    assert (custom.degraded, custom.backing_off_until) == (False, None)
    assert custom.maintain(runtime, well).launch == 1
    custom.launch_failed("again")
    assert (custom.failures_in_a_row, custom.failures) == (1, 1)


def test_what_a_holder_does_to_its_session_is_no_failure(
    custom: SessionPool, runtime: MemoryRuntime, acme: Any
) -> None:
    work(custom, runtime)
    session = custom.lease(acme, None, "a").session
    runtime.crash(session.handle, 1)
    work(custom, runtime)
    session.refresh_from_db()
    custom.refresh_from_db()
    assert (session.reason, custom.failures_in_a_row) == ("exited", 0)


def test_the_relay_says_that_it_is_unhealthy(custom: SessionPool, runtime: MemoryRuntime, acme: Any) -> None:
    work(custom, runtime)
    session = custom.lease(acme, None, "a").session
    runtime.end_relay(session.handle, UNHEALTHY_EXIT)
    work(custom, runtime)
    session.refresh_from_db()
    assert (session.state, session.reason) == ("gone", "unhealthy")
    assert "health checks" in session.message


def test_on_container_exit_there_is_no_cooldown_but_a_longest_life(
    custom: SessionPool, runtime: MemoryRuntime, acme: Any
) -> None:
    custom.note(lifecycle="on_container_exit", cooldown=10, max_alive=3600)
    work(custom, runtime)
    session = custom.lease(acme, None, "a").session
    Session.objects.filter(pk=session.pk).update(last_used_at=timezone.now() - timedelta(seconds=1000))
    work(custom, runtime)
    session.refresh_from_db()
    assert session.state == "leased"
    assert session.leased_at
    assert session.expires_at == session.leased_at + timedelta(seconds=3600)
    runtime.crash(session.handle, 0)
    work(custom, runtime)
    session.refresh_from_db()
    assert (session.reason, session.detail) == ("exited", "exit code 0")


# --- How it ends ---


def test_a_pool_that_is_deleted_ends_its_sessions_first(
    custom: SessionPool, runtime: MemoryRuntime, acme: Any, settings: Any
) -> None:
    work(custom, runtime)
    held = custom.lease(acme, None, "a").session
    work(custom, runtime)
    custom.retire()
    assert not SessionPool.objects.usable_by(acme).filter(name="app").exists()
    held.refresh_from_db()
    assert (held.state, held.detail) == ("stopping", "its pool was deleted")
    custom.note(enabled=True)  # somebody saves a form that was opened before
    with pytest.raises(PoolUnavailable):
        custom.lease(acme, None, "b")
    assert custom.maintain(runtime, well).launch == 0
    assert SessionPool.objects.filter(pk=custom.pk).exists(), "its sandboxes are there"
    for _ in range(2):
        work(custom, runtime) if SessionPool.objects.filter(pk=custom.pk).exists() else None
    assert not SessionPool.objects.filter(pk=custom.pk).exists()
    assert runtime.list(settings.INSTALLATION) == []
