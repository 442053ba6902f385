"""Who may see a page: a signed-in person with a tenant."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from frontend.models import Notebook
from tenants.models import Tenant

P = ParamSpec("P")


class MemberRequest(HttpRequest):
    """A request that `member_required` let through."""

    user: User
    tenant: Tenant


def member_required(
    view: Callable[Concatenate[MemberRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask strangers to sign in; tell people without a tenant whom to ask."""

    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if getattr(request, "tenant", None) is None:
            return render(request, "frontend/no_tenant.html", status=403)
        return view(cast(MemberRequest, request), *args, **kwargs)

    return login_required(wraps(view)(checked))


def own_notebook(request: MemberRequest, notebook_id: UUID) -> Notebook:
    """The notebook if it is this person's, in the tenant they act for; anything else is a 404."""
    return get_object_or_404(Notebook.objects.of(request.tenant, request.user), pk=notebook_id)
