"""The trash: deleted notebooks, to bring back or to delete for good."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timesince import timesince, timeuntil
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from frontend.access import MemberRequest, member_required
from frontend.models import Notebook
from frontend.trash import delete_for_good, goes_at


@require_GET
@member_required
@ensure_csrf_cookie
def page(request: MemberRequest) -> HttpResponse:
    deleted = Notebook.objects.in_trash_of(request.tenant, request.user).defer("document").order_by("-deleted_at")
    rows = [
        {"notebook": each, "since": timesince(at, depth=1), "left": timeuntil(goes_at(at), depth=1)}
        for each in deleted
        if (at := each.deleted_at)
    ]
    return render(request, "frontend/trash.html", {"rows": rows, "kept": timedelta(days=settings.TRASH_DAYS).days})


@require_POST
@member_required
def purge(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    mine = Notebook.objects.in_trash_of(request.tenant, request.user)
    notebook = get_object_or_404(mine, pk=notebook_id)
    delete_for_good([notebook])
    messages.success(request, f"“{notebook.title}” is deleted for good.")
    return redirect("trash")


@require_POST
@member_required
def empty(request: MemberRequest) -> HttpResponse:
    count = delete_for_good(Notebook.objects.in_trash_of(request.tenant, request.user).defer("document"))
    messages.success(request, f"{count} {'notebook is' if count == 1 else 'notebooks are'} deleted for good.")
    return redirect("trash")
