"""What is done to a notebook as a whole. The list of them is in `listing`."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from frontend.access import MemberRequest, member_required, own_notebook
from frontend.documents import new_document
from frontend.executions import filled_document
from frontend.models import Notebook
from frontend.pools import pool_cards
from frontend.starters import starter
from interpreters.models import InterpreterImage, SessionPool

TITLE_LENGTH = 200


@require_POST
@member_required
def create(request: MemberRequest) -> HttpResponse:
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
    notebook = Notebook.objects.create(
        tenant=request.tenant, owner=request.user, title=title, pool=pool.name, document=document
    )
    return redirect("notebook", notebook.pk)


@require_GET
@member_required
@ensure_csrf_cookie
def page(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    notebook = own_notebook(request, notebook_id)
    notebook.mark_opened()
    card = next((card for card in pool_cards(request.tenant) if card.name == notebook.pool), None)
    settings = {
        "id": str(notebook.pk),
        "title": notebook.title,
        "pool": notebook.pool,
        "language": card.language if card else notebook.pool,
        "identifier": notebook.identifier(request.user.pk),
    }
    return render(request, "frontend/notebook.html", {"notebook": notebook, "settings": settings})


@require_POST
@member_required
def rename(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    notebook = own_notebook(request, notebook_id)
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
    mine = Notebook.objects.filter(tenant=request.tenant, owner=request.user)
    get_object_or_404(mine, pk=notebook_id).restore()
    return redirect("notebooks")


@require_POST
@member_required
def duplicate(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """A copy of one's own, with what its cells have printed."""
    notebook = own_notebook(request, notebook_id)
    document, _ = filled_document(notebook, request.user.pk)
    title = f"Copy of {notebook.title}"[:TITLE_LENGTH]
    Notebook.objects.create(
        tenant=request.tenant, owner=request.user, title=title, pool=notebook.pool, document=document
    )
    messages.success(request, f"“{title}” is in your list.")
    return redirect("notebooks")


@require_GET
@member_required
def download(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    notebook = own_notebook(request, notebook_id)
    document, _ = filled_document(notebook, request.user.pk)
    response = HttpResponse(json.dumps(document, indent=1, ensure_ascii=False), content_type="application/x-ipynb+json")
    response["Content-Disposition"] = f'attachment; filename="{slugify(notebook.title) or "notebook"}.ipynb"'
    return response


def _title(request: MemberRequest) -> str:
    return " ".join(request.POST.get("title", "").replace("\x00", "").split())[:TITLE_LENGTH]
