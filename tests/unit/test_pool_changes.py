"""A pool that is changed rolls: new instances are made of the new settings, and what somebody holds lives on."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from interpreters.lifecycle import Reason, State
from interpreters.models import InterpreterImage, Session, SessionPool
from interpreters.runtime.memory import MemoryRuntime
from interpreters.sessions import ports

pytestmark = pytest.mark.django_db

# Every field of a pool: what a sandbox is made of rolls, what is read while it lives does not.
ROLLS: dict[str, Any] = {
    "image": None, "cpu": 2.0, "memory": 2048, "disk": 128, "pids": 300, "egress": "open",
    "environment": {"A": "b"}, "oci_runtime": "runsc",
}  # fmt: skip
ROLLS_CONTAINERS: dict[str, Any] = {
    "command": ["x"], "args": ["y"], "secrets": {"TOKEN": "x1234"}, "target_port": 81, "writable_paths": ["/data"],
    "probes": {"startup": {"type": "tcp"}}, "run_as": "1000",
}  # fmt: skip
STAYS: dict[str, Any] = {
    "name": "other", "enabled": False, "ready_instances": 1, "max_concurrent": 3, "cooldown": 60, "max_alive": 600,
    "egress_allow": ["example.org"], "lifecycle": "on_container_exit", "shell": True, "offered_to_all": False,
}  # fmt: skip
# Whose it is never changes; the others the product writes.
NEVER = {"id", "tenant", "deleting", "maintained_at", "created_at"}
NEVER |= {"launches", "degraded_since", "last_error", "failures", "crashes", "failed_revision", "retry_at"}


def test_every_setting_is_said_to_roll_or_not() -> None:
    fields = {field.name for field in SessionPool._meta.get_fields() if field.concrete and not field.many_to_many}
    assert fields == {*ROLLS, *ROLLS_CONTAINERS, *STAYS, *NEVER}


@pytest.fixture
def container(acme: Any) -> SessionPool:
    image = InterpreterImage.objects.create(name="app", kind="custom", state="ready", reference="sha256:app")
    return SessionPool.objects.create(tenant=acme, name="app", image=image, target_port=80, max_concurrent=5)


def changed(pool: SessionPool, field: str, value: Any) -> SessionPool:
    if field == "image":
        about = {"kind": pool.image.kind, "kernel": pool.image.kernel, "state": "ready"}
        value = InterpreterImage.objects.create(name="new", reference="new", **about)
    setattr(pool, field, value)
    pool.save()
    return SessionPool.objects.select_related("image").get(pk=pool.pk)


@pytest.mark.parametrize(("field", "value"), [*ROLLS.items(), *ROLLS_CONTAINERS.items()])
def test_what_a_sandbox_is_made_of_replaces_ready_instances(container: Any, field: str, value: Any) -> None:
    before = container.revision
    ready = container.sessions.create(state=State.READY, pool_revision=before, handle="h")
    pool = changed(container, field, value)
    assert pool.revision != before
    pool.maintain(MemoryRuntime(), lambda _: {})
    ready.refresh_from_db()
    assert (ready.state, ready.reason) == (State.STOPPING, Reason.OUTDATED)


@pytest.mark.parametrize(("field", "value"), STAYS.items())
def test_what_is_read_live_replaces_nothing(container: Any, field: str, value: Any) -> None:
    before = container.revision
    assert changed(container, field, value).revision == before


def test_an_image_that_is_made_anew_rolls_and_its_words_for_people_do_not(pool: Any) -> None:
    before = pool.revision
    pool.image.language = "Snake"
    pool.image.build_log = "…"
    assert pool.revision == before
    pool.image.reference = "thermae/python:newer"
    assert pool.revision != before


def test_what_is_held_lives_on_as_it_was_made(container: Any, acme: Any) -> None:
    held = container.reserve(1, tenant=acme, identifier="a")[0]
    Session.objects.filter(pk=held.pk).update(state=State.LEASED)
    for field, value in {**ROLLS, **ROLLS_CONTAINERS}.items():
        container = changed(container, field, value)
    runtime = MemoryRuntime()
    container.maintain(runtime, lambda _: {})
    held = Session.objects.select_related("pool").get(pk=held.pk)
    assert held.reason in ("", Reason.LOST), "only because this engine never had it"
    assert (held.has("memory"), held.has("cpu"), held.has("disk")) == (1024, 1.0, 256)
    assert ports.port_of(held, None) == 80, "its server listens where it was told to"
    assert ports.port_of(held, 80) == 80


def test_a_row_from_before_sizes_were_kept_has_its_pools(pool: Any, acme: Any) -> None:
    old = pool.sessions.create(state=State.LEASED, tenant=acme, identifier="a")
    assert (old.has("memory"), old.has("target_port")) == (1024, None)


def test_the_admin_shows_how_many_are_of_the_former_settings(pool: Any, acme: Any) -> None:
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    url = reverse("admin:interpreters_sessionpool_change", args=[pool.pk])
    for state, fields in ((State.LEASED, {"tenant": acme, "identifier": "a"}), (State.READY, {}), (State.READY, {})):
        pool.sessions.create(state=state, pool_revision=pool.revision, **fields)
    assert pool.former_instances == {}
    assert "of former settings" in client.get(url).content.decode().lower()
    pool.memory = 2048
    pool.save()
    assert pool.former_instances == {"leased": 1, "ready": 2}
    assert "2 ready, 1 leased" in client.get(url).content.decode()
