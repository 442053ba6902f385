"""All that a tenant or a person has goes, in order, whoever dies in between; nothing of anybody else's does."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend.documents import new_document
from frontend.models import Collaborator, Notebook
from interpreters.lifecycle import LIVE, State
from interpreters.models import (
    EgressDecision,
    Execution,
    InterpreterImage,
    RegistryCredential,
    Session,
    SessionPool,
    WebhookDelivery,
    Workspace,
)
from interpreters.models.usage import SessionUsage
from interpreters.webhooks import outbox
from interpreters.workspaces import storage
from tenants import erasing, exporting
from tenants.erasing import CannotErase, begin, go_on
from tenants.models import (
    ApiToken,
    Archive,
    AuditEvent,
    CannotInvite,
    Erasure,
    IdentityProvider,
    Invitation,
    Membership,
    PeopleRefusal,
    ServiceAccount,
    Tenant,
)
from tenants.naming import named
from tenants.owned import Subject, kinds
from tenants.owning import IDENTITIES
from tests.webhooks import endpoint_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    settings.WORKSPACE_DIR, settings.ARCHIVE_DIR, settings.UPLOAD_DIR = (tmp_path / name for name in "wau")
    settings.ARCHIVE_DIR.mkdir()


def furnish(tenant: Tenant, user: Any, shared: SessionPool, other: Any = None) -> None:
    """One of everything that a tenant and a person in it may have."""
    image = InterpreterImage.objects.create(tenant=tenant, name="own", reference="r", stored_as=f"x/{tenant.slug}")
    pool = SessionPool.objects.create(tenant=tenant, name="own", image=image)
    notebook = Notebook.objects.create(
        tenant=tenant, owner=user, title=f"Notes of {user}", pool="python", document=new_document("python3", "Python")
    )
    notebook.save_document({**notebook.document, "metadata": {}}, base=1, keep="named", by=user)
    if other is not None:
        Collaborator.objects.create(notebook=notebook, user=other)
    for where, identifier in ((shared, notebook.identifier), (pool, "job-1")):
        session = where.sessions.create(
            tenant=tenant, user=user, identifier=identifier, state=State.LEASED, handle="h", leased_at=timezone.now(),
            last_used_at=timezone.now(),
        )  # fmt: skip
        session.executions.create(tenant=tenant, user=user, code=f"secret of {user}", cell="c")
    pool.sessions.create(state=State.READY, handle="h")
    for identifier in (notebook.identifier, "job-1"):
        with storage.writing() as (content, file):
            file.write(b"packed")
        Workspace.objects.update_or_create(
            tenant=tenant, identifier=identifier, defaults={"content": content, "size": 6}
        )
    RegistryCredential.objects.create(tenant=tenant, registry="ghcr.io", username="robot", secret="s3cret")
    EgressDecision.objects.create(tenant=tenant, pool=pool, session=session.pk, host="h", port=443, allowed=True)
    ApiToken.issue(tenant=tenant, user=user, name="ci")
    outbox.write_test(endpoint_of(tenant, events=["pool.degraded"]))
    archive = Archive.objects.create(tenant=tenant, user=user, state="ready")
    exporting.archive_path(archive).write_bytes(b"zip")


def the_clock_goes_on() -> None:
    """What workers do to sandboxes, and to erasures, between two looks."""
    for session in Session.objects.filter(state=State.STOPPING):
        session.move(State.STOPPING, State.GONE, ended_at=timezone.now())
    for pool in SessionPool.objects.filter(deleting=True):
        if not pool.sessions.filter(state__in=LIVE).exists():
            pool.delete()


def finish(erasure: Erasure, looks: int = 10) -> int:
    """How many looks it took."""
    for look in range(looks):
        if go_on(erasure):
            erasure.refresh_from_db()
            return look + 1
        the_clock_goes_on()
    raise AssertionError(f"it waits for {erasure.waits_for}")


def rows_of(tenant: Tenant) -> dict[str, int]:
    subject = Subject(tenant)
    return {kind.name: count for kind in kinds() if not kind.stays and (count := kind.rows(subject).count())}


def whole(tenant: Tenant) -> dict[str, int]:
    return rows_of(tenant) | {"files": len(list(Path(storage.settings.WORKSPACE_DIR).iterdir()))}


# What passes by, or has tests of its own.
NOT_HERE = {
    *("audit", "previews", "invitations", "service_accounts", "identity_providers", "quota_levels", "usage"),
    *("usage_by_day", "places_in_line", "pool_samples", "waiting_runs", "identities"),
}


# --- Nothing is forgotten ---


def test_every_model_of_a_tenant_or_a_person_is_registered() -> None:
    """A new foreign key to either fails here until its model is in an `owning` module."""
    registered = {kind.model for kind in kinds()}
    persons = {kind.model for kind in kinds() if kind.person}
    # What goes with the account: addresses, what one signs in with, where one is signed in, the admin's own memory.
    elsewhere = {
        *("admin.LogEntry", "account.EmailAddress", "mfa.Authenticator", "usersessions.UserSession"),
    }
    missing = []
    for model in apps.get_models():
        if model._meta.label in elsewhere:
            continue
        for field in model._meta.fields:
            if isinstance(field, models.ForeignKey) and field.remote_field.model is Tenant and model not in registered:
                missing.append(f"{model._meta.label}.{field.name}")
            to_person = isinstance(field, models.ForeignKey) and field.remote_field.model is get_user_model()
            if to_person and field.remote_field.on_delete is not models.SET_NULL and model not in persons:
                missing.append(f"{model._meta.label}.{field.name}")
    assert missing == []


def test_the_furniture_of_these_tests_has_one_of_every_kind(acme: Any, alice: Any, bob: Any, pool: Any) -> None:
    furnish(acme, alice, pool, bob)
    absent = {kind.name for kind in kinds()} - set(rows_of(acme)) - NOT_HERE
    assert absent == set()


# --- A tenant ---


def test_a_tenant_goes_with_all_that_it_has_and_nothing_of_anothers(
    acme: Any, other: Any, alice: Any, bob: Any, charlie: Any, pool: Any
) -> None:
    furnish(other, charlie, pool)
    before = rows_of(other)
    furnish(acme, alice, pool, bob)
    Membership.objects.create(tenant=other, user=bob)
    before["members"] += 1
    key = acme.pk
    erasure = begin(acme, by=alice)
    assert not Membership.objects.filter(tenant=acme).exists(), "nobody gets in from the first moment"
    assert not ApiToken.objects.filter(tenant=acme, revoked_at=None).exists()
    assert finish(erasure) > 1
    assert not Tenant.objects.filter(pk=key).exists()
    assert rows_of(other) == before
    assert len(list(Path(storage.settings.WORKSPACE_DIR).iterdir())) == 2, "those of the other"
    people = set(get_user_model().objects.values_list("username", flat=True))
    assert people == {"bob", "charlie"}, "who is of another tenant stays"
    counts = erasure.counts
    assert (counts["members"], counts["notebooks"], counts["accounts"], counts["tokens"]) == (2, 1, 1, 1)
    assert (counts["kept_files"], counts["images"], counts["archives"], counts["webhooks"]) == (2, 1, 1, 1)
    assert Tenant.objects.create(name="Acme", slug="acme").pk, "its short name is free"


def test_running_sessions_are_ended_first_and_waited_for(acme: Any, alice: Any, pool: Any) -> None:
    furnish(acme, alice, pool)
    erasure = begin(acme)
    assert not go_on(erasure)
    assert "sandboxes" in Erasure.objects.get().waits_for
    assert set(Session.objects.filter(tenant=acme).values_list("state", flat=True)) == {"stopping"}
    assert Execution.objects.filter(tenant=acme).exists(), "rows go when there is no sandbox any more"
    assert not go_on(erasure), "asking again changes nothing"
    finish(erasure)


def test_who_leased_just_before_is_ended_too(acme: Any, alice: Any, pool: Any) -> None:
    erasure = begin(acme)
    pool.lease(acme, None, "late")
    assert not go_on(erasure)
    finish(erasure)
    assert not Session.objects.filter(identifier="late").exists()


def test_it_is_begun_once(acme: Any) -> None:
    begin(acme)
    with pytest.raises(CannotErase, match="already"):
        begin(acme)
    assert Erasure.objects.count() == 1


def test_the_clock_goes_on_with_those_that_are_not_done(acme: Any, other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(acme)
    begin(other)
    first, go = [acme.pk], erasing.go_on

    def stuck(erasure: Erasure) -> bool:
        if erasure.tenant_key in first:
            raise RuntimeError
        return go(erasure)

    monkeypatch.setattr(erasing, "go_on", stuck)
    erasing.go_on_with_all()
    assert list(Tenant.objects.values_list("slug", flat=True)) == ["acme"], "one that is stuck holds up no other"
    first.clear()
    erasing.go_on_with_all()
    assert not Tenant.objects.exists()


def test_nobody_joins_while_it_is_being_erased(acme: Any, alice: Any, charlie: Any, admin_client: Client) -> None:
    invitation, secret = Invitation.issue(acme, "member", by=None)
    provider = IdentityProvider.objects.create(tenant=acme, name="ID", creates_members=True)
    begin(acme)
    assert Invitation.by_secret(secret) is None
    provider.refresh_from_db()
    assert not provider.enabled
    assert AuditEvent.objects.get(action="identity_provider.changed").new == {"enabled": False}
    Invitation.objects.update(revoked_at=None)
    assert invitation.accept(charlie) is None
    with pytest.raises(CannotInvite, match="being erased"):
        Invitation.issue(acme, "member", by=None)
    with pytest.raises(PeopleRefusal, match="being erased"):
        Membership.objects.create(tenant=acme, user=charlie)
    form = {"tenant": acme.pk, "user": charlie.pk, "role": "member"}
    answer = admin_client.post(reverse("admin:tenants_membership_add"), form)
    assert "being erased" in answer.content.decode()
    assert not Membership.objects.filter(tenant=acme).exists()


class Died(BaseException):
    """As a process does that is killed: no handler of errors sees it."""


def dying_at(step: int) -> Any:
    steps = itertools.count(1)

    def statement(execute: Any, sql: str, *more: Any) -> Any:
        if next(steps) == step:
            raise Died
        return execute(sql, *more)

    return connection.execute_wrapper(statement)


@pytest.mark.django_db(transaction=True)
def test_whoever_dies_at_any_step_leaves_what_the_next_one_finishes(acme: Any, alice: Any, bob: Any, pool: Any) -> None:
    """Killed at a statement in a dozen, over the whole course of one erasure; what is counted is counted once."""
    furnish(acme, alice, pool, bob)
    want = rows_of(acme)
    want["sessions"] -= 1  # of its own pool, with which it may have gone
    erasure = begin(acme)
    died = 0
    for step in range(1, 4000, 12):
        try:
            with dying_at(step):
                done = go_on(erasure)
        except Died:
            died += 1
            the_clock_goes_on() if died % 3 == 0 else None
            erasure = Erasure.objects.get()
            continue
        if done:
            break
        the_clock_goes_on()
    erasure.refresh_from_db()
    assert erasure.finished_at is not None
    assert died > 5
    assert not Tenant.objects.exists()
    counted = {name: erasure.counts.get(name) for name in want}
    counted["sessions"] = min(counted["sessions"], want["sessions"])
    assert counted == want
    assert list(Path(storage.settings.WORKSPACE_DIR).iterdir()) == []
    assert list(Path(exporting.settings.ARCHIVE_DIR).iterdir()) == []


# --- A person ---


def test_a_person_goes_with_what_is_theirs_and_the_tenant_stays(
    acme: Any, alice: Any, bob: Any, pool: Any, member: Any
) -> None:
    furnish(acme, alice, pool)
    carol = member(acme, "carol")
    theirs = Notebook.objects.create(tenant=acme, owner=bob, title="b", pool="python", document={"cells": []})
    Collaborator.objects.create(notebook=theirs, user=carol)
    ApiToken.issue(tenant=acme, user=bob, name="b")
    with storage.writing() as (content, file):
        file.write(b"x")
    Workspace.objects.create(tenant=acme, identifier=theirs.identifier, content=content)
    opened = pool.sessions.create(
        tenant=acme, user=carol, identifier=theirs.identifier, state=State.LEASED, leased_at=timezone.now()
    )
    before = rows_of(acme)
    erasure = begin(acme, user=bob, by=bob)
    assert finish(erasure) > 1
    opened.refresh_from_db()
    assert opened.state == "gone", "others' sessions of their notebooks end"
    assert not get_user_model().objects.filter(pk=bob.pk).exists()
    after = rows_of(acme)
    gone = {name: before[name] - after.get(name, 0) for name in before if before[name] != after.get(name, 0)}
    assert gone == {"notebooks": 1, "shared_with": 1, "tokens": 1, "kept_files": 1, "members": 1}
    assert not (Path(storage.settings.WORKSPACE_DIR) / content).exists()
    assert Notebook.objects.get().owner == alice
    assert "bob" not in str(Erasure.objects.values().get()), "a certificate has no name of a person"
    assert erasure.counts["accounts"] == 1


def test_who_is_of_another_tenant_keeps_the_account_and_what_is_there(
    acme: Any, other: Any, alice: Any, bob: Any, pool: Any
) -> None:
    Membership.objects.create(tenant=other, user=bob)
    furnish(other, bob, pool)
    before = rows_of(other)
    finish(begin(acme, user=bob))
    assert get_user_model().objects.filter(pk=bob.pk).exists()
    assert rows_of(other) == before


def test_the_last_owner_does_not_go_before_there_is_another(acme: Any, alice: Any, bob: Any) -> None:
    with pytest.raises(CannotErase, match="last owner"):
        begin(acme, user=alice)
    Membership.objects.filter(user=bob).update(role="owner")
    finish(begin(acme, user=alice))
    assert not Membership.objects.filter(user=alice.pk).exists()


def test_an_owner_who_is_switched_off_is_no_other_owner(acme: Any, alice: Any, bob: Any) -> None:
    Membership.objects.filter(user=bob).update(role="owner")
    get_user_model().objects.filter(pk=bob.pk).update(is_active=False)
    with pytest.raises(CannotErase, match="last owner"):
        begin(acme, user=alice)


def test_a_person_joins_again_when_it_is_done_and_others_meanwhile(
    acme: Any, other: Any, alice: Any, bob: Any, charlie: Any
) -> None:
    Membership.objects.create(tenant=other, user=bob)
    theirs = Invitation.issue(acme, "member", by=alice)[0]
    erasure = begin(acme, user=bob)
    assert theirs.accept(bob) is None
    assert theirs.accept(charlie)
    finish(erasure)
    assert Membership.objects.create(tenant=acme, user=bob)


def test_what_the_tenants_provider_said_of_a_person_goes_and_what_others_say_stays(
    acme: Any, other: Any, alice: Any, bob: Any
) -> None:
    Membership.objects.create(tenant=other, user=bob)
    for tenant in (acme, other):
        key = str(IdentityProvider.objects.create(tenant=tenant, name="ID").pk)
        for user in (alice, bob):
            SocialAccount.objects.create(user=user, provider=key, uid=f"{user} of {tenant}")
            UserSession.objects.create(
                user=user, ip="192.0.2.1", session_key=f"{user} {tenant}", data={"provider": key}
            )
    assert [row["uid"] for row in IDENTITIES.table(Subject(acme, bob))] == ["bob of Acme"]
    erasure = begin(acme, user=bob)
    finish(erasure)
    assert set(SocialAccount.objects.values_list("uid", flat=True)) == {
        "alice of Acme",
        "alice of Other",
        "bob of Other",
    }
    assert not UserSession.objects.filter(session_key="bob Acme").exists()
    assert (UserSession.objects.count(), erasure.counts["identities"]) == (3, 1)
    finish(begin(acme))
    assert set(SocialAccount.objects.values_list("uid", flat=True)) == {"bob of Other"}


def test_a_stranger_is_not_erased(acme: Any, charlie: Any) -> None:
    with pytest.raises(CannotErase, match="no member"):
        begin(acme, user=charlie)


def test_operators_keep_their_account(acme: Any, alice: Any, bob: Any) -> None:
    get_user_model().objects.filter(pk=bob.pk).update(is_superuser=True)
    finish(begin(acme, user=bob))
    assert get_user_model().objects.filter(pk=bob.pk).exists()


# --- The audit log ---


def test_the_audit_log_stays_and_shows_a_number_in_place_of_the_name(acme: Any, alice: Any, bob: Any) -> None:
    number = bob.pk
    finish(begin(acme, user=bob, by=alice))
    events = list(named(AuditEvent.objects.order_by("pk")))
    told = [(event.action, event.who, event.name) for event in events]
    assert ("member.removed", "", f"person {number}") in told
    assert "bob" not in str(told)
    assert [event.action for event in events][-1] == "erasure.done"
    assert events[-1].new["members"] == 1
    assert AuditEvent.objects.filter(name__contains="bob").exists(), "what is written is never changed"


# --- Images on the engine ---


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    settings.RUNTIME = "docker"
    removed: list[str] = []
    monkeypatch.setattr("interpreters.images.pulling.remove", lambda name: removed.append(name) or True)
    return removed


def test_images_that_nothing_else_needs_leave_the_engine(
    acme: Any, other: Any, alice: Any, charlie: Any, pool: Any, engine: list[str]
) -> None:
    furnish(acme, alice, pool)
    InterpreterImage.objects.create(tenant=acme, name="both", reference="r", stored_as="x/both")
    InterpreterImage.objects.create(tenant=other, name="both", reference="r", stored_as="x/both")
    finish(begin(acme))
    assert engine == ["x/acme"]


def test_an_engine_that_does_not_answer_is_waited_for(
    acme: Any, alice: Any, pool: Any, engine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from interpreters.runtime import RuntimeUnavailable

    def silent(_: str) -> bool:
        raise RuntimeUnavailable("no answer")

    with monkeypatch.context() as context:
        context.setattr("interpreters.images.pulling.remove", silent)
        furnish(acme, alice, pool)
        erasure = begin(acme)
        for _ in range(6):
            assert not go_on(erasure)
            the_clock_goes_on()
        assert "engine" in Erasure.objects.get().waits_for
    finish(erasure)


def test_deliveries_that_name_a_person_go_with_them(acme: Any, alice: Any, bob: Any, leased: Any) -> None:
    endpoint_of(acme)
    leased(bob)
    leased(alice, "other")
    finish(begin(acme, user=bob))
    assert "bob" not in str(list(WebhookDelivery.objects.values_list("payload", flat=True)))
    assert WebhookDelivery.objects.exists()


def test_what_a_person_used_stays_in_the_sums_of_the_tenant_without_a_name(
    acme: Any, alice: Any, bob: Any, leased: Any
) -> None:
    leased(bob)
    assert SessionUsage.objects.get().member == "bob"
    finish(begin(acme, user=bob))
    usage = SessionUsage.objects.get()
    assert (usage.user, usage.member, usage.ended_at is None) == (None, "", False)


def test_service_accounts_go_with_their_tenant_and_their_tokens_work_no_more(acme: Any, alice: Any) -> None:
    robot = ServiceAccount.objects.create(tenant=acme, name="robot")
    token, _ = ApiToken.issue(tenant=acme, user=robot.user, name="t")
    erasure = begin(acme)
    token.refresh_from_db()
    assert token.revoked_at is not None
    finish(erasure)
    assert not get_user_model().objects.exists()
