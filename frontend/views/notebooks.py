"""The list of notebooks, and what is done to a notebook as a whole."""

import json
from datetime import timedelta
from uuid import UUID

from django.conf import settings as installation
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.timesince import timesince
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from frontend.access import MemberRequest, member_required, own_notebook
from frontend.documents import new_document
from frontend.executions import filled_document
from frontend.keeping import keep_files
from frontend.models import Notebook
from frontend.pools import container_cards, pool_cards
from interpreters.models import InterpreterImage, SessionPool

TITLE_LENGTH = 200


@require_GET
@member_required
@ensure_csrf_cookie
def listing(request: MemberRequest) -> HttpResponse:
    notebooks = Notebook.objects.of(request.tenant, request.user).defer("document")
    pools = pool_cards(request.tenant)
    languages = {pool.name: pool.language for pool in pools}
    rows = [
        {"notebook": notebook, "language": languages.get(notebook.pool, notebook.pool), "when": _opened(notebook)}
        for notebook in sorted(notebooks, key=lambda one: one.opened_at or one.updated_at, reverse=True)
    ]
    deleted = request.session.pop("deleted_notebook", None)
    context = {"rows": rows, "pools": pools, "containers": container_cards(request.tenant), "deleted": deleted}
    return render(request, "frontend/notebooks.html", context)


@require_GET
@member_required
def pool_list(request: MemberRequest) -> HttpResponse:
    """The part of the list that changes by itself; the page asks for it every few seconds."""
    return render(request, "frontend/pools.html", {"pools": pool_cards(request.tenant)})


@require_POST
@member_required
def create(request: MemberRequest) -> HttpResponse:
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
    notebook = own_notebook(request, notebook_id)
    notebook.mark_opened()
    keep_files(notebook, request.user.pk)
    card = next((card for card in pool_cards(request.tenant) if card.name == notebook.pool), None)
    settings = {
        "id": str(notebook.pk),
        "title": notebook.title,
        "pool": notebook.pool,
        "language": card.language if card else notebook.pool,
        "identifier": notebook.identifier(request.user.pk),
        "maxUpload": installation.MAX_UPLOAD_BYTES,
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


@require_GET
@member_required
def download(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    notebook = own_notebook(request, notebook_id)
    document, _ = filled_document(notebook, request.user.pk)
    response = HttpResponse(json.dumps(document, indent=1, ensure_ascii=False), content_type="application/x-ipynb+json")
    response["Content-Disposition"] = f'attachment; filename="{slugify(notebook.title) or "notebook"}.ipynb"'
    return response


def _opened(notebook: Notebook) -> str:
    """When it was opened, for people: “opened 3 hours ago”."""
    if notebook.opened_at is None:
        return "not opened yet"
    if timezone.now() - notebook.opened_at < timedelta(minutes=1):
        return "opened just now"
    return f"opened {timesince(notebook.opened_at, depth=1)} ago"


def _title(request: MemberRequest) -> str:
    return " ".join(request.POST.get("title", "").replace("\x00", "").split())[:TITLE_LENGTH]
