"""Versions of a notebook: listed, looked at, named, restored."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import MemberRequest, Right, member_required, notebook_for
from frontend.documents import InvalidDocument, check, without_outputs
from frontend.models import Notebook, NotebookVersion, TooMuchKept
from frontend.models.version import forget, keep_edits, keep_named, name_kept
from frontend.views.document import conflict, loaded, refuse

NAME_LENGTH = 100


@require_http_methods(["GET", "POST"])
@member_required
def versions(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """GET lists them, the newest first; POST `{"name"}` keeps the notebook as it is now, `{"document"}` edits that were
    not saved and will not be."""
    notebook = notebook_for(request, notebook_id, Right.VIEW if request.method == "GET" else Right.EDIT)
    if request.method == "GET":
        rows = notebook.versions.select_related("by").defer("frame").order_by("-pk")
        return _private({"version": notebook.version, "versions": [_described(row) for row in rows]})
    body = _body(request, settings.MAX_NOTEBOOK_BYTES)
    if "document" in body:
        return _keep_edits(request, notebook, body["document"])
    if not (name := _name(body)):
        return refuse(400, "no_name", "A version that is kept on purpose needs a name.")
    try:
        return _private(_described(keep_named(notebook, name, request.user)), status=201)
    except TooMuchKept as error:
        return refuse(409, "too_many", str(error))


@require_http_methods(["GET", "PATCH", "DELETE"])
@member_required
def version(request: MemberRequest, notebook_id: UUID, version_id: int) -> HttpResponse:
    """GET has its document; PATCH `{"name"}` names it, after which it stays; DELETE forgets it."""
    found = _own(request, notebook_id, version_id)
    if request.method == "GET":
        return _private({**_described(found), "document": found.document()})
    if request.method == "DELETE":
        forget(found)
        return HttpResponse(status=204)
    if not (name := _name(_body(request))):
        return refuse(400, "no_name", "Give the version a name.")
    try:
        name_kept(found, name)
    except TooMuchKept as error:
        return refuse(409, "too_many", str(error))
    return _private(_described(found))


@require_POST
@member_required
def restore(request: MemberRequest, notebook_id: UUID, version_id: int) -> HttpResponse:
    """Make a version the present one. `{"version"}` says what the page shows: what it does not know is not replaced."""
    found = _own(request, notebook_id, version_id)
    notebook = found.notebook
    base = _body(request).get("version")
    if not isinstance(base, int) or isinstance(base, bool):
        return refuse(400, "invalid", 'Send {"version": <the version that the page shows>}.')
    if not notebook.save_document(found.document(), base=base, keep=NotebookVersion.Why.RESTORE, by=request.user):
        return conflict(notebook)
    return _private(loaded(request, notebook))


def _keep_edits(request: MemberRequest, notebook: Notebook, document: Any) -> HttpResponse:
    try:
        made = keep_edits(notebook, without_outputs(check(document)), request.user)
    except InvalidDocument as error:
        return refuse(400, "invalid_document", str(error))
    return _private(_described(made) if made else {}, status=201 if made else 200)


def _own(request: MemberRequest, notebook_id: UUID, version_id: int) -> NotebookVersion:
    notebook = notebook_for(request, notebook_id, Right.VIEW if request.method == "GET" else Right.EDIT)
    return get_object_or_404(NotebookVersion.objects.select_related("notebook", "by"), pk=version_id, notebook=notebook)


def _described(row: NotebookVersion) -> dict[str, Any]:
    return {
        "id": row.pk,
        "version": row.number,
        "why": row.why,
        "name": row.name,
        "by": row.by.get_username() if row.by else "",
        "created_at": row.created_at.timestamp(),
        "saved_at": row.saved_at.timestamp(),
        "cells": row.cells,
    }


def _private(content: dict[str, Any], status: int = 200) -> JsonResponse:
    return JsonResponse(content, status=status, headers={"Cache-Control": "no-store"})


def _body(request: MemberRequest, most: int = 10_000) -> dict[str, Any]:
    try:
        body = json.loads(request.read(most))
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _name(body: dict[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str):
        return ""
    return " ".join(name.replace("\x00", "").encode(errors="replace").decode().split())[:NAME_LENGTH]
