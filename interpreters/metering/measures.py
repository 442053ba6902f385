"""What of its quotas a tenant uses, for `tenants.quotas`: registered when the application is loaded."""

from django.db.models import Count, F, Sum
from django.utils import timezone

from interpreters.lifecycle import OPEN
from interpreters.models import Session, month_quotas
from interpreters.models.session import SessionQuerySet
from tenants.models import Tenant
from tenants.quotas import Used, measured


@measured("max_sessions")
def sessions(tenant: Tenant) -> Used:
    return Used(_held(tenant).aggregate(all=Count("pk"))["all"])


@measured("max_cpu")
def cpu(tenant: Tenant) -> Used:
    return Used(_held(tenant).aggregate(all=Sum(F("pool__cpu")))["all"] or 0.0)


@measured("max_memory")
def memory(tenant: Tenant) -> Used:
    return Used(_held(tenant).aggregate(all=Sum(F("pool__memory")))["all"] or 0)


@measured("max_session_hours")
def session_hours(tenant: Tenant) -> Used:
    return _hours(tenant, "max_session_hours")


@measured("max_execution_hours")
def execution_hours(tenant: Tenant) -> Used:
    return _hours(tenant, "max_execution_hours")


def _held(tenant: Tenant) -> SessionQuerySet:
    return Session.objects.filter(tenant=tenant, state__in=OPEN)


def _hours(tenant: Tenant, quota: str) -> Used:
    found = next(each for each in month_quotas.standings(tenant, timezone.now()) if each.quota == quota)
    return Used(found.used or 0.0, found.frees_at, found.period)
