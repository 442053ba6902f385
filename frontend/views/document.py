"""The document of one notebook: read with its outputs, saved with the version it is based on."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods

from frontend.access import MemberRequest, Right, member_required, notebook_for
from frontend.documents import InvalidDocument, check, keep_outputs
from frontend.executions import filled_document, last_session
from frontend.models import Notebook


@require_http_methods(["GET", "PUT"])
@member_required
def document(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    if request.method != "PUT":
        return _read(request, notebook_for(request, notebook_id, Right.VIEW))
    try:
        return _save(request, notebook_for(request, notebook_id, Right.EDIT))
    except PermissionDenied as refusal:
        return _refuse(403, "read_only", str(refusal))


def _read(request: MemberRequest, notebook: Notebook) -> HttpResponse:
    filled, executions = filled_document(notebook)
    answer = {
        "title": notebook.title,
        "version": notebook.version,
        "document": filled,
        "executions": executions,
        "session": last_session(notebook),
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _save(request: MemberRequest, notebook: Notebook) -> HttpResponse:
    raw = request.read(settings.MAX_NOTEBOOK_BYTES + 1)
    if len(raw) > settings.MAX_NOTEBOOK_BYTES:
        limit = settings.MAX_NOTEBOOK_BYTES / 1024**2
        return _refuse(
            413, "too_large", f"A notebook without its outputs is at most {limit:g} MiB: move data to files."
        )
    try:
        base, edited = _parse(raw)
    except InvalidDocument as error:
        return _refuse(400, "invalid_document", str(error))
    by = str(request.user.pk)
    if not notebook.save_document(keep_outputs(edited, notebook.document), base=base, by=by):
        current = Notebook.objects.values_list("version", flat=True).get(pk=notebook.pk)
        message = "This notebook was changed in another tab or on another device since you loaded it."
        return _refuse(409, "conflict", message, version=current)
    return JsonResponse({"version": notebook.version})


def _parse(raw: bytes) -> tuple[int, dict[str, Any]]:
    """`{"version": n, "document": {…}}`. Raises InvalidDocument."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument("The body is not JSON.") from error
    if not isinstance(body, dict) or not isinstance(body.get("version"), int) or isinstance(body["version"], bool):
        raise InvalidDocument('Send {"version": <the version you edited>, "document": {…}}.')
    return body["version"], check(body.get("document"))


def _refuse(status: int, code: str, message: str, **more: Any) -> JsonResponse:
    return JsonResponse({"error": code, "message": message, **more}, status=status)
