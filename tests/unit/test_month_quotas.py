"""Hours of a month: refused with words once they are used up, whatever runs goes on, and a new month begins anew."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from interpreters.lifecycle import Reason, State
from interpreters.models import Execution, QuotaReached, SessionPool
from interpreters.sessions import budget
from tenants.models import AuditEvent, Tenant
from tests.clock import Clock
from tests.edges import Caller, tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    budget.forget()
    yield
    budget.forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def bound(tenant: Tenant, **quotas: Any) -> Tenant:
    Tenant.objects.filter(pk=tenant.pk).update(**quotas)
    return Tenant.objects.get(pk=tenant.pk)


def ready(pool: Any) -> None:
    pool.sessions.create(state=State.READY, pool_revision=pool.revision)


def test_who_has_used_up_the_months_hours_gets_no_session_until_the_next(clock: Clock, pool: Any, acme: Any) -> None:
    tenant = bound(acme, max_session_hours=2)
    ready(pool)
    session = pool.lease(tenant, None, "a").session
    clock.shift(3600)
    ready(pool)
    pool.lease(tenant, None, "b").session.end(Reason.CLOSED)
    clock.shift(3600)
    assert pool.lease(tenant, None, "a").session == session, "what one has one keeps"
    with pytest.raises(QuotaReached, match=r"at most 2 session hours a month, and 2\.00 are used") as refused:
        pool.lease(tenant, None, "c")
    assert "wait until 2026-12-01 00:00 UTC" in refused.value.message
    assert refused.value.retry_after == (datetime(2026, 12, 1, tzinfo=UTC) - clock.now).total_seconds() + 1
    clock.move_to(datetime(2026, 12, 1, tzinfo=UTC))
    assert pool.lease(tenant, None, "c").fresh, "midnight begins another month, also for the session that runs on"


def test_hours_of_running_code_count_while_it_runs(clock: Clock, pool: Any, acme: Any) -> None:
    tenant = bound(acme, max_execution_hours=0.5)
    ready(pool)
    session = pool.lease(tenant, None, "a").session
    Execution.objects.create(session=session, tenant=tenant, code="while True: pass")
    clock.shift(1700)
    assert pool.lease(tenant, None, "b").fresh
    clock.shift(100)
    with pytest.raises(QuotaReached, match=r"at most 0\.5 hours of running code a month"):
        pool.lease(tenant, None, "c")


def test_nobody_elses_hours_count(clock: Clock, pool: Any, acme: Any, other: Any) -> None:
    tenant = bound(acme, max_session_hours=1)
    ready(pool)
    pool.lease(other, None, "a")
    clock.shift(7200)
    assert pool.lease(tenant, None, "a").fresh


def test_of_many_who_ask_when_none_is_left_none_gets_one(clock: Clock, pool: Any, acme: Any) -> None:
    tenant = bound(acme, max_session_hours=1, max_sessions=100)
    SessionPool.objects.filter(pk=pool.pk).update(max_concurrent=100)
    ready(pool)
    pool.lease(tenant, None, "a").session.end(Reason.CLOSED)
    ready(pool)
    pool.lease(tenant, None, "b")
    clock.shift(3600)

    def lease(n: int) -> bool:
        try:
            return SessionPool.objects.select_related("image").get(pk=pool.pk).lease(tenant, None, f"id-{n}").fresh
        except QuotaReached:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert not any(threads.map(lease, range(30)))


# --- Sessions that run already ---


@pytest.fixture
def used_up(acme: Any, alice: Any, leased: Any, clock: Clock) -> Any:
    """A session whose tenant has no hours left."""
    session = leased(alice)
    bound(acme, max_session_hours=1)
    clock.shift(3600)
    return session


async def test_nothing_new_runs_and_the_answer_names_the_quota(used_up: Any, alice: Any, token: Any) -> None:
    call = Caller(await sync_to_async(token)(alice))
    for mode in ("sync", "async", "stream"):
        answer = await call("POST", f"/sessions/{used_up.pk}/executions", {"code": "hello", "mode": mode})
        assert answer.status_code == 429, mode
        told = answer.json()
        assert (told["error"], told["quota"], told["value"]) == ("quota_reached", "max_session_hours", 1)
        assert told["frees_at"] == datetime(2026, 12, 1, tzinfo=UTC).timestamp()
        assert int(answer["Retry-After"]) > 86400
    assert await Execution.objects.acount() == 0
    assert (await call("POST", f"/sessions/{used_up.pk}/keep-alive")).status_code == 429
    assert (await call("GET", f"/sessions/{used_up.pk}/files")).status_code == 200, "files can still be had"
    refused = await sync_to_async(list)(AuditEvent.objects.filter(action="quota.refused"))
    assert [(event.name, event.who) for event in refused] == [("max_session_hours", "alice")], "once, not each time"


async def test_a_page_is_told_and_what_runs_goes_on(
    acme: Any, alice: Any, leased: Any, token: Any, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await sync_to_async(leased)(alice)
    secret = await sync_to_async(token)(alice)
    runs, late = str(uuid4()), str(uuid4())
    async with tab(f"/ws/sessions/{session.pk}/channels", secret) as page:
        await page.send({"type": "execute", "id": runs, "code": "forever"})
        await page.until(lambda m: m.get("content", {}).get("state") == "running")
        await sync_to_async(bound)(acme, max_session_hours=0)
        page.messages.clear()
    async with tab(f"/ws/sessions/{session.pk}/channels", secret) as page:
        await page.send({"type": "execute", "id": late, "code": "hello"})
        error = await page.until(lambda m: m.get("type") == "error")
        assert (error["id"], error["code"]) == (late, "quota_reached")
    async with tab(f"/ws/sessions/{session.pk}/terminals/one", secret) as shell:
        assert await shell.closed() == 4409
    await session.arefresh_from_db()
    assert session.state == State.LEASED
    async with asyncio.timeout(5):
        assert not (await agents[session.pk].record(agents_id(runs))).final


def agents_id(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


async def test_who_has_no_such_quota_is_not_looked_at(
    alice: Any, leased: Any, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await sync_to_async(leased)(alice)
    monkeypatch.setattr(budget, "_ask", None)
    call = Caller(await sync_to_async(token)(alice))
    await call.want("POST", f"/sessions/{session.pk}/executions", {"code": "hello"})
    assert timezone.now() >= session.leased_at
