"""Who may see a page: a signed-in person with a tenant."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from frontend.models import Notebook

P = ParamSpec("P")


def member_required(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask strangers to sign in; tell people without a tenant whom to ask."""

    @wraps(view)
    def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if getattr(request, "tenant", None) is None:
            return render(request, "frontend/no_tenant.html", status=403)
        return view(request, *args, **kwargs)

    return login_required(checked)


def own_notebook(request: HttpRequest, notebook_id: UUID) -> Notebook:
    """The notebook if it is this person's, in the tenant they act for; anything else is a 404."""
    return get_object_or_404(Notebook.objects.of(request.tenant, request.user), pk=notebook_id)  # type: ignore[attr-defined]
