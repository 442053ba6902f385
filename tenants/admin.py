"""Tenants and their members, for administrators."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from tenants.admin_audit import AuditEventAdmin
from tenants.admin_erasure import ArchiveAdmin, ErasableAdmin, ErasureAdmin, owns
from tenants.admin_identity import IdentityProviderAdmin
from tenants.admin_people import InvitationAdmin, MembershipAdmin
from tenants.admin_tokens import ApiTokenAdmin, ServiceAccountAdmin
from tenants.models import Membership, Tenant
from tenants.models.tenant import QUOTAS
from tenants.scoping import administers_any


class MembershipInline(admin.TabularInline[Membership, Tenant]):
    """Who is in it. Changed and removed by the page of each, where the rules are."""

    model = Membership
    extra = 0
    can_delete = False
    show_change_link = True
    fields = readonly_fields = ("user", "role", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return administers_any(request)

    def has_change_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return administers_any(request)  # for the link; its fields cannot be changed


@admin.register(Tenant)
class TenantAdmin(ErasableAdmin):
    tenant_path = "pk"
    list_display = ("name", "slug", "members", "created_at")
    search_fields = ("name", "slug")
    ordering = ("name", "id")
    inlines = (MembershipInline,)
    # What an operator allows a tenant is not the tenant's to say.
    allowances = ("allowed_registries", "egress_ceiling", "egress_allowed", *QUOTAS)

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        # Which slugs are taken is no business of a tenant's either.
        return () if request.user.is_superuser else (*self.allowances, "slug")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Tenant | None = None) -> dict[str, Sequence[str]]:
        return {"slug": ("name",)} if request.user.is_superuser else {}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return super().get_queryset(request).annotate(member_count=Count("memberships"))

    @admin.display(ordering="member_count")
    def members(self, tenant: Tenant) -> int:
        return int(tenant.member_count)  # type: ignore[attr-defined]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        return False  # it is erased, in order: its sandboxes and files would be left

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        tenant = self.get_object(request, object_id)
        more = {"may_erase": tenant is not None and owns(request, tenant), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, more)


__all__ = [  # which register themselves
    "ApiTokenAdmin",
    "ArchiveAdmin",
    "AuditEventAdmin",
    "ErasureAdmin",
    "IdentityProviderAdmin",
    "InvitationAdmin",
    "MembershipAdmin",
    "ServiceAccountAdmin",
]
