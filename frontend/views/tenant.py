"""Which of their tenants a person acts for."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from tenants.accounts.limits import reachable
from tenants.models import Tenant


@require_POST
@login_required
def switch(request: HttpRequest) -> HttpResponse:
    mine = Tenant.objects.filter(pk__in=reachable(request).values("tenant"))
    tenant = get_object_or_404(mine, slug=request.POST.get("tenant", "")[:63].replace("\0", ""))
    request.session["tenant"] = tenant.slug
    return redirect("notebooks")
