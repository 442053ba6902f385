"""Whatever a form or a request says of a pool: a clear error at a field, or a pool that can be planned and leased."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpreters import sessions
from interpreters.api.pool_schemas import CreatePool
from interpreters.forms import PoolForm
from interpreters.lifecycle import Observation, plan
from interpreters.models import InterpreterImage, NoInstance, SessionPool
from interpreters.runtime.base import SandboxSpec
from interpreters.sessions import Problem
from tenants.authentication import actor_from_user
from tenants.models import AuditEvent

pytestmark = pytest.mark.django_db
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

numbers = st.integers(-5, 20) | st.sampled_from([0, 32, 128, 256, 300, 1024, 2**31, 2**63, 10**30])
texts = st.text(max_size=8) | st.sampled_from(["python", "a\0b", "\ud800", "x" * 70, "", "runc"])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
BODY = st.fixed_dictionaries(
    {"name": st.sampled_from(["p", "a b", "ü", ""]) | st.just("p"), "image": st.sampled_from(["python", "app", "nix"])},
    optional={
        **dict.fromkeys(("ready_instances", "max_concurrent", "cooldown", "max_alive"), numbers),
        **dict.fromkeys(("memory", "disk", "pids"), numbers),
        "cpu": st.floats() | numbers,
        "environment": st.dictionaries(texts, texts, max_size=2),
        "secrets": st.dictionaries(texts, texts | st.none(), max_size=2),
        "egress": st.sampled_from(["none", "allow_list", "open"]),
        "egress_allow": st.lists(texts, max_size=2),
        "target_port": st.none() | numbers | st.just(80),
        "command": st.lists(texts, max_size=2),
        "args": st.lists(texts, max_size=2),
        "probes": st.dictionaries(st.sampled_from(["startup", "liveness", "x"]), st.dictionaries(texts, json_values)),
        "lifecycle": st.sampled_from(["timed", "on_container_exit"]),
        "writable_paths": st.lists(texts | st.just("/tmp"), max_size=2),
        "run_as": texts | st.just("1000"),
        "shell": st.booleans(),
        "enabled": st.booleans(),
    },
)


@pytest.fixture
def images(python_image: Any, acme: Any) -> None:
    InterpreterImage.objects.create(name="relay", source="relay", state="ready", reference="r", digest="sha256:r")
    InterpreterImage.objects.create(tenant=acme, name="app", kind="custom", state="ready", reference="sha256:app")


def serves(pool: SessionPool, tenant: Any) -> None:
    """It can be planned, leased if it is on, and its sandbox be described."""
    pool = SessionPool.objects.select_related("image").get(pk=pool.pk)
    todo = plan(pool.spec, [], Observation(timezone.now()), timezone.now())
    assert todo.launch == (pool.ready_instances if pool.enabled and not pool.lacks_egress else 0)
    assert pool.ready_instances <= pool.max_concurrent
    try:
        session = pool.lease(tenant, None, "a").session
    except NoInstance:
        assert not pool.enabled or pool.lacks_egress
        return
    assert isinstance(session.sandbox_spec, SandboxSpec)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@FEW
@given(body=BODY)
def test_a_request_makes_a_pool_that_serves_or_says_what_is_wrong(images: None, alice: Any, body: Any) -> None:
    wanted = _parsed(body)
    if wanted is None:
        return
    fields = wanted.model_dump(exclude_unset=True)
    with undone():
        try:
            made = async_to_sync(sessions.create_pool)(actor_from_user(alice), fields.pop("image"), fields)
        except Problem as refusal:
            problem: Problem | None = refusal
        else:
            problem = None
            serves(made, made.tenant)
    if problem:
        assert problem.status in (400, 409)
        assert problem.code == "no_such_image" or any(f"{field}: " in problem.message for field in _fields())


def _parsed(body: Any) -> CreatePool | None:
    """As it comes by the wire; None where the kinds of values are wrong, which Ninja tells by field."""
    try:
        return CreatePool.model_validate(json.loads(json.dumps(body)))
    except ValueError:
        return None


def _fields() -> list[str]:
    return [field.name for field in SessionPool._meta.fields]


FORM = st.fixed_dictionaries(
    {
        **{name: numbers.map(str) | texts for name in ("ready_instances", "max_concurrent", "cooldown", "max_alive")},
        **{name: numbers.map(str) | texts for name in ("cpu", "memory", "disk", "pids")},
    },
    optional={
        **{name: json_values.map(json.dumps) | texts for name in ("environment", "command", "args", "probes")},
        **{name: json_values.map(json.dumps) | texts for name in ("secrets", "writable_paths")},
        "target_port": numbers.map(str) | texts,
        "run_as": texts,
        "oci_runtime": texts,
        "egress_allow": texts,
    },
)
WELL = {
    "ready_instances": "1", "max_concurrent": "4", "cooldown": "60", "max_alive": "600", "cpu": "1", "memory": "512",
    "disk": "64", "pids": "64",
}  # fmt: skip


@FEW
@given(said=FORM, kept=st.sets(st.sampled_from(sorted(WELL))), image=st.sampled_from(["python", "app"]))
def test_a_form_makes_a_pool_that_serves_or_says_what_is_wrong(
    images: None, acme: Any, said: Any, kept: set[str], image: str
) -> None:
    data = {**said, **{name: WELL[name] for name in kept}, "name": "p", "tenant": acme.pk, "enabled": "on"}
    data |= {"image": InterpreterImage.objects.get(name=image).pk, "egress": "none", "lifecycle": "timed"}
    data |= {"offered_to_all": "on"}
    with undone():
        form = PoolForm(data)
        if form.is_valid():
            serves(form.save(), acme)
        else:
            assert all(field in form.fields and texts for field, texts in form.errors.items()), form.errors


def test_what_is_refused_leaves_no_trace(images: None, alice: Any) -> None:
    fields = {"name": "p", "ready_instances": 9, "max_concurrent": 3}
    with pytest.raises(Problem, match="ready_instances: "):
        async_to_sync(sessions.create_pool)(actor_from_user(alice), "python", fields)
    assert not SessionPool.objects.exists()
    assert not AuditEvent.objects.filter(action="pool.created").exists()
