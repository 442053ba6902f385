"""Admin pages that show a person only what belongs to the tenants they run.

An operator (a superuser) sees everything. Who owns or administers a tenant signs in to the same admin, without being
made staff, and sees rows of those tenants alone: in lists, in forms, in the choices of every field and filter, and on
what they try to save. Django's permissions of users and groups count for neither.
"""

from typing import Any, TypeVar

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.accounts import limits
from tenants.accounts.second_factor import has_second_factor
from tenants.audit import Action, Who, record
from tenants.models import Tenant
from tenants.roles import ADMINISTERS

M = TypeVar("M", bound=Model)


def administered(request: HttpRequest) -> QuerySet[Tenant]:
    """As far as this sign-in reaches, and without tenants that want a second factor which the person has not."""
    provider = limits.provider_of(getattr(request, "session", {}))
    if request.user.is_superuser and not provider:
        return Tenant.objects.all()
    run = limits.memberships(request.user, provider).filter(role__in=ADMINISTERS)
    if not provider and not has_second_factor(request.user):
        run = run.filter(tenant__requires_second_factor=False)
    return Tenant.objects.filter(pk__in=run.values("tenant"))


def administers_any(request: HttpRequest) -> bool:
    """Whether they have anything to do in the admin. Asked many times for a page, so remembered for the request."""
    known: bool | None = getattr(request, "_administers_any", None)
    if known is None:
        user = request.user
        known = bool(user.is_active and (user.is_superuser or administered(request).exists()))
        request._administers_any = known  # type: ignore[attr-defined]
    return known


class ThermaeAdminSite(admin.AdminSite):
    """For operators, and for whoever runs a tenant."""

    site_header = site_title = "Thermae"

    def has_permission(self, request: HttpRequest) -> bool:
        return administers_any(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one sign-in, not the admin's own. Who is signed in and has nothing to do here is told so."""
        index = reverse("admin:index", current_app=self.name)
        asked = request.GET.get("next", "")
        safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
        following = asked if safe and not asked.startswith(reverse("admin:login")) else index
        if not request.user.is_authenticated:
            return redirect_to_login(following, resolve_url(settings.LOGIN_URL))
        if not self.has_permission(request):
            raise PermissionDenied("This is for operators, and for whoever runs an organisation.")
        return redirect(following)


class OperatorAdmin(admin.ModelAdmin[M]):
    """What concerns the machine, and not a tenant."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)


class TenantScopedAdmin(admin.ModelAdmin[M]):
    """For a model that belongs to a tenant. Rows without a tenant are shared: only superusers see and make them."""

    tenant_path = "tenant"
    # Fields whose choices include what is shared by all tenants.
    shared_choices: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.tenant_path}__in": administered(request)})

    # What a role may do is told by the rows that it reaches: a row of a tenant that is not theirs is none of them.
    def has_module_permission(self, request: HttpRequest) -> bool:
        return administers_any(request)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self._reaches(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return administers_any(request)

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self._reaches(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self._reaches(request, obj)

    def _reaches(self, request: HttpRequest, obj: M | None) -> bool:
        if obj is None or request.user.is_superuser:
            return administers_any(request)
        return self.get_queryset(request).filter(pk=obj.pk).exists()

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *more: Any) -> HttpResponse | None:
        """Do an action, and record it for each tenant whose rows were chosen. Deletion is recorded row by row."""
        name = (request.POST.getlist("action") or [""])[0]
        chosen = queryset.filter(pk__in=request.POST.getlist(ACTION_CHECKBOX_NAME))
        keys: dict[int | None, list[str]] = {}
        if name in self.get_actions(request) and name != "delete_selected":
            for key, tenant in chosen.values_list("pk", self.tenant_path):
                keys.setdefault(tenant, []).append(str(key))
        response = super().response_action(request, queryset, *more)
        if response is not None:
            for tenant, told in keys.items():
                what = f"{name}: {self.opts.verbose_name_plural}"
                record(Action.ADMIN_ACTION, who=Who.of(request), tenant=tenant, name=what, new={"keys": told})
        return response

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and not request.user.is_superuser:
            field.queryset = self._own_choices(db_field, request)
            if db_field.name == "tenant":
                field.required = True
        return field

    def _own_choices(self, db_field: ForeignKey[Any, Any], request: HttpRequest) -> QuerySet[Any]:
        """Rows of the related model that the person may refer to: tenants they run, their rows, their members."""
        model, own = db_field.remote_field.model, administered(request)
        if model is Tenant:
            return own
        if any(field.name == "tenant" for field in model._meta.get_fields()):
            shared = Q(tenant=None) if db_field.name in self.shared_choices else Q(pk__in=[])
            return model._default_manager.filter(Q(tenant__in=own) | shared)
        return model._default_manager.filter(pk=request.user.pk) if _is_user(model) else model._default_manager.none()


def _is_user(model: type[Model]) -> bool:
    from django.contrib.auth import get_user_model

    return model is get_user_model()
