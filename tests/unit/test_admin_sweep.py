"""Nobody learns from the admin of a tenant that they do not run: not its rows, nor that there are any, nor how many.

What is walked is what is registered: each model, each of its pages, filters, parameters, choices and actions, and the
site's own pages. Whoever registers a model adds a row of it to tests/admin_rows.py, or makes it an OperatorAdmin;
whoever adds a page with a parameter that is no row's key, or a page to the site, says here what a stranger asks for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import Model, UUIDField
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseForbidden, HttpResponseNotFound
from django.test import Client, RequestFactory, override_settings
from django.urls import URLPattern, URLResolver, include, path, reverse

from tenants.models import Membership, Tenant
from tenants.scoping import OperatorAdmin, TenantScopedAdmin
from tests.admin_rows import MAKERS, Rows

pytestmark = pytest.mark.django_db
urlpatterns = [path("admin/", site.urls), path("", include("frontend.account_urls"))]


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Plain, so that these tests need no front end; what an error says is told, so that it can be searched."""
    return HttpResponseForbidden(str(exception))


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponseBadRequest()


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponseNotFound(str(exception))


@pytest.fixture(scope="module", autouse=True)
def only_these_pages() -> Iterator[None]:
    """Once: by pytest's mark Django would read all patterns again for each test, a tenth of the time that they take."""
    with override_settings(ROOT_URLCONF=__name__):
        yield


OURS, THEIRS = "zqxours", "zqxtheirs"
THEIR_KEY, NO_KEY = 555_666_777, 987_654_321
REGISTERED: dict[str, Any] = {model._meta.label: admin for model, admin in site._registry.items()}
SCOPED = sorted(label for label, admin in REGISTERED.items() if isinstance(admin, TenantScopedAdmin))
OPERATORS = sorted(label for label, admin in REGISTERED.items() if isinstance(admin, OperatorAdmin))
# What a path's parameter stands for: the key of a row, or of its tenant.
KEYS = ("object_id", "id", "pk", "tenant")
# The pages of the site that are no model's.
SITE_PAGES = {
    "index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "app_list", None,
}  # fmt: skip
RUNS_ANOTHER = ("owner elsewhere", "admin elsewhere", "staff elsewhere", "former owner")
RUNS_NONE = ("member", "viewer", "stranger", "nobody")


@dataclass(frozen=True)
class Page:
    """One page of a model's, with the names of its parameters."""

    name: str
    parameters: tuple[str, ...]

    def of(self, key: object) -> str:
        return reverse(f"admin:{self.name}", args=[key] * len(self.parameters))

    def about(self, row: Any) -> Any:
        """What it is a page of: the row, or its tenant."""
        return row.tenant if self.parameters == ("tenant",) else row


def pages_of(label: str) -> list[Page]:
    """By their names; the one without a name sends old addresses on to the page of a change."""
    patterns = REGISTERED[label].get_urls()
    assert all(isinstance(pattern, URLPattern) for pattern in patterns), f"{label}: walk what it includes here too"
    return [Page(pattern.name, tuple(pattern.pattern.converters)) for pattern in patterns if pattern.name]


ALL_PAGES = [(label, page) for label in REGISTERED for page in pages_of(label)]


# --- Who asks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(member: Any) -> Rows:
    tenant = Tenant.objects.create(pk=THEIR_KEY, name=f"{THEIRS}-name", slug=f"{THEIRS}-slug")
    return Rows(tenant, member(tenant, f"{THEIRS}-user", "owner"), THEIRS, THEIR_KEY).make_all()


@pytest.fixture
def ours(acme: Any, member: Any) -> Rows:
    return Rows(acme, member(acme, f"{OURS}-user", "owner"), OURS, 444_333).make_all()


@pytest.fixture
def person(request: Any, theirs: Rows, ours: Rows, member: Any) -> User | None:
    """Each who may know nothing of `theirs`. Those who run a tenant run `ours`."""
    user = User.objects.create_user("asking", password="secret")
    match request.param:
        case "nobody":
            return None
        case "member" | "viewer":
            Membership.objects.create(tenant=theirs.tenant, user=user, role=request.param)
        case "admin elsewhere":
            Membership.objects.create(tenant=ours.tenant, user=user, role="admin")
        case "owner elsewhere" | "staff elsewhere" | "former owner":
            Membership.objects.create(tenant=ours.tenant, user=user, role="owner")
    if request.param == "staff elsewhere":
        user.is_staff = True
        user.save()
        user.user_permissions.set(Permission.objects.all())
    if request.param == "former owner":
        for row in theirs.made.values():
            LogEntry.objects.log_actions(user.pk, [row], CHANGE, "changed")
    return user


@pytest.fixture
def client(person: User | None) -> Client:
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def asking(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


running_another = pytest.mark.parametrize("person", RUNS_ANOTHER, indirect=True)
# Where pages are drawn, which takes time, two of them stand for all: what they see is told by the tenants they run.
two_of_them = pytest.mark.parametrize("person", ["staff elsewhere", "former owner"], indirect=True)
each_model = pytest.mark.parametrize("label", SCOPED)


def never_was(row: Model) -> Any:
    return uuid4() if isinstance(row._meta.pk, UUIDField) else NO_KEY


def told(answer: Any, *asked: object) -> tuple[int, str, str, str]:
    """Everything that an answer tells, without what was asked for and what is random."""
    body = text(answer)
    messages = "; ".join(str(message) for message in answer.wsgi_request._messages._queued_messages)
    found = [body, answer.headers.get("Location", ""), messages]
    for word in sorted((str(word) for word in asked), key=len, reverse=True):
        found = [part.replace(word, "?") for part in found]
    assert THEIRS not in found[0]
    body = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", found[0])
    return answer.status_code, body, found[1], found[2]


def text(answer: Any) -> str:
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


def state_of(rows: Rows) -> dict[str, Any]:
    return {label: list(type(row)._base_manager.filter(pk=row.pk).values()) for label, row in rows.made.items()}


# --- What is covered ----------------------------------------------------------------------------------------------


def test_every_registered_model_has_a_scope() -> None:
    """Scoped to tenants, with rows to look for, or the operator's."""
    neither = set(REGISTERED) - set(SCOPED) - set(OPERATORS)
    assert not neither, f"{neither}: derive their admins from TenantScopedAdmin or OperatorAdmin (tenants/scoping.py)"
    rowless = set(SCOPED) - set(MAKERS)
    assert not rowless, f"{rowless}: add to MAKERS in tests/admin_rows.py how to make a tenant's row of each"


def test_every_page_of_a_model_can_be_asked_for() -> None:
    """By a row's key, or without any."""
    odd = {page.name: page.parameters for _, page in ALL_PAGES if not set(page.parameters) <= set(KEYS)}
    assert not odd, f"{odd}: name its parameter object_id if it is a row's key, else say here what it may be"


def test_every_page_of_the_site_is_known() -> None:
    own = {pattern.name for pattern in site.get_urls() if not isinstance(pattern, URLResolver)}
    assert own == SITE_PAGES, f"{own ^ SITE_PAGES}: test what it shows to a stranger, below, and add it to SITE_PAGES"


def test_what_registers_without_a_scope_is_the_operators() -> None:
    """As applications of other people do: Django's users and groups are registered so."""
    assert {"auth.User", "auth.Group"} <= set(OPERATORS)


@each_model
def test_who_runs_the_tenant_sees_its_row(label: str, theirs: Rows) -> None:
    """So that what is not found below is not found because of who asks."""
    client = Client()
    client.force_login(theirs.user)
    listed = client.get(pages_by(label, "changelist").of(""))
    assert listed.status_code == 200
    assert THEIRS in text(listed)


def pages_by(label: str, kind: str) -> Page:
    return next(page for page in pages_of(label) if page.name.endswith(f"_{kind}"))


# --- Rows ---------------------------------------------------------------------------------------------------------


@running_another
@each_model
def test_a_row_of_another_tenant_is_as_one_that_never_was(label: str, client: Client, theirs: Rows, ours: Rows) -> None:
    before = state_of(theirs)
    for page in (page for page in pages_of(label) if page.parameters):
        row = page.about(theirs[label])
        missing = never_was(row)
        for method, data in (("get", {}), ("post", {"post": "yes", "_end": "yes", "confirmed": "yes"})):
            answers = [told(getattr(client, method)(page.of(key), data), key) for key in (row.pk, missing)]
            assert answers[0] == answers[1], f"{method} {page.name} tells that the row is there"
            assert answers[0][0] in (302, 403, 404), page.name
    assert state_of(theirs) == before


@two_of_them
@each_model
def test_pages_without_a_row_show_nothing_of_another_tenant(
    label: str, client: Client, theirs: Rows, ours: Rows
) -> None:
    for page in (page for page in pages_of(label) if not page.parameters):
        for query in ({"_facets": "True", "all": "", "o": "-1.2"}, {"_popup": "1", "_to_field": "id"}):
            assert THEIRS not in text(client.get(page.of(""), query, follow=True)), (page.name, query)
    for page in (page for page in pages_of(label) if page.parameters):
        assert THEIRS not in text(client.get(page.of(page.about(ours[label]).pk), follow=True)), page.name


# --- Parameters of lists ------------------------------------------------------------------------------------------


@two_of_them
@each_model
def test_no_filter_or_search_tells_of_another_tenant(label: str, client: Client, theirs: Rows, ours: Rows) -> None:
    """Whether it asks for what they have, or for what nobody has, the list is the same."""
    address = pages_by(label, "changelist").of("")
    for query, nothing in probes(label, theirs):
        answers = [told(client.get(address, asked, follow=True), *asked.values()) for asked in (query, nothing)]
        assert answers[0] == answers[1], query


def probes(label: str, theirs: Rows) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Parameters that ask for theirs, each beside the same that asks for nothing."""
    admin, row = REGISTERED[label], theirs[label]
    yield {"q": THEIRS[:-2]}, {"q": "nobodys"}
    yield {"tenant": str(theirs.tenant.pk)}, {"tenant": str(NO_KEY)}
    for entry in admin.list_filter:
        name = entry if isinstance(entry, str) else entry[0]
        field = row._meta.get_field(name)
        if field.is_relation:
            value, other = getattr(row, field.attname) or 1, getattr(row, name)
            nothing = never_was(other) if other is not None else NO_KEY
            for ending in ("__id__exact", "__exact", "", "__pk__in"):
                yield {f"{name}{ending}": str(value)}, {f"{name}{ending}": str(nothing)}
        elif str(getattr(row, name)).startswith(THEIRS):
            yield {name: getattr(row, name)}, {name: "nobodys"}


@each_model
def test_no_parameter_of_a_list_looks_beyond_its_filters(label: str, ours: Rows) -> None:
    """Else one could guess letter by letter what a page does not show."""
    admin, request = REGISTERED[label], asking(ours.user)
    filters = {
        entry if isinstance(entry, str) else entry[0] for entry in (*admin.list_filter, admin.date_hierarchy or "")
    }
    allowed = set()
    for field_path in paths(admin.model, 3):
        for lookup in (field_path, f"{field_path}__startswith", f"{field_path}__pk__gt", f"{field_path}__isnull"):
            if admin.lookup_allowed(lookup, "a", request):
                allowed.add(field_path)
    keys = {f"{name}__{key}" for name in filters for key in ("id", "pk")}
    assert allowed <= filters | keys


def paths(model: type[Model], depth: int) -> Iterator[str]:
    for field in model._meta.get_fields():
        yield field.name
        if depth > 1 and isinstance(field.related_model, type):
            yield from (f"{field.name}__{rest}" for rest in paths(field.related_model, depth - 1))


@two_of_them
def test_a_lookup_that_is_refused_is_refused_the_same(client: Client, theirs: Rows, ours: Rows) -> None:
    for label, lookup in (
        ("interpreters.Session", "pool__image__tenant__name__startswith"),
        ("interpreters.Session", "tenant__memberships__user__username__startswith"),
        ("frontend.Notebook", "document__icontains"),
        ("tenants.ApiToken", "hashed__startswith"),
        ("interpreters.RegistryCredential", "secret__startswith"),
    ):
        answer = client.get(pages_by(label, "changelist").of(""), {lookup: THEIRS[:4]})
        assert answer.status_code == 400, lookup


# --- Choices ------------------------------------------------------------------------------------------------------


@two_of_them
@each_model
def test_no_field_of_a_form_offers_a_row_of_another_tenant(label: str, person: User, theirs: Rows, ours: Rows) -> None:
    admin, request = REGISTERED[label], asking(person)
    for row in (None, ours[label]):
        fields = list(admin.get_form(request, row, change=row is not None).base_fields.items())
        for formset, _ in admin.get_formsets_with_inlines(request, row):
            # What ties an inline's row to the page's own is no choice.
            fields += [entry for entry in formset.form.base_fields.items() if entry[0] != formset.fk.name]
        for name, field in fields:
            if (queryset := getattr(field, "queryset", None)) is None:
                continue
            known = [theirs.user.pk] if queryset.model is User else []
            known += [other.pk for other in theirs.made.values() if isinstance(other, queryset.model)]
            assert not queryset.filter(pk__in=known).exists(), f"{label}.{name} offers what is not theirs"


@running_another
def test_no_autocompletion_tells_of_another_tenant(client: Client, theirs: Rows, ours: Rows) -> None:
    """For any relation between any two models, whether or not a form has such a field."""
    address = reverse("admin:autocomplete")
    for model in apps.get_models():
        for field in model._meta.fields:
            if field.is_relation and field.related_model in site._registry:
                query = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
                query |= {"field_name": field.name, "term": THEIRS[:-2]}
                answer = client.get(address, query)
                assert answer.status_code in (200, 403, 404), query
                assert THEIRS not in text(answer), query
                assert answer.status_code != 200 or answer.json()["results"] == [], query


# --- Actions ------------------------------------------------------------------------------------------------------


@two_of_them
@each_model
def test_no_action_reaches_a_row_of_another_tenant(
    label: str, person: User, client: Client, theirs: Rows, ours: Rows
) -> None:
    before, address = state_of(theirs), pages_by(label, "changelist").of("")
    for action in (*REGISTERED[label].get_actions(asking(person)), "delete_selected", "no_such_action"):
        for across in ("0", "1"):
            data = {"action": action, "_selected_action": [theirs[label].pk], "select_across": across, "index": "0"}
            answer = client.post(address, {**data, "post": "yes", "confirmed": "yes"}, follow=True)
            assert THEIRS not in text(answer), action
            assert state_of(theirs) == before, f"{action} reached it"


# --- The site's own pages -----------------------------------------------------------------------------------------


@running_another
def test_the_sites_pages_tell_nothing(client: Client, theirs: Rows, ours: Rows) -> None:
    """Among them the index with one's recent actions, which may be from before one left."""
    labels = {label.partition(".")[0] for label in REGISTERED}
    addresses = [reverse("admin:app_list", args=[label]) for label in labels]
    addresses += [reverse(f"admin:{name}") for name in ("index", "password_change", "password_change_done", "jsi18n")]
    for address in addresses:
        shown = text(client.get(address, follow=True))
        assert THEIRS not in shown, address
        assert "asking" in shown or "django.gettext" in shown or "does not exist" in shown


@running_another
def test_no_address_leads_to_a_row_of_any_kind_by_its_key(client: Client, theirs: Rows, ours: Rows) -> None:
    """Django's "view on site" would look it up whosever it is."""
    answers = {client.get(f"/admin/r/{kind}/{theirs.session.pk}/").status_code for kind in range(1, 30)}
    assert answers == {404}


@running_another
@pytest.mark.parametrize("label", OPERATORS)
def test_what_is_the_operators_is_nobody_elses(label: str, client: Client, theirs: Rows, ours: Rows) -> None:
    keys = (theirs.user.pk, NO_KEY)
    for page in pages_of(label):
        for method in ("get", "post"):
            answers = [told(getattr(client, method)(page.of(key)), key) for key in keys]
            assert answers[0] == answers[1], f"{method} {page.name} tells which rows there are"
            assert answers[0][0] in (302, 403, 404), page.name
    assert reverse(f"admin:{pages_by(label, 'changelist').name}") not in text(client.get(reverse("admin:index")))


# --- Who runs no tenant -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", RUNS_NONE, indirect=True)
def test_who_runs_no_tenant_sees_nothing_and_is_told_so(person: User | None, client: Client, theirs: Rows) -> None:
    """A person is told why and not sent round in circles; who is not signed in is sent to the one sign-in."""
    before = state_of(theirs)
    site_wide = [reverse(f"admin:{name}") for name in ("index", "password_change", "autocomplete", "jsi18n")]
    addresses = site_wide + [
        page.of(page.about(theirs.made[label]).pk if label in theirs.made else 1) for label, page in ALL_PAGES
    ]
    for address in addresses:
        for method in ("get", "post"):
            answer = getattr(client, method)(address)
            assert answer.status_code == 302, address
            assert THEIRS not in answer.headers["Location"]
            at_login = client.get(answer.headers["Location"])
            if person is None:
                assert at_login.headers["Location"].startswith("/login?next=/admin/")
            else:
                assert at_login.status_code == 403
                assert "owns or administers" in text(at_login)
    assert state_of(theirs) == before
