"""The audit log: what is in it, that nobody changes it, and who may read it."""

import csv
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection, transaction
from django.test import AsyncClient, Client
from django.utils import timezone

from interpreters.lifecycle import Reason
from interpreters.models import SessionPool
from interpreters.sessions import audit as sessions_audit
from tenants import append_only, audit
from tenants.audit import Action, Who, acting
from tenants.authentication import NotAllowed, actor_from_token
from tenants.models import ApiToken, AuditEvent, AuditPruning, Membership, Role, Scope, Tenant
from tests.edges import bearer

pytestmark = pytest.mark.django_db(transaction=True)


def told(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))


@pytest.fixture(autouse=True)
def told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_audit, "SETTLED", timedelta())


# --- Nobody changes it ---


@pytest.fixture
def guarded() -> Iterator[None]:
    append_only.guard()
    yield
    append_only.unguard_for_tests()


def refuses(work: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            work()
    except DatabaseError as error:
        return append_only.REFUSAL in str(error)
    return False


def test_the_database_refuses_to_change_and_to_delete(acme: Any, guarded: None) -> None:
    event = audit.record(Action.SIGNED_IN, tenant=acme)
    rows = AuditEvent.objects.filter(pk=event.pk)
    assert refuses(lambda: rows.update(who="somebody else"))
    assert refuses(lambda: rows._raw_delete("default"))
    assert refuses(lambda: rows.delete())
    with pytest.raises(TypeError):
        event.save()
    # A pruning that claims young events counts for nothing, and is itself never changed.
    pruning = AuditPruning.objects.create(before=timezone.now() + timedelta(days=1))
    assert refuses(lambda: rows._raw_delete("default"))
    assert refuses(lambda: AuditPruning.objects.filter(pk=pruning.pk).update(events=7))
    assert refuses(lambda: AuditPruning.objects.filter(pk=pruning.pk).delete())
    for table in ("event", "pruning"):
        verb = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
        assert refuses(lambda verb=verb, table=table: connection.cursor().execute(f"{verb} tenants_audit{table}"))
    assert AuditEvent.objects.get(pk=event.pk).who == ""


def test_guards_are_made_again_and_again(guarded: None) -> None:
    append_only.guard()
    append_only.guard()


def test_what_was_kept_long_enough_goes_and_that_is_kept(acme: Any, settings: Any, guarded: None) -> None:
    settings.AUDIT_DAYS = 30
    now = timezone.now()
    for days in (400, 31, 29, 0):
        AuditEvent.objects.create(action=Action.SIGNED_IN, tenant=acme, at=now - timedelta(days=days))
    assert audit.prune() == 2
    assert len(told("account.signed_in")) == 2
    assert AuditPruning.objects.get().events == 2
    assert audit.prune() == 0
    settings.AUDIT_DAYS = 1  # 7 at least
    assert audit.prune() == 1
    settings.AUDIT_DAYS = 0  # for ever
    assert audit.prune() == 0


def test_a_tenant_and_a_person_can_go_and_what_they_did_stays(acme: Any, alice: Any, guarded: None) -> None:
    audit.record(Action.SIGNED_IN, who=Who(alice, address="192.0.2.1"), tenant=acme)
    key = alice.pk
    Tenant.objects.filter(pk=acme.pk).delete()
    alice.delete()
    [event] = told("account.signed_in")
    assert (event.who, event.user_id, event.address) == ("alice", key, "192.0.2.1")


# --- What is in it ---


def test_signing_in_and_failing_to(acme: Any, other: Any, alice: Any, client: Client) -> None:
    Membership.objects.create(tenant=other, user=alice)
    client.post("/login", {"username": "alice", "password": "wrong"}, REMOTE_ADDR="192.0.2.7")
    failures = told("account.sign_in_failed")
    assert {(event.tenant_id, event.who, event.address) for event in failures} == {
        (acme.pk, "alice", "192.0.2.7"),
        (other.pk, "alice", "192.0.2.7"),
    }
    client.post("/login", {"username": "alice", "password": "secret"})
    assert len(told("account.signed_in")) == 2
    client.post("/logout")
    assert len(told("account.signed_out")) == 2


def test_a_password_in_the_field_of_the_name_is_not_kept(client: Client, db: None) -> None:
    client.post("/login", {"username": "hunter2-correct-horse", "password": "x"})
    [event] = told("account.sign_in_failed")
    assert event.who == "hun…"
    assert event.tenant_id is None


def test_changes_of_what_is_watched_have_old_and_new_values_and_no_secret(pool: Any, acme: Any, alice: Any) -> None:
    with acting(Who(alice, "thm_abcd", "2001:db8::1")):
        pool.cooldown = 60
        pool.last_error = "the product's own field"
        pool.save()
        pool.last_error = "again"
        pool.save()
    [event] = told("pool.changed")
    assert (event.old, event.new) == ({"cooldown": 300}, {"cooldown": 60})
    assert (event.who, event.token, event.address, event.name) == ("alice", "thm_abcd", "2001:db8::1", str(pool))
    fresh = SessionPool.objects.create(name="shop", tenant=acme, image=pool.image, secrets={"KEY": "s3cr3t-value"})
    made = told("pool.created")[-1]
    assert made.tenant_id == acme.pk
    assert made.new["secrets"] == audit.CHANGED
    fresh.secrets = {"KEY": "s3cr3t-other"}
    fresh.save(update_fields=["secrets"])
    assert told("pool.changed")[-1].new == {"secrets": audit.CHANGED}
    fresh.delete()
    assert told("pool.deleted")[0].name == str(fresh)
    kept = str(list(AuditEvent.objects.values_list("old", "new", "why", "name")))
    assert "s3cr3t" not in kept


def test_members_and_tokens(acme: Any, alice: Any, bob: Any) -> None:
    membership = Membership.objects.get(user=bob)
    membership.role = "admin"
    membership.save()
    [changed] = told("member.changed")
    assert (changed.old, changed.new) == ({"role": "member"}, {"role": "admin"})
    membership.delete()
    assert [event.old["role"] for event in told("member.removed")] == ["admin"]
    token, secret = ApiToken.issue(tenant=acme, user=alice, name="ci")
    successor, _ = token.rotate(timedelta(hours=1))
    successor.revoke()
    assert [event.key for event in told("token.created")] == [str(token.pk), str(successor.pk)]
    assert [list(event.new) for event in told("token.changed")] == [["expires_at"], ["revoked_at"]]
    assert secret not in str(list(AuditEvent.objects.values()))


async def test_sessions_opened_refused_and_ended(alice: Any, token: Any, pool: Any, ready: Any) -> None:
    secret = await sync_to_async(token)(alice)
    await sync_to_async(ready)()
    client = AsyncClient()
    options: dict[str, Any] = {"content_type": "application/json", "headers": bearer(secret)}
    wanted = {"pool": "python", "identifier": "mine"}
    opened = await client.post("/api/v1/sessions", wanted, **options)
    assert opened.status_code == 201
    await client.post("/api/v1/sessions", wanted, **options)  # the same one: no event
    [event] = await sync_to_async(told)("session.opened")
    assert (event.who, event.name, event.key) == ("alice", "python/mine", opened.json()["id"])
    assert secret.startswith(event.token)
    assert event.address == "127.0.0.1"
    await sync_to_async(SessionPool.objects.update)(max_concurrent=1)
    full = await client.post("/api/v1/sessions", {"pool": "python", "identifier": "two"}, **options)
    assert full.status_code == 429
    [refused] = await sync_to_async(told)("session.refused")
    assert refused.why
    await client.delete(f"/api/v1/sessions/{event.key}", headers=bearer(secret))
    [ended] = await sync_to_async(told)("session.ended")
    assert (ended.who, ended.why) == ("alice", "closed")


def test_a_session_that_ends_by_itself_is_nobodys_doing(alice: Any, leased: Any) -> None:
    session = leased(alice)
    session.end(Reason.COOLDOWN)
    [ended] = told("session.ended")
    assert (ended.who, ended.why, ended.tenant_id) == ("", "cooldown", session.tenant_id)


async def test_first_use_of_a_token_and_use_from_elsewhere(alice: Any, token: Any) -> None:
    secret = await sync_to_async(token)(alice)
    client = AsyncClient()
    for _ in range(3):
        await client.get("/api/v1/pools", headers=bearer(secret))
    assert len(await sync_to_async(told)("token.used")) == 1
    long_ago = timezone.now() - timedelta(hours=1)
    await sync_to_async(ApiToken.objects.update)(last_used_at=long_ago)
    await client.get("/api/v1/pools", headers=bearer(secret))  # from where it was used before
    assert len(await sync_to_async(told)("token.used")) == 1
    await sync_to_async(ApiToken.objects.update)(last_used_at=long_ago, last_used_from="192.0.2.1")
    await client.get("/api/v1/pools", headers=bearer(secret))
    assert len(await sync_to_async(told)("token.used")) == 2


@pytest.mark.parametrize("on", [False, True])
async def test_code_is_recorded_only_where_the_tenant_wants_it(
    alice: Any, acme: Any, token: Any, leased: Any, agents: Any, on: bool
) -> None:
    await sync_to_async(Tenant.objects.update)(record_code=on)
    session = await sync_to_async(leased)(alice)
    body = {"code": "print('hello')", "mode": "async"}
    options: dict[str, Any] = {"content_type": "application/json"}
    answer = await AsyncClient().post(
        f"/api/v1/sessions/{session.pk}/executions",
        body,
        headers=bearer(await sync_to_async(token)(alice)),
        **options,
    )
    assert answer.status_code == 202
    assert [event.why for event in await sync_to_async(told)("code.run")] == (["print('hello')"] if on else [])


# --- Who reads it ---


async def test_programs_read_their_own_tenants(alice: Any, charlie: Any, bob: Any, token: Any) -> None:
    scopes = [*Scope.values]
    ours, theirs = [await sync_to_async(token)(one, scopes=scopes) for one in (alice, charlie)]
    client = AsyncClient()
    events = (await client.get("/api/v1/audit", headers=bearer(theirs))).json()
    assert {event["who"] for event in events} <= {"", "charlie"}
    assert "alice" not in str(events)
    first = (await client.get("/api/v1/audit?limit=1", headers=bearer(ours))).json()
    rest = (await client.get(f"/api/v1/audit?after={first[0]['id']}", headers=bearer(ours))).json()
    assert first[0]["id"] not in {event["id"] for event in rest}
    used = (await client.get("/api/v1/audit?action=token.used&who=alice", headers=bearer(ours))).json()
    assert {event["action"] for event in used} == {"token.used"}
    member = await sync_to_async(token)(bob, scopes=scopes)
    assert (await client.get("/api/v1/audit", headers=bearer(member))).status_code == 403
    unscoped = await sync_to_async(token)(alice)
    assert (await client.get("/api/v1/audit", headers=bearer(unscoped))).status_code == 403


def staff(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_administrators_see_their_own_and_take_it_away(acme: Any, other: Any, alice: Any, charlie: Any) -> None:
    audit.record(Action.SIGNED_IN, who=Who(charlie), tenant=other, name="theirs")
    formula = "=cmd|'/C calc'!A0"
    mine = audit.record(Action.SESSION_REFUSED, who=Who(alice), tenant=acme, name=formula, why="<b>full</b>")
    client = staff(alice)
    listed = client.get("/admin/tenants/auditevent/").content.decode()
    assert "session.refused" in listed
    assert "theirs" not in listed
    assert "<b>full" not in listed
    shown = client.get(f"/admin/tenants/auditevent/{mine.pk}/change/")
    assert shown.status_code == 200
    assert client.post(f"/admin/tenants/auditevent/{mine.pk}/change/", {"who": "x"}).status_code == 403
    answer = client.get("/admin/tenants/auditevent/export?action__exact=session.refused")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))  # type: ignore[attr-defined]
    assert [(row["who"], row["name"]) for row in rows] == [("alice", f"'{formula}")]
    assert client.get(f"/admin/tenants/auditevent/?tenant__id__exact={other.pk}").status_code in (200, 302)
    Membership.objects.filter(user=alice).update(role=Role.MEMBER)
    assert client.get("/admin/tenants/auditevent/export").status_code == 302, "to the sign-in"


def test_actions_of_administrators_are_recorded(acme: Any, alice: Any, python_image: Any) -> None:
    client = staff(alice)
    own = SessionPool.objects.create(name="own", tenant=acme, image=python_image)
    shared = SessionPool.objects.create(name="shared", image=python_image)
    data = {"action": "drain", "_selected_action": [str(own.pk), str(shared.pk)]}
    client.post("/admin/interpreters/sessionpool/", data)
    [event] = told("admin.action")
    assert (event.who, event.tenant_id, event.new) == ("alice", acme.pk, {"keys": [str(own.pk)]})
    assert event.name.startswith("drain")


async def test_programs_look_for_what_they_want(alice: Any, acme: Any, token: Any) -> None:
    def some() -> list[AuditEvent]:
        who = Who(alice, "thm_abcd", "2001:db8::1")
        return [audit.record(Action.FILE_DOWNLOADED, who=who, tenant=acme, about=acme, why=str(n)) for n in range(3)]

    made = await sync_to_async(some)()
    headers = bearer(await sync_to_async(token)(alice, scopes=[Scope.AUDIT_READ]))

    async def found(query: str) -> list[str]:
        answer = await AsyncClient().get(f"/api/v1/audit?action=file.downloaded&{query}", headers=headers)
        assert answer.status_code == 200, answer.content
        return [event["why"] for event in answer.json()]

    moment = made[1].at.isoformat().replace("+", "%2B")
    assert await found(f"since={moment}") == ["1", "2"]
    assert await found(f"until={moment}") == ["0"]
    assert await found("address=2001:db8::1") == await found(f"kind=tenant&key={acme.pk}") == ["0", "1", "2"]
    assert await found("address=2001:db8::2") == await found("kind=session") == await found("key=x") == []
    assert await found(f"after={made[0].pk}&limit=1") == ["1"]
    for bad in ("address=nonsense", "who=%00", "after=-1", "since=yesterday", "limit=1001"):
        answer = await AsyncClient().get(f"/api/v1/audit?{bad}", headers=headers)
        assert answer.status_code in (400, 422), bad
        assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_programs_take_it_away_piece_by_piece(
    alice: Any, acme: Any, other: Any, token: Any, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_audit, "PIECE", 2)

    def some() -> None:
        for n in range(7):
            audit.record(Action.FILE_DOWNLOADED, tenant=acme, why=f"=own {n}")
            audit.record(Action.FILE_DOWNLOADED, tenant=other, why=f"theirs {n}")

    await sync_to_async(some)()
    headers = bearer(await sync_to_async(token)(alice, scopes=[Scope.AUDIT_READ]))
    whys: list[str] = []
    after = "0"
    while True:
        query = f"format={form}&action=file.downloaded&limit=3&after={after}"
        answer = await AsyncClient().get(f"/api/v1/audit/export?{query}", headers=headers)
        assert answer["Cache-Control"] == "no-store"
        text = b"".join([piece async for piece in answer.streaming_content]).decode()  # type: ignore[attr-defined]
        rows = (
            [json.loads(line) for line in text.splitlines()] if form == "jsonl" else csv.DictReader(text.splitlines())
        )
        whys += [row["why"] for row in rows]
        if answer["X-Next-After"] == after:
            break
        after = answer["X-Next-After"]
    quoted = "'" if form == "csv" else ""
    assert whys == [f"{quoted}=own {n}" for n in range(7)]
    exported = await sync_to_async(told)("audit.exported")
    assert {(event.who, event.tenant_id, event.new["format"]) for event in exported} == {("alice", acme.pk, form)}


async def test_taking_it_away_needs_the_scope_and_a_format_that_there_is(alice: Any, bob: Any, token: Any) -> None:
    for user, scopes, query, status in (
        (alice, [Scope.AUDIT_READ], "format=xml", 400), (alice, [Scope.USAGE_READ], "", 403),
        (bob, [Scope.AUDIT_READ], "", 403),
    ):  # fmt: skip
        headers = bearer(await sync_to_async(token)(user, scopes=scopes))
        assert (await AsyncClient().get(f"/api/v1/audit/export?{query}", headers=headers)).status_code == status
    assert await sync_to_async(told)("audit.exported") == []


def test_administrators_take_it_away_as_lines_of_json_and_that_is_told(acme: Any, other: Any, alice: Any) -> None:
    audit.record(Action.SESSION_REFUSED, tenant=acme, name="ours")
    audit.record(Action.SESSION_REFUSED, tenant=other, name="theirs")
    answer = staff(alice).get("/admin/tenants/auditevent/export?format=jsonl&action__exact=session.refused")
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [json.loads(line)["name"] for line in lines] == ["ours"]
    [event] = told("audit.exported")
    assert (event.tenant_id, event.who) == (acme.pk, "alice")
    assert event.new == {"format": "jsonl", "action__exact": "session.refused"}


@pytest.mark.django_db(transaction=True)
async def test_the_file_of_the_admin_is_sent_as_it_is_read_and_ends_somewhere(
    acme: Any, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.audit_export.AT_ONCE", 2)
    monkeypatch.setattr("tenants.audit_export.MOST", 5)

    def happen() -> Client:
        for number in range(8):
            audit.record(Action.SESSION_REFUSED, tenant=acme, name=str(number))
        return staff(alice)

    browser = AsyncClient()
    browser.cookies = (await sync_to_async(happen)()).cookies
    address = "/admin/tenants/auditevent/export?format=jsonl&action__exact=session.refused"
    answer: Any = await browser.get(address)
    assert answer.is_async
    parts = [[json.loads(line)["name"] for line in part.decode().splitlines()] async for part in answer]
    assert parts == [["7", "6"], ["5", "4"], ["3"]], "the newest"


def test_whoever_tries_a_revoked_token_is_told_of_once(alice: Any, acme: Any) -> None:
    found, secret = ApiToken.issue(tenant=acme, user=alice, name="ci", networks=["192.0.2.0/24"])
    for address in ("198.51.100.1", "198.51.100.1", "198.51.100.2"):
        with pytest.raises(NotAllowed):
            actor_from_token(secret, address)
    found.revoke()
    with pytest.raises(NotAllowed):
        actor_from_token(secret, "192.0.2.1")
    tried = [(event.address, event.why) for event in told("token.refused")]
    assert tried == [
        ("198.51.100.1", "foreign_network"), ("198.51.100.2", "foreign_network"), ("192.0.2.1", "revoked_token"),
    ]  # fmt: skip


def test_rights_of_an_account_are_told_to_the_operator(alice: Any) -> None:
    alice.is_superuser = True
    alice.last_login = timezone.now()
    alice.save()
    alice.last_login = timezone.now()
    alice.save(update_fields=["last_login"])
    [event] = told("account.changed")
    assert (event.tenant_id, event.new, event.name) == (None, {"is_superuser": True}, "alice")


def test_on_postgresql_a_cursor_passes_over_nothing_that_comes_late(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is handed out before it is committed: so what is young is not told yet."""
    monkeypatch.setattr(sessions_audit, "SETTLED", timedelta(seconds=5))
    monkeypatch.setattr(sessions_audit, "connection", SimpleNamespace(vendor="postgresql"))
    long_ago = timezone.now() - timedelta(seconds=6)
    old = AuditEvent.objects.create(action=Action.SIGNED_OUT, tenant=acme, at=long_ago)
    audit.record(Action.SIGNED_OUT, tenant=acme)
    question = sessions_audit.Question(action="account.signed_out")
    assert list(question.of(AuditEvent.objects.of(acme))) == [old]
