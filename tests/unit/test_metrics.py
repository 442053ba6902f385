"""What Prometheus reads."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from interpreters.lifecycle import Reason
from interpreters.models import Execution, Workspace
from tests.edges import Caller

pytestmark = pytest.mark.django_db


def lines(client: Client) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    rows = [line.rsplit(" ", 1) for line in response.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows}


def test_sessions_are_counted_by_pool_and_state(client: Client, leased: Any, ready: Any, alice: Any) -> None:
    leased(alice)
    ready()
    ready()
    found = lines(client)
    labels = '{pool="python",tenant=""}'
    assert found[f"thermae_sessions_ready{labels}"] == 2
    assert found[f"thermae_sessions_leased{labels}"] == 1
    assert found[f"thermae_sessions_starting{labels}"] == 0


def test_launches_are_a_histogram(client: Client, ready: Any) -> None:
    ready()
    ready()
    found = lines(client)
    assert found['thermae_launch_seconds_bucket{le="0.5",pool="python",tenant=""}'] == 0
    assert found['thermae_launch_seconds_bucket{le="0.75",pool="python",tenant=""}'] == 2
    assert found['thermae_launch_seconds_bucket{le="+Inf",pool="python",tenant=""}'] == 2
    assert found['thermae_launch_seconds_sum{pool="python",tenant=""}'] == pytest.approx(1.4)


def test_ends_and_executions_are_counted(client: Client, leased: Any, alice: Any) -> None:
    session = leased(alice)
    Execution.objects.create(session=session, tenant=session.tenant, code="x", status="error")
    session.end(Reason.COOLDOWN)
    found = lines(client)
    assert found['thermae_reaped_total{pool="python",reason="cooldown",tenant=""}'] == 1
    assert found['thermae_executions_total{status="error"}'] == 1


def test_kept_files_are_summed(client: Client, acme: Any) -> None:
    for name, size, problem in (("a", 10, ""), ("b", 5, ""), ("c", 1, "quota")):
        Workspace.objects.create(tenant=acme, identifier=name, size=size, problem=problem)
    found = lines(client)
    assert found['thermae_workspace_bytes{problem="none"}'] == 15
    assert found['thermae_workspaces{problem="quota"}'] == 1


@pytest.mark.django_db(transaction=True)
async def test_leases_and_cold_starts_are_counted(alice: Any, token: Any, pool: Any) -> None:
    call = Caller(await sync_to_async(token)(alice))

    async def counted() -> tuple[float, float]:
        text = (await AsyncClient().get("/metrics")).content.decode()
        rows = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        name = 'thermae_lease_seconds_count{kind="cold",pool="python"}'
        return float(rows.get(name, 0)), float(rows.get('thermae_cold_starts_total{pool="python"}', 0))

    before = await counted()
    await call.want("POST", "/sessions", {"pool": "python", "identifier": "a"})
    after = await counted()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


def test_only_this_machine_may_scrape(client: Client, settings: Any) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200


def test_a_token_lets_others_scrape(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "swordfish"
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer shark"}).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer swordfish"}).status_code == 200
