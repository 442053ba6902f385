"""Pools, sessions and executions, for administrators. What runs is never edited, only ended."""

import time
from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat, truncatechars
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from interpreters import admin_images, admin_workspaces
from interpreters.forms import PoolForm
from interpreters.lifecycle import OPEN, Reason
from interpreters.models import EgressDecision, Execution, InterpreterImage, IsolationReport, Session, SessionPool
from interpreters.models.image import RELAY
from interpreters.models.offering import offered
from interpreters.tasks import check_isolation, enqueue, maintain_pool
from tenants.egress import Mode
from tenants.scoping import OperatorAdmin, TenantScopedAdmin, administered

NO_EGRESS = "Unavailable: no egress process answers. Start `manage.py egress`."
__all__ = ["admin_images", "admin_workspaces"]  # which register their own
BY_TENANT, OFFER = admin_images.BY_TENANT, admin_images.OFFER


@admin.register(SessionPool)
class SessionPoolAdmin(TenantScopedAdmin[SessionPool]):
    form = PoolForm
    list_display = (
        *("name", "tenant", "image", "well", "error"),
        *("ready", "starting", "leased", "live", "maximum", "egress"),
    )
    list_filter = ("enabled", "egress", BY_TENANT)
    list_select_related = ("tenant", "image")
    search_fields = ("name",)
    shared_choices = ("image",)
    state_fields = ("deleting", "degraded", "failures", "crashes", "retry_at", "last_words", "maintained_at")
    readonly_fields = ("egress_state", "former", *state_fields)
    filter_horizontal = ("offered_to",)
    actions = ("drain", "enable", "check_isolation")
    fieldsets = (
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
        ("State", {"fields": ("former", *state_fields)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: SessionPool | None = None) -> Any:
        """What is of no use is out of the way: the state of a new pool, and a container's fields where code runs."""
        fieldsets = [(name, dict(options)) for name, options in super().get_fieldsets(request, obj)]
        if not admin_images.may_offer(request, obj):
            fieldsets = [(name, options) for name, options in fieldsets if name != OFFER]
        if obj is None:
            return [(name, options) for name, options in fieldsets if name != "State"]
        for name, options in fieldsets:
            if name == "Custom container" and obj.image.custom:
                options["classes"] = ()
        return fieldsets

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionPool]:
        pools = super().get_queryset(request)
        return pools.with_counts()  # type: ignore[attr-defined,no-any-return]

    @admin.display
    def ready(self, pool: Any) -> str:
        return f"{pool.ready} of {pool.ready_instances}"

    @admin.display
    def starting(self, pool: Any) -> int:
        return int(pool.starting)

    @admin.display
    def leased(self, pool: Any) -> int:
        return int(pool.leased)

    @admin.display
    def live(self, pool: Any) -> int:
        return int(pool.live)

    @admin.display(description="max", ordering="max_concurrent")
    def maximum(self, pool: SessionPool) -> int:
        return pool.max_concurrent

    @admin.display(description="state")
    def well(self, pool: SessionPool) -> str:
        if pool.deleting:
            return "being deleted"
        return "degraded" if pool.degraded else "on" if pool.enabled else "off"

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

    @admin.display(description="last error")
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
        chosen = list(pools.filter(deleting=False).values_list("pk", flat=True))
        SessionPool.objects.filter(pk__in=chosen).update(enabled=enabled)
        for pool in chosen:
            enqueue(maintain_pool, pool, time.time())
        self.message_user(request, words.format(len(chosen)))


class ReadOnlyAdmin(TenantScopedAdmin[Any]):
    """Rows that only the product writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ("id", "pool", "state", "phase", "tenant", "user", "identifier", "state_since", "reason")
    list_filter = ("state", "reason", ("pool", admin.RelatedOnlyFieldListFilter), BY_TENANT)
    list_select_related = ("pool", "tenant", "user")
    search_fields = ("=id", "identifier", "user__username")
    date_hierarchy = "created_at"
    actions = ("end",)

    @admin.action(description="End the selected sessions", permissions=["change"])
    def end(self, request: HttpRequest, sessions: QuerySet[Session]) -> None:
        by = f"by {request.user} in the admin"
        ended = sum(session.end(Reason.CLOSED, by) for session in sessions.filter(state__in=OPEN))
        self.message_user(request, f"Ending {ended}. Their outputs are saved first.")


@admin.register(EgressDecision)
class EgressDecisionAdmin(ReadOnlyAdmin):
    list_display = ("at", "tenant", "pool", "destination", "address", "allowed", "reason", "count", "sent", "received")
    list_filter = ("allowed", "reason", ("pool", admin.RelatedOnlyFieldListFilter), BY_TENANT)
    list_select_related = ("tenant", "pool")
    search_fields = ("host", "=session", "address")
    date_hierarchy = "at"
    ordering = ("-at",)
    show_full_result_count = False  # there may be millions

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display
    def destination(self, decision: EgressDecision) -> str:
        return f"{decision.host}:{decision.port}" if decision.port else decision.host

    @admin.display(ordering="bytes_out")
    def sent(self, decision: EgressDecision) -> str:
        return str(filesizeformat(decision.bytes_out))

    @admin.display(ordering="bytes_in")
    def received(self, decision: EgressDecision) -> str:
        return str(filesizeformat(decision.bytes_in))


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    list_display = ("id", "status", "first_line", "tenant", "user", "queued_at", "finished_at")
    list_filter = ("status", BY_TENANT)
    list_select_related = ("tenant", "user")
    search_fields = ("=id", "=session__id", "cell", "user__username")
    date_hierarchy = "queued_at"

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="code")
    def first_line(self, execution: Execution) -> str:
        return truncatechars(execution.code.strip().partition("\n")[0], 60)


@admin.register(IsolationReport)
class IsolationReportAdmin(OperatorAdmin[IsolationReport]):
    """For those who run the machine: where a sandbox does not hold is no business of a tenant's."""

    list_display = ("created_at", "pool", "runtime", "oci_runtime", "outcome", "contained", "escaped", "unchecked")
    list_filter = (("pool", admin.RelatedOnlyFieldListFilter), "runtime")
    list_select_related = ("pool",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    fields = ("created_at", "pool", "outcome", "runtime", "oci_runtime", "engine", "took", "table")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display
    def outcome(self, report: IsolationReport) -> str:
        """In words, so that nothing hangs on a colour."""
        return "all contained" if report.holds else f"{report.escaped + report.unchecked} FAILED"

    @admin.display(description="seconds")
    def took(self, report: IsolationReport) -> str:
        return f"{report.seconds:.1f}"

    @admin.display(description="versions")
    def engine(self, report: IsolationReport) -> str:
        return ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))

    @admin.display(description="probes")
    def table(self, report: IsolationReport) -> SafeString:
        """What failed comes first."""
        calm = ("contained", "not applicable")
        rows = sorted(report.results, key=lambda row: row["result"] in calm)
        cells = ((row["probe"], row["tries"], row["barrier"], row["result"], row["detail"]) for row in rows)
        lines = format_html_join(
            "", "<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", cells
        )
        names = ("probe", "tries to", "contained by", "result", "what it met")
        head = format_html_join("", "<th scope=col>{}</th>", ((name,) for name in names))
        return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, lines)
