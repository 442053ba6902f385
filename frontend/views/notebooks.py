"""The list of notebooks, and what is done to a notebook as a whole."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings as installation
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.timesince import timesince
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
)
from frontend.documents import new_document
from frontend.keeping import keep_files
from frontend.models import Notebook
from frontend.pools import container_cards, pool_cards
from interpreters.models import InterpreterImage, SessionPool

TITLE_LENGTH = 200


@require_GET
@member_required
@ensure_csrf_cookie
def listing(request: MemberRequest) -> HttpResponse:
    pools = pool_cards(request.tenant)
    languages = {pool.name: pool.language for pool in pools}
    rows = _rows(Notebook.objects.of(request.tenant, request.user), languages)
    shared = [
        {**row, "owner": row["notebook"].owner.get_full_name() or row["notebook"].owner.get_username()}
        for row in _rows(Notebook.objects.shared_with(request.tenant, request.user).select_related("owner"), languages)
    ]
    deleted = request.session.pop("deleted_notebook", None)
    context = {
        "rows": rows,
        "shared": shared,
        "pools": pools,
        "containers": container_cards(request.tenant),
        "deleted": deleted,
        "import_limit": installation.MAX_IMPORT_BYTES,
    }
    return render(request, "frontend/notebooks.html", context)


def _rows(notebooks: QuerySet[Notebook], languages: Mapping[str, str]) -> list[dict[str, Any]]:
    """As the list shows them, those opened last first."""
    return [
        {"notebook": notebook, "language": languages.get(notebook.pool, notebook.pool), "when": _opened(notebook)}
        for notebook in sorted(
            notebooks.defer("document"), key=lambda one: one.opened_at or one.updated_at, reverse=True
        )
    ]


@require_GET
@member_required
def pool_list(request: MemberRequest) -> HttpResponse:
    """The part of the list that changes by itself; the page asks for it every few seconds."""
    return render(request, "frontend/pools.html", {"pools": pool_cards(request.tenant)})


@require_POST
@member_required
def create(request: MemberRequest) -> HttpResponse:
    if not may_create(request.actor):
        messages.error(request, LOOKS_ON)
        return redirect("notebooks")
    usable = SessionPool.objects.usable_by(request.tenant).filter(enabled=True, image__kind=InterpreterImage.Kind.CODE)
    pool = usable.filter(name=request.POST.get("pool", "")).first()
    if pool is None:
        messages.error(request, "That language is not available. Choose one from the list.")
        return redirect("notebooks")
    title = _title(request) or f"{pool.image.language} notebook, {timezone.localdate():%-d %B}"
    document = new_document(pool.image.kernel, pool.image.language)
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
        trashed = Notebook.objects.in_trash_of(request.tenant, request.user).filter(pk=notebook_id).first()
        if trashed is None:
            raise
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


def _opened(notebook: Notebook) -> str:
    """When it was opened, for people: “opened 3 hours ago”."""
    if notebook.opened_at is None:
        return "not opened yet"
    if timezone.now() - notebook.opened_at < timedelta(minutes=1):
        return "opened just now"
    return f"opened {timesince(notebook.opened_at, depth=1)} ago"


def _title(request: MemberRequest) -> str:
    return " ".join(request.POST.get("title", "").replace("\x00", "").split())[:TITLE_LENGTH]
