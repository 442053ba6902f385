"""What is told of sessions, pools and quotas: to whom, as what, and in the transaction of what it tells."""

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jsonschema
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from interpreters.lifecycle import DEGRADED_AFTER, Reason, State, events
from interpreters.models import Session, SessionPool, WebhookDelivery
from interpreters.webhooks import outbox
from tenants import quotas
from tenants.models import Tenant
from tests.edges import Caller
from tests.webhooks import endpoint_of

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db


def told(tenant: Any = None) -> list[str]:
    rows = WebhookDelivery.objects.order_by("created_at")
    return [row.type for row in (rows.filter(endpoint__tenant=tenant) if tenant else rows)]


def data(kind: str) -> dict[str, Any]:
    payload: dict[str, Any] = WebhookDelivery.objects.get(type=kind).payload
    jsonschema.validate(payload, events.schema(kind), format_checker=jsonschema.FormatChecker())
    return payload["data"]  # type: ignore[no-any-return]


# --- Sessions ---


def test_a_lease_and_an_end_are_told(acme: Any, alice: Any, leased: Any) -> None:
    endpoint_of(acme)
    session = leased(alice)
    opened = {"session": str(session.pk), "pool": "python", "identifier": "mine", "user": "alice", "state": "leased"}
    assert data("session.opened") == opened
    session.end(Reason.CLOSED)
    ended = data("session.ended")
    assert (ended["reason"], ended["message"]) == ("closed", "The session was closed.")
    assert ended["opened_at"] == session.leased_at.isoformat()
    assert told() == ["session.opened", "session.ended"]


def test_a_cold_start_that_fails_is_told_as_such(acme: Any, alice: Any, pool: Any) -> None:
    endpoint_of(acme)
    session = pool.lease(acme, alice, "mine").session
    assert data("session.opened")["state"] == "starting"
    session.end(Reason.START_FAILED, "what the container said is nobody's here")
    assert data("session.failed")["opened_at"] is None
    assert "nobody's" not in str(WebhookDelivery.objects.get(type="session.failed").payload)


@pytest.mark.parametrize("reason", Reason)
def test_every_end_is_told_once_as_one_thing_or_the_other(reason: Reason, acme: Any, alice: Any, leased: Any) -> None:
    endpoint_of(acme, events=["session.ended", "session.failed"])
    session = leased(alice)
    session.end(reason)
    session.move(State.STOPPING, State.STOPPING, attempted_at=timezone.now())
    session.move(State.STOPPING, State.GONE, ended_at=timezone.now())
    assert told() == [f"session.{'failed' if reason in outbox.FAILURES else 'ended'}"]


def test_a_sandbox_that_nobody_had_is_no_event(acme: Any, ready: Any) -> None:
    endpoint_of(acme)
    ready().end(Reason.SURPLUS)
    assert told() == []


def test_one_that_was_starting_for_nobody_is_told_when_it_is_given(acme: Any, alice: Any, pool: Any) -> None:
    endpoint_of(acme)
    Session.objects.create(pool=pool, pool_revision=pool.revision, state=State.STARTING)
    session = pool.lease(acme, alice, "mine").session
    session.move(State.STARTING, State.LEASED, leased_at=timezone.now(), last_used_at=timezone.now())
    assert told() == ["session.opened"], "and not once more when it is ready"


def test_each_tenant_is_told_of_its_own(acme: Any, other: Any, alice: Any, leased: Any) -> None:
    endpoint_of(acme)
    endpoint_of(other)
    leased(alice)
    assert (told(acme), told(other)) == (["session.opened"], [])


def test_only_what_was_chosen_is_told_where_it_is_on(acme: Any, alice: Any, leased: Any) -> None:
    endpoint_of(acme, events=["session.ended"])
    endpoint_of(acme, pools=["other"])
    endpoint_of(acme, enabled=False)
    endpoint_of(acme, events=["session.opened"], pools=["other", "python"])
    leased(alice).end(Reason.CLOSED)
    assert told() == ["session.opened", "session.ended"]


def test_all_endpoints_are_told_of_an_event_by_one_id(acme: Any, alice: Any, leased: Any) -> None:
    endpoint_of(acme)
    endpoint_of(acme)
    leased(alice)
    assert WebhookDelivery.objects.count() == 2
    assert len({row.message_id for row in WebhookDelivery.objects.all()}) == 1


def test_what_is_rolled_back_was_never_told(acme: Any, alice: Any, leased: Any) -> None:
    session = leased(alice)
    endpoint_of(acme)
    with transaction.atomic():
        session.end(Reason.CLOSED)
        assert told() == ["session.ended"]
        transaction.set_rollback(True)
    assert told() == []


def test_a_change_that_cannot_be_told_does_not_happen(
    acme: Any, alice: Any, leased: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = leased(alice)
    endpoint_of(acme)
    monkeypatch.setattr(outbox, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        session.end(Reason.CLOSED)
    assert Session.objects.get(pk=session.pk).state == State.LEASED


def test_a_lease_where_nobody_listens_asks_one_question_more(acme: Any, alice: Any, ready: Any, pool: Any) -> None:
    ready()
    with CaptureQueriesContext(connection) as asked:
        pool.lease(acme, alice, "mine")
    assert sum("webhook" in query["sql"] for query in asked.captured_queries) == 1


# --- Pools ---


def fails(pool: SessionPool, times: int = DEGRADED_AFTER) -> None:
    for _ in range(times):
        pool.launch_failed("the words of a container")


def test_a_pool_that_is_degraded_and_recovers_is_told_once_each(acme: Any, pool: Any) -> None:
    endpoint_of(acme)
    fails(pool, DEGRADED_AFTER - 1)
    assert told() == []
    fails(pool, 3)
    degraded = data("pool.degraded")
    assert (degraded["pool"], degraded["shared"], degraded["failures"]) == ("python", True, DEGRADED_AFTER)
    pool.launched()
    assert data("pool.recovered") == {"pool": "python", "shared": True, "since": degraded["since"]}
    assert told() == ["pool.degraded", "pool.recovered"]
    assert "words" not in str([row.payload for row in WebhookDelivery.objects.all()])


def test_to_be_made_of_something_else_is_to_recover(acme: Any, pool: Any) -> None:
    endpoint_of(acme)
    fails(pool)
    pool.memory = 2048
    pool.save()
    pool.note(maintained_at=timezone.now())  # as each tick does
    assert told() == ["pool.degraded", "pool.recovered"]


def test_of_two_workers_that_see_it_one_tells(acme: Any, pool: Any) -> None:
    endpoint_of(acme)
    fails(pool, DEGRADED_AFTER - 1)
    others = SessionPool.objects.get(pk=pool.pk)
    fails(pool, 1)
    fails(others, 1)
    assert told() == ["pool.degraded"]
    assert SessionPool.objects.get(pk=pool.pk).degraded_since is not None


def test_a_tenants_own_pool_is_told_to_it_alone(acme: Any, other: Any, pool: Any) -> None:
    endpoint_of(acme)
    endpoint_of(other)
    pool.tenant = acme
    pool.save()
    fails(pool)
    assert (told(acme), told(other)) == (["pool.degraded"], [])
    assert data("pool.degraded")["shared"] is False


def test_a_shared_pool_behind_ones_own_of_that_name_is_not_told(acme: Any, other: Any, pool: Any) -> None:
    endpoint_of(acme)
    endpoint_of(other)
    SessionPool.objects.create(tenant=acme, name="python", image=pool.image)
    fails(pool)
    assert (told(acme), told(other)) == ([], ["pool.degraded"])


# --- Quotas ---


def test_each_crossing_of_a_quota_is_told_once(acme: Any, other: Any) -> None:
    endpoint_of(acme, pools=["python"])
    endpoint_of(other)
    for used in (2.5, 2.5, 3, 3, 2.5, 1, 2.5):
        quotas.note(acme, quotas.Standing("max_sessions", 3, used))
    assert told() == ["quota.near", "quota.reached", "quota.near"]
    words = "3 of 3 sessions are used (sessions)."
    assert data("quota.reached") == {"quota": "max_sessions", "limit": 3, "used": 3, "message": words}
    assert told(other) == []


def test_what_cannot_be_told_is_told_by_the_next_who_sees_it(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint_of(acme)
    reached = quotas.Standing("max_sessions", 3, 3)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "write", Mock(side_effect=RuntimeError))
        quotas.note(acme, reached)
    quotas.note(acme, reached)
    assert told() == ["quota.reached"]


@pytest.mark.django_db(transaction=True)
async def test_a_lease_that_a_quota_refuses_is_told(acme: Any, alice: Any, leased: Any, token: Any) -> None:
    def prepare() -> str:
        endpoint_of(acme, events=["quota.reached"])
        Tenant.objects.update(max_sessions=1)
        leased(alice)
        return str(token(alice))

    caller = Caller(await sync_to_async(prepare)())
    for name in ("b", "c"):
        answer = await caller("POST", "/sessions", {"pool": "python", "identifier": name})
        assert answer.json()["error"] == "quota_reached"
    found = await sync_to_async(data)("quota.reached")
    assert (found["quota"], found["limit"], found["used"]) == ("max_sessions", 1, 1)


# --- The declaration ---


def test_a_test_event_is_of_its_own_each_time(acme: Any) -> None:
    endpoint = endpoint_of(acme, events=["pool.degraded"])
    first = outbox.write_test(endpoint)
    second = outbox.write_test(endpoint)
    assert first.event != second.event
    jsonschema.validate(first.payload, events.schema(events.TEST))


@pytest.mark.parametrize("kind", [*events.EVENTS, events.TEST])
def test_schemas_are_schemas_and_allow_nothing_else(kind: str) -> None:
    schema = events.schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": kind, "version": 1, "timestamp": "", "tenant": "", "data": {"code": ""}}, schema)


def test_the_examples_of_the_documentation_are_what_is_sent() -> None:
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    found = [json.loads(block) for block in blocks]
    for example in found:
        jsonschema.validate(example, events.schema(example["type"]))
    # The two ends of a session have the same fields.
    assert {example["type"] for example in found} | {"session.ended", "quota.near"} == {*events.EVENTS, events.TEST}
