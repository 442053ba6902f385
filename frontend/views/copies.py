"""Edits that could not be saved in place, kept as a notebook of one's own."""

import json
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from frontend.access import LOOKS_ON, MemberRequest, Right, may_create, member_required, notebook_for
from frontend.copies import copy_of
from frontend.documents import InvalidDocument, check, keep_outputs


@require_POST
@member_required
def keep_as_copy(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """`{"document": {…}}`: 201 with the address of the copy."""
    notebook = notebook_for(request, notebook_id, Right.VIEW)
    if not may_create(request.actor):
        return _refuse(403, "read_only", LOOKS_ON)
    raw = request.read(settings.MAX_NOTEBOOK_BYTES + 1)
    if len(raw) > settings.MAX_NOTEBOOK_BYTES:
        return _refuse(413, "too_large", "This is too large to be kept as a copy: download it instead.")
    try:
        body = json.loads(raw)
        document = check(body.get("document") if isinstance(body, dict) else None)
    except InvalidDocument as error:
        return _refuse(400, "invalid_document", str(error))
    except (ValueError, RecursionError):
        return _refuse(400, "invalid_document", "The body is not JSON.")
    title = f"{notebook.title} (edits of {request.user.get_full_name() or request.user.get_username()})"
    document = keep_outputs(document, notebook.document)
    made = copy_of(document, title, tenant=request.tenant, owner=request.user, pool=notebook.pool)
    if made is None:
        return _refuse(409, "no_pool", "There is no pool that could run a copy: ask your administrator.")
    return JsonResponse({"address": reverse("notebook", args=[made.pk])}, status=201)


def _refuse(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"error": code, "message": message}, status=status)
