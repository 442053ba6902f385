"""The audit log for administrators: looked through, and taken away as a file. Nobody changes it."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tenants.audit import Action, Who, record
from tenants.audit_export import as_text
from tenants.downloads import download
from tenants.models import AuditEvent, Tenant
from tenants.naming import named
from tenants.scoping import TenantScopedAdmin, administered


@admin.register(AuditEvent)
class AuditEventAdmin(TenantScopedAdmin[AuditEvent]):
    list_display = ("at", "by", "action", "kind", "about", "of_tenant", "address", "why_short")
    list_filter = ("at", "action", "kind", ("tenant", admin.RelatedOnlyFieldListFilter))
    search_fields = ("=who", "name", "=key", "=address", "=token")
    search_help_text = "A person's name, what it was done to, an address, or the first characters of a token."
    date_hierarchy = "at"
    list_per_page = 100
    show_full_result_count = False
    change_list_template = "admin/tenants/auditevent/change_list.html"
    fields = ("at", "by", "token", "address", "of_tenant", "action", "kind", "key", "about", "before", "after", "why")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="tenant", ordering="tenant")
    def of_tenant(self, event: AuditEvent) -> str:
        """Its number, once it is gone."""
        if event.tenant_id is None:
            return ""
        if event.tenant_id not in self._names:
            found = Tenant.objects.filter(pk=event.tenant_id).first()
            self._names[event.tenant_id] = str(found) if found else f"({event.tenant_id})"
        return self._names[event.tenant_id]

    @admin.display(description="who", ordering="who")
    def by(self, event: AuditEvent) -> str:
        return self._told(event).who

    @admin.display(description="name", ordering="name")
    def about(self, event: AuditEvent) -> str:
        return self._told(event).name

    def _told(self, event: AuditEvent) -> AuditEvent:
        """Without the names of people who were erased."""
        if not hasattr(event, "_told"):
            [event] = named([event])
            event._told = True  # type: ignore[attr-defined]
        return event

    @admin.display(description="why")
    def why_short(self, event: AuditEvent) -> str:
        line = event.why.partition("\n")[0]
        return line if len(line) <= 80 else f"{line[:79]}…"

    @admin.display(description="old value")
    def before(self, event: AuditEvent) -> SafeString:
        return _pretty(event.old)

    @admin.display(description="new value")
    def after(self, event: AuditEvent) -> SafeString:
        return _pretty(event.new)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        self._names: dict[int, str] = {}
        return super().get_queryset(request)

    def get_urls(self) -> list[URLPattern]:
        export = path("export", self.admin_site.admin_view(self.export), name="tenants_auditevent_export")
        return [export, *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """What the list shows, with its filters, whole, as CSV or lines of JSON. Each tenant's log tells of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.GET = (asked := request.GET.copy())  # type: ignore[assignment]
        lines = asked.pop("format", ["csv"])[-1] == "jsonl"
        try:
            events = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters as error:
            raise Http404 from error
        told = {"format": "jsonl" if lines else "csv", **{name: asked[name] for name in list(asked)[:20]}}
        for tenant in [None] if request.user.is_superuser else administered(request):
            record(Action.AUDIT_EXPORTED, who=Who.of(request), tenant=tenant, new=told)
        kind = "application/x-ndjson" if lines else "text/csv; charset=utf-8"
        return download(request, as_text(events, lines), f"audit.{told['format']}", kind)


def _pretty(value: Any) -> SafeString:
    if not value:
        return SafeString("")
    return format_html('<pre style="white-space: pre-wrap">{}</pre>', json.dumps(value, indent=1, ensure_ascii=False))
