"""Cells that wait for a place: kept here while a pool is full, so that no tab need stay open for them."""

import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods

from frontend import places
from frontend.access import MemberRequest, Right, member_required, notebook_for
from frontend.models import Notebook
from frontend.views.document import refuse
from interpreters import sessions
from interpreters.client import ExecuteRequest
from interpreters.sessions import Problem

WANTED = 'Send {"runs": [{"id": <UUID>, "cell": "…", "code": "…", "stop_on_error": true}, …]}.'


class Malformed(Exception):
    """The body is not what WANTED says."""


@require_http_methods(["POST", "DELETE"])
@member_required
def places_of(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """POST lets more cells wait, or none, and asks for a place; DELETE takes all out."""
    try:
        notebook = notebook_for(request, notebook_id, Right.EDIT)
    except PermissionDenied as refusal:
        return refuse(403, "read_only", str(refusal))
    if request.method == "DELETE":
        return JsonResponse({"taken_out": places.take_out(notebook)})
    raw = request.read(settings.MAX_NOTEBOOK_BYTES + 1)
    if len(raw) > settings.MAX_NOTEBOOK_BYTES:
        return refuse(413, "too_large", "That is too much code to wait: run fewer cells at a time.")
    try:
        places.keep(notebook, request.user, _runs(raw), request.actor.provider)
    except Malformed:
        return refuse(400, "bad_request", WANTED)
    except Problem as problem:
        return refuse(problem.status, problem.code, problem.message)
    return JsonResponse(_asked(notebook))


@require_http_methods(["DELETE"])
@member_required
def place(request: MemberRequest, notebook_id: UUID, run: UUID) -> HttpResponse:
    try:
        notebook = notebook_for(request, notebook_id, Right.EDIT)
    except PermissionDenied as refusal:
        return refuse(403, "read_only", str(refusal))
    return JsonResponse({"taken_out": places.take_out(notebook, run)})


def _asked(notebook: Notebook) -> dict[str, Any]:
    message, retry_after = "", places.RETRY_AFTER
    session = None
    try:
        session = places.ask_for_place(notebook)
    except Problem as problem:
        message, retry_after = problem.message, problem.retry_after or places.RETRY_AFTER
    return {
        "session": str(session.pk) if session else None,
        "waiting": places.listed(notebook),
        "message": message,
        "retry_after": min(retry_after, places.RETRY_AFTER),
    }


def _runs(raw: bytes) -> list[ExecuteRequest]:
    """Raises Malformed, or Problem for code that is too long."""
    try:
        runs = json.loads(raw)["runs"]
        return [_run(run) for run in runs]
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise Malformed from error


def _run(run: dict[str, Any]) -> ExecuteRequest:
    cell, code = run["cell"], run["code"]
    if not (isinstance(cell, str) and isinstance(code, str) and cell):
        raise TypeError
    stop = run.get("stop_on_error", True) is not False
    return sessions.request(code, id=UUID(run["id"]), cell=cell, stop_on_error=stop)
