"""The dashboard: how pools did over time, of the tenants that one runs. It is the list of samples, drawn."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from interpreters import dashboard
from interpreters.dashboard import SPANS, Curves
from interpreters.figures import span as how_long
from interpreters.models import Execution, PoolSample, Session, SessionPool
from interpreters.plots import Plot, draw
from tenants.scoping import ReadOnlyAdmin, administered

MOST_POOLS = 50


@admin.register(PoolSample)
class PoolSampleAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        """A sample alone says nothing: there are no pages of rows."""
        return [path("", self.admin_site.admin_view(self.dashboard), name="interpreters_poolsample_changelist")]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def dashboard(self, request: HttpRequest) -> TemplateResponse:
        now = timezone.now()
        key = request.GET.get("span", "1d")
        if key not in SPANS:
            raise Http404
        choices = list(administered(request).order_by("name").values_list("pk", "name"))
        tenants = _chosen(request, [pk for pk, _ in choices])
        since = now - SPANS[key].length
        curves = dashboard.curves(_of(PoolSample.objects.all(), tenants), SPANS[key], now)
        used = dashboard.by_member(
            _of(Session.objects.filter(tenant__isnull=False), tenants),
            _of(Execution.objects.all(), tenants),
            since,
            now,
        )
        context = self.admin_site.each_context(request) | {
            "title": "Dashboard", "opts": self.opts, "spans": SPANS, "span": key, "tenants": choices,
            "tenant": request.GET.get("tenant", ""), "curves": curves, "plots": _plots(curves),
            "pools": _of(SessionPool.objects.with_counts().select_related("tenant").order_by("name"), tenants)[
                :MOST_POOLS
            ],
            "failures": _shares(curves.failures),
            "members": [(one, how_long(now - one.held, now)) for one in used],
            "p50": curves.quantile(0.5), "p95": curves.quantile(0.95), "now": now,
        }  # fmt: skip
        return TemplateResponse(request, "admin/interpreters/poolsample/dashboard.html", context)


def _chosen(request: HttpRequest, own: list[int]) -> list[int] | None:
    """The tenants that are shown; None for all there are and what is of none. Another's is not found."""
    asked = request.GET.get("tenant", "")
    if not asked:
        return None if request.user.is_superuser else own
    if not asked.isdecimal() or int(asked) not in own:
        raise Http404
    return [int(asked)]


def _of(rows: QuerySet[Any], tenants: list[int] | None) -> QuerySet[Any]:
    return rows if tenants is None else rows.filter(tenant__in=tenants)


def _plots(curves: Curves) -> list[Plot]:
    values, times = curves.values, curves.times
    states = {name: values[name] for name in ("ready", "leased", "starting")}
    return [
        draw("sessions", "Sessions", "sessions", times, states),
        draw("waits", "Wait for a session", "seconds", times, {"median": values["p50"], "95 of 100": values["p95"]}),
        draw("leases", "Leases", "leases", times, {"all": values["leases"], "cold starts": values["cold"]}, whole=True),
        draw(
            "executions", "Executions", "executions", times,
            {"all": values["executions"], "failed": values["failed"]}, whole=True,
        ),
    ]  # fmt: skip


def _shares(rows: list[tuple[str, int]]) -> list[tuple[str, int, float]]:
    most = max((number for _, number in rows), default=1)
    return [(words, number, 100 * number / most) for words, number in rows]
