"""API requests a minute: of a tenant, a token, a browser. Redis is away: with one see tests/integration."""

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from interpreters.models import Session
from tenants import request_rates
from tenants.models import ApiToken, AuditEvent, Tenant
from tenants.quotas import quota_reached
from tests.edges import Caller, bearer

pytestmark = pytest.mark.django_db(transaction=True)
NOON = 1_764_417_600.0


@pytest.fixture(autouse=True)
def minute(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Where Redis is away, and the time stands still."""
    now = [NOON + 20]
    monkeypatch.setattr("tenants.request_rates.time.time", lambda: now[0])
    request_rates.begin_anew()
    yield now
    request_rates.begin_anew()


async def bound(tenant: Any, **quotas: Any) -> None:
    await Tenant.objects.filter(pk=tenant.pk).aupdate(**quotas)


async def statuses(caller: Any, times: int) -> list[int]:
    return [(await caller("GET", "/pools")).status_code for _ in range(times)]


async def test_who_has_sent_as_many_as_allowed_waits_for_the_next_minute(
    acme: Any, alice: Any, token: Any, minute: list[float]
) -> None:
    await bound(acme, max_requests=3)
    call = Caller(await sync_to_async(token)(alice))
    first = await call("GET", "/pools")
    assert first["RateLimit-Policy"] == '"tenant";q=3;w=60'
    assert first["RateLimit"] == '"tenant";r=2;t=41'
    assert await statuses(call, 3) == [200, 200, 429]
    refused = await call("GET", "/pools")
    assert (refused.status_code, refused["Retry-After"], refused["RateLimit"]) == (429, "41", '"tenant";r=0;t=41')
    told = refused.json()
    assert (told["error"], told["quota"], told["value"], told["left"]) == ("rate_limited", "max_requests", 3, 0)
    assert "Acme may send 3 API requests a minute: wait 41 s" in told["message"]
    minute[0] += 40
    assert await statuses(call, 1) == [200]


async def test_one_token_that_is_over_its_own_limit_uses_up_nothing_of_the_tenants(
    acme: Any, alice: Any, bob: Any, token: Any
) -> None:
    await bound(acme, max_requests=10, max_caller_requests=4)
    mine, theirs = Caller(await sync_to_async(token)(alice)), Caller(await sync_to_async(token)(bob))
    assert (await statuses(mine, 50)).count(200) == 4
    assert await statuses(theirs, 4) == [200] * 4


async def test_tokens_of_sessions_count_as_who_made_them(acme: Any, alice: Any, leased: Any, token: Any) -> None:
    await bound(acme, max_caller_requests=2)
    session: Session = await sync_to_async(leased)(alice)
    found = []
    for _ in range(3):
        call = Caller(await sync_to_async(token)(alice, session=session.pk))
        found.append((await call("GET", f"/sessions/{session.pk}")).status_code)
    assert found == [200, 200, 429]


async def test_a_browser_is_counted_too_by_its_person(acme: Any, alice: Any) -> None:
    await bound(acme, max_caller_requests=2)
    answers = []
    for _ in range(3):
        client = AsyncClient()  # signed in anew: no other limit
        await client.aforce_login(alice)
        answers.append(await client.get("/api/v1/pools"))
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "You may send 2 API requests a minute" in answers[2].json()["message"]
    assert answers[0]["RateLimit"] == '"caller";r=1;t=41'


async def test_another_tenant_is_not_counted(acme: Any, alice: Any, charlie: Any, token: Any) -> None:
    await bound(acme, max_requests=0)
    assert await statuses(Caller(await sync_to_async(token)(charlie)), 3) == [200] * 3
    assert await statuses(Caller(await sync_to_async(token)(alice)), 1) == [429]


async def test_the_installation_may_have_limits_for_who_has_none(
    acme: Any, alice: Any, token: Any, settings: Any
) -> None:
    settings.REQUESTS_PER_MINUTE, settings.CALLER_REQUESTS_PER_MINUTE = 2, 5
    call = Caller(await sync_to_async(token)(alice))
    assert await statuses(call, 3) == [200, 200, 429]
    await bound(acme, max_requests=4)
    assert await statuses(call, 2) == [200, 429]


async def test_without_a_limit_nothing_is_counted_and_no_field_is_sent(
    alice: Any, token: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(request_rates, "count", None)
    answer = await Caller(await sync_to_async(token)(alice))("GET", "/pools")
    assert (answer.status_code, "RateLimit" in answer) == (200, False)


async def test_a_wrong_token_is_refused_before_it_is_counted(acme: Any, alice: Any, token: Any) -> None:
    await bound(acme, max_requests=1)
    secret = await sync_to_async(token)(alice)
    await ApiToken.objects.aupdate(revoked_at="2026-01-01T00:00Z")
    for _ in range(3):
        assert (await AsyncClient().get("/api/v1/pools", headers=bearer(secret))).status_code == 401


async def test_the_first_refusal_of_a_minute_is_audited_and_told_once(acme: Any, alice: Any, token: Any) -> None:
    told: list[Any] = []

    def listen(standing: Any, **_: Any) -> None:
        told.append(standing)

    quota_reached.connect(listen)
    try:
        await bound(acme, max_requests=1)
        await statuses(Caller(await sync_to_async(token)(alice)), 5)
    finally:
        quota_reached.disconnect(listen)
    events = AuditEvent.objects.filter(action="quota.refused", tenant=acme, user=alice)
    assert await events.acount() == 1
    assert [(standing.quota, standing.value) for standing in told] == [("max_requests", 1)]
