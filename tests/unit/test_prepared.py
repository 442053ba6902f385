"""Queries that are compiled once: they find what an ordinary query does, wherever and however often they are asked."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import Count, DateTimeField, UUIDField
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from interpreters.lifecycle import State
from interpreters.models import Session, SessionPool
from tenants.prepared import Given, Prepared

pytestmark = pytest.mark.django_db

by_key: Prepared[Session] = Prepared(
    lambda: Session.objects.filter(pk=Given("key", UUIDField())).select_related("pool__image")
)
before: Prepared[Session] = Prepared(
    lambda: Session.objects.filter(pool=Given("pool"), created_at__lt=Given("now", DateTimeField())).order_by("pk")[:2]
)
counted: Prepared[SessionPool] = Prepared(
    lambda: SessionPool.objects.filter(name__contains="%", pk=Given("pool")).annotate(all=Count("sessions"))
)


def test_a_model_is_found_with_what_it_is_joined_to(
    pool: SessionPool, acme: Any, django_assert_num_queries: Any
) -> None:
    own = SessionPool.objects.create(name="own", image=pool.image, tenant=acme)
    made = [one.sessions.create(state=State.READY) for one in (pool, own)]
    for session in made:
        with django_assert_num_queries(1):
            found = by_key.first(key=session.pk)
            assert found is not None
            assert (found, found.pool, found.pool.image) == (session, session.pool, session.pool.image)
    assert by_key.first(key=uuid4()) is None


def test_moments_and_bounds_are_as_in_any_query(pool: SessionPool) -> None:
    then = timezone.now()
    made = sorted((pool.sessions.create(state=State.READY) for _ in range(3)), key=lambda session: session.pk)
    assert before(pool=pool.pk, now=timezone.now()) == made[:2]
    assert before(pool=pool.pk, now=then) == []
    assert before(pool=pool.pk + 1, now=timezone.now()) == []


def test_what_is_annotated_is_told_and_what_is_fixed_stays(pool: SessionPool) -> None:
    pool.sessions.create(state=State.READY)
    assert counted(pool=pool.pk) == []
    SessionPool.objects.filter(pk=pool.pk).update(name="50%")
    (found,) = counted(pool=pool.pk)
    assert (found.name, found.all) == ("50%", 1)  # type: ignore[attr-defined]


def test_a_value_is_never_part_of_the_sql(pool: SessionPool) -> None:
    named: Prepared[SessionPool] = Prepared(lambda: SessionPool.objects.filter(name=Given("name")))
    assert named(name="' OR 1=1 --") == named(name="%s") == []
    assert named(name=pool.name) == [pool]


def test_it_is_compiled_once(pool: SessionPool, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_it = SQLCompiler.as_sql

    def as_sql(self: SQLCompiler, *args: Any, **kwargs: Any) -> Any:
        compiled.append(self.query.model.__name__)
        return compile_it(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "as_sql", as_sql)
    named: Prepared[SessionPool] = Prepared(lambda: SessionPool.objects.filter(name=Given("name")))
    assert [named.first(name=name) for name in (pool.name, "none", pool.name)] == [pool, None, pool]
    assert compiled == ["SessionPool"]


def test_a_value_that_was_forgotten_is_an_error(pool: SessionPool) -> None:
    with pytest.raises(KeyError, match="now"):
        before(pool=pool.pk)


@pytest.mark.django_db(transaction=True)
async def test_every_thread_asks_by_its_own_connection(pool: SessionPool) -> None:
    session = await asyncio.to_thread(pool.sessions.create, state=State.READY)
    found = await asyncio.gather(*(asyncio.to_thread(by_key.first, key=session.pk) for _ in range(8)))
    assert found == [session] * 8
