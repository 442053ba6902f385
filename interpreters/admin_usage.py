"""Usage for administrators: each session's, and a page for each tenant with what is left of its quotas."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from interpreters import metering
from interpreters.models import SessionUsage
from interpreters.models.usage import month_of
from tenants import quotas, storage
from tenants.downloads import download
from tenants.models import Tenant
from tenants.scoping import TenantScopedAdmin, administered

MONTHS = 12  # that can be chosen


@admin.register(SessionUsage)
class SessionUsageAdmin(TenantScopedAdmin[SessionUsage]):
    list_display = ("started_at", "tenant", "member", "pool", "identifier", "token", "lasted", "ran", "executions")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "pool")
    list_select_related = ("tenant",)
    search_fields = ("=member", "=pool", "identifier", "=token")
    date_hierarchy = "started_at"
    show_full_result_count = False
    change_list_template = "admin/interpreters/sessionusage/change_list.html"
    fields = (
        *("session", "tenant", "member", "token", "pool", "identifier", "cpu", "memory"),
        *("started_at", "ended_at", "lasted", "ran", "executions"),
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionUsage]:
        rows = super().get_queryset(request)
        return rows.annotate(all_ran=Sum("days__ran"), all_executions=Sum("days__executions"))

    @admin.display(description="seconds")
    def lasted(self, row: SessionUsage) -> str:
        lasted = ((row.ended_at or timezone.now()) - row.started_at).total_seconds()
        return f"{lasted:.0f}{'' if row.ended_at else ' so far'}"

    @admin.display(description="seconds of code")
    def ran(self, row: Any) -> str:
        return f"{(row.all_ran or 0) / 1000:.0f}"

    @admin.display(description="runs")
    def executions(self, row: Any) -> int:
        return row.all_executions or 0

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "interpreters_sessionusage"
        own = [
            path("tenants/<int:tenant>/", wrap(self.of_tenant), name=f"{name}_tenant"),
            path("tenants/<int:tenant>/export", wrap(self.export), name=f"{name}_export"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        of_tenants = administered(request).order_by("name")[:100]
        return super().changelist_view(request, {"of_tenants": of_tenants, **(extra_context or {})})

    def of_tenant(self, request: HttpRequest, tenant: int) -> HttpResponse:
        """What one tenant used in a month, and how it stands with its quotas now."""
        found = self._find(request, tenant)
        since, until = _month(request)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Usage of {found}",
            "opts": self.opts,
            "tenant": found,
            "standings": list(quotas.standings(found)),
            "stored": storage.stored(found),
            "month": f"{since:%Y-%m}",
            "months": _months(),
            "total": metering.total(found, since, until),
            "tables": [
                ("Member", metering.by_member(found, since, until)),
                ("Pool", metering.by_pool(found, since, until)),
                ("Day", metering.by_day(found, since, until)),
            ],
        }
        return TemplateResponse(request, "admin/interpreters/sessionusage/tenant.html", context)

    def export(self, request: HttpRequest, tenant: int) -> StreamingHttpResponse:
        """A month as CSV, a line for each session."""
        found = self._find(request, tenant)
        since, until = _month(request)
        name = f"usage-{found.slug}-{since:%Y-%m}.csv"
        return download(request, metering.as_csv(found, since, until), name, "text/csv; charset=utf-8")

    def _find(self, request: HttpRequest, tenant: int) -> Tenant:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(administered(request), pk=tenant)


def _month(request: HttpRequest) -> tuple[date, date]:
    """The month that is asked for, as ?month=2026-11; this one where that is none."""
    asked = request.GET.get("month", "")
    first = f"{asked}-01" if asked in _months() else f"{_months()[0]}-01"
    since = date.fromisoformat(first)
    return since, _following(since)


def _months() -> list[str]:
    """This one and those before it."""
    first, _ = month_of(timezone.now())
    months = []
    for _ in range(MONTHS):
        months.append(f"{first:%Y-%m}")
        first = date(first.year - (first.month == 1), first.month - 1 or 12, 1)
    return months


def _following(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)
