"""Commands for operators: a demo to try everything with, one tick by hand, and an end of everything."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from interpreters.models import InterpreterImage, Session, SessionPool
from interpreters.runtime import get_runtime, reset_runtime
from interpreters.runtime.memory import MemoryRuntime
from tenants.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryRuntime]:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    reset_runtime()
    runtime = get_runtime()
    assert isinstance(runtime, MemoryRuntime)
    yield runtime
    reset_runtime()


def run(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def shared() -> dict[str, SessionPool]:
    return {pool.name: pool for pool in SessionPool.objects.filter(tenant=None).select_related("image")}


def test_the_demo_has_a_person_and_a_pool_for_each_language() -> None:
    told = run("seed_demo")
    password = told.split(" is ")[1].split(":")[0]
    assert authenticate(username="demo", password=password)
    assert Membership.objects.get().role == "owner"
    pools = shared()
    assert {"python", "bash", "deno", "r", "sql"} <= set(pools)
    assert {name: pool.ready_instances for name, pool in pools.items()} == dict.fromkeys(pools, 1) | {"python": 2}
    for pool in pools.values():
        pool.full_clean()


def test_seeding_again_changes_no_setting_and_no_password() -> None:
    run("seed_demo", "--password", "first")
    SessionPool.objects.filter(name="python").update(ready_instances=7)
    assert run("seed_demo") == ""
    assert shared()["python"].ready_instances == 7
    assert authenticate(username="demo", password="first")
    run("seed_demo", "--password", "second")
    assert authenticate(username="demo", password="second")


def test_the_password_that_the_sign_in_page_shows_is_the_demos(settings: Any) -> None:
    settings.DEMO_LOGIN = "demo / open sesame"
    assert run("seed_demo") == ""
    assert authenticate(username="demo", password="open sesame")


def test_images_are_usable_as_the_runtime_has_them(settings: Any) -> None:
    settings.RUNTIME = "docker"
    run("seed_demo")
    assert not any(pool.image.usable for pool in shared().values()), "they must be built first"
    InterpreterImage.objects.filter(name="r").update(state="ready", reference="thermae/r:1")
    settings.RUNTIME = "bubblewrap"
    run("seed_demo")
    assert {name for name, pool in shared().items() if pool.image.usable} == {"python", "bash", "deno", "sql"}
    settings.RUNTIME = "docker"
    run("seed_demo")
    assert not any(pool.image.usable for pool in shared().values()), "a folder's name is no image of an engine"


def test_one_tick_by_hand_fills_the_pools(engine: MemoryRuntime) -> None:
    run("seed_demo")
    said = run("maintain_pools")
    assert "python: launching 2, ending nothing" in said
    assert {session.state for session in Session.objects.all()} == {"ready"}
    assert "python: launching 0" in run("maintain_pools")
    engine.unavailable = True
    with pytest.raises(CommandError, match="nothing was decided"):
        run("maintain_pools")


@pytest.mark.django_db(transaction=True)
def test_stopping_leaves_no_sandbox(pool: Any, acme: Any, engine: MemoryRuntime) -> None:
    from django.conf import settings

    run("maintain_pools")
    held = pool.lease(acme, None, "a").session
    pool.lease(acme, None, "b")
    assert engine.list(settings.INSTALLATION)
    assert run("stop_sandboxes") == "No sandbox is left.\n"
    assert engine.list(settings.INSTALLATION) == []
    assert set(Session.objects.values_list("state", flat=True)) == {"gone"}
    held.refresh_from_db()
    assert held.reason == "shutdown"


@pytest.mark.django_db(transaction=True)
def test_stopping_says_so_when_it_cannot(pool: Any, engine: MemoryRuntime) -> None:
    run("maintain_pools")
    engine.unavailable = True
    with pytest.raises(CommandError, match="does not answer"):
        run("stop_sandboxes", "--timeout", "0")
