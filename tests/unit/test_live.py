"""Several people at one notebook: what each may do, who edits, what the others see of it, and looking on at a run."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from frontend.access import Right, right_to
from frontend.consumers import messages
from frontend.consumers import notebook as consumer
from frontend.documents import new_document
from frontend.models import Collaborator, EditorLease, Notebook
from frontend.models.lease import GRACE, IDLE, LIFETIME
from frontend.routing import websocket_urlpatterns
from interpreters.models import Execution, Session
from interpreters.sessions import guards
from tenants.authentication import actor_from_user
from tenants.models import Membership
from tests.edges import Caller, ended, eventually, state, tab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    document = new_document("python3", "Python")
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


def share(notebook: Notebook, user: Any, role: str) -> None:
    Collaborator.objects.update_or_create(notebook=notebook, user=user, defaults={"role": role})


def live(notebook: Notebook, name: UUID | None = None) -> str:
    return f"/ws/notebooks/{notebook.pk}?tab={name or uuid4()}"


def editor(name: str | None) -> Any:
    """A state that says that this person edits."""
    return lambda m: m.get("type") == "state" and "version" in m and (m["editor"] or {}).get("name") == name


def mine(m: dict[str, Any]) -> bool:
    return m.get("type") == "state" and bool(m["editor"] and m["editor"]["mine"])


def kind(name: str) -> Any:
    return lambda m: m.get("type") == name


# --- What a person may do ---


@pytest.mark.parametrize(
    ("role", "shared", "open_to_tenant", "right"),
    [
        ("member", None, False, Right.NOTHING),
        ("owner", None, False, Right.NOTHING),
        ("member", None, True, Right.VIEW),
        ("member", "viewer", False, Right.VIEW),
        ("member", "editor", False, Right.EDIT),
        ("viewer", "editor", False, Right.VIEW),
        ("viewer", None, True, Right.VIEW),
    ],
)
def test_rights(
    notebook: Notebook, acme: Any, member: Any, role: str, shared: Any, open_to_tenant: Any, right: Right
) -> None:
    dora = member(acme, "dora", role)
    notebook.open_to_tenant = open_to_tenant
    if shared:
        share(notebook, dora, shared)
    actor = actor_from_user(dora)
    assert right_to(notebook, actor) == right
    assert guards.passes(actor, notebook.identifier) == (right >= Right.EDIT)


def test_the_owner_may_all_unless_they_look_on_in_the_tenant(notebook: Notebook, alice: Any, charlie: Any) -> None:
    assert right_to(notebook, actor_from_user(alice)) == Right.OWN
    notebook.open_to_tenant = True
    assert right_to(notebook, actor_from_user(charlie)) == Right.NOTHING
    Membership.objects.filter(user=alice).update(role="viewer")
    assert right_to(notebook, actor_from_user(alice)) == Right.VIEW


PAGES = [
    ("get", "notebook", Right.VIEW),
    ("get", "notebook_document", Right.VIEW),
    ("get", "download_notebook", Right.VIEW),
    ("put", "notebook_document", Right.EDIT),
    ("post", "rename_notebook", Right.EDIT),
    ("post", "delete_notebook", Right.OWN),
    ("get", "notebook_sharing", Right.OWN),
    ("put", "share_notebook", Right.OWN),
    ("put", "open_notebook_to_tenant", Right.OWN),
    ("post", "new_share_link", Right.OWN),
]


@pytest.mark.parametrize("who", [Right.NOTHING, Right.VIEW, Right.EDIT, Right.OWN])
def test_every_page_of_a_notebook_by_every_right(
    notebook: Notebook, client: Client, alice: Any, bob: Any, who: Right
) -> None:
    if who in (Right.VIEW, Right.EDIT):
        share(notebook, bob, "viewer" if who == Right.VIEW else "editor")
    client.force_login(alice if who == Right.OWN else bob)
    body = json.dumps({"version": 1, "document": notebook.document, "user": "bob", "role": None, "view": False})
    for method, name, needed in PAGES:
        if who >= Right.OWN and name == "delete_notebook":
            continue
        data = {"title": "new"} if name == "rename_notebook" else body
        options = {} if name == "rename_notebook" else {"content_type": "application/json"}
        address = reverse(name, args=[notebook.pk])
        answer = client.get(address) if method == "get" else getattr(client, method)(address, data, **options)
        expected = (200, 201, 302) if who >= needed else (403,) if who else (404,)
        assert answer.status_code in expected, (name, answer.status_code)


async def test_who_may_only_look_cannot_reach_the_session_by_the_api(
    notebook: Notebook, alice: Any, bob: Any, token: Any, leased: Any, agents: Any
) -> None:
    session = await sync_to_async(leased)(alice, notebook.identifier)
    row = await Execution.objects.acreate(session=session, tenant=session.tenant, code="x")
    for role in ("nobody", "viewer"):
        if role == "viewer":
            await sync_to_async(share)(notebook, bob, role)
        secret = await sync_to_async(token)(bob)
        call = Caller(secret)
        for method, path, body in [
            ("POST", "/sessions", {"pool": "python", "identifier": notebook.identifier}),
            ("GET", f"/sessions/{session.pk}", None),
            ("POST", f"/sessions/{session.pk}/executions", {"code": "hello"}),
            ("GET", f"/executions/{row.pk}", None),
            ("DELETE", f"/executions/{row.pk}", None),
        ]:
            assert (await call(method, path, body)).status_code == 404, (role, method, path)
        assert await call.want("GET", "/sessions") == []
        for path in (f"/ws/sessions/{session.pk}/channels", f"/ws/sessions/{session.pk}/terminals/main"):
            async with tab(path, secret) as page:
                assert await page.closed() == 4404
    await sync_to_async(share)(notebook, bob, "editor")
    assert (await call("GET", f"/sessions/{session.pk}")).status_code == 200
    assert [each["id"] for each in await call.want("GET", "/sessions")] == [str(session.pk)]


# --- Who connects ---


def test_every_socket_of_a_notebook_is_swept() -> None:
    assert {str(route.pattern) for route in websocket_urlpatterns} == {
        "ws/notebooks/<uuid:notebook_id>", "ws/notebooks/<uuid:notebook_id>/session",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["", "/session"])
@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("stranger", 4404),
        ("colleague", 4404),
        ("nobody", 4401),
        ("wrong", 4401),
        ("foreign page", 4403),
        ("no origin", 4403),
    ],
)
async def test_sockets_are_closed_to_strangers(
    notebook: Notebook, alice: Any, bob: Any, charlie: Any, token: Any, path: str, who: str, code: int
) -> None:
    client = AsyncClient()
    await client.aforce_login(alice)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    secret, headers = "", {}
    match who:
        case "stranger":
            secret = await sync_to_async(token)(charlie)
        case "colleague":
            secret = await sync_to_async(token)(bob)
        case "wrong":
            secret = "thm_wrong"
        case "nobody":
            headers = {"host": "testserver", "origin": "http://testserver"}
        case "foreign page":
            headers = {"cookie": cookie, "host": "testserver", "origin": "http://evil.example"}
        case "no origin":
            headers = {"cookie": cookie, "host": "testserver"}
    async with tab(f"/ws/notebooks/{notebook.pk}{path}?tab={uuid4()}", secret, **headers) as page:
        assert await page.closed() == code
    assert page.messages == []


@pytest.mark.parametrize("query", ["", "?tab=", "?tab=x"])
async def test_a_tab_needs_a_name(notebook: Notebook, alice: Any, token: Any, query: str) -> None:
    async with tab(f"/ws/notebooks/{notebook.pk}{query}", await sync_to_async(token)(alice)) as page:
        assert await page.closed() == 4400


async def test_who_is_no_longer_a_member_is_sent_away_and_the_heir_has_the_notebook(
    notebook: Notebook, acme: Any, alice: Any, bob: Any, member: Any, token: Any
) -> None:
    """By the notice at once: nothing here shortens the looks of every few seconds."""
    dora = await sync_to_async(member)(acme, "dora", "owner")
    await sync_to_async(share)(notebook, dora, "viewer")
    secrets = [await sync_to_async(token)(user) for user in (alice, dora)]
    place = await Membership.objects.select_related("tenant", "user").aget(user=alice)
    async with tab(live(notebook), secrets[0]) as gone, tab(live(notebook), secrets[1]) as stays:
        await gone.until(lambda m: m.get("right") == "own")
        await stays.until(lambda m: m.get("right") == "view")
        await sync_to_async(place.remove)(by=dora)
        assert await gone.closed() == 4401
        await stays.until(lambda m: m.get("right") == "own")


async def test_what_is_not_shared_any_more_closes(notebook: Notebook, bob: Any, token: Any, quick_looks: None) -> None:
    await sync_to_async(share)(notebook, bob, "editor")
    async with tab(live(notebook), await sync_to_async(token)(bob)) as page:
        await page.until(kind("state"))
        await Collaborator.objects.all().adelete()
        assert await page.closed() == 4404


async def test_a_deletion_and_a_new_name_are_told(notebook: Notebook, alice: Any, token: Any) -> None:
    async with tab(live(notebook), await sync_to_async(token)(alice)) as page:
        await page.until(kind("state"))
        await sync_to_async(notebook.rename)("Other")
        await page.until(lambda m: m.get("title") == "Other")
        await sync_to_async(notebook.delete_softly)()
        assert await page.closed() == 4404


# --- Together ---


@pytest.fixture
def secrets(notebook: Notebook, alice: Any, bob: Any, acme: Any, member: Any, token: Any) -> dict[str, str]:
    """Of alice, who owns it; bob, who may edit; vera, who may look."""
    share(notebook, bob, "editor")
    vera = member(acme, "vera")
    share(notebook, vera, "viewer")
    return {user.username: token(user) for user in (alice, bob, vera)}


async def test_each_sees_who_is_there_and_who_leaves(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["alice"]) as alice:
        async with tab(live(notebook), secrets["bob"]) as bob:
            for page in (alice, bob):
                told = await page.until(lambda m: m.get("type") == "people" and len(m["people"]) == 2)
                assert [(one["name"], one["initials"], one["right"]) for one in told["people"]] == [
                    ("alice", "A", "own"), ("bob", "B", "edit"),
                ]  # fmt: skip
        await alice.until(lambda m: m.get("type") == "people" and len(m["people"]) == 1)


async def test_an_edit_is_seen_by_the_others_at_once(notebook: Notebook, secrets: dict[str, str]) -> None:
    ops = [
        {"op": "patch", "id": "a", "length": 1, "at": 1, "delete": 0, "insert": "x"},
        {"op": "cell", "id": "b", "cell_type": "code", "source": "1", "metadata": {}},
        {"op": "order", "ids": ["a", "b"]},
        {"op": "saved", "version": 2, "sum": "ab"},
    ]
    async with tab(live(notebook), secrets["alice"]) as alice, tab(live(notebook), secrets["vera"]) as vera:
        await vera.until(kind("people"))
        await alice.send({"type": "take"})
        await alice.until(mine)
        await vera.until(editor("alice"))
        await alice.send({"type": "edit", "seq": 1, "ops": ops})
        told = await vera.until(kind("edit"))
    assert (told["seq"], told["ops"]) == (1, ops)
    assert not [m for m in alice.messages if m.get("type") == "edit"]


async def test_a_save_is_told_with_its_version(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["vera"]) as vera:
        await vera.until(kind("people"))
        assert await sync_to_async(notebook.save_document)(notebook.document, base=1)
        await vera.until(lambda m: m.get("version") == 2)


async def test_another_language_is_told_by_its_pool(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["vera"]) as vera:
        await vera.until(lambda m: m.get("pool") == "python")
        assert await sync_to_async(notebook.change_pool)("r", "ir", "R")
        await vera.until(lambda m: (m.get("pool"), m.get("version")) == ("r", 2))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "take"},
        {"type": "take", "over": True},
        {"type": "edit", "seq": 1, "ops": []},
        {"type": "beat"},
        {"type": "release"},
    ],
)
async def test_who_may_look_changes_nothing(notebook: Notebook, secrets: dict[str, str], message: Any) -> None:
    async with tab(live(notebook), secrets["vera"]) as vera:
        await vera.send(message)
        assert (await vera.until(kind("error")))["code"] == "read_only"
    assert not await EditorLease.objects.filter(tab__isnull=False).aexists()


async def test_who_does_not_edit_is_not_passed_on(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["alice"]) as alice, tab(live(notebook), secrets["bob"]) as bob:
        await alice.send({"type": "take"})
        await alice.until(mine)
        await bob.until(editor("alice"))
        await bob.send({"type": "edit", "seq": 1, "ops": []})
        assert (await bob.until(kind("error")))["code"] == "not_editing"


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        '{"type": "explode"}',
        '{"type": "edit", "seq": -1, "ops": []}',
        '{"type": "edit", "seq": 1, "ops": [{"op": "patch"}]}',
        '{"type": "edit", "seq": 1, "ops": [{"op": "order", "ids": [1]}]}',
        '{"type": "edit", "seq": 1, "ops": [{"op": "cell", "id": "a", "cell_type": "x", "source": ""}]}',
        "x" * (messages.LARGEST_EDIT + 1),
        "[" * 5000,
    ],
)
async def test_a_bad_message_is_told_what_is_wrong(notebook: Notebook, secrets: dict[str, str], frame: str) -> None:
    async with tab(live(notebook), secrets["alice"]) as page:
        await page.send_text(frame)
        assert (await page.until(kind("error")))["code"] == "bad_message"
        await page.send({"type": "ping"})
        await page.until(kind("pong"))


async def test_who_floods_is_sent_away(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["alice"]) as page:
        for _ in range(300):
            await page.send({"type": "ping"})
        assert await page.closed() == 4429


# --- One editor ---


async def test_a_takeover_lets_the_former_editor_save_first(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["alice"]) as alice, tab(live(notebook), secrets["bob"]) as bob:
        await alice.send({"type": "take"})
        await alice.until(mine)
        await bob.until(editor("alice"))
        await bob.send({"type": "take"})
        await bob.send({"type": "take", "over": True})
        flush = await alice.until(kind("flush"))
        assert flush["by"] == "bob"
        await bob.until(lambda m: m.get("type") == "state" and m["editor"]["wanted_by"] == "bob")
        assert await sync_to_async(notebook.save_document)(notebook.document, base=1)
        await alice.send({"type": "release"})
        await bob.until(mine)
        told = await alice.until(editor("bob"))
        assert not told["editor"]["mine"]


async def test_an_editor_who_says_nothing_is_taken_over_after_a_moment(
    notebook: Notebook, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (consumer, __import__("frontend.models.lease", fromlist=["lease"])):
        monkeypatch.setattr(module, "GRACE", timedelta(seconds=0.2))
    async with tab(live(notebook), secrets["alice"]) as alice, tab(live(notebook), secrets["bob"]) as bob:
        await alice.send({"type": "take"})
        await alice.until(mine)
        await bob.send({"type": "take", "over": True})
        await bob.until(mine)
        await alice.until(editor("bob"))


async def test_closing_the_tab_lets_go(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(live(notebook), secrets["bob"]) as bob:
        async with tab(live(notebook), secrets["alice"]) as alice:
            await alice.send({"type": "take"})
            await bob.until(editor("alice"))
        await bob.until(editor(None))


async def test_without_the_channel_layer_it_is_looked_at_and_saving_works(
    notebook: Notebook, secrets: dict[str, str], quick_looks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        async def new_channel(self) -> str:
            raise ConnectionError("no Redis")

        async def group_send(self, *_: Any) -> None:
            raise ConnectionError("no Redis")

    for module in ("interpreters.sessions.following", "interpreters.notices", "frontend.notices"):
        monkeypatch.setattr(f"{module}.get_channel_layer", Broken)
    async with tab(live(notebook), secrets["alice"]) as alice, tab(live(notebook), secrets["bob"]) as bob:
        await alice.send({"type": "take"})
        await alice.until(mine)
        await bob.until(editor("alice"))
        assert await sync_to_async(notebook.save_document)(notebook.document, base=1)
        await bob.until(lambda m: m.get("version") == 2)


async def test_a_database_that_is_away_is_told(
    notebook: Notebook, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("no database")

    async with tab(live(notebook), secrets["alice"]) as alice:
        await alice.until(kind("people"))
        monkeypatch.setattr(EditorLease, "take", away)
        await alice.send({"type": "take"})
        assert (await alice.until(kind("error")))["code"] == "unavailable"


class TestTheLease:
    def take(self, notebook: Notebook, user: Any) -> UUID:
        name = uuid4()
        assert EditorLease.take(notebook.pk, name, user.pk)
        return name

    def age(self, seconds: float) -> None:
        """Let time pass."""
        for row in EditorLease.objects.all():
            for field in ("until", "typed_at", "wanted_at"):
                moment = getattr(row, field)
                setattr(row, field, moment and moment - timedelta(seconds=seconds))
            row.save()

    def test_is_held_by_one(self, notebook: Notebook, alice: Any, bob: Any) -> None:
        self.take(notebook, alice)
        assert not EditorLease.take(notebook.pk, uuid4(), bob.pk)
        holder = EditorLease.holder(notebook.pk)
        assert holder is not None
        assert holder.user == alice

    def test_runs_out_when_its_holder_vanishes(self, notebook: Notebook, alice: Any, bob: Any) -> None:
        former = self.take(notebook, alice)
        self.age(LIFETIME.total_seconds() + 1)
        assert EditorLease.holder(notebook.pk) is None
        self.take(notebook, bob)
        assert not EditorLease.renew(notebook.pk, former, typing=True)

    def test_goes_to_an_other_tab_of_the_same_person_that_is_idle(self, notebook: Notebook, alice: Any) -> None:
        first = self.take(notebook, alice)
        EditorLease.renew(notebook.pk, first, typing=True)
        assert not EditorLease.take(notebook.pk, uuid4(), alice.pk)
        self.age(IDLE.total_seconds() + 0.1)
        self.take(notebook, alice)

    def test_is_not_taken_over_at_once_nor_without_asking(self, notebook: Notebook, alice: Any, bob: Any) -> None:
        self.take(notebook, alice)
        bobs = uuid4()
        assert not EditorLease.take_over(notebook.pk, bobs, bob.pk)
        assert EditorLease.wish(notebook.pk, bobs, bob.pk)
        assert not EditorLease.take_over(notebook.pk, bobs, bob.pk)
        self.age(GRACE.total_seconds())
        assert EditorLease.take_over(notebook.pk, bobs, bob.pk)

    def test_of_two_who_take_over_one_has_it(
        self, notebook: Notebook, alice: Any, bob: Any, acme: Any, member: Any
    ) -> None:
        self.take(notebook, alice)
        dora = member(acme, "dora")
        one, two = uuid4(), uuid4()
        assert EditorLease.wish(notebook.pk, one, bob.pk)
        assert not EditorLease.wish(notebook.pk, two, dora.pk)
        self.age(GRACE.total_seconds())
        assert [EditorLease.take_over(notebook.pk, tab, user.pk) for tab, user in ((two, dora), (one, bob))] == [
            False,
            True,
        ]

    def test_that_is_let_go_while_it_is_taken_over_changes_hands_once(
        self, notebook: Notebook, alice: Any, bob: Any
    ) -> None:
        alices = self.take(notebook, alice)
        bobs = uuid4()
        EditorLease.wish(notebook.pk, bobs, bob.pk)
        assert EditorLease.release(notebook.pk, alices)
        self.age(GRACE.total_seconds())
        assert not EditorLease.take_over(notebook.pk, bobs, bob.pk), "it has it already"
        assert not EditorLease.release(notebook.pk, alices), "it is not hers any more"
        holder = EditorLease.holder(notebook.pk)
        assert holder is not None
        assert (holder.tab, holder.user) == (bobs, bob)

    def test_does_not_go_to_who_asked_and_left(self, notebook: Notebook, alice: Any, bob: Any) -> None:
        alices, bobs = self.take(notebook, alice), uuid4()
        EditorLease.wish(notebook.pk, bobs, bob.pk)
        EditorLease.release(notebook.pk, bobs)
        EditorLease.release(notebook.pk, alices)
        assert EditorLease.holder(notebook.pk) is None


async def test_of_many_who_take_at_once_one_has_it(notebook: Notebook, alice: Any, bob: Any) -> None:
    take = sync_to_async(EditorLease.take, thread_sensitive=False)
    tabs = [(uuid4(), user) for user in (alice, bob) for _ in range(4)]
    await sync_to_async(EditorLease.objects.get_or_create)(notebook_id=notebook.pk)
    for name, user in tabs:
        await EditorLease.objects.filter(notebook=notebook.pk).aupdate(typed_at=timezone.now())
        await take(notebook.pk, name, user.pk)
    holder = await sync_to_async(EditorLease.holder)(notebook.pk)
    assert holder is not None
    assert holder.user_id in (alice.pk, bob.pk)


# --- Looking on ---


async def test_who_looks_on_sees_the_run_and_runs_nothing(
    notebook: Notebook, secrets: dict[str, str], alice: Any, leased: Any, agents: Any
) -> None:
    session: Session = await sync_to_async(leased)(alice, notebook.identifier)
    run = {"type": "execute", "id": str(uuid4()), "code": "hello", "cell": "c1"}
    async with (
        tab(f"/ws/sessions/{session.pk}/channels", secrets["bob"]) as bob,
        tab(f"/ws/notebooks/{notebook.pk}/session?after=0", secrets["vera"]) as vera,
    ):
        assert (await vera.until(state("leased")))["id"] == str(session.pk)
        await bob.send(run)
        await vera.until(ended(run["id"]))
        entries = len(agents[session.pk].log.entries)
        for message in (
            {**run, "id": str(uuid4())},
            {"type": "interrupt"},
            {"type": "restart"},
            {"type": "input", "value": "x"},
            {"type": "close"},
            {"type": "keep_alive"},
            {"type": "cancel", "id": run["id"]},
            {"type": "complete", "id": "a", "code": "x", "cursor_pos": 1},
        ):
            await vera.send(message)
            assert (await vera.until(kind("error")))["code"] == "read_only", message
        await vera.send({"type": "ping"})
        await vera.until(kind("pong"))
    assert len(agents[session.pk].log.entries) == entries
    assert await Execution.objects.acount() == 1


async def test_without_a_session_there_is_nothing_to_look_at(notebook: Notebook, secrets: dict[str, str]) -> None:
    async with tab(f"/ws/notebooks/{notebook.pk}/session?after=0", secrets["vera"]) as vera:
        assert await vera.closed() == 4409


async def test_a_new_session_is_told(
    notebook: Notebook, secrets: dict[str, str], alice: Any, leased: Any, quick_looks: None
) -> None:
    async with tab(live(notebook), secrets["vera"]) as vera:
        assert (await vera.until(kind("state")))["session"] is None
        session = await sync_to_async(leased)(alice, notebook.identifier)
        await vera.until(lambda m: m.get("session") == str(session.pk))
        await asyncio.sleep(0)


async def test_who_looks_on_is_sent_away_when_it_is_not_shared_any_more(
    notebook: Notebook, secrets: dict[str, str], alice: Any, leased: Any, quick_looks: None
) -> None:
    await sync_to_async(leased)(alice, notebook.identifier)
    async with tab(f"/ws/notebooks/{notebook.pk}/session?after=0", secrets["vera"]) as vera:
        await vera.until(state("leased"))
        await Collaborator.objects.filter(user__username="vera").adelete()
        assert await vera.closed() == 4404


async def test_what_an_editor_runs_is_the_notebooks(
    notebook: Notebook, secrets: dict[str, str], alice: Any, leased: Any, agents: Any
) -> None:
    session = await sync_to_async(leased)(alice, notebook.identifier)
    cell = notebook.document["cells"][0]["id"]
    run = {"type": "execute", "id": str(uuid4()), "code": "hello", "cell": cell}
    async with tab(f"/ws/sessions/{session.pk}/channels", secrets["bob"]) as bob:
        await bob.send(run)
        await bob.until(ended(run["id"]))

    async def saved() -> bool:
        return await Execution.objects.filter(outputs__isnull=False).aexists()

    await eventually(saved)
    client = AsyncClient()
    await client.aforce_login(alice)
    answer = (await client.get(reverse("notebook_document", args=[notebook.pk]))).json()
    assert answer["document"]["cells"][0]["outputs"][0]["text"] == "hello\n"
