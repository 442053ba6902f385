"""What a person, or a tenant, has here: taken away as an archive, and erased."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from frontend.access import MemberRequest, member_required
from tenants import erasing, exporting
from tenants.models import Archive, Role


@require_GET
@member_required
def page(request: MemberRequest) -> HttpResponse:
    owner = _owns(request)
    context: dict[str, Any] = {"archives": _archives(request)[:20], "owner": owner, "me": request.user.get_username()}
    return render(request, "frontend/data.html", context)


@require_POST
@member_required
def ask(request: MemberRequest) -> HttpResponse:
    """An archive of `of`: me or tenant."""
    user = _whom(request)
    try:
        exporting.ask(request.tenant, by=request.user, user=user)
    except exporting.NoRoom as full:
        messages.error(request, str(full))
    else:
        messages.success(request, "The archive is being made: look here again in a while.")
    return redirect("data")


@require_GET
@member_required
def take(request: MemberRequest, archive_id: UUID) -> HttpResponse:
    archive = get_object_or_404(_archives(request), pk=archive_id)
    try:
        file = exporting.opened(archive)
    except FileNotFoundError:
        raise Http404 from None
    name = f"thermae-{archive.created_at:%Y-%m-%d}.zip"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
    response["Cache-Control"] = "no-store"
    return response  # type: ignore[return-value]


@require_POST
@member_required
def erase(request: MemberRequest) -> HttpResponse:
    """What is `of`: me or tenant, with its name typed in `confirm`."""
    user = _whom(request)
    name = request.tenant.slug if user is None else request.user.get_username()
    if request.POST.get("confirm", "") != name:
        messages.error(request, f"Nothing was erased: type {name} to do it.")
        return redirect("data")
    try:
        erasing.begin(request.tenant, user=user, by=request.user)
    except erasing.CannotErase as refusal:
        messages.error(request, str(refusal))
        return redirect("data")
    logout(request)
    return redirect("login")


def _archives(request: MemberRequest) -> Any:
    return Archive.objects.for_person(request.tenant, request.user, owner=_owns(request)).select_related("user")


def _owns(request: MemberRequest) -> bool:
    return request.actor.role == Role.OWNER


def _whom(request: MemberRequest) -> Any:
    """The person, or None for the whole tenant, which is for its owners."""
    if request.POST.get("of") != "tenant":
        return request.user
    if not _owns(request):
        raise PermissionDenied(f"This is for owners of {request.tenant}: ask one.")
    return None
