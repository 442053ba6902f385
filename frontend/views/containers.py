"""A session of a tenant's own container in the browser: its application in a tab of its own, and its terminal."""

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from frontend.access import MemberRequest, member_required
from interpreters.models import InterpreterImage, SessionPool


@require_GET
@member_required
@ensure_csrf_cookie
def page(request: MemberRequest, pool: str) -> HttpResponse:
    identifier = f"page-{request.user.pk}"
    found = _usable(request, pool) or _in_use(request, pool, identifier)
    if found is None:
        raise Http404
    settings = {"pool": found.name, "identifier": identifier, "shell": found.offers_shell}
    return render(request, "frontend/container.html", {"pool": found, "settings": settings})


def _usable(request: MemberRequest, name: str) -> SessionPool | None:
    usable = SessionPool.objects.usable_by(request.tenant).filter(enabled=True)
    return usable.filter(name=name, image__kind=InterpreterImage.Kind.CUSTOM).first()


def _in_use(request: MemberRequest, name: str, identifier: str) -> SessionPool | None:
    """One that opens no new session for them, while theirs is open."""
    used = SessionPool.objects.with_session_of(request.tenant, identifier)
    return used.filter(name=name, image__kind=InterpreterImage.Kind.CUSTOM).first()
