"""A session of a tenant's own container in the browser: its application in a tab of its own, and its terminal."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from frontend.access import MemberRequest, member_required
from interpreters.models import InterpreterImage, SessionPool


@require_GET
@member_required
@ensure_csrf_cookie
def page(request: MemberRequest, pool: str) -> HttpResponse:
    usable = SessionPool.objects.usable_by(request.tenant).filter(enabled=True)
    found = get_object_or_404(usable, name=pool, image__kind=InterpreterImage.Kind.CUSTOM)
    settings = {"pool": found.name, "identifier": f"page-{request.user.pk}", "shell": found.offers_shell}
    return render(request, "frontend/container.html", {"pool": found, "settings": settings})
