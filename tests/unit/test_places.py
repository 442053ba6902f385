"""Cells that are asked for while the pool is full: the server keeps them and runs them, with every tab closed."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend import places, tasks
from frontend.documents import new_document
from frontend.models import Collaborator, Notebook, WaitingRun
from interpreters import sessions
from interpreters.lifecycle import State
from interpreters.models import Execution, Session, moved
from interpreters.sessions import placing, problems
from tenants.models import AuditEvent, IdentityProvider, Membership, Tenant
from tests.edges import tab

pytestmark = pytest.mark.django_db


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    document = new_document("python3", "Python")
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


@pytest.fixture
def signed_in(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def full(pool: Any, other: Any) -> Any:
    """The pool has one place, and it is taken."""
    pool.max_concurrent = 1
    pool.ready_instances = 0
    pool.save()
    return Session.objects.create(
        pool=pool, state=State.LEASED, pool_revision=pool.revision, tenant=other, identifier="somebody"
    )


def free(session: Session) -> None:
    Session.objects.filter(pk=session.pk).update(state=State.GONE)


def run(code: str = "1+1", cell: str = "c1", name: UUID | None = None) -> dict[str, Any]:
    return {"id": str(name or uuid4()), "cell": cell, "code": code}


def ask(client: Client, notebook: Notebook, *runs: Any) -> Any:
    body = json.dumps({"runs": runs})
    return client.post(reverse("notebook_places", args=[notebook.pk]), body, content_type="application/json")


def wait(notebook: Notebook, user: Any, *codes: str) -> None:
    places.keep(notebook, user, [sessions.request(code, cell=f"c{code}") for code in codes])


def ran() -> list[tuple[str, int | None]]:
    return list(Execution.objects.order_by("turn").values_list("code", "turn"))


def test_they_wait_in_order_and_the_page_is_told_why(signed_in: Client, notebook: Notebook, full: Any) -> None:
    answer = ask(signed_in, notebook, run("one", "a"), run("two", "b")).json()
    assert answer["session"] is None
    assert "All 1 sessions of this pool are in use" in answer["message"]
    assert [(each["cell"], each["position"], each["reason"]) for each in answer["waiting"]] == [
        ("a", 1, ""), ("b", 2, ""),
    ]  # fmt: skip
    loaded = signed_in.get(reverse("notebook_document", args=[notebook.pk])).json()
    assert loaded["waiting"] == answer["waiting"]
    assert not Execution.objects.exists()


def test_a_worker_runs_them_in_order_when_there_is_a_place_though_nobody_looks(
    notebook: Notebook, alice: Any, full: Any
) -> None:
    wait(notebook, alice, "one", "two", "three")
    tasks.ask_for_places()
    assert not Execution.objects.exists()
    free(full)
    tasks.ask_for_places()
    assert ran() == [("one", 1), ("two", 2), ("three", 3)]
    session = Session.objects.get(state=State.STARTING)
    assert (session.identifier, session.user) == (notebook.identifier, alice)
    assert not WaitingRun.objects.exists()


def test_in_a_session_that_runs_they_are_handed_over(
    notebook: Notebook, alice: Any, ready: Any, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(placing, "enqueue", lambda task, *args: asked.append((task.name.rpartition(".")[2], args)))
    instance = ready()
    wait(notebook, alice, "hello")
    session = places.ask_for_place(notebook)
    assert session is not None
    assert (session.pk, session.state) == (instance.pk, State.LEASED)
    assert ran() == [("hello", 1)]
    assert asked == [("hand_over_waiting", (str(session.pk),))]


def test_asking_twice_runs_nothing_twice(notebook: Notebook, alice: Any) -> None:
    one = sessions.request("one", cell="a")
    places.keep(notebook, alice, [one])
    places.keep(notebook, alice, [one])
    assert WaitingRun.objects.count() == 1
    places.ask_for_place(notebook)
    places.keep(notebook, alice, [one])  # sent again by a tab that never heard the answer
    places.ask_for_place(notebook)
    assert ran() == [("one", 1)]
    assert not WaitingRun.objects.exists()


def test_whoever_comes_second_finds_it_placed(notebook: Notebook, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading the rows and taking one, another worker has placed it, or somebody took it out."""
    wait(notebook, alice, "one", "two")
    place = places._place

    def late(row: WaitingRun, *rest: Any) -> None:
        if row.code == "one":
            places.take_out(notebook, row.run)
        place(row, *rest)

    monkeypatch.setattr(places, "_place", late)
    places.ask_for_place(notebook)
    assert ran() == [("two", 1)]


def test_a_session_that_ends_at_once_leaves_them_waiting(
    notebook: Notebook, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait(notebook, alice, "one")
    have = placing.ask_again

    def ends(*args: Any) -> Session:
        session = have(*args)
        free(session)
        return session

    monkeypatch.setattr(placing, "ask_again", ends)
    with pytest.raises(problems.Unavailable):
        places.ask_for_place(notebook)
    assert WaitingRun.objects.waiting().count() == 1
    assert not Execution.objects.exists()


def test_one_or_all_are_taken_out(signed_in: Client, notebook: Notebook, full: Any) -> None:
    first, second, third = (run(code, code) for code in ("a", "b", "c"))
    ask(signed_in, notebook, first, second, third)
    one = reverse("notebook_place", args=[notebook.pk, first["id"]])
    assert signed_in.delete(one).json() == {"taken_out": 1}
    assert signed_in.delete(one).json() == {"taken_out": 0}
    assert signed_in.delete(reverse("notebook_places", args=[notebook.pk])).json() == {"taken_out": 2}
    assert not WaitingRun.objects.exists()


def test_who_may_not_run_it_any_more_is_told_so(notebook: Notebook, bob: Any, alice: Any, full: Any) -> None:
    shared = Collaborator.objects.create(notebook=notebook, user=bob, role="editor")
    wait(notebook, bob, "bobs")
    wait(notebook, alice, "mine")
    shared.delete()
    free(full)
    places.ask_for_place(notebook)
    assert ran() == [("mine", 1)]
    assert [(each["cell"], each["reason"]) for each in places.listed(notebook)] == [("cbobs", places.MAY_NOT)]
    # Its cell is run again: what was said of it before is forgotten.
    wait(notebook, alice, "bobs")
    assert [each["reason"] for each in places.listed(notebook)] == [""]


@pytest.mark.parametrize("lost", ["membership", "account"])
def test_who_left_runs_nothing(notebook: Notebook, alice: Any, lost: str) -> None:
    wait(notebook, alice, "one")
    if lost == "membership":
        Membership.objects.filter(user=alice).delete()
    else:
        type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    assert places.ask_for_all() == 0
    assert not Session.objects.exists()
    assert [each["reason"] for each in places.listed(notebook)] == [places.MAY_NOT]


def test_a_pool_that_is_gone_is_said(notebook: Notebook, alice: Any) -> None:
    Notebook.objects.filter(pk=notebook.pk).update(pool="former")
    wait(notebook, alice, "one")
    places.ask_for_all()
    assert "no pool named 'former'" in places.listed(notebook)[0]["reason"].replace('"', "'")


def test_after_a_day_they_give_up_and_after_another_that_is_forgotten(
    notebook: Notebook, alice: Any, full: Any
) -> None:
    wait(notebook, alice, "one")
    WaitingRun.objects.update(asked_at=timezone.now() - WaitingRun.LONGEST - timedelta(seconds=1))
    tasks.ask_for_places()
    assert places.listed(notebook)[0]["reason"] == places.TOO_LONG
    places.give_up(timezone.now() + WaitingRun.LONGEST + timedelta(seconds=1))
    assert places.listed(notebook) == []


def test_each_asks_for_itself_which_is_not_audited_again(notebook: Notebook, alice: Any, full: Any) -> None:
    for number in range(3):
        another = Notebook.objects.create(
            tenant=notebook.tenant, owner=alice, title=str(number), pool="python", document=notebook.document
        )
        wait(another, alice, "one")
    tasks.ask_for_places()
    assert full.pool.places.count() == 3, "each keeps its place in the line of the pool"
    assert not AuditEvent.objects.filter(action="session.refused").exists()


@pytest.fixture
def provider(acme: Any, alice: Any) -> IdentityProvider:
    """Of acme's, to which alice has connected herself."""
    row = IdentityProvider.objects.create(tenant=acme, name="Acme ID", issuer="https://id.example.org", client_id="us")
    SocialAccount.objects.create(user=alice, provider=str(row.pk), uid="1")
    return row


@pytest.mark.parametrize("end", ["", "turned off", "deleted", "disconnected"])
def test_what_a_sign_in_by_a_provider_asked_for_runs_as_long_as_that_would_let_in(
    signed_in: Client, notebook: Notebook, full: Any, provider: IdentityProvider, end: str
) -> None:
    store = signed_in.session
    store["identity_provider"] = str(provider.pk)
    store.save()
    assert ask(signed_in, notebook, run("one")).status_code == 200
    match end:
        case "turned off":
            IdentityProvider.objects.update(enabled=False)
        case "deleted":
            provider.delete()
        case "disconnected":
            SocialAccount.objects.all().delete()
    free(full)
    tasks.ask_for_places()
    assert ran() == ([] if end else [("one", 1)])
    assert [row.reason for row in WaitingRun.objects.all()] == ([places.MAY_NOT] if end else [])


def test_who_has_no_second_factor_where_one_is_wanted_by_now_runs_nothing(
    notebook: Notebook, alice: Any, provider: IdentityProvider, full: Any
) -> None:
    wait(notebook, alice, "one")
    places.keep(notebook, alice, [sessions.request("two", cell="b")], str(provider.pk))  # who asks for it there
    Tenant.objects.update(requires_second_factor=True)
    free(full)
    tasks.ask_for_places()
    assert ran() == [("two", 1)]
    assert WaitingRun.objects.get().reason == places.MAY_NOT


def test_a_notebook_in_the_trash_waits(notebook: Notebook, alice: Any) -> None:
    wait(notebook, alice, "one")
    notebook.delete_softly()
    assert places.ask_for_all() == 0
    notebook.restore()
    assert places.ask_for_all() == 1


def test_an_ended_session_wakes_those_who_wait(
    notebook: Notebook, alice: Any, full: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tasks, "enqueue", lambda task, *_: asked.append(task.name))
    gone = {"session": full, "frm": State.STOPPING, "to": State.GONE, "changed": frozenset()}
    moved.send(Session, **gone)
    assert asked == []
    wait(notebook, alice, "one")
    moved.send(Session, **gone)
    assert asked == ["frontend.tasks.ask_for_places"]


def test_as_many_wait_as_may(signed_in: Client, notebook: Notebook, full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WaitingRun, "MOST", 2)
    assert ask(signed_in, notebook, run(), run(cell="c2")).status_code == 200
    refused = ask(signed_in, notebook, run(cell="c3"))
    assert (refused.status_code, refused.json()["error"]) == (409, "busy")


def test_an_id_of_another_notebooks_run_is_refused(signed_in: Client, notebook: Notebook, bob: Any, full: Any) -> None:
    theirs = Notebook.objects.create(
        tenant=notebook.tenant, owner=bob, title="bobs", pool="python", document=notebook.document
    )
    name = uuid4()
    places.keep(theirs, bob, [sessions.request("secret", id=name, cell="c1")])
    refused = ask(signed_in, notebook, run(name=name))
    assert (refused.status_code, refused.json()["error"]) == (409, "id_taken")
    assert signed_in.delete(reverse("notebook_place", args=[notebook.pk, name])).json() == {"taken_out": 0}
    assert WaitingRun.objects.get().code == "secret"


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "{}", '{"runs": 1}', '{"runs": [1]}', '{"runs": [{"id": "x", "cell": "a", "code": "b"}]}',
        json.dumps({"runs": [{"id": str(UUID(int=1)), "cell": "", "code": "b"}]}),
        json.dumps({"runs": [{"id": str(UUID(int=1)), "cell": "c", "code": 5}]}),
        json.dumps({"runs": [{"id": str(UUID(int=1)), "cell": "c" * 200, "code": "b"}]}),
        json.dumps({"runs": [{"id": str(UUID(int=1)), "cell": "c", "code": "\ud800"}]}), "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_list_of_runs_is_refused(signed_in: Client, notebook: Notebook, body: str) -> None:
    address = reverse("notebook_places", args=[notebook.pk])
    assert signed_in.post(address, body, content_type="application/json").status_code == 400
    assert not WaitingRun.objects.exists()


def test_strangers_and_those_who_only_look_on_let_nothing_wait(
    client: Client, notebook: Notebook, alice: Any, bob: Any, charlie: Any, full: Any
) -> None:
    wait(notebook, alice, "one")
    row = WaitingRun.objects.get()
    Collaborator.objects.create(notebook=notebook, user=bob, role="viewer")
    for user, status in ((bob, 403), (charlie, 404)):
        client.force_login(user)
        assert ask(client, notebook, run()).status_code == status
        assert client.delete(reverse("notebook_places", args=[notebook.pk])).status_code == status
        assert client.delete(reverse("notebook_place", args=[notebook.pk, row.run])).status_code == status
    assert WaitingRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
async def test_every_open_tab_is_told(notebook: Notebook, alice: Any, full: Any, token: Any) -> None:
    from asgiref.sync import sync_to_async

    secret = await sync_to_async(token)(alice)
    async with tab(f"/ws/notebooks/{notebook.pk}?tab={uuid4()}", secret) as page:
        await page.until(lambda m: m.get("type") == "state" and m.get("waiting") == [])
        await sync_to_async(wait)(notebook, alice, "one")
        told = await page.until(lambda m: m.get("type") == "state" and bool(m.get("waiting")))
    assert told["waiting"][0]["cell"] == "cone"
