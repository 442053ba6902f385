"""Kept files, for administrators: whose they are, how large, what is wrong. Nobody reads their content here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from interpreters.models import Workspace
from tenants.scoping import TenantScopedAdmin


@admin.register(Workspace)
class WorkspaceAdmin(TenantScopedAdmin[Workspace]):
    list_display = ("identifier", "tenant", "enabled", "kept", "files", "saved_at", "used_at", "problem")
    list_filter = ("enabled", "problem", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("identifier",)
    fields = ("identifier", "tenant", "enabled", "quota", "kept", "files", "saved_at", "used_at", "problem")

    @admin.display(description="size", ordering="size")
    def kept(self, workspace: Workspace) -> str:
        return str(filesizeformat(workspace.size))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What a tenant may keep is the operator's to say."""
        changed = ("enabled", "quota") if request.user.is_superuser else ("enabled",)
        return tuple(name for name in self.fields if name not in changed)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
