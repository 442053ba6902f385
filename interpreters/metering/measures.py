"""What of its quotas a tenant uses, for `tenants.quotas`: registered when the application is loaded."""

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from interpreters.lifecycle import OPEN
from interpreters.models import Session, month_quotas, tenant_quotas
from interpreters.models.session import SessionQuerySet
from tenants.models import Tenant
from tenants.quotas import Used, measured


@measured("max_sessions")
def sessions(tenant: Tenant) -> Used:
    return Used(_held(tenant).aggregate(all=Count("pk"))["all"])


@measured("max_cpu")
def cpu(tenant: Tenant) -> Used:
    return Used(_held(tenant).aggregate(all=Sum(Coalesce("cpu", "pool__cpu")))["all"] or 0.0)


@measured("max_memory")
def memory(tenant: Tenant) -> Used:
    return Used(_held(tenant).aggregate(all=Sum(Coalesce("memory", "pool__memory")))["all"] or 0)


@measured("max_ready")
def ready(tenant: Tenant) -> Used:
    return Used(tenant_quotas.ready_of(tenant))


@measured("max_disk")
def disk(tenant: Tenant) -> Used:
    return Used(tenant_quotas.disk_of(tenant))


@measured("max_session_hours")
def session_hours(tenant: Tenant) -> Used:
    return _hours(tenant, "max_session_hours")


@measured("max_execution_hours")
def execution_hours(tenant: Tenant) -> Used:
    return _hours(tenant, "max_execution_hours")


def _held(tenant: Tenant) -> SessionQuerySet:
    """Each with what it has, as where a lease is looked at: its pool may have been changed since."""
    return Session.objects.filter(tenant=tenant, state__in=OPEN)


def _hours(tenant: Tenant, quota: str) -> Used:
    found = next(each for each in month_quotas.standings(tenant, timezone.now()) if each.quota == quota)
    return Used(found.used or 0.0, found.frees_at, found.period)
