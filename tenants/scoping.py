"""Admin pages that show a person only what belongs to the tenants they run.

An operator (a superuser) sees everything. Who owns or administers a tenant signs in to the same admin, without being
made staff, and sees rows of those tenants alone: in lists, in forms, in the choices of every field and filter, and on
what they try to save. Django's permissions of users and groups count for neither.
"""

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, ManyToManyField, Model, Q, QuerySet
from django.forms import ModelChoiceField, ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from tenants.accounts import limits
from tenants.accounts.second_factor import has_second_factor
from tenants.audit import Action, Who, record
from tenants.models import Tenant
from tenants.roles import ADMINISTERS

M = TypeVar("M", bound=Model)
BY_TENANT = ("tenant", admin.RelatedOnlyFieldListFilter)
RelatedField = ForeignKey[Any, Any] | ManyToManyField[Any, Any]


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
        if user.is_superuser:  # but not as whoever a tenant's provider says that they are
            known = user.is_active and not limits.is_limited(request)
        else:
            known = user.is_active and administered(request).exists()
        request._administers_any = known  # type: ignore[attr-defined]
    return known


class OperatorAdmin(admin.ModelAdmin[M]):
    """What concerns the machine, and not a tenant."""

    view_on_site = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """None for others: Django looks a row up before it asks for permission, and tells whether it was there."""
        rows = super().get_queryset(request)
        return rows if self.has_module_permission(request) else rows.none()

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
    view_on_site = False
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
        # A page that asks first has done nothing yet.
        if response is not None and not isinstance(response, TemplateResponse):
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
                if len(own := administered(request)[:2]) == 1:  # nothing to choose
                    field.initial, field.empty_label = own[0].pk, None
        return field

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and not request.user.is_superuser:
            field.queryset = self._own_choices(db_field, request)
        return field

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Of parameters of a list, those of its filters alone.

        Django takes any field of the model too: what a page does not show, as a notebook's text, could be guessed
        letter by letter from which rows are left.
        """
        path = _path_of(self.model, lookup)
        return path in {_name_of(entry) for entry in (*self.get_list_filter(request), self.date_hierarchy) if entry}

    def _own_choices(self, db_field: RelatedField, request: HttpRequest) -> QuerySet[Any]:
        """Rows of the related model that the person may refer to: tenants they run, their rows, their members."""
        model, own = db_field.remote_field.model, administered(request)
        if model is Tenant:
            return own
        if any(field.name == "tenant" for field in model._meta.get_fields()):
            shared = Q(tenant=None) if db_field.name in self.shared_choices else Q(pk__in=[])
            return model._default_manager.filter(Q(tenant__in=own) | shared)
        return model._default_manager.filter(pk=request.user.pk) if _is_user(model) else model._default_manager.none()


class ReadOnlyAdmin(TenantScopedAdmin[Any]):
    """Rows that only the product writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [field.name for field in self.model._meta.fields]

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Nothing: what was read a moment ago would undo what happened since."""


def _name_of(entry: Any) -> str:
    """What an entry of `list_filter` asks for: a field, or what a filter of its own calls its parameter."""
    if isinstance(entry, str):
        return entry
    return str(entry[0] if isinstance(entry, list | tuple) else entry.parameter_name)


def _path_of(model: type[Model], lookup: str) -> str:
    """The fields that a lookup walks along, without the key at their end, and without what is asked of it."""
    names: list[str] = []
    at: type[Model] | None = model
    for part in lookup.split("__"):
        field = _field(at, part)
        if field is None:
            break
        at = field.related_model if isinstance(field.related_model, type) else None
        if not (names and getattr(field, "primary_key", False)):
            names.append(part)
    return "__".join(names) or lookup


def _field(model: type[Model] | None, name: str) -> Any:
    """A model's field of that name, if it has one."""
    if model is None or name == "pk":
        return model and model._meta.pk
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def _is_user(model: type[Model]) -> bool:
    from django.contrib.auth import get_user_model

    return model is get_user_model()
