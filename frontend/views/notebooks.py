"""What is done to a notebook as a whole. The list of them is in `listing`."""

from uuid import UUID

from django.conf import settings as installation
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from frontend.access import (
    LOOKS_ON,
    MemberRequest,
    Right,
    may_create,
    member_required,
    notebook_for,
    own_notebook,
    right_to,
    trashed_notebook,
)
from frontend.copies import TITLE_LENGTH
from frontend.documents import new_document
from frontend.keeping import keep_files
from frontend.models import Notebook
from frontend.pools import pool_cards
from frontend.starters import starter
from interpreters.models import InterpreterImage, SessionPool
from tenants import storage


@require_POST
@member_required
def create(request: MemberRequest) -> HttpResponse:
    if not may_create(request.actor):
        messages.error(request, LOOKS_ON)
        return redirect("notebooks")
    usable = SessionPool.objects.usable_by(request.tenant).filter(enabled=True, image__kind=InterpreterImage.Kind.CODE)
    wanted = request.POST.get("example", "")
    pool = usable.filter(name=wanted or request.POST.get("pool", "")).first()
    if pool is None:
        messages.error(request, "That language is not available. Choose one from the list.")
        return redirect("notebooks")
    kernel, language = pool.image.kernel, pool.image.language
    example = starter(kernel, language) if wanted else None
    title = _title(request) or (example.title if example else f"{language} notebook, {timezone.localdate():%-d %B}")
    document = example.document if example else new_document(kernel, language)
    with storage.room_for(request.tenant):
        notebook = Notebook.objects.create(
            tenant=request.tenant, owner=request.user, title=title, pool=pool.name, document=document
        )
    return redirect("notebook", notebook.pk)


@require_GET
@member_required
@ensure_csrf_cookie
def page(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    try:
        notebook = notebook_for(request, notebook_id, Right.VIEW)
    except Http404:
        trashed = trashed_notebook(request, notebook_id)
        return render(request, "frontend/deleted.html", {"notebook": trashed}, status=410)
    if notebook.owner_id == request.user.pk:
        notebook.mark_opened()
        keep_files(notebook)
    card = next((card for card in pool_cards(request.tenant) if card.name == notebook.pool), None)
    settings = {
        "id": str(notebook.pk),
        "title": notebook.title,
        "pool": notebook.pool,
        "language": card.language if card else notebook.pool,
        "identifier": notebook.identifier,
        "user": request.user.pk,
        "right": right_to(notebook, request.actor).word,
        "maxUpload": installation.MAX_UPLOAD_BYTES,
    }
    return render(request, "frontend/notebook.html", {"notebook": notebook, "settings": settings})


@require_POST
@member_required
def rename(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    notebook = notebook_for(request, notebook_id, Right.EDIT)
    title = _title(request)
    if not title:
        return JsonResponse({"error": "no_title", "message": "A notebook needs a name."}, status=400)
    notebook.rename(title)
    return redirect("notebooks") if request.accepts("text/html") else JsonResponse({"title": title})


@require_POST
@member_required
def delete(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    notebook = own_notebook(request, notebook_id)
    notebook.delete_softly()
    request.session["deleted_notebook"] = {"id": str(notebook.pk), "title": notebook.title}
    return redirect("notebooks")


@require_POST
@member_required
def restore(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    if not may_create(request.actor):
        raise PermissionDenied(LOOKS_ON)
    mine = Notebook.objects.filter(tenant=request.tenant, owner=request.user)
    notebook = get_object_or_404(mine, pk=notebook_id)
    notebook.restore()
    if not request.accepts("text/html"):
        return JsonResponse({"version": notebook.version})
    return redirect("notebook", notebook.pk) if request.POST.get("then") == "open" else redirect("notebooks")


def _title(request: MemberRequest) -> str:
    return " ".join(request.POST.get("title", "").replace("\x00", "").split())[:TITLE_LENGTH]
