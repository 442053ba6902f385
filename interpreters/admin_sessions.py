"""Sessions, for administrators: who has them, since when, and what they use. They are never edited, only ended."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from interpreters.figures import LiveFigures, refreshed, span
from interpreters.lifecycle import LIVE, OPEN, Reason, State
from interpreters.models import Session
from tenants.scoping import BY_TENANT, ReadOnlyAdmin, administered


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin, LiveFigures):
    list_display = (
        *("short", "user", "pool", "condition", "age", "idle", "cpu", "memory", "ends"),
        *("identifier", "tenant", "reason"),
    )
    list_filter = ("state", "reason", ("pool", admin.RelatedOnlyFieldListFilter), BY_TENANT)
    list_select_related = ("pool", "tenant", "user")
    list_per_page = 50
    search_fields = ("=id", "identifier", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = ("end",)
    change_form_template = "admin/interpreters/session/change_form.html"
    figures = ("condition", "age", "idle", "cpu", "memory", "ends")
    rows = (
        *("id", "pool", "tenant", "user", "identifier", "handle", "reason", "detail", "created_at", "state_since"),
        *("launch_seconds", "cold_start", "leased_at", "last_used_at", "measured_at", "ended_at"),
    )
    fieldsets = (("Now", {"fields": figures}), (None, {"fields": rows}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        """Those of a tenant, and those that nobody holds of its own pools."""
        rows = admin.ModelAdmin.get_queryset(self, request)
        if request.user.is_superuser:
            return rows
        own = administered(request)
        return rows.filter(Q(tenant__in=own) | Q(tenant=None, pool__tenant__in=own))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return (*self.figures, *self.rows)

    @admin.display(description="id", ordering="id")
    def short(self, session: Session) -> str:
        return str(session.pk)[:8]

    @refreshed("state")
    def condition(self, session: Session) -> str:
        return f"{session.state}: {session.phase}" if session.phase else session.state

    @refreshed("for", ordering="leased_at")
    def age(self, session: Session) -> str:
        """How long it has been somebody's, or, before that, has been."""
        return span(session.leased_at or session.created_at, session.ended_at)

    @refreshed(ordering="last_used_at")
    def idle(self, session: Session) -> str:
        return span(session.last_used_at) if session.state == State.LEASED else ""

    @refreshed("CPU", ordering="cpu_used")
    def cpu(self, session: Session) -> str:
        if session.cpu_used is None or session.state not in LIVE:
            return ""
        return f"{session.cpu_used:.2f} of {session.has('cpu'):g}{_stale(session)}"

    @refreshed(ordering="memory_used")
    def memory(self, session: Session) -> str:
        if session.memory_used is None or session.state not in LIVE:
            return ""
        limit = filesizeformat(session.has("memory") * 1024 * 1024)
        return f"{filesizeformat(session.memory_used)} of {limit}{_stale(session)}"

    @refreshed("ends in")
    def ends(self, session: Session) -> str:
        return span(timezone.now(), session.expires_at) if session.expires_at else ""

    @admin.action(description="End the selected sessions", permissions=["change"])
    def end(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        ended = sum(self._end(request, session) for session in sessions.filter(state__in=OPEN))
        self.message_user(request, f"Ending {ended}. Their outputs are saved first.")

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """The one button of a session's page."""
        if "_end" in request.POST and isinstance(obj, Session) and self._end(request, obj):
            self.message_user(request, "Ending it. Its outputs are saved first.")

    def _end(self, request: HttpRequest, session: Session) -> bool:
        return session.end(Reason.CLOSED, f"by {request.user} in the admin")


# A worker measures once a minute; what is older than this says that the agent has not answered since.
STALE = 150


def _stale(session: Session) -> str:
    if session.measured_at is None or (timezone.now() - session.measured_at).total_seconds() < STALE:
        return ""
    return f", {span(session.measured_at)} ago"
