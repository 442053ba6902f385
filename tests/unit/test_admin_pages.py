"""The admin's pages of pools and sessions: figures that are kept current, what can be done, and the dashboard."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import site
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseNotFound
from django.test import Client, RequestFactory
from django.urls import include, path, reverse
from django.utils import timezone

from frontend.templatetags.assets import has_admin
from interpreters.figures import span
from interpreters.lifecycle import State
from interpreters.models import InterpreterImage, PoolSample, Session, SessionPool
from tenants.admin_site import ThermaeAdminSite
from tenants.models import AuditEvent, Tenant
from tenants.scoping import OperatorAdmin

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [path("admin/", site.urls), path("", include("frontend.account_urls"))]


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Plain, so that these tests need no front end."""
    return HttpResponseForbidden(str(exception))


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponseNotFound()


@pytest.fixture
def client(alice: Any) -> Client:
    """Alice, owner of acme."""
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def own_pool(acme: Any) -> SessionPool:
    image = InterpreterImage.objects.create(tenant=acme, name="own", language="Python", reference="r")
    return SessionPool.objects.create(
        tenant=acme, name="own", image=image, ready_instances=3, launches=[2.0, 1.0, 4.5], last_error="no room\nmore"
    )


@pytest.fixture
def held(own_pool: SessionPool, acme: Any, alice: Any) -> Session:
    now = timezone.now()
    return Session.objects.create(
        pool=own_pool, tenant=acme, user=alice, identifier="mine", state=State.LEASED,
        leased_at=now - timedelta(minutes=90), last_used_at=now - timedelta(seconds=42), measured_at=now,
        cpu_used=0.251, memory_used=200 * 2**20,
    )  # fmt: skip


POOLS, SESSIONS = "admin:interpreters_sessionpool_changelist", "admin:interpreters_session_changelist"


def test_a_pool_is_told_in_its_list_and_anew_as_json(client: Client, own_pool: SessionPool, held: Session) -> None:
    own_pool.sessions.create(state=State.READY)
    page = client.get(reverse(POOLS)).content.decode()
    figures = client.get(reverse(POOLS) + "figures").json()["figures"]
    assert figures == {
        f"{own_pool.pk}.{name}": text
        for name, text in {
            "well": "on", "error": "no room", "ready": "1 of 3", "starting": "0", "leased": "1", "live": "2",
            "launch": "2.0 s, last 4.5 s",
        }.items()
    }  # fmt: skip
    for place, text in figures.items():
        assert f'<span data-figure="{place}">{text}</span>' in page
    assert "interpreters/live.js" in page


def test_the_page_of_a_pool_refreshes_what_it_shows(client: Client, own_pool: SessionPool, held: Session) -> None:
    page = client.get(reverse("admin:interpreters_sessionpool_change", args=[own_pool.pk]))
    figures = client.get(page.wsgi_request.path + "figures").json()["figures"]
    assert figures[f"{own_pool.pk}.leased"] == "1"
    for place, text in figures.items():
        assert f'<span data-figure="{place}">{text}</span>' in page.content.decode()
    assert f"{reverse(SESSIONS)}?pool__id__exact={own_pool.pk}" in page.content.decode()


def test_figures_of_a_list_are_those_of_the_rows_that_it_shows(client: Client, held: Session) -> None:
    address = reverse(SESSIONS) + "figures"
    assert len(client.get(address, {"state__exact": "leased"}).json()["figures"]) == 6
    assert client.get(address, {"state__exact": "gone"}).json() == {"figures": {}}
    assert client.get(address, {"created_at__year": "x"}).status_code == 404


def test_sessions_say_who_since_when_idle_and_what_they_use(client: Client, held: Session) -> None:
    page = client.get(reverse(SESSIONS)).content.decode()
    for words in ("alice", "1 h 30 min", "0.25 of 1<", "200.0\xa0MB of 1.0\xa0GB<"):
        assert words in page
    assert any(f"{seconds} s<" in page for seconds in (42, 43, 44, 45, 46))


def test_a_figure_that_is_old_says_so(client: Client, held: Session) -> None:
    Session.objects.update(measured_at=timezone.now() - timedelta(minutes=7))
    assert "0.25 of 1, 7 min" in client.get(reverse(SESSIONS)).content.decode()


def test_a_list_of_sessions_asks_as_much_however_many_there_are(
    client: Client, held: Session, own_pool: SessionPool, acme: Any, django_assert_max_num_queries: Any
) -> None:
    for n in range(20):
        own_pool.sessions.create(state=State.LEASED, tenant=acme, identifier=str(n))
    with django_assert_max_num_queries(16):
        client.get(reverse(SESSIONS))


def test_what_nobody_holds_of_an_own_pool_is_listed(client: Client, own_pool: SessionPool, pool: Any) -> None:
    own, shared = (of.sessions.create(state=State.READY) for of in (own_pool, pool))
    page = client.get(reverse(SESSIONS)).content.decode()
    assert str(own.pk) in page
    assert str(shared.pk) not in page


def test_a_session_is_ended_by_its_pages_button_and_nothing_else_is_written(
    client: Client, held: Session, alice: Any
) -> None:
    address = reverse("admin:interpreters_session_change", args=[held.pk])
    assert 'name="_end"' in client.get(address).content.decode()
    client.post(address, {})
    held.refresh_from_db()
    assert held.state == State.LEASED
    client.post(address, {"_end": "yes", "identifier": "other"})
    held.refresh_from_db()
    assert (held.state, held.reason, held.identifier) == (State.STOPPING, "closed", "mine")
    assert held.detail == "by alice in the admin"
    assert 'name="_end"' not in client.get(address).content.decode()


def test_saving_a_sessions_page_undoes_nothing_that_happened_since(held: Session, alice: Any) -> None:
    request = RequestFactory().post("/")
    request.user = alice
    stale = Session.objects.get(pk=held.pk)
    Session.objects.update(state=State.GONE)
    site._registry[Session].save_model(request, stale, None, True)
    held.refresh_from_db()
    assert held.state == State.GONE


def test_sessions_of_a_pool_are_ended_after_asking(client: Client, own_pool: SessionPool, held: Session) -> None:
    idle = own_pool.sessions.create(state=State.READY)
    chosen = {"action": "end_sessions", "_selected_action": [own_pool.pk]}
    asked = client.post(reverse(POOLS), chosen)
    assert "1 session of people will end" in asked.content.decode()
    held.refresh_from_db()
    assert held.state == State.LEASED
    assert not AuditEvent.objects.filter(action="admin.action").exists()
    client.post(reverse(POOLS), {**chosen, "confirmed": "yes"})
    held.refresh_from_db()
    idle.refresh_from_db()
    assert (held.state, idle.state) == (State.STOPPING, State.READY)
    assert AuditEvent.objects.get(action="admin.action").new == {"keys": [str(own_pool.pk)]}


def test_an_image_says_its_digest(client: Client, own_pool: SessionPool) -> None:
    InterpreterImage.objects.update(digest="sha256:0123456789abcdef0123")
    page = client.get(reverse("admin:interpreters_interpreterimage_changelist")).content.decode()
    assert "0123456789ab<" in page


def test_the_slug_of_a_tenant_is_the_operators(client: Client, acme: Any, other: Any) -> None:
    """Else one could try which are taken."""
    address = reverse("admin:tenants_tenant_change", args=[acme.pk])
    assert 'name="slug"' not in client.get(address).content.decode()
    inline = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    assert client.post(address, {"name": "Acme & Sons", "slug": "other", **inline}).status_code == 302
    acme.refresh_from_db()
    assert (acme.name, acme.slug) == ("Acme & Sons", "acme")


# --- The dashboard ---

DASHBOARD = "admin:interpreters_poolsample_changelist"


@pytest.fixture
def samples(own_pool: SessionPool, acme: Any, other: Any, pool: Any) -> None:
    at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    row = {"at": at, "seconds": 60}
    PoolSample.objects.create(pool=own_pool, tenant=acme, leases=3, waited_1=3, ended_killed=2, ready=7, **row)
    PoolSample.objects.create(pool=pool, tenant=other, leases=40, ended_lost=5, **row)
    PoolSample.objects.create(pool=pool, ready=500, **row)


def leases(page: Any) -> int:
    return page.context["curves"].sums["leases"]


def test_the_dashboard_shows_the_tenants_that_one_runs(client: Client, samples: None) -> None:
    page = client.get(reverse(DASHBOARD))
    assert leases(page) == 3
    assert [number for _, number, _ in page.context["failures"]] == [2]
    assert "500" not in page.content.decode()
    assert [pool.name for pool in page.context["pools"]] == ["own"]


def test_an_operator_sees_all_and_chooses(admin_client: Client, samples: None, acme: Any, other: Any) -> None:
    page = admin_client.get(reverse(DASHBOARD))
    assert leases(page) == 43
    assert max(value or 0 for value in page.context["curves"].values["ready"]) == 507
    assert leases(admin_client.get(reverse(DASHBOARD), {"tenant": acme.pk})) == 3
    assert leases(admin_client.get(reverse(DASHBOARD), {"tenant": other.pk, "span": "6h"})) == 40


@pytest.mark.parametrize("query", [{"tenant": "theirs"}, {"tenant": "999"}, {"tenant": "x"}, {"span": "for ever"}])
def test_what_one_may_not_choose_is_not_found(client: Client, samples: None, other: Any, query: Any) -> None:
    asked = {name: str(other.pk) if value == "theirs" else value for name, value in query.items()}
    assert client.get(reverse(DASHBOARD), asked).status_code == 404


@pytest.mark.parametrize("days", ["6h", "1d", "7d", "30d"])
def test_the_dashboard_asks_as_much_for_any_time(
    client: Client, own_pool: SessionPool, acme: Any, days: str, django_assert_max_num_queries: Any
) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    steps = [(60, timedelta(minutes=n)) for n in range(0, 1440, 9)] + [(3600, timedelta(hours=n)) for n in range(720)]
    rows = [PoolSample(pool=own_pool, tenant=acme, at=now - ago, seconds=seconds) for seconds, ago in steps]
    PoolSample.objects.bulk_create(rows)
    with django_assert_max_num_queries(13):
        assert client.get(reverse(DASHBOARD), {"span": days}).status_code == 200


def test_curves_are_drawn_without_scripts_and_told_as_a_table(client: Client, samples: None, held: Session) -> None:
    page = client.get(reverse(DASHBOARD)).content.decode()
    assert page.count('role="img"') == page.count("As a table") == 4
    assert "<script" not in page.partition('id="content"')[2]
    assert "alice" in page


# --- The site ---


def test_who_is_not_signed_in_is_sent_to_the_one_sign_in_and_back() -> None:
    first = Client().get(reverse(POOLS))
    assert Client().get(first.headers["Location"]).headers["Location"] == f"/login?next={reverse(POOLS)}"
    for elsewhere in ("https://evil.example/", "//evil.example", "/admin/login/?next=/admin/login/"):
        answer = Client().get(reverse("admin:login"), {"next": elsewhere})
        assert answer.headers["Location"] == "/login?next=/admin/"


def test_who_has_the_admin_is_sent_to_where_they_wanted(client: Client) -> None:
    assert client.get(reverse("admin:login"), {"next": reverse(POOLS)}).headers["Location"] == reverse(POOLS)


def test_who_runs_nothing_is_told_so_and_has_no_link(bob: Any, alice: Any, client: Client) -> None:
    theirs = Client()
    theirs.force_login(bob)
    assert theirs.get(reverse("admin:login"), {"next": "/admin/"}).status_code == 403
    for user, shown in ((alice, True), (bob, False)):
        request = RequestFactory().get("/")
        request.user = user
        assert has_admin(request) is shown
    assert not has_admin(RequestFactory().get("/"))


def test_the_index_leads_to_the_dashboard_and_shows_what_one_did(client: Client, own_pool: SessionPool) -> None:
    client.post(reverse(POOLS), {"action": "drain", "_selected_action": [own_pool.pk]})
    page = client.get(reverse("admin:index")).content.decode()
    assert page.index(f'href="{reverse(DASHBOARD)}"') < page.index('id="content-main"')
    assert "drain: session pools" in page
    assert 'href="/notebooks/"' in page
    assert "· Thermae</title>" in page


@pytest.mark.parametrize(
    "given", [None, admin.ModelAdmin, type("Other", (admin.ModelAdmin,), {"list_display": ("pk",)})]
)
def test_what_registers_without_a_scope_is_for_operators(given: Any) -> None:
    one = ThermaeAdminSite()
    one.register(Tenant, given)
    assert isinstance(one._registry[Tenant], OperatorAdmin)
    assert not given or one._registry[Tenant].list_display == given.list_display


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3700, "1 h 1 min"), (90_000, "1 d 1 h"), (86_430, "1 d"), (-5, "0 s")],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: int, words: str) -> None:
    now = timezone.now()
    assert span(now - timedelta(seconds=seconds), now) == words


def test_what_a_tenant_writes_is_no_markup(client: Client, own_pool: SessionPool) -> None:
    """What a tenant writes, such as an error, is no markup in either form."""
    SessionPool.objects.update(last_error="<script>alert(1)</script>")
    answer = client.get(reverse(POOLS) + "figures")
    assert answer.headers["Content-Type"] == "application/json"
    assert "<script>alert" in json.loads(answer.content)["figures"][f"{own_pool.pk}.error"]
    assert "<script>alert" not in client.get(reverse(POOLS)).content.decode()
