"""Members and invitations for administrators. Every change goes by the verbs of the models, which know the rules."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from tenants.models import CannotInvite, Invitation, Membership, PeopleRefusal, Role, Tenant
from tenants.models.invitation import LIFETIME, LONGEST
from tenants.roles import may_give
from tenants.scoping import TenantScopedAdmin, administered

BY_TENANT = ("tenant", admin.RelatedOnlyFieldListFilter)


def roles_to_give(request: HttpRequest, tenant: Tenant | None) -> list[tuple[str, str]]:
    """As choices: in one tenant, or in any that this person runs."""
    if request.user.is_superuser:
        return list(Role.choices)
    tenants = [tenant] if tenant else administered(request)
    given = {role for each in tenants for role in may_give(each.standing_of(request.user))}
    return [(role.value, str(role.label)) for role in Role if role in given]


class MembershipForm(forms.ModelForm[Membership]):
    by: Any = None  # who fills it in

    class Meta:
        model = Membership
        fields = ("tenant", "user", "role")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tenant, user = cleaned.get("tenant"), cleaned.get("user")
        if tenant and user:
            try:
                Membership(tenant=tenant, user=user).check_joins()
            except PeopleRefusal as refusal:
                raise ValidationError(str(refusal)) from None
        return cleaned

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if self.instance.pk:
            try:
                # The form has changed nothing of it yet.
                self.instance.check_change(role, self.by)
            except PeopleRefusal as refusal:
                raise ValidationError(str(refusal)) from None
        return role


@admin.register(Membership)
class MembershipAdmin(TenantScopedAdmin[Membership]):
    form = MembershipForm
    list_display = ("user", "full_name", "tenant", "role", "created_at", "signed_in")
    list_filter = ("role", BY_TENANT)
    list_select_related = ("tenant", "user")
    search_fields = ("user__username", "user__first_name", "user__last_name")
    raw_id_fields = ("user",)
    ordering = ("tenant__name", "user__username")

    # To make somebody a member is to choose among all people of the installation: others invite.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self._is_theirs(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or self._is_theirs(request, obj))

    def _is_theirs(self, request: HttpRequest, member: Membership) -> bool:
        return member.role in may_give(member.tenant.standing_of(request.user))

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", "user", "created_at", "signed_in")

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("tenant", "user", "role") if obj is None else ("tenant", "user", "role", "created_at", "signed_in")

    def get_form(self, request: HttpRequest, obj: Membership | None = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.by = request.user
        if "role" in form.base_fields:
            form.base_fields["role"].choices = roles_to_give(request, obj.tenant if obj else None)
        return form

    @admin.display(description="name")
    def full_name(self, member: Membership) -> str:
        return member.user.get_full_name()

    @admin.display(description="last signed in", ordering="user__last_login")
    def signed_in(self, member: Membership) -> Any:
        return member.user.last_login

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
            return
        try:
            Membership.objects.select_related("tenant").get(pk=obj.pk).change_role(obj.role, by=request.user)
        except PeopleRefusal as refusal:  # it became so since the form was checked
            self.message_user(request, str(refusal), messages.ERROR)

    # To remove somebody ends their tokens and sessions, and gives their notebooks to who removes.
    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        members, refused = list(objs), []
        for member in members:
            try:
                member.check_removal(request.user)
            except PeopleRefusal as refusal:
                refused.append(f"{member.user}: {refusal}")
        told = [
            f"{member}: API tokens are revoked, sessions ended; notebooks go to {self._heir(request, member)}."
            for member in members
        ]
        return told, {"memberships": len(members)}, set(), refused

    def _heir(self, request: HttpRequest, member: Membership) -> str:
        heir = member.heir_of(by=request.user)
        return str(heir) if heir else "nobody, as nobody else could edit them"

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        try:
            obj.remove(by=request.user)
        except PeopleRefusal as refusal:
            self.message_user(request, f"{obj.user}: {refusal}", messages.ERROR)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for member in queryset.select_related("tenant", "user"):
            self.delete_model(request, member)


class InvitationForm(forms.ModelForm[Invitation]):
    days = forms.IntegerField(
        label="Valid for", min_value=1, max_value=LONGEST.days, initial=LIFETIME.days, help_text="Days."
    )
    by: Any = None

    class Meta:
        model = Invitation
        fields = ("tenant", "role", "note")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tenant, role = cleaned.get("tenant"), cleaned.get("role")
        if tenant and role and role not in may_give(tenant.standing_of(self.by)):
            raise ValidationError(f"Your role in {tenant} does not let you invite somebody as {role}: ask an owner.")
        return cleaned


@admin.register(Invitation)
class InvitationAdmin(TenantScopedAdmin[Invitation]):
    form = InvitationForm
    list_display = ("role", "note", "tenant", "invited_by", "created_at", "expires_at", "state", "accepted_by")
    list_filter = ("role", BY_TENANT, ("accepted_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant", "invited_by", "accepted_by")
    search_fields = ("note", "invited_by__username", "accepted_by__username")
    ordering = ("-created_at",)
    actions = ("revoke",)
    change_fields = (
        *("tenant", "role", "note", "invited_by", "created_at", "expires_at"),
        *("state", "revoked_at", "accepted_at", "accepted_by"),
    )

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return False  # only revoked

    def has_delete_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return ("tenant", "role", "note", "days") if obj is None else self.change_fields

    def get_form(self, request: HttpRequest, obj: Invitation | None = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.by = request.user
        if "role" in form.base_fields:
            form.base_fields["role"].choices = roles_to_give(request, None)
        return form

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name == "tenant" and len(own := administered(request)[:2]) == 1:
            kwargs.setdefault("initial", own[0].pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="state")
    def state(self, invitation: Invitation) -> str:
        return invitation.state

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        lifetime = timedelta(days=form.cleaned_data["days"])
        made, secret = Invitation.issue(obj.tenant, obj.role, by=request.user, note=obj.note, lifetime=lifetime)
        obj.pk, obj.expires_at = made.pk, made.expires_at
        obj.link = request.build_absolute_uri(reverse("open_invitation", args=[secret]))  # type: ignore[attr-defined]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)
        except CannotInvite as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return self.response_post_save_add(request, Invitation())

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: Any = None) -> HttpResponse:
        """The link is on this page and on no other: it is in no cookie, no session and no address of ours."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The invitation is made",
            "opts": self.opts,
            "invitation": obj,
            "link": obj.link,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/tenants/invitation/made.html", context)  # which the admin never caches

    @admin.action(description="Revoke the selected invitations", permissions=["revoke"])
    def revoke(self, request: HttpRequest, invitations: QuerySet[Invitation]) -> None:
        revoked = sum(invitation.revoke() for invitation in invitations)
        self.message_user(request, f"Revoked {revoked}. Their links open nothing any more.")
