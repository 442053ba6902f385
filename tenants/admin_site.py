"""The admin's site: for operators, and for whoever runs a tenant.

What registers here without saying whom it is for, as other people's applications do, is for operators alone.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.models import AuditEvent
from tenants.scoping import OperatorAdmin, TenantScopedAdmin, administered, administers_any

NOT_YOURS = "The administration is for who owns or administers an organisation, and your account does not."
# What the index shows of one's own doings.
RECENT = 10


class ThermaeAdminSite(admin.AdminSite):
    site_header = site_title = "Thermae"
    index_title = "Administration"
    site_url = "/notebooks/"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Whatever has no scope of its own is for operators. What allauth keeps, its own pages manage."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        ours = [model for model in models if not model.__module__.startswith("allauth.")]
        admin_class = admin_class or admin.ModelAdmin
        if not issubclass(admin_class, OperatorAdmin | TenantScopedAdmin):
            admin_class = type(f"Operator{admin_class.__name__}", (OperatorAdmin, admin_class), {})
        super().register(ours, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return administers_any(request)

    def get_urls(self) -> list[Any]:
        # "View on site" looks a row up by its key, whosever it is, and no row of ours has a page of that kind.
        return [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one sign-in, and it is not the admin's own. Who is signed in and runs no tenant is told so."""
        index = reverse("admin:index", current_app=self.name)
        asked = request.GET.get("next", "")
        # Where one came from, unless that is here again or somebody else's address.
        safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
        following = asked if safe and not asked.startswith(reverse("admin:login")) else index
        if not request.user.is_authenticated:
            return redirect_to_login(following, resolve_url(settings.LOGIN_URL))
        if not self.has_permission(request):
            raise PermissionDenied(NOT_YOURS)
        return redirect(following)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {"recent": _own_doings(request), **(extra_context or {})})


def _own_doings(request: HttpRequest) -> QuerySet[AuditEvent]:
    """What this person did last. By the audit log: Django's own would tell of tenants that they have left."""
    done = AuditEvent.objects.filter(user=request.user.pk).exclude(action__startswith="account.")
    if not request.user.is_superuser:
        done = done.filter(tenant__in=administered(request))
    return done[:RECENT]
