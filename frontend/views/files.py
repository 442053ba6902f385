"""Notebooks as files: brought in, taken out, copied."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from frontend import exporting
from frontend.access import (
    LOOKS_ON,
    MemberRequest,
    Right,
    may_create,
    member_required,
    notebook_for,
    trashed_notebook,
)
from frontend.copies import TITLE_LENGTH, make_notebook
from frontend.documents import Document, InvalidDocument, check, fill_outputs, forget_cleared, without_outputs
from frontend.executions import filled_document
from frontend.importing import Imported, read_notebook
from frontend.kernels import pool_for
from frontend.models import BroughtOutput, Notebook
from frontend.pools import PoolCard, pool_cards
from frontend.views.document import refuse
from tenants.audit import Action, record
from tenants.storage import StorageFull

MOST_FILES = 20


class ChooseLanguage(Exception):
    """No pool fits what the file says; the message says so."""


# --- In ---


@csrf_exempt
@require_POST
def bring(request: HttpRequest) -> HttpResponse:
    """Import files of a form. How large it is, is looked at first: checking the form's token would read all of it."""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > settings.MAX_IMPORT_BYTES + 64 * 1024:
        message = f"A notebook's file may have {_mib(settings.MAX_IMPORT_BYTES)} MiB, and so may several together."
        if _wants_json(request):
            return refuse(413, "too_large", message)
        messages.error(request, message)
        return redirect("notebooks")
    return _bring(request)


@csrf_protect
@member_required
def _bring(request: MemberRequest) -> HttpResponse:
    if not may_create(request.actor):
        raise PermissionDenied(LOOKS_ON)
    files = request.FILES.getlist("files")
    made, problems, choose, full = [], [], False, False
    if not 0 < len(files) <= MOST_FILES:
        problems.append(f"Choose one to {MOST_FILES} files that end in .ipynb.")
        files = []
    pools = pool_cards(request.tenant)
    for file in files:
        name = str(file.name or "notebook")
        try:
            imported = read_notebook(file.read())
            notebook = _import(request, imported, _title(name), pools)
            made.append({**_told(notebook), "notes": imported.notes})
        except ChooseLanguage as error:
            choose = True
            problems.append(f"{name}: {error}")
        except InvalidDocument as error:
            problems.append(f"{name}: {error}")
        except StorageFull as error:
            full = True
            problems.append(f"{name}: {error}")
    if _wants_json(request):
        languages = [{"pool": pool.name, "language": pool.label} for pool in pools] if choose else []
        answer = {"made": made, "problems": problems, "languages": languages}
        if made:
            return JsonResponse(answer, status=201)
        status, code = (507, "quota_reached") if full else (422, "choose_language") if choose else (400, "invalid")
        return refuse(status, code, " ".join(problems), **answer)
    for problem in problems:
        messages.error(request, problem)
    for each in made:
        messages.success(request, " ".join((f"“{each['title']}” was imported.", *each["notes"])))
    return redirect(str(made[0]["url"]) if len(made) == 1 and not problems else "notebooks")


def _import(request: MemberRequest, imported: Imported, title: str, pools: list[PoolCard]) -> Notebook:
    asked = request.POST.get("pool", "")
    if asked:
        pool = next((each for each in pools if each.name == asked), None)
    else:
        pool = pool_for(imported.kernel, imported.language, pools)
    if pool is None:
        said = imported.language or imported.kernel
        raise ChooseLanguage(
            f"No language here is {said[:60]!r}: choose one." if said else "It does not say its language: choose one."
        )
    return make_notebook(imported.document, title, tenant=request.tenant, owner=request.user, pool=pool.name)


@require_POST
@member_required
def copy(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """A new notebook like this one, with its outputs; of what a page shows, if it sends `{"document"?, "title"?}`."""
    try:
        notebook = notebook_for(request, notebook_id, Right.VIEW)
    except Http404:
        # A tab whose notebook was deleted saves what it has.
        notebook = trashed_notebook(request, notebook_id)
    if not may_create(request.actor):
        return refuse(403, "read_only", LOOKS_ON)
    try:
        edited, title = _sent(request)
        document = filled_document(notebook).document
        if edited is not None:
            document = fill_outputs(without_outputs(edited), {}, _shown(document))
        forget_cleared(document["cells"])
        named = title or f"Copy of {notebook.title}"
        made = make_notebook(document, named, tenant=request.tenant, owner=request.user, pool=notebook.pool)
    except InvalidDocument as error:
        return refuse(400, "invalid_document", str(error))
    if _wants_json(request):
        return JsonResponse(_told(made), status=201)
    messages.success(request, f"“{made.title}” is in your list.")
    return redirect("notebooks")


def _sent(request: MemberRequest) -> tuple[Document | None, str]:
    if request.content_type != "application/json":
        return None, ""
    raw = request.read(settings.MAX_NOTEBOOK_BYTES + 1)
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument("The body is not JSON, or larger than a notebook may be.") from error
    if not isinstance(body, dict):
        raise InvalidDocument('Send {"document": {…}, "title": "…"}.')
    edited = check(body["document"]) if body.get("document") is not None else None
    return edited, _clean(str(body.get("title") or ""))


def _shown(document: Document) -> dict[str, BroughtOutput]:
    return {
        cell["id"]: BroughtOutput(outputs=cell["outputs"], execution_count=cell["execution_count"])
        for cell in document["cells"]
        if cell["cell_type"] == "code"
    }


# --- Out ---


@require_GET
@member_required
def export(request: MemberRequest, notebook_id: UUID, form: str) -> HttpResponse:
    """The notebook as a file. Always a download: whatever its outputs hold never runs on our origin."""
    notebook = notebook_for(request, notebook_id, Right.VIEW)
    document = filled_document(notebook).document
    record(Action.FILE_DOWNLOADED, who=request.actor.who, tenant=request.tenant, about=notebook, why=f"as {form}")
    try:
        if form == "ipynb":
            return _file(exporting.as_ipynb(document), "application/x-ipynb+json", notebook.title, "ipynb")
        if form == "html":
            page = exporting.as_html(document, notebook.title)
            return _file(page, "text/html; charset=utf-8", notebook.title, "html")
        if form == "script":
            program, ending = exporting.as_program(document, _language(request, notebook, document))
            return _file(program.encode(), "text/plain; charset=utf-8", notebook.title, ending)
    except exporting.CannotExport as error:
        if _wants_json(request):
            return refuse(error.status, "cannot_export", str(error))
        messages.error(request, str(error))
        return redirect("notebooks")
    raise Http404


def _file(content: bytes, kind: str, title: str, ending: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    header = content_disposition_header(as_attachment=True, filename=exporting.file_name(title, ending))
    response["Content-Disposition"] = str(header)
    # For a browser that shows it all the same.
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    response["Cache-Control"] = "no-store"
    return response


def _language(request: MemberRequest, notebook: Notebook, document: Document) -> str:
    card = next((card for card in pool_cards(request.tenant) if card.name == notebook.pool), None)
    if card is not None:
        return card.language.split("/")[0]
    said: Any = document["metadata"].get("language_info")
    return str(said.get("name", "")) if isinstance(said, dict) else ""


# --- Words ---


def _title(file: str) -> str:
    stem = file.replace("\\", "/").rpartition("/")[2]
    return _clean(stem.removesuffix(".ipynb").removesuffix(".json")) or "Imported notebook"


def _clean(text: str) -> str:
    return " ".join(text.replace("\x00", "").encode(errors="replace").decode().split())[:TITLE_LENGTH]


def _told(notebook: Notebook) -> dict[str, Any]:
    return {"id": str(notebook.pk), "title": notebook.title, "url": reverse("notebook", args=[notebook.pk])}


def _mib(count: int) -> str:
    return f"{count / 1024**2:g}"


def _wants_json(request: HttpRequest) -> bool:
    return not request.accepts("text/html")
