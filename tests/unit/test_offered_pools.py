"""Pools and images that the operator offers: to all, or to named tenants. For the others they do not exist."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin import site
from django.test import Client
from django.urls import path, reverse

from interpreters.lifecycle import State
from interpreters.models import InterpreterImage, SessionPool
from interpreters.sessions import Problem, access
from tenants.authentication import actor_from_user
from tenants.models import AuditEvent, Scope, Tenant
from tests.edges import Caller

pytestmark = [pytest.mark.django_db(transaction=True)]
urlpatterns = [path("admin/", site.urls)]
MANAGE = [Scope.POOLS_READ, Scope.SESSIONS_USE, Scope.POOLS_MANAGE]


def offer(row: Any, *tenants: Tenant) -> None:
    row.offered_to_all = False
    row.save()
    row.offered_to.set(tenants)


@pytest.fixture
def hidden(pool: Any, other: Tenant) -> SessionPool:
    """A shared pool of the name "python" that is offered to another tenant alone."""
    offer(pool, other)
    return SessionPool.objects.select_related("image").get(pk=pool.pk)


def test_it_is_for_all_unless_tenants_are_named(pool: Any, acme: Any, other: Any) -> None:
    assert pool in SessionPool.objects.usable_by(acme)
    offer(pool, other)
    assert list(SessionPool.objects.usable_by(acme)) == []
    assert list(SessionPool.objects.usable_by(other)) == [pool]
    offer(pool, acme, other)
    assert list(SessionPool.objects.usable_by(acme)) == [pool], "once, however many it is offered to"
    assert SessionPool.objects.usable_by(acme).with_counts().get().live == 0


ASKS: list[Any] = [
    ("POST", "/sessions", {"pool": "python", "identifier": "a"}),
    ("GET", "/pools/python", None),
    ("PATCH", "/pools/python", {"cpu": 2}),
    ("DELETE", "/pools/python", None),
]


@pytest.mark.parametrize("ask", ASKS, ids=[f"{method} {path}" for method, path, _ in ASKS])
async def test_to_whom_it_is_not_offered_it_is_not_there(hidden: Any, alice: Any, token: Any, ask: Any) -> None:
    call = Caller(await sync_to_async(token)(alice, scopes=MANAGE))
    method, where, body = ask
    answer, nothing = await call(method, where, body), await call(method, where.replace("python", "nix"), body)
    if method == "POST":
        nothing = await call(method, where, body | {"pool": "nix"})
    assert answer.status_code == nothing.status_code == 404
    assert answer.json()["message"] == nothing.json()["message"].replace("nix", "python")
    assert not await hidden.sessions.aexists()


async def test_no_list_names_it(
    hidden: Any, python_image: Any, other: Any, alice: Any, charlie: Any, token: Any
) -> None:
    await sync_to_async(offer)(python_image, other)
    for user, seen in ((alice, []), (charlie, ["python"])):
        call = Caller(await sync_to_async(token)(user, scopes=MANAGE))
        for where in ("/pools", "/images"):
            assert [row["name"] for row in await call.want("GET", where)] == seen
    stranger = Caller(await sync_to_async(token)(alice, scopes=MANAGE))
    assert (await stranger("GET", "/images/python")).status_code == 404
    made = await stranger("POST", "/pools", {"name": "own", "image": "python"})
    assert made.json()["error"] == "no_such_image", "its image is no way around it"


def test_no_page_names_it(hidden: Any, alice: Any) -> None:
    hidden.image.kind = "custom"
    hidden.name, hidden.target_port = "canary-pool", 80
    hidden.image.save()
    hidden.save()
    from frontend import pools

    tenant = Tenant.objects.get(slug="acme")
    assert pools.container_cards(tenant) == pools.pool_cards(tenant) == []
    assert [card.name for card in pools.container_cards(Tenant.objects.get(slug="other"))] == ["canary-pool"]
    from frontend.copies import usable_pool

    assert usable_pool(tenant, "canary-pool", "python3") is None


def test_the_page_of_a_container_that_is_open_is_still_found(pool: Any, alice: Any, acme: Any, other: Any) -> None:
    client = Client()
    client.force_login(alice)
    InterpreterImage.objects.filter(pk=pool.image_id).update(kind="custom")
    InterpreterImage.objects.create(name="relay", source="relay", state="ready", reference="r", digest="sha256:r")
    SessionPool.objects.filter(pk=pool.pk).update(target_port=80)
    pool = SessionPool.objects.select_related("image").get(pk=pool.pk)
    session = pool.lease(acme, alice, f"page-{alice.pk}").session
    offer(pool, other)
    assert client.get("/containers/python/").status_code == 200
    pool.sessions.filter(pk=session.pk).update(state=State.GONE)
    assert client.get("/containers/python/").status_code == 404


def test_a_proxy_by_identifier_finds_no_pool_either(hidden: Any, alice: Any) -> None:
    with pytest.raises(Problem, match="There is no pool named 'python'"):
        access.find_pool(actor_from_user(alice), "python", "a")


async def test_taken_back_open_sessions_go_on_and_no_new_one_comes(
    pool: Any, alice: Any, charlie: Any, token: Any, other: Any
) -> None:
    call = Caller(await sync_to_async(token)(alice))
    body = {"pool": "python", "identifier": "mine"}
    session = (await call.want("POST", "/sessions", body))["id"]
    await sync_to_async(offer)(pool, other)
    assert (await call.want("GET", f"/sessions/{session}"))["pool"] == "python"
    assert (await call.want("POST", "/sessions", body))["id"] == session, "as who reloads a page asks"
    assert (await call("POST", "/sessions", body | {"identifier": "new"})).status_code == 404
    limited = Caller(await sync_to_async(token)(alice, pools=["another"]))
    assert (await limited("POST", "/sessions", body)).status_code == 404
    stranger = Caller(await sync_to_async(token)(charlie))
    assert (await stranger("GET", f"/sessions/{session}")).status_code == 404
    await call.want("DELETE", f"/sessions/{session}")
    assert (await call("POST", "/sessions", body)).status_code == 404


def test_of_two_of_one_name_the_tenants_own_counts_until_it_is_gone(
    pool: Any, python_image: Any, acme: Any, alice: Any, other: Any
) -> None:
    actor = actor_from_user(alice)
    shared = pool.lease(acme, alice, "a").session
    own = SessionPool.objects.create(tenant=acme, name="python", image=python_image)
    assert access.find_pool(actor, "python", "a") == own
    assert access.find(actor, shared.pk) == shared, "what is open in the shared one goes on"
    assert list(SessionPool.objects.usable_by(other)) == [pool]
    own.retire()
    with pytest.raises(Problem):
        access.find_pool(actor, "python", "b")
    own.delete()
    assert access.find_pool(actor, "python", "b") == pool
    offer(pool, other)
    own = SessionPool.objects.create(tenant=acme, name="python", image=python_image)
    assert access.find_pool(actor, "python", "b") == own


# --- The admin ---


@pytest.fixture
def operator(db: None) -> Client:
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def form_of(response: Any, **changes: Any) -> dict[str, Any]:
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in {**values, **changes}.items() if value is not None and value is not False}


CHANGE = "admin:interpreters_sessionpool_change"


@pytest.mark.urls(__name__)
def test_the_operator_offers_and_takes_back_and_each_tenant_is_told_in_its_log(
    pool: Any, operator: Client, acme: Any, other: Any
) -> None:
    url = reverse(CHANGE, args=[pool.pk])
    for chosen in ([acme.pk, other.pk], [other.pk]):
        answer = operator.post(url, form_of(operator.get(url), offered_to_all=False, offered_to=chosen))
        assert answer.status_code == 302, answer.context["adminform"].form.errors
    told = AuditEvent.objects.filter(action="pool.changed", name="python").order_by("pk")
    assert [(event.tenant, event.new) for event in told] == [
        (None, {"offered_to_all": False}),
        (acme, {"offered": True}),
        (other, {"offered": True}),
        (acme, {"offered": False}),
    ]
    assert {event.who for event in told} == {"root"}
    assert list(SessionPool.objects.usable_by(acme)) == []


@pytest.mark.urls(__name__)
def test_the_form_says_what_does_not_go_together(pool: Any, python_image: Any, operator: Client, acme: Any) -> None:
    url = reverse(CHANGE, args=[pool.pk])
    answer = operator.post(url, form_of(operator.get(url), offered_to=[acme.pk]))
    assert "switch that off" in answer.content.decode()
    add = reverse("admin:interpreters_sessionpool_add")
    both = form_of(operator.get(add), name="x", image=python_image.pk, tenant=acme.pk, offered_to=[acme.pk])
    assert "only what is shared is offered" in operator.post(add, both).content.decode()
    assert not pool.offered_to.exists()
    image = reverse("admin:interpreters_interpreterimage_change", args=[python_image.pk])
    answer = operator.post(image, form_of(operator.get(image), offered_to=[acme.pk]))
    assert "switch that off" in answer.content.decode()


@pytest.mark.urls(__name__)
def test_who_runs_a_tenant_neither_offers_nor_learns_what_is_offered(
    hidden: Any, python_image: Any, alice: Any, acme: Any, other: Any
) -> None:
    offer(python_image, other)
    own_image = InterpreterImage.objects.create(
        tenant=acme, name="ours", kernel="k", language="L", state="ready", reference="r"
    )
    own = SessionPool.objects.create(tenant=acme, name="own", image=own_image)
    client = Client()
    client.force_login(alice)
    url = reverse(CHANGE, args=[own.pk])
    shown = client.get(url)
    assert "offered" not in shown.content.decode()
    choices = shown.context["adminform"].form.fields["image"].queryset
    assert list(choices) == [own_image]
    sent = form_of(shown, offered_to_all="on", offered_to=[other.pk], tenant=other.pk)
    assert client.post(url, sent).status_code == 302
    own.refresh_from_db()
    assert (own.tenant, own.offered_to.count()) == (acme, 0)
    refused = client.post(url, form_of(shown, image=python_image.pk))
    assert "not one of the available choices" in refused.content.decode()
    assert client.get(reverse(CHANGE, args=[hidden.pk])).status_code == 302


def test_a_pool_of_an_image_that_is_offered_no_more_can_still_be_changed(
    python_image: Any, acme: Any, other: Any
) -> None:
    own = SessionPool.objects.create(tenant=acme, name="own", image=python_image)
    offer(python_image, other)
    own.cooldown = 60
    own.full_clean()
    second = SessionPool(tenant=acme, name="second", image=python_image)
    with pytest.raises(Exception, match="not offered to your tenant"):
        second.full_clean()


def test_a_tenants_dockerfile_begins_with_what_it_is_offered_only(
    python_image: Any, acme: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interpreters.images import building
    from interpreters.images.events import BuildFailed

    monkeypatch.setattr(building, "describe", lambda name: {"Id": name})
    python_image.origin = "source"
    offer(python_image, other)
    mine, theirs = (InterpreterImage(tenant=tenant, name="x") for tenant in (acme, other))
    assert building._own(theirs, "python", None) == python_image.reference  # type: ignore[arg-type]
    with pytest.raises(BuildFailed, match="is not here"):
        building._own(mine, "python", None)  # type: ignore[arg-type]


def test_the_offer_makes_no_difference_to_who_holds_a_session(pool: Any, acme: Any, other: Any) -> None:
    pool.lease(acme, None, "a")
    offer(pool, other)
    assert list(SessionPool.objects.with_session_of(acme, "a")) == [pool]
    assert list(SessionPool.objects.with_session_of(other, "a")) == []
    pool.sessions.update(state=State.STOPPING)
    assert list(SessionPool.objects.with_session_of(acme, "a")) == []
