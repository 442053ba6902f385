"""Providers by which a tenant's people sign in. The secret goes in and never comes out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from tenants.fields import Lines
from tenants.models import IdentityProvider
from tenants.scoping import TenantScopedAdmin


class ProviderForm(forms.ModelForm[IdentityProvider]):
    password = forms.CharField(
        label="Client secret", required=False, strip=False, widget=forms.PasswordInput, max_length=191,
        help_text="It is stored encrypted and never shown; empty keeps what there is.",
    )  # fmt: skip
    allowed_domains = Lines(
        help_text="Only whoever has a verified e-mail address of one of these domains, one to a line. Empty: anybody "
        "whom the provider knows."
    )

    class Meta:
        model = IdentityProvider
        fields = (
            "tenant", "name", "issuer", "client_id", "allowed_domains", "claim", "claim_value", "creates_members",
            "default_role", "enabled",
        )  # fmt: skip

    def save(self, commit: bool = True) -> IdentityProvider:
        if self.cleaned_data["password"]:
            self.instance.secret = self.cleaned_data["password"]
        return super().save(commit)


@admin.register(IdentityProvider)
class IdentityProviderAdmin(TenantScopedAdmin[IdentityProvider]):
    form = ProviderForm
    list_display = ("name", "tenant", "issuer", "creates_members", "enabled")
    list_filter = (("tenant", admin.RelatedOnlyFieldListFilter), "enabled")
    list_select_related = ("tenant",)
    search_fields = ("name", "issuer")
    fieldsets = (
        (None, {"fields": ("tenant", "name", "issuer", "client_id", "password", "enabled")}),
        ("Who may sign in", {"fields": ("allowed_domains", "claim", "claim_value")}),
        ("First sign-in", {"fields": ("creates_members", "default_role")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: IdentityProvider | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, ("For the provider", {"fields": ("callback", "entrance")})] if obj else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: IdentityProvider | None = None) -> tuple[str, ...]:
        # Another issuer could give the name of somebody's identity to somebody else: that is another provider.
        return ("tenant", "issuer", "client_id", "callback", "entrance") if obj else ()

    @admin.display(description="redirect URI")
    def callback(self, provider: IdentityProvider) -> str:
        where = reverse("openid_connect_callback", kwargs={"provider_id": provider.pk})
        return format_html("Below the address of this page’s site: <code>{}</code>", where)

    @admin.display(description="page to sign in")
    def entrance(self, provider: IdentityProvider) -> str:
        where = f"{reverse('account_login')}?tenant={provider.tenant.slug}"
        return format_html('<a href="{0}">{0}</a>', where)
