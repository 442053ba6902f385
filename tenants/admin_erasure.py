"""Archives to take away, erasing with the name typed, and the certificates of what was erased."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tenants import erasing, exporting
from tenants.models import Archive, Erasure, Membership, Role, Tenant
from tenants.roles import Ability, may
from tenants.scoping import OperatorAdmin, TenantScopedAdmin


def owns(request: HttpRequest, tenant: Tenant) -> bool:
    """Whether they may take away and erase all of it: its owners, and operators."""
    return may(tenant.standing_of(request.user), Ability.TENANT_ERASE)


class Confirm(forms.Form):
    name = forms.CharField(label="Type the name to confirm", max_length=150)

    def __init__(self, expected: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_name(self) -> str:
        if self.cleaned_data["name"] != self.expected:
            raise forms.ValidationError(f"Nothing was erased: type {self.expected} to do it.")
        return self.expected


class ErasableAdmin(TenantScopedAdmin[Tenant]):
    """For the admin of tenants: two pages further."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:object_id>/erase", wrap(self.erase), name="tenants_tenant_erase"),
            path("<int:object_id>/archive", wrap(self.archive), name="tenants_tenant_archive"),
            *super().get_urls(),
        ]

    def erase(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The whole tenant, or with ?person=<user's number> what that person has in it."""
        tenant, user = self._whom(request, object_id)
        expected = user.get_username() if user is not None else tenant.slug
        form = Confirm(expected, request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                erasing.begin(tenant, user=user, by=request.user)
            except erasing.CannotErase as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, f"{expected} is being erased; that takes some minutes.", messages.WARNING)
                return redirect("admin:index")
        about = {"tenant": tenant, "person": user, "expected": expected, "form": form, "opts": self.opts}
        context = {**self.admin_site.each_context(request), **about, "title": f"Erase {expected}"}
        return TemplateResponse(request, "admin/tenants/tenant/erase.html", context)

    def archive(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for one; it is among the archives when it is ready."""
        if request.method != "POST":
            raise Http404
        tenant, user = self._whom(request, object_id)
        try:
            exporting.ask(tenant, by=request.user, user=user)
        except exporting.NoRoom as full:
            self.message_user(request, str(full), messages.ERROR)
        return redirect("admin:tenants_archive_changelist")

    def _whom(self, request: HttpRequest, pk: int) -> tuple[Tenant, Any]:
        tenant = get_object_or_404(self.get_queryset(request), pk=pk)
        if not owns(request, tenant):
            raise PermissionDenied
        number = request.GET.get("person", "")
        if not number:
            return tenant, None
        if not number.isdecimal() or len(number) > 18:
            raise Http404
        return tenant, get_object_or_404(tenant.memberships.select_related("user"), user=int(number)).user


class ReadOnly:
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Archive)
class ArchiveAdmin(ReadOnly, TenantScopedAdmin[Archive]):
    """What somebody may take away: their own, and their tenants' where they own them."""

    list_display = ("created_at", "tenant", "of", "state", "progress", "size", "expires_at", "download")
    list_filter = ("state", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant", "user")
    list_display_links = None
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Archive]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        mine = Membership.objects.filter(user=request.user.pk, role=Role.OWNER).values("tenant")
        return rows.filter(Q(user=request.user.pk) | Q(user=None, tenant__in=mine))

    def get_urls(self) -> list[URLPattern]:
        view = path("<uuid:object_id>/download", self.admin_site.admin_view(self.take), name="tenants_archive_download")
        return [view, *super().get_urls()]

    @admin.display
    def of(self, archive: Archive) -> str:
        return str(archive.user or "the whole tenant")

    @admin.display(description="")
    def download(self, archive: Archive) -> SafeString:
        if archive.state != Archive.State.READY:
            return SafeString("")
        return format_html('<a href="{}">Download</a>', reverse("admin:tenants_archive_download", args=[archive.pk]))

    def take(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        archive = get_object_or_404(self.get_queryset(request), pk=object_id)
        try:
            file = exporting.opened(archive)
        except FileNotFoundError:
            raise Http404 from None
        name = f"thermae-{archive.created_at:%Y-%m-%d}.zip"
        response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
        response["Cache-Control"] = "no-store"
        return response  # type: ignore[return-value]

    def delete_model(self, request: HttpRequest, obj: Archive) -> None:
        exporting.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Archive]) -> None:
        for archive in queryset:
            exporting.remove(archive)


@admin.register(Erasure)
class ErasureAdmin(ReadOnly, OperatorAdmin[Erasure]):
    """Certificates: kept when all that they are about is gone."""

    list_display = ("asked_at", "tenant_name", "whom", "finished_at", "waits_for", "erased")
    list_filter = (("finished_at", admin.EmptyFieldListFilter),)
    search_fields = ("tenant_name", "=tenant_slug", "=user_key")
    fields = ("id", "asked_at", "asked_by", "tenant_name", "tenant_slug", "whom", "finished_at", "waits_for", "erased")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display
    def whom(self, erasure: Erasure) -> str:
        return f"person {erasure.user_key}" if erasure.user_key else "the whole tenant"

    @admin.display
    def erased(self, erasure: Erasure) -> str:
        return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(erasure.counts.items()))
