"""Who reaches files that are kept: of a notebook who may run it, and a token what it names."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from frontend.models import Collaborator, Notebook
from interpreters.lifecycle import State
from interpreters.models import Session, SessionPool, Workspace
from interpreters.sessions import keeping, opening
from tenants.authentication import actor_from_user
from tests.edges import bearer

pytestmark = pytest.mark.django_db

IDENTIFIER = "notebook-1"
PLACE = "/api/v1/workspaces"
# What is asked of one, and what its holder is told where a file of it is kept and none of its sessions runs.
VERBS = [("get", "", 200), ("post", "/save", 409), ("get", "/archive", 200), ("delete", "/archive", 204)]
VERBS += [("delete", "", 204)]
verbs = pytest.mark.parametrize(("verb", "path", "told"), VERBS)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.WORKSPACE_DIR = tmp_path / "workspaces"
    return tmp_path / "workspaces"


class Asking:
    """REST, by a token or, as a page does, by a cookie."""

    def __init__(self, user: Any = None, secret: str = "") -> None:
        self.client = Client(headers=bearer(secret) if secret else None)
        if user is not None:
            self.client.force_login(user)

    def __call__(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer: Any = getattr(self.client, verb)(f"{PLACE}{path}", body, content_type="application/json")
        return answer.status_code, None if answer.streaming or not answer.content else answer.json()

    def lists(self, identifier: str = "") -> list[str]:
        return [row["identifier"] for row in self("get", "", {"identifier": identifier})[1]]


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    return Notebook.objects.create(tenant=acme, owner=alice, title="Hers", pool=pool.name, document={})


def keep(folder: Path, tenant: Any, identifier: str, session: Session | None = None) -> Workspace:
    folder.mkdir(exist_ok=True)
    name = uuid4().hex
    (folder / name).write_bytes(b"x")
    return Workspace.objects.create(
        tenant=tenant, identifier=identifier, content=name, size=1, session=session and session.pk
    )


def of(workspace: Workspace) -> list[Any]:
    return list(Workspace.objects.filter(pk=workspace.pk).values())


@verbs
@pytest.mark.parametrize("by", ["token", "cookie"])
def test_a_colleague_has_no_file_of_a_private_notebook(
    notebook: Notebook, bob: Any, token: Any, folder: Path, verb: str, path: str, told: int, by: str
) -> None:
    kept = keep(folder, notebook.tenant, notebook.identifier)
    before, files_before = of(kept), os.listdir(folder)
    ask = Asking(bob) if by == "cookie" else Asking(secret=token(bob))
    body = {"replace": True} if verb == "post" else None
    answer = ask(verb, f"/{kept.pk}{path}", body)
    assert answer == ask(verb, f"/{uuid4()}{path}", body), "as one that does not exist"
    assert (answer[0], answer[1]["error"]) == (404, "not_found")
    assert ask.lists() == ask.lists(notebook.identifier) == []
    assert (of(kept), os.listdir(folder)) == (before, files_before)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_colleague_keeps_nothing_of_a_private_notebook(
    notebook: Notebook, bob: Any, folder: Path, there: bool, enabled: bool
) -> None:
    if there:
        keep(folder, notebook.tenant, notebook.identifier)
    Workspace.objects.update(enabled=not enabled)
    before = list(Workspace.objects.values())
    answer = Asking(bob)("put", "", {"identifier": notebook.identifier, "enabled": enabled})
    assert (answer[0], answer[1]["error"]) == (404, "not_found")
    assert list(Workspace.objects.values()) == before


@verbs
@pytest.mark.parametrize(
    ("role", "shared", "open_to_tenant", "may"),
    [
        ("member", "editor", False, True),
        ("member", "viewer", False, False),
        ("member", None, True, False),
        ("admin", None, False, False),
        ("owner", None, False, False),
    ],
)
def test_kept_files_of_a_notebook_are_for_who_may_run_it(
    notebook: Notebook, member: Any, folder: Path, role: str, shared: Any, open_to_tenant: bool, may: bool,
    verb: str, path: str, told: int,
) -> None:  # fmt: skip
    dora = member(notebook.tenant, "dora", role)
    Notebook.objects.update(open_to_tenant=open_to_tenant)
    if shared:
        Collaborator.objects.create(notebook=notebook, user=dora, role=shared)
    kept = keep(folder, notebook.tenant, notebook.identifier)
    ask = Asking(dora)
    assert ask.lists() == ask.lists(notebook.identifier) == [notebook.identifier] * may
    put = ask("put", "", {"identifier": notebook.identifier})
    assert (put[0], len(of(kept))) == (200 if may else 404, 1)
    assert ask(verb, f"/{kept.pk}{path}", {} if verb == "post" else None)[0] == (told if may else 404)


@verbs
def test_who_only_looks_on_in_a_tenant_has_no_kept_files(
    notebook: Notebook, member: Any, folder: Path, verb: str, path: str, told: int
) -> None:
    vera = member(notebook.tenant, "vera", "viewer")
    Collaborator.objects.create(notebook=notebook, user=vera, role="editor")
    kept = keep(folder, notebook.tenant, notebook.identifier)
    assert Asking(vera)(verb, f"/{kept.pk}{path}", {} if verb == "post" else None)[0] == 403
    assert Asking(vera)("get", "")[0] == 403


def test_a_list_asks_the_same_few_questions_however_long_it_is(acme: Any, alice: Any, bob: Any, folder: Path) -> None:
    for number in range(20):
        whose = bob if number % 2 else alice
        notebook = Notebook.objects.create(tenant=acme, owner=whose, title="a", pool="python", document={})
        keep(folder, acme, notebook.identifier)
        keep(folder, acme, f"program-{number}")
    with CaptureQueriesContext(connection) as asked:
        rows = async_to_sync(keeping.list_kept)(actor_from_user(bob))
    assert len(asked) < 8
    assert sum(row.identifier.startswith("notebook-") for row in rows) == 10
    assert len(rows) == 30


def test_others_do_not_take_the_places_of_ones_own_in_a_list(
    notebook: Notebook, alice: Any, bob: Any, folder: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(keeping, "LISTED", 1)
    keep(folder, notebook.tenant, "mine")
    keep(folder, notebook.tenant, notebook.identifier)
    assert Asking(bob).lists() == ["mine"]
    assert Asking(alice).lists() == [notebook.identifier]


def test_a_list_of_sessions_asks_once_whose_notebooks_they_are(pool: Any, alice: Any, bob: Any) -> None:
    acme = alice.memberships.get().tenant
    for number in range(10):
        whose = bob if number % 2 else alice
        notebook = Notebook.objects.create(tenant=acme, owner=whose, title="a", pool="python", document={})
        Session.objects.create(pool=pool, tenant=acme, identifier=notebook.identifier, state=State.LEASED)
    with CaptureQueriesContext(connection) as asked:
        rows = async_to_sync(opening.list_open)(actor_from_user(bob))
    assert len(rows) == 5
    assert len(asked) < 5


# --- Tokens that are limited ---


@pytest.fixture
def other_pool(pool: Any) -> SessionPool:
    return SessionPool.objects.create(name="other", image=pool.image)


@verbs
def test_a_token_of_named_pools_has_the_files_of_their_sessions_alone(
    leased: Any, other_pool: Any, alice: Any, token: Any, folder: Path,
    verb: str, path: str, told: int,
) -> None:  # fmt: skip
    session = leased(alice, IDENTIFIER)
    Session.objects.filter(pk=session.pk).update(state=State.GONE)
    kept = keep(folder, session.tenant, IDENTIFIER, session)
    before = of(kept)
    ask = Asking(secret=token(alice, pools=["other"]))
    body = {} if verb == "post" else None
    answer = ask(verb, f"/{kept.pk}{path}", body)
    assert answer == ask(verb, f"/{uuid4()}{path}", body)
    assert answer[0] == 404
    assert ask.lists() == []
    assert ask("put", "", {"identifier": IDENTIFIER, "enabled": False})[0] == 404
    assert of(kept) == before
    ask = Asking(secret=token(alice, pools=["other", "python"]))
    assert ask.lists() == [IDENTIFIER]
    assert ask("put", "", {"identifier": IDENTIFIER})[0] == 200
    assert ask(verb, f"/{kept.pk}{path}", body)[0] == told


def test_a_token_of_named_pools_is_not_given_other_files_by_a_lease(
    leased: Any, other_pool: Any, acme: Any, alice: Any, token: Any, folder: Path
) -> None:
    def opens(pool: str, *pools: str) -> int:
        body = {"pool": pool, "identifier": IDENTIFIER}
        headers = bearer(token(alice, pools=list(pools)))
        return Client(headers=headers).post("/api/v1/sessions", body, content_type="application/json").status_code

    session = leased(alice, IDENTIFIER)
    kept = keep(folder, acme, IDENTIFIER, session)
    assert opens("other", "other") == 404
    assert opens("python", "python") == 200
    assert opens("other", "other", "python") < 300
    Session.objects.filter(pool=other_pool).delete()
    Workspace.objects.filter(pk=kept.pk).update(enabled=False)
    assert opens("other", "other") < 300, "nothing is put back"


def test_a_token_of_named_pools_keeps_what_nobody_has_kept_yet(
    leased: Any, other_pool: Any, alice: Any, token: Any, monkeypatch: Any
) -> None:
    saved: list[Any] = []
    monkeypatch.setattr(keeping, "enqueue", lambda *what: saved.append(what[1:]))
    leased(alice, IDENTIFIER)
    ask = Asking(secret=token(alice, pools=["other"]))
    status, made = ask("put", "", {"identifier": IDENTIFIER})
    assert (status, ask.lists()) == (200, [IDENTIFIER])
    assert ask("post", f"/{made['id']}/save", {"replace": True})[0] == 409
    assert saved == [], "the session that runs is in another pool"


@verbs
def test_a_sessions_token_has_its_files_and_none_that_are_kept(
    leased: Any, alice: Any, token: Any, folder: Path, verb: str, path: str, told: int
) -> None:
    session = leased(alice, IDENTIFIER)
    kept = keep(folder, session.tenant, IDENTIFIER, session)
    ask = Asking(secret=token(alice, session=session.pk))
    answer = ask(verb, f"/{kept.pk}{path}", {} if verb == "post" else None)
    assert (answer[0], answer[1]["error"]) == (403, "session_token")
    assert ask("get", "")[0] == ask("put", "", {"identifier": IDENTIFIER})[0] == 403
    assert len(of(kept)) == 1
