"""What a notebook's cells printed last: joins the document with the executions of its sessions."""

from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from frontend.documents import Document, fill_outputs
from frontend.models import Notebook
from interpreters.models import Execution, Session


def latest_executions(notebook: Notebook, user_id: int) -> dict[str, Execution]:
    """Cell id → its last execution by this person, whichever session ran it."""
    newest = Window(RowNumber(), partition_by=F("cell"), order_by=(F("queued_at").desc(), F("id").desc()))
    rows = Execution.objects.filter(
        tenant=notebook.tenant_id, session__identifier=notebook.identifier(user_id), session__tenant=notebook.tenant_id
    )
    ids = [row["id"] for row in rows.exclude(cell="").annotate(place=newest).filter(place=1).values("id")]
    return {execution.cell: execution for execution in rows.filter(id__in=ids).defer("code")}


def filled_document(notebook: Notebook, user_id: int) -> tuple[Document, list[dict[str, Any]]]:
    """The document with outputs, and what else is known of the execution behind each cell's outputs."""
    executions = latest_executions(notebook, user_id)
    document = fill_outputs(notebook.document, executions)
    return document, [describe(execution) for execution in executions.values()]


def describe(execution: Execution) -> dict[str, Any]:
    """An execution without its outputs; times are seconds since 1970."""
    times = {
        name: moment.timestamp() if (moment := getattr(execution, name)) else None
        for name in ("queued_at", "started_at", "finished_at")
    }
    return {
        "id": str(execution.pk),
        "cell": execution.cell,
        "session": str(execution.session_id),
        "state": execution.status,
        "execution_count": execution.execution_count,
        "cut": execution.outputs_cut,
        **times,
    }


def last_session(notebook: Notebook, user_id: int) -> dict[str, Any] | None:
    """The newest session of this person for this notebook: live, or ended and why."""
    # Of the pool that it runs in now: a session in another one is of a language that it was in before.
    identifier = notebook.identifier(user_id)
    rows = Session.objects.filter(tenant=notebook.tenant_id, identifier=identifier, pool__name=notebook.pool)
    session = rows.order_by("-created_at").first()
    if session is None:
        return None
    return {"id": str(session.pk), "state": session.state, "reason": session.reason, "detail": session.detail}
