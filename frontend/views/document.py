"""The document of one notebook: read with its outputs, saved whole or in part with the version it is based on."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_http_methods

from frontend import places
from frontend.access import MemberRequest, Right, member_required, notebook_for
from frontend.documents import CellsUnknown, Document, InvalidDocument, check, patched, size, without_outputs
from frontend.executions import filled_document, last_session, outputs_of
from frontend.models import Notebook, NotebookVersion


@require_http_methods(["GET", "PUT", "PATCH"])
@gzip_page
@member_required
def document(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    try:
        notebook = notebook_for(request, notebook_id, Right.VIEW if request.method == "GET" else Right.EDIT)
    except PermissionDenied as refusal:
        return refuse(403, "read_only", str(refusal))
    except Http404:
        if Notebook.objects.in_trash_of(request.tenant, request.user).filter(pk=notebook_id).exists():
            return in_trash(notebook_id)
        raise
    return _read(request, notebook) if request.method == "GET" else _save(request, notebook)


def in_trash(notebook_id: UUID) -> JsonResponse:
    """To a tab that still has the notebook open: 410, and how it comes back."""
    message = "This notebook was deleted in another tab or on another device. It is in the trash."
    return refuse(410, "deleted", message, restore=reverse("restore_notebook", args=[notebook_id]))


def _read(request: MemberRequest, notebook: Notebook) -> HttpResponse:
    # A page that comes back into view asks whether its version is the newest.
    if request.GET.get("unless") == str(notebook.version):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    return JsonResponse(loaded(request, notebook), headers={"Cache-Control": "no-store"})


def loaded(request: MemberRequest, notebook: Notebook) -> dict[str, Any]:
    """All that a page needs to show the notebook."""
    filled = filled_document(notebook, near=request.GET.get("outputs") == "near")
    return {
        "title": notebook.title,
        "version": notebook.version,
        "document": filled.document,
        "executions": filled.executions,
        "left_out": filled.left_out,
        "session": last_session(notebook),
        "waiting": places.listed(notebook),
    }


@require_GET
@gzip_page
@member_required
def outputs(request: MemberRequest, notebook_id: UUID, cell: str) -> HttpResponse:
    """What a cell printed: for what was left out of the document, as it is large."""
    found = outputs_of(notebook_for(request, notebook_id, Right.VIEW), cell)
    if found is None:
        raise Http404
    return JsonResponse({"execution": found[0], "outputs": found[1]}, headers={"Cache-Control": "no-store"})


def _save(request: MemberRequest, notebook: Notebook) -> HttpResponse:
    raw = request.read(settings.MAX_NOTEBOOK_BYTES + 1)
    try:
        if len(raw) > settings.MAX_NOTEBOOK_BYTES:
            return _too_large()
        body = _parse(raw)
        base = body["version"]
        if base != notebook.version:
            return conflict(notebook)
        edited = _edited(request, notebook, body)
        # A change of some cells is small however large it makes the whole.
        if request.method == "PATCH" and size(edited) > settings.MAX_NOTEBOOK_BYTES:
            return _too_large()
    except CellsUnknown as error:
        return refuse(400, "unknown_cells", str(error))
    except InvalidDocument as error:
        return refuse(400, "invalid_document", str(error))
    # Said by a tab that was shown what it replaces: that is kept as a version, whatever the clock says.
    keep = NotebookVersion.Why.CONFLICT if body.get("replaces") is True else ""
    if not notebook.save_document(edited, base=base, keep=keep, by=request.user):
        return conflict(notebook)
    return JsonResponse({"version": notebook.version})


def _edited(request: MemberRequest, notebook: Notebook, body: dict[str, Any]) -> Document:
    document = body.get("document") if request.method == "PUT" else patched(notebook.document, body)
    return without_outputs(check(document))


def conflict(notebook: Notebook) -> JsonResponse:
    """Somebody saved in between; or deleted it, which comes to the same only for who does not ask."""
    row = Notebook.objects.filter(pk=notebook.pk).values("version", "deleted_at").first()
    if row is None or row["deleted_at"]:
        return in_trash(notebook.pk)
    message = "This notebook was changed in another tab or on another device since you loaded it."
    return refuse(409, "conflict", message, version=row["version"])


def _too_large() -> JsonResponse:
    limit = settings.MAX_NOTEBOOK_BYTES / 1024**2
    return refuse(413, "too_large", f"A notebook without its outputs is at most {limit:g} MiB: move data to files.")


def _parse(raw: bytes) -> dict[str, Any]:
    """`{"version": n, …}`. Raises InvalidDocument."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument("The body is not JSON.") from error
    if not isinstance(body, dict) or not isinstance(body.get("version"), int) or isinstance(body["version"], bool):
        raise InvalidDocument('Send {"version": <the version you edited>, "document": {…}}.')
    return body


def refuse(status: int, code: str, message: str, **more: Any) -> JsonResponse:
    return JsonResponse({"error": code, "message": message, **more}, status=status)
