"""API tokens and service accounts, for administrators. A secret is on the page that answers its making, only there."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Count, ForeignKey, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from tenants.authentication import Actor, NotAllowed, actor_from_user
from tenants.fields import Lines
from tenants.issuing import BadWish, Wish, check_change, check_secret_may_be_shown
from tenants.models import ApiToken, CannotRotate, Membership, Role, Scope, ServiceAccount, default_scopes, name_of
from tenants.roles import SCOPES_OF_ROLE
from tenants.scoping import TenantScopedAdmin, administered

# How long a token that is rotated in the admin still works.
OVERLAP = timedelta(days=1)
Secret = tuple[ApiToken, str]
# Where on the page a refusal stands.
FIELD_OF = {"scope_missing": "scopes", "other_pool": "pools", "other_network": "networks", "lasts_longer": "expires_at"}


class TokenForm(forms.ModelForm[ApiToken]):
    request: HttpRequest  # told by `get_form`
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
        tenant, user = cleaned.get("tenant", self.instance.tenant_id and self.instance.tenant), cleaned.get("user")
        user = user or (self.instance.user if self.instance.user_id else None)
        if not tenant or not user:
            return cleaned
        role = _role(tenant, user)
        if role is None:
            raise forms.ValidationError(
                f"{user} is no member of {tenant}: a token speaks for a member, or for a service account."
            )
        if more := sorted(set(cleaned.get("scopes", ())) - SCOPES_OF_ROLE[role]):
            self.add_error("scopes", f"A token never may more than whom it speaks for: a {role} has no {more[0]}.")
        if not self.instance._state.adding and not self.errors:
            self._check_change(cleaned, role)
        return cleaned

    def _check_change(self, cleaned: dict[str, Any], role: Role) -> None:
        wish = Wish(*(cleaned[name] for name in ("name", "scopes", "pools", "networks", "expires_at")))
        try:
            check_change(_actor(self.request, self.instance), self.instance, wish, role)
        except (BadWish, NotAllowed) as refusal:
            self.add_error(FIELD_OF.get(refusal.code), refusal.message)


def _role(tenant: Any, user: Any) -> Role | None:
    account = ServiceAccount.objects.filter(tenant=tenant, user=user).first()
    place = account or Membership.objects.filter(tenant=tenant, user=user).first()
    return Role(place.role) if place else None


class OfSessions(admin.EmptyFieldListFilter):
    """Programs make one for each session, by the thousand: they are shown only where they are asked for."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        unchosen, _, filled = super().choices(changelist)
        yield {**unchosen, "display": "Not of one session"}
        yield {**filled, "display": "Of one session"}

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken] | None:
        return queryset.filter(session=None) if self.lookup_val is None else super().queryset(request, queryset)


@admin.register(ApiToken)
class ApiTokenAdmin(TenantScopedAdmin[ApiToken]):
    form = TokenForm
    list_display = ("name", "prefix", "tenant", "speaks_for", "state", "expires_at", "last_used_at", "last_used_from")
    list_filter = (
        ("session", OfSessions),
        ("tenant", admin.RelatedOnlyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant", "user", "maker")
    search_fields = ("name", "prefix", "user__username")
    actions = ("rotate", "revoke")

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return form

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        made = ("tenant", "user", "name", "scopes", "pools", "networks", "expires_at")
        shown = ("prefix", "session", "created_at", "last_used_at", "last_used_from", "revoked_at")
        return made if obj is None else (*made, *shown)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        # What a token is for and whom it speaks for is settled when it is made.
        fixed = ("tenant", "user", "prefix", "session", "created_at", "last_used_at", "last_used_from", "revoked_at")
        return () if obj is None else fixed

    @admin.display(description="speaks for", ordering="user__username")
    def speaks_for(self, token: ApiToken) -> str:
        return name_of(token.user)

    @admin.display
    def state(self, token: ApiToken) -> str:
        return "valid" if token.usable else "revoked" if token.revoked_at else "expired"

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        if db_field.name == "user":
            kwargs.setdefault("initial", request.user.pk)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "user" and not request.user.is_superuser:
            accounts = Q(service_account__tenant__in=administered(request))
            field.queryset = get_user_model()._default_manager.filter(Q(pk=request.user.pk) | accounts)
            field.label_from_instance = name_of  # type: ignore[assignment]
        return field

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        self._made: list[Secret] = []
        if change:  # what is not edited may have changed meanwhile, as by being revoked
            obj.save(update_fields=form.changed_data)
            return
        self._made = [(obj, obj.set_secret())]
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        return self._show(request, self._made)

    @admin.action(description="Rotate: make successors, and end the selected tokens in a day", permissions=["change"])
    def rotate(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> HttpResponse | None:
        """Of one's own and of service accounts: no secret of another person is shown to anybody."""
        made: list[Secret] = []
        for token in tokens.select_related("tenant", "user"):
            try:
                check_secret_may_be_shown(_actor(request, token), token)
                made.append(token.rotate(OVERLAP))
            except (CannotRotate, NotAllowed) as refusal:
                self.message_user(request, f"{token}: {refusal}", messages.ERROR)
        return self._show(request, made) if made else None

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        ended = {successor.pk for token in tokens for successor in token.revoke()}
        others = len(ended - {token.pk for token in tokens})
        more = f", and {others} that took their place" if others else ""
        self.message_user(request, f"Revoked {len(tokens)}{more}. Whoever uses them is refused from now on.")

    def _show(self, request: HttpRequest, made: Sequence[Secret]) -> HttpResponse:
        """In no message: those go through cookies."""
        context = {**self.admin_site.each_context(request), "opts": self.opts, "made": made, "title": "Copy it now"}
        response = TemplateResponse(request, "admin/tenants/apitoken/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _actor(request: HttpRequest, token: ApiToken) -> Actor:
    """Who is in the admin, for the tenant of this token. An operator stands in as its administrator."""
    user: Any = request.user
    if user.is_superuser:
        return Actor(user, token.tenant, Role.ADMIN, SCOPES_OF_ROLE[Role.ADMIN])
    return actor_from_user(user, named=token.tenant.slug)


@admin.register(ServiceAccount)
class ServiceAccountAdmin(TenantScopedAdmin[ServiceAccount]):
    list_display = ("name", "tenant", "role", "on", "valid_tokens", "purpose", "created_at")
    list_filter = ("role", ("disabled_at", admin.EmptyFieldListFilter), ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("name", "purpose")
    fields = ("tenant", "name", "role", "purpose", "disabled_at")
    actions = ("disable", "enable")

    def get_readonly_fields(self, request: HttpRequest, obj: ServiceAccount | None = None) -> tuple[str, ...]:
        return ("disabled_at",) if obj is None else ("tenant", "disabled_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceAccount]:
        ends = Q(user__api_tokens__expires_at=None) | Q(user__api_tokens__expires_at__gt=timezone.now())
        valid = Count("user__api_tokens", filter=ends & Q(user__api_tokens__revoked_at=None))
        return super().get_queryset(request).annotate(valid=valid)

    @admin.display(boolean=True, description="enabled")
    def on(self, account: ServiceAccount) -> bool:
        return account.enabled

    @admin.display(description="valid tokens", ordering="valid")
    def valid_tokens(self, account: Any) -> int:
        return int(account.valid)

    @admin.action(description="Disable: their tokens count for nothing", permissions=["change"])
    def disable(self, request: HttpRequest, accounts: QuerySet[ServiceAccount]) -> None:
        for account in accounts:
            account.disable()
        self.message_user(request, f"Disabled {len(accounts)}: what they have open is closed.")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, accounts: QuerySet[ServiceAccount]) -> None:
        for account in accounts:
            account.enable()
        self.message_user(request, f"Enabled {len(accounts)}.")
