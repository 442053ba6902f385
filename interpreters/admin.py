"""Pools, for administrators: how many there are of what, how they do, and what to do about it."""

import time
from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from interpreters import (
    admin_dashboard,
    admin_images,
    admin_records,
    admin_sessions,
    admin_usage,
    admin_webhooks,
    admin_workspaces,
)
from interpreters.figures import LiveFigures, refreshed
from interpreters.forms import PoolForm
from interpreters.lifecycle import OPEN, Reason
from interpreters.models import InterpreterImage, Session, SessionPool
from interpreters.models.image import RELAY
from interpreters.models.offering import offered
from interpreters.tasks import check_isolation, enqueue, maintain_pool
from tenants.egress import Mode
from tenants.scoping import BY_TENANT, TenantScopedAdmin, administered

NO_EGRESS = "Unavailable: no egress process answers. Start `manage.py egress`."
OFFER = admin_images.OFFER
__all__ = [  # which register their own
    "admin_dashboard",
    "admin_images",
    "admin_records",
    "admin_sessions",
    "admin_usage",
    "admin_webhooks",
    "admin_workspaces",
]


@admin.register(SessionPool)
class SessionPoolAdmin(TenantScopedAdmin[SessionPool], LiveFigures):
    form = PoolForm
    list_display = (
        *("name", "tenant", "image", "well", "ready", "starting", "leased", "live", "maximum", "launch"),
        *("egress", "error"),
    )
    list_filter = ("enabled", "egress", BY_TENANT)
    ordering = ("name", "id")
    list_select_related = ("tenant", "image")
    search_fields = ("name",)
    shared_choices = ("image",)
    state_fields = ("deleting", "degraded", "failures", "crashes", "retry_at", "last_words", "maintained_at")
    figure_fields = ("well", "ready", "starting", "leased", "live", "maximum", "former", "launch", "sessions")
    in_rows = (figure_fields[:7], *figure_fields[7:])
    readonly_fields = ("egress_state", *figure_fields, *state_fields)
    filter_horizontal = ("offered_to",)
    actions = ("drain", "enable", "end_sessions", "check_isolation")
    fieldsets = (
        ("Now", {"fields": in_rows}),
        (None, {"fields": ("name", "tenant", "image", "enabled")}),
        (OFFER, {"fields": ("offered_to_all", "offered_to")}),
        ("How many, how long", {"fields": ("ready_instances", "max_concurrent", "cooldown", "max_alive", "lifecycle")}),
        ("Each sandbox", {"fields": ("cpu", "memory", "disk", "pids", "environment", "oci_runtime")}),
        (
            "Custom container",
            {
                "fields": ("target_port", "command", "args", "secrets", "probes", "writable_paths", "run_as", "shell"),
                "description": "Only for images of kind custom.",
                "classes": ("collapse",),
            },
        ),
        ("Network", {"fields": ("egress", "egress_allow", "egress_state")}),
        ("State", {"fields": state_fields}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: SessionPool | None = None) -> Any:
        """What is of no use is out of the way: the state of a new pool, and a container's fields where code runs."""
        fieldsets = [(name, dict(options)) for name, options in super().get_fieldsets(request, obj)]
        if not admin_images.may_offer(request, obj):
            fieldsets = [(name, options) for name, options in fieldsets if name != OFFER]
        if obj is None:
            return [(name, options) for name, options in fieldsets if name not in ("Now", "State")]
        for name, options in fieldsets:
            if name == "Custom container" and obj.image.custom:
                options["classes"] = ()
        return fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionPool]:
        pools = super().get_queryset(request)
        return pools.with_counts()  # type: ignore[attr-defined,no-any-return]

    @refreshed()
    def ready(self, pool: Any) -> str:
        return f"{pool.ready} of {pool.ready_instances}"

    @refreshed()
    def starting(self, pool: Any) -> str:
        return str(pool.starting)

    @refreshed()
    def leased(self, pool: Any) -> str:
        return str(pool.leased)

    @refreshed()
    def live(self, pool: Any) -> str:
        return str(pool.live)

    @admin.display(description="max live", ordering="max_concurrent")
    def maximum(self, pool: SessionPool) -> int:
        return pool.max_concurrent

    @refreshed("launch times")
    def launch(self, pool: SessionPool) -> str:
        if pool.median_launch is None or pool.last_launch is None:
            return "none yet"
        return f"{pool.median_launch:.1f} s, last {pool.last_launch:.1f} s"

    @refreshed("state")
    def well(self, pool: SessionPool) -> str:
        if pool.deleting:
            return "being deleted"
        return "degraded" if pool.degraded else "on" if pool.enabled else "off"

    @admin.display
    def sessions(self, pool: SessionPool) -> str:
        listed = reverse("admin:interpreters_session_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?pool__id__exact={}">Sessions of this pool</a>', listed, pool.pk)

    @admin.display(boolean=True, description="degraded")
    def degraded(self, pool: SessionPool) -> bool:
        return pool.degraded

    @admin.display(description="of former settings")
    def former(self, pool: SessionPool) -> str:
        """Those that are ready are being replaced; what somebody holds stays as it is until it ends."""
        counts = pool.former_instances
        return ", ".join(f"{counts[state]} {state}" for state in OPEN if state in counts) or "none"

    def get_readonly_fields(self, request: HttpRequest, obj: SessionPool | None = None) -> Any:
        # Whose it is stays: its sessions are of those that might use it.
        return (*super().get_readonly_fields(request, obj), *(("tenant",) if obj else ()))

    @admin.display(description="last error")
    def last_words(self, pool: SessionPool) -> str:
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', pool.last_error) if pool.last_error else ""

    @refreshed("last error")
    def error(self, pool: SessionPool) -> str:
        return NO_EGRESS if pool.lacks_egress else truncatechars(pool.last_error.partition("\n")[0], 80)

    @admin.display(description="network access")
    def egress_state(self, pool: SessionPool) -> str:
        return NO_EGRESS if pool.lacks_egress else Mode(pool.egress).words

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "image":
            field.queryset = field.queryset.exclude(source=RELAY)  # type: ignore[union-attr]
            if not request.user.is_superuser:
                mine = Q(tenant__isnull=False) | offered(InterpreterImage, *administered(request))
                field.queryset = field.queryset.filter(mine)
        return field

    # To delete a pool is to let it end: its sessions first, then its rows, which go with it.
    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        pools = list(objs)
        told = [f"Pool {pool}: its sessions are ended, then it goes with all its rows." for pool in pools]
        return told, {"session pools": len(pools)}, set(), []

    def delete_model(self, request: HttpRequest, obj: SessionPool) -> None:
        obj.retire()
        enqueue(maintain_pool, obj.pk, time.time())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SessionPool]) -> None:
        for pool in queryset:
            self.delete_model(request, pool)

    def save_model(self, request: HttpRequest, obj: SessionPool, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        enqueue(maintain_pool, obj.pk, time.time())

    @admin.action(description="Drain: open no new sessions, keep none ready", permissions=["change"])
    def drain(self, request: HttpRequest, pools: QuerySet[SessionPool]) -> None:
        self._switch(request, pools, False, "Draining {}: open sessions go on until they end by themselves.")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, pools: QuerySet[SessionPool]) -> None:
        self._switch(request, pools, True, "Enabled {}.")

    @admin.action(description="End the sessions of people, after asking", permissions=["change"])
    def end_sessions(self, request: HttpRequest, pools: QuerySet[SessionPool]) -> TemplateResponse | None:
        held = Session.objects.open().filter(pool__in=pools.values("pk"), tenant__isnull=False)
        if not request.POST.get("confirmed"):
            context = self.admin_site.each_context(request) | {
                "title": "End sessions", "opts": self.opts, "pools": pools, "number": held.count(), "media": self.media,
            }  # fmt: skip
            return TemplateResponse(request, "admin/interpreters/sessionpool/end_sessions.html", context)
        ended = sum(session.end(Reason.CLOSED, f"by {request.user} in the admin") for session in held)
        self.message_user(request, f"Ending {ended}. Their outputs are saved first.")
        return None

    @admin.action(description="Check the isolation now", permissions=["operate"])
    def check_isolation(self, request: HttpRequest, pools: QuerySet[SessionPool]) -> None:
        chosen = list(pools.values_list("pk", flat=True))
        for pool in chosen:
            enqueue(check_isolation, pool)
        self.message_user(request, f"A worker checks {len(chosen)}, half a minute each: see Isolation reports.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """What concerns the machine, and not a tenant."""
        return bool(request.user.is_superuser)

    def _switch(self, request: HttpRequest, pools: QuerySet[SessionPool], enabled: bool, words: str) -> None:
        chosen = list(pools.filter(deleting=False))
        for pool in chosen:  # one by one, which the audit log sees
            pool.enabled = enabled
            pool.save(update_fields=["enabled"])
            enqueue(maintain_pool, pool.pk, time.time())
        self.message_user(request, words.format(len(chosen)))
