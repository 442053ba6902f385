"""Which of their tenants a person acts for."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from tenants.models import Tenant


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    tenant = get_object_or_404(Tenant, memberships__user=request.user, slug=request.POST.get("tenant", ""))
    request.session["tenant"] = tenant.slug
    return redirect("notebooks")
