"""Admin pages that show a person only what belongs to the tenants they run.

A superuser sees everything. Another staff member sees rows of the tenants where they are owner or admin: in lists,
in forms, in the choices of every field and filter, and on what they try to save.
"""

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse

from tenants.audit import Action, Who, record
from tenants.models import Tenant

M = TypeVar("M", bound=Model)


def administered(request: HttpRequest) -> QuerySet[Tenant]:
    return Tenant.objects.administered_by(request.user)


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
