"""What the product writes down, for administrators to look through: runs, network access, checks of the isolation."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat, truncatechars
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from interpreters.models import EgressDecision, Execution, IsolationReport
from tenants.scoping import BY_TENANT, OperatorAdmin, ReadOnlyAdmin


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
