"""Tenants, their members and tokens, for administrators."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from tenants.admin_audit import AuditEventAdmin
from tenants.admin_erasure import ArchiveAdmin, ErasableAdmin, ErasureAdmin, owns
from tenants.fields import Lines
from tenants.models import ApiToken, CannotRotate, Membership, Scope, Tenant, default_scopes
from tenants.models.tenant import QUOTAS
from tenants.scoping import TenantScopedAdmin


class MembershipInline(admin.TabularInline[Membership, Tenant]):
    model = Membership
    extra = 0
    raw_id_fields = ("user",)

    def has_add_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        # To add a person is to choose among all people of the installation.
        return bool(request.user.is_superuser)

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else ("user",)


@admin.register(Tenant)
class TenantAdmin(ErasableAdmin):
    tenant_path = "pk"
    list_display = ("name", "slug", "members", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline,)
    # What an operator allows a tenant is not the tenant's to say.
    allowances = ("allowed_registries", "egress_ceiling", "egress_allowed", *QUOTAS)

    def get_readonly_fields(self, request: HttpRequest, obj: Tenant | None = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else self.allowances

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


__all__ = ["ArchiveAdmin", "AuditEventAdmin", "ErasureAdmin"]  # register themselves
# How long a token that is rotated in the admin still works.
OVERLAP = timedelta(days=1)


class TokenForm(forms.ModelForm[ApiToken]):
    pools = Lines(help_text="Names of the only pools it may use, one to a line. Empty: all.")
    networks = Lines(help_text="The only networks it may be used from, one to a line, as 198.51.100.0/24. Empty: any.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=default_scopes, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiToken
        fields = ("tenant", "user", "name", "scopes", "pools", "networks", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tenant, user = cleaned.get("tenant"), cleaned.get("user")
        if tenant and user and not Membership.objects.filter(tenant=tenant, user=user).exists():
            raise forms.ValidationError(f"{user} is no member of {tenant}: a token speaks for a member.")
        return cleaned


@admin.register(ApiToken)
class ApiTokenAdmin(TenantScopedAdmin[ApiToken]):
    form = TokenForm
    list_display = ("name", "prefix", "tenant", "user", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant", "user")
    search_fields = ("name", "prefix", "user__username")
    actions = ("rotate", "revoke")

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        made = ("tenant", "user", "name", "scopes", "pools", "networks", "expires_at")
        return made if obj is None else (*made, "prefix", "session", "created_at", "last_used_at", "revoked_at")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        # What a token is for and whom it speaks for is settled when it is made.
        fixed = ("tenant", "user", "prefix", "session", "created_at", "last_used_at", "revoked_at")
        return () if obj is None else fixed

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name == "user":
            kwargs.setdefault("initial", request.user.pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        secret = "" if change else obj.set_secret()
        super().save_model(request, obj, form, change)
        if secret:
            note = "Copy the token now, it is not shown again: {}"
            self.message_user(request, format_html(note, format_html("<code>{}</code>", secret)), messages.WARNING)

    @admin.action(description="Rotate: make successors, and end the selected tokens in a day", permissions=["change"])
    def rotate(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        for token in tokens:
            try:
                _, secret = token.rotate(OVERLAP)
            except CannotRotate as refusal:
                self.message_user(request, f"{token}: {refusal}", messages.ERROR)
            else:
                note = "Copy the successor of {} now, it is not shown again: {}"
                told = format_html(note, str(token), format_html("<code>{}</code>", secret))
                self.message_user(request, told, messages.WARNING)

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        for token in tokens:
            token.revoke()
        self.message_user(request, f"Revoked {len(tokens)}. Whoever uses them is refused from now on.")
