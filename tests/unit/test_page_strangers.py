"""Nothing of one tenant's answers to another's people on a page: every address with a parameter is asked, by each role
elsewhere and by who is not signed in, with each method that it takes, and answers as if nothing were there.

The addresses are the resolver's. A new one is swept by itself if its parameters are named as those of others are; else
it fails here until `ids_of` says what a stranger would put there, or NO_STRANGER why nobody is one.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import get_resolver, resolve, reverse

from frontend.account_urls import KEY
from frontend.documents import new_document
from frontend.models import BroughtOutput, Notebook, ShareLink, WaitingRun
from frontend.models.version import keep_named
from project.urls import urlpatterns
from tenants.models import ApiToken, Archive, Invitation, Membership, Tenant
from tests.admin_rows import Rows
from tests.unit.test_admin_sweep import NO_KEY, OURS, THEIR_KEY, THEIRS, handler403, handler404, text
from tests.unit.test_strangers import routes

# Errors that say why, and need no front end.
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
__all__ = ["handler403", "handler404", "urlpatterns"]

# Swept by what registers there (test_admin_sweep), and by what is sent to each (test_strangers).
ELSEWHERE = ("admin/", "api/")
# Whoever opens these is a stranger to nobody, and why.
NO_STRANGER = {
    "invitations/<str:secret>/": "the secret is for whoever is given it, of whatever tenant: test_invitations",
    f"^login/password/{KEY}$": "the secret is the operator's to give: test_signing_in",
    "login/with/<uuid:provider_id>": "who is about to sign in is in no tenant yet: test_identity_providers",
    "login/with/<uuid:provider_id>/callback": "who is about to sign in is in no tenant yet: test_identity_providers",
}
FIXED = {"<slug:form>": "ipynb"}

FORM = {"title": "x", "pool": "python", "name": "x", "role": "viewer", "heir": "", "then": "open"}
BODY = {
    "version": 1,
    "document": {},
    "name": "x",
    "title": "x",
    "view": True,
    "do": "revoke",
    "runs": [],
    "public": False,
}
BODY |= {"user": f"{THEIRS}-user", "role": "viewer", "days": 1, "cells": [], "order": []}
METHODS = ("get", "post form", "post", "put", "patch", "delete")
ELSEWHERE_AS = ("owner", "admin", "member", "viewer")
STRANGERS = (*ELSEWHERE_AS, "nobody")
REFUSALS = (403, 404, 405)

Ids = dict[str, Any]


def swept() -> list[str]:
    """The pages that have a parameter."""
    found = sorted(set(routes(get_resolver("project.urls").url_patterns)))
    return [route for route in found if re.search(r"[<(]", route) and not route.startswith(ELSEWHERE)]


ROUTES = [route for route in swept() if route not in NO_STRANGER]


def fill(route: str, ids: Ids) -> str:
    for name, value in (ids | FIXED).items():
        route = route.replace(name, f"{name.partition('<')[0]}{value}")
    return f"/{route}"


# --- What is there ---


def ids_of(rows: Rows, notebook: Notebook) -> Ids:
    """By the parameter, with as much in front of it as tells what it is of."""
    cell = f"{rows.word}-cell"
    BroughtOutput.objects.create(notebook=notebook, cell=cell, outputs=[f"{rows.word}-output"])
    run = WaitingRun.objects.create(notebook=notebook, user=rows.user, run=uuid4(), cell=cell, code=f"{rows.word}-code")
    link, secret = ShareLink.issue(
        lifetime=None, notebook=notebook, created_by=rows.user, title=f"{rows.word}-link", document=notebook.document
    )
    mate = Membership.objects.exclude(user=rows.user).get(tenant=rows.tenant)
    return {
        "<uuid:notebook_id>": notebook.pk,
        "<uuid:run>": run.run,
        "<slug:cell>": cell,
        "<int:version_id>": keep_named(notebook, f"{rows.word}-version", rows.user).pk,
        "<int:link_id>": link.pk,
        "<str:token>": secret,
        "<uuid:archive_id>": rows["tenants.Archive"].pk,
        "<int:invitation_id>": rows["tenants.Invitation"].pk,
        "<int:member_id>": mate.pk,
        "<uuid:token_id>": rows["tenants.ApiToken"].pk,
        "<slug:pool>": rows.pool.name,
        "passkeys/<int:pk>": Authenticator.objects.get(user=rows.user).pk,
        "sign-ins/<int:pk>": UserSession.objects.get(user=rows.user).pk,
    }


def nowhere(ids: Ids) -> Ids:
    """The same kinds of ids, of nothing."""
    none = {UUID: uuid4, int: lambda: NO_KEY}
    return {name: none.get(type(value), lambda: "nowhere")() for name, value in ids.items()}


def notebook_of(rows: Rows, **how: Any) -> Notebook:
    document = new_document("python3", "Python")
    document["cells"][0] |= {"source": f"{rows.word}-text"}
    title = f"{rows.word}-title"
    return Notebook.objects.create(
        tenant=rows.tenant, owner=rows.user, title=title, pool="python", document=document, **how
    )


def rows_of(tenant: Tenant, user: Any, word: str, key: int) -> Rows:
    rows = Rows(tenant, user, word, key)
    rows.image.kind = "custom"
    rows.image.save()
    Authenticator.objects.create(user=user, type="webauthn", data={"name": f"{word}-key", "credential": {}})
    UserSession.objects.create(user=user, session_key=f"{word}-session", ip="127.0.0.1", user_agent=word)
    return rows


@pytest.fixture
def holder(member: Any) -> Any:
    tenant = Tenant.objects.create(pk=THEIR_KEY, name=f"{THEIRS}-name", slug=f"{THEIRS}-slug")
    member(tenant, f"{THEIRS}-mate", "admin")
    return member(tenant, f"{THEIRS}-user", "owner")


@pytest.fixture
def theirs(holder: Any, pool: Any) -> list[Ids]:
    """The ids of what they have: with a notebook of one's own, with one for all of the tenant, with a deleted one."""
    rows = rows_of(Tenant.objects.get(pk=THEIR_KEY), holder, THEIRS, THEIR_KEY)
    notebooks = [notebook_of(rows), notebook_of(rows, open_to_tenant=True), notebook_of(rows)]
    ids = [ids_of(rows, notebook) for notebook in notebooks]
    notebooks[-1].delete_softly()
    return ids


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.exporting.opened", lambda archive: BytesIO(THEIRS.encode()))
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


KINDS: tuple[type[Model], ...] = (
    Notebook, ShareLink, WaitingRun, Archive, Invitation, Membership, ApiToken, Authenticator, UserSession, Tenant
)  # fmt: skip


def state() -> list[Any]:
    return [list(kind._base_manager.order_by("pk").values()) for kind in KINDS]


# --- Asking ---


def signed_in(user: Any) -> Client:
    """Just now, so that no page asks for a password before it looks for what it is of."""
    client = Client()
    client.force_login(user)
    client.post(reverse("account_reauthenticate"), {"password": "secret"})
    return client


def ask(client: Client, method: str, address: str) -> Any:
    if method == "get":
        return client.get(address)
    if method == "post form":
        return client.post(address, FORM)
    return getattr(client, method)(address, BODY, content_type="application/json")


def taken(address: str) -> list[str]:
    """The methods that the view takes; which, it says before it looks who asks, and for what."""
    return [method for method in METHODS if _takes(method, address)]


def _takes(method: str, address: str) -> bool:
    view: Any = resolve(address)
    request = RequestFactory().generic(method.partition(" ")[0].upper(), address)
    request.user = AnonymousUser()
    try:
        return bool(view.func(request, *view.args, **view.kwargs).status_code != 405)
    except Exception:
        return True  # it went further than that


def told(answer: Any, address: str) -> tuple[Any, ...]:
    """Everything that an answer tells but its own address."""
    messages = [str(message) for message in getattr(answer.wsgi_request, "_messages", ())]
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    parts = [text(answer), str(headers), str(sorted(answer.cookies)), str(messages)]
    parts = [part.replace(quote(address, safe=""), "?").replace(address, "?") for part in parts]
    return answer.status_code, re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", parts[0]), *parts[1:]


@pytest.fixture
def mine(request: Any, other: Any, member: Any, pool: Any) -> Iterator[tuple[Client, Ids | None]]:
    """Who asks, with ids of their own, if they may have any."""
    if request.param == "nobody":
        return Client(), None
    member(other, f"{OURS}-mate", "owner")
    rows = rows_of(other, member(other, f"{OURS}-user", "owner"), OURS, 444_333)
    ids = ids_of(rows, notebook_of(rows))
    Membership.objects.filter(user=rows.user).update(role=request.param)
    return signed_in(rows.user), ids


# --- The sweep ---


def test_every_page_with_a_parameter_is_asked_for(theirs: list[Ids]) -> None:
    unknown = [address for route in ROUTES if re.search(r"[<(]", address := fill(route, theirs[0]))]
    assert not unknown, f"{unknown}: say in ids_of what a stranger would ask for, or in NO_STRANGER why nobody is one"
    assert set(NO_STRANGER) <= set(swept())


def test_the_holder_is_answered(holder: Any, theirs: list[Ids]) -> None:
    """So that a refusal below means what it says."""
    client = signed_in(holder)
    for route in ROUTES:
        assert any(answers(client, fill(route, ids)) for ids in theirs), f"{route}: ids_of has no id that is found"


def answers(client: Client, address: str) -> bool:
    for method in taken(address):
        with transaction.atomic():
            answer = ask(client, method, address)
            transaction.set_rollback(True)  # the next one finds all as it was
        if answer.status_code not in (*REFUSALS, 410):
            return True
    return False


@pytest.mark.parametrize("mine", STRANGERS, indirect=True)
def test_a_page_of_another_tenant_is_as_one_that_never_was(mine: tuple[Client, Ids | None], theirs: list[Ids]) -> None:
    client, own = mine
    before = state()
    refusals = (302, *REFUSALS) if own is None else REFUSALS
    for route in ROUTES:
        missing = fill(route, nowhere(theirs[0]))
        for method in taken(missing):
            never = told(ask(client, method, missing), missing)
            assert never[0] in refusals, f"{method} {route}"
            for address in {fill(route, ids) for ids in theirs}:
                answer = told(ask(client, method, address), address)
                assert answer == never, f"{method} {route} tells that it is there"
                assert THEIRS not in str(answer), f"{method} {route}"
    assert state() == before


@pytest.mark.parametrize("mine", ELSEWHERE_AS, indirect=True)
def test_a_part_of_what_is_anothers_is_not_found_beneath_ones_own(
    mine: tuple[Client, Ids | None], theirs: list[Ids]
) -> None:
    """Such as a version of their notebook under one's own."""
    client, own = mine
    assert own
    before = state()
    for route in ROUTES:
        for part in [name for name in own if name in route][1:]:
            missing = fill(route, own | {part: nowhere(own)[part]})
            address = fill(route, own | {part: theirs[0][part]})
            for method in taken(missing):
                never, answer = (told(ask(client, method, each), each) for each in (missing, address))
                assert answer == never, f"{method} {route} tells that its {part} is there"
                assert THEIRS not in str(answer), f"{method} {route}"
    assert state() == before
