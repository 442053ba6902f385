"""Pools and tenants: what they may ask for, what follows from it, and what is refused while the proxy is missing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin import site
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone

from interpreters.egress import policies
from interpreters.egress.policies import Policies, Unknown
from interpreters.lifecycle import State
from interpreters.management.checkup import egress
from interpreters.management.commands.egress import Command
from interpreters.models import EgressProxy, EgressTotal, PoolUnavailable, Session, SessionPool
from interpreters.runtime.hardening import (
    EngineFeatures,
    Folders,
    agent_environment,
    container_config,
    egress_environment,
)
from tenants.models import Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [path("admin/", site.urls)]


@pytest.fixture
def proxy(db: None) -> EgressProxy:
    return EgressProxy.objects.create(started_at=timezone.now(), seen_at=timezone.now(), sandboxes=3)


@pytest.fixture
def clean(pool: Any, acme: Any) -> Callable[..., dict[str, str]]:
    """What a form is told of a pool of acme's."""

    def check(mode: str, *entries: object, ceiling: str = "open", allowed: Any = ()) -> dict[str, str]:
        acme.egress_ceiling, acme.egress_allowed = ceiling, list(allowed)
        pool.tenant, pool.egress, pool.egress_allow = acme, mode, list(entries)
        try:
            pool.full_clean()
        except ValidationError as error:
            return {name: " ".join(words) for name, words in error.message_dict.items()}
        return {}

    return check


def test_a_new_pool_has_no_network_and_a_new_tenant_no_right_to_one(pool: Any, acme: Any) -> None:
    assert (pool.egress, pool.egress_allow) == ("none", [])
    assert (acme.egress_limit.mode, acme.egress_limit.allowed) == ("none", ())


def test_one_setting_turns_it_on_for_tenants_that_have_no_ceiling_of_their_own(acme: Any, settings: Any) -> None:
    settings.EGRESS_CEILING = "allow_list"
    assert acme.egress_limit.mode == "allow_list"
    acme.egress_ceiling = "none"
    assert acme.egress_limit.mode == "none"


def test_a_list_is_kept_in_canonical_form(pool: Any, clean: Callable[..., dict[str, str]]) -> None:
    assert clean("allow_list", "EXAMPLE.org.", "example.org", "bücher.example:8443", "203.0.113.7/32") == {}
    assert pool.egress_allow == ["example.org", "xn--bcher-kva.example:8443", "203.0.113.7"]


def test_what_is_wrong_is_said_at_its_field(clean: Callable[..., dict[str, str]]) -> None:
    assert "no page" not in clean("allow_list", "https://example.org/")["egress_allow"]
    assert "only a name" in clean("allow_list", "https://example.org/")["egress_allow"]
    assert "The list is empty" in clean("allow_list")["egress_allow"]
    assert "not a valid choice" in clean("everything")["egress"]
    assert "list of texts" in clean("allow_list", 5)["egress_allow"]


def test_beyond_its_tenants_ceiling_a_pool_is_not_saved(clean: Callable[..., dict[str, str]]) -> None:
    assert clean("open") == {}
    assert "no network" in clean("allow_list", "example.org", ceiling="none")["egress"]
    assert "what the list names" in clean("open", ceiling="allow_list")["egress"]
    assert "only *.org" in clean("open", allowed=["*.org"])["egress"]
    assert "example.net is beyond" in clean("allow_list", "a.org", "example.net", allowed=["*.org"])["egress_allow"]
    assert clean("allow_list", "a.org", ceiling="allow_list", allowed=["*.org"]) == {}


def test_a_shared_pool_is_the_operators_own(pool: Any) -> None:
    pool.egress = "open"
    pool.full_clean()


def test_the_mode_is_part_of_what_a_sandbox_is_made_from_and_the_list_is_not(pool: Any) -> None:
    before = pool.revision
    pool.egress_allow = ["example.org"]
    assert pool.revision == before
    pool.egress = "allow_list"
    assert pool.revision != before


# --- What the sandbox is told ---


def test_a_container_without_egress_has_no_trace_of_it(pool: Any) -> None:
    spec = Session(pk=uuid4(), pool=pool).sandbox_spec
    config = container_config(spec, Folders("/sockets"), 10000, EngineFeatures())
    assert "egress" not in str(config).lower()
    assert "3128" not in str(config)
    assert egress_environment(spec) == {}


@pytest.mark.parametrize("mode", ["allow_list", "open"])
def test_a_container_with_egress_has_a_read_only_folder_and_still_no_network(pool: Any, mode: str) -> None:
    pool.egress = mode
    spec = Session(pk=uuid4(), pool=pool).sandbox_spec
    config = container_config(spec, Folders("/sockets", "/egress"), 10000, EngineFeatures())
    assert config["HostConfig"]["NetworkMode"] == "none"
    assert config["HostConfig"]["Mounts"][1:] == [
        {"Type": "bind", "Source": "/egress", "Target": "/run/egress", "ReadOnly": True}
    ]
    assert agent_environment(spec)["THERMAE_EGRESS"] == "1"
    variables = egress_environment(spec)
    assert {variables[name] for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY")} == {"http://127.0.0.1:3128"}
    assert variables["no_proxy"] == "localhost,127.0.0.1,::1"


# --- Without its proxy ---


def test_a_pool_whose_proxy_is_missing_hands_out_nothing_and_says_so(pool: Any, acme: Any, alice: Any) -> None:
    SessionPool.objects.filter(pk=pool.pk).update(egress="open")
    pool.refresh_from_db()
    ready = pool.sessions.create(state=State.READY, pool_revision=pool.revision, handle="h")
    with pytest.raises(PoolUnavailable, match="network access is not available"):
        pool.lease(acme, alice, "mine")
    assert not pool.spec.launchable
    ready.refresh_from_db()
    assert ready.state == State.READY
    proxy = EgressProxy.objects.create(started_at=timezone.now(), seen_at=timezone.now())
    assert pool.spec.launchable
    lease = pool.lease(acme, alice, "mine")
    assert lease.session.pk == ready.pk
    EgressProxy.objects.update(seen_at=timezone.now() - timedelta(seconds=30))
    assert not pool.spec.launchable
    assert pool.lease(acme, alice, "mine").session == lease.session, "who has a session keeps it"
    proxy.delete()


def test_a_pool_without_egress_asks_for_no_proxy(pool: Any, acme: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert pool.spec.launchable
    assert pool.lease(acme, None, "mine").session


def test_doctor_tells_of_it(pool: Any) -> None:
    (finding,) = egress()
    assert not finding.advice
    SessionPool.objects.update(egress="open")
    (finding,) = egress()
    assert (finding.grave, finding.advice) == (True, "start one: manage.py egress")
    EgressProxy.objects.create(started_at=timezone.now(), seen_at=timezone.now(), sandboxes=3)
    (finding,) = egress()
    assert (finding.advice, finding.text) == ("", "its process answers, for 3 sandboxes")


def test_in_a_container_the_process_wants_this_machines_addresses(settings: Any) -> None:
    with pytest.raises(Exception, match="THERMAE_EGRESS_DENY"):
        Command().handle(in_container=True)


# --- Whose sandbox asks ---


def find(session: Session) -> Any:
    return async_to_sync(Policies().find)(session.pk)


def test_a_policy_is_that_of_the_pool_under_its_tenants_ceiling(pool: Any, acme: Any) -> None:
    Tenant.objects.filter(pk=acme.pk).update(egress_ceiling="allow_list", egress_allowed=["*.org"])
    SessionPool.objects.filter(pk=pool.pk).update(tenant=acme, egress="allow_list", egress_allow=["example.org"])
    caller = find(pool.sessions.create(state=State.READY))
    assert (caller.subject.pool, caller.subject.tenant) == (pool.pk, acme.pk)
    assert (caller.policy.mode, [str(entry) for entry in caller.policy.entries]) == ("allow_list", ["example.org"])
    assert (caller.policy.ceiling.mode, str(caller.policy.ceiling.allowed[0])) == ("allow_list", "*.org")


def test_in_a_shared_pool_the_holder_is_whom_decisions_belong_to(pool: Any, acme: Any) -> None:
    SessionPool.objects.filter(pk=pool.pk).update(egress="open")
    held = pool.sessions.create(state=State.LEASED, tenant=acme, identifier="a")
    assert find(held).subject.tenant == acme.pk
    assert find(held).policy.ceiling.mode == "open"
    assert find(pool.sessions.create(state=State.READY)).subject.tenant is None


@pytest.mark.parametrize("state", [State.STOPPING, State.GONE])
def test_a_session_that_has_ended_is_refused(pool: Any, state: State) -> None:
    with pytest.raises(Unknown) as refused:
        find(pool.sessions.create(state=state))
    assert refused.value.reason == "no session"
    with pytest.raises(Unknown):
        find(Session(pk=uuid4()))


def test_what_makes_no_sense_in_the_database_allows_nothing(pool: Any) -> None:
    session = pool.sessions.create(state=State.READY)
    for fields in ({"egress": "everything"}, {"egress": "open", "egress_allow": ["*"]}, {"egress_allow": {"a": 1}}):
        SessionPool.objects.filter(pk=pool.pk).update(**fields)
        assert find(session).policy.mode == "none"


def test_without_a_database_nothing_is_allowed(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = pool.sessions.create(state=State.READY)
    for failure in (OperationalError("away"), RuntimeError("broken")):

        def fail(_: object, failure: Exception = failure) -> Any:
            raise failure

        monkeypatch.setattr(policies, "_read", fail)
        with pytest.raises(Unknown) as refused:
            find(session)
        assert refused.value.reason == "unavailable"


# --- Admin and metrics ---


@pytest.fixture
def staff(alice: Any, client: Client) -> Client:
    client.force_login(alice)
    return client


def test_a_tenants_administrator_reads_its_ceiling_and_cannot_raise_it(staff: Client, acme: Any) -> None:
    address = reverse("admin:tenants_tenant_change", args=[acme.pk])
    inlines = {f"memberships-{name}": value for name, value in {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}.items()}
    form = {"name": "Acme 2", "slug": "acme", "egress_ceiling": "open", "egress_allowed": "", **inlines}
    assert "egress_ceiling" in staff.get(address).content.decode()
    assert staff.post(address, form).status_code == 302
    acme.refresh_from_db()
    assert (acme.name, acme.egress_ceiling) == ("Acme 2", "")


def test_an_operator_raises_it_one_entry_to_a_line(admin_client: Client, acme: Any) -> None:
    address = reverse("admin:tenants_tenant_change", args=[acme.pk])
    inlines = {f"memberships-{name}": value for name, value in {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}.items()}
    form = {"name": "Acme", "slug": "acme", "egress_ceiling": "open", **inlines}
    answer = admin_client.post(address, {**form, "egress_allowed": "*.example.org\r\nhttp://x"})
    assert "only a name" in answer.content.decode()
    assert (
        admin_client.post(address, {**form, "egress_allowed": "*.Example.org\r\n\r\n pypi.org \n"}).status_code == 302
    )
    acme.refresh_from_db()
    assert (acme.egress_ceiling, acme.egress_allowed) == ("open", ["*.example.org", "pypi.org"])
    assert "*.example.org\npypi.org" in admin_client.get(address).content.decode()


def test_the_admin_says_that_the_proxy_is_missing(admin_client: Client, pool: Any) -> None:
    SessionPool.objects.update(egress="open")
    for address in (
        reverse("admin:interpreters_sessionpool_changelist"),
        reverse("admin:interpreters_sessionpool_change", args=[pool.pk]),
    ):
        assert "no egress process answers" in admin_client.get(address).content.decode()


def test_metrics_tell_sums_and_whether_the_process_lives(client: Client, pool: Any, proxy: EgressProxy) -> None:
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import CollectorRegistry

    from interpreters.metrics import Rows

    EgressTotal.objects.create(pool=pool, allowed=True, decisions=3, bytes_out=100, bytes_in=200)
    EgressTotal.objects.create(pool=pool, allowed=False, decisions=9)
    registry = CollectorRegistry()
    registry.register(Rows())
    told = generate_latest(registry).decode()
    assert 'thermae_egress_decisions_total{decision="allowed",pool="python",tenant=""} 3.0' in told
    assert 'thermae_egress_decisions_total{decision="refused",pool="python",tenant=""} 9.0' in told
    assert 'thermae_egress_bytes_total{direction="in",pool="python",tenant=""} 200.0' in told
    assert "thermae_egress_up 1.0" in told
