"""What a person used in the last months; for who may read it, how the tenant stands with its quotas."""

from datetime import date

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from frontend.access import MemberRequest, member_required
from interpreters import metering
from interpreters.models.usage import month_of
from tenants import quotas
from tenants.models import Scope

MONTHS = 3


@require_GET
@member_required
def page(request: MemberRequest) -> HttpResponse:
    since, until = month_of(timezone.now())
    months = []
    for _ in range(MONTHS):
        months.append((since, metering.of_member(request.tenant, request.user, since, until)))
        since, until = date(since.year - (since.month == 1), since.month - 1 or 12, 1), since
    context = {
        "months": months,
        "standings": list(quotas.standings(request.tenant)) if request.actor.may(Scope.USAGE_READ) else None,
        "own_sessions": request.tenant.max_member_sessions,
    }
    return render(request, "frontend/usage.html", context)
