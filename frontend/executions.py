"""What a notebook's cells printed last: joins the document with the executions of its sessions."""

from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from frontend.documents import Document, fill_outputs
from frontend.models import Notebook
from interpreters.models import Execution, Session


def latest_executions(notebook: Notebook) -> dict[str, Execution]:
    """Cell id → its last execution, whoever asked for it and whichever session ran it."""
    newest = Window(RowNumber(), partition_by=F("cell"), order_by=(F("queued_at").desc(), F("id").desc()))
    rows = Execution.objects.filter(
        tenant=notebook.tenant_id, session__identifier=notebook.identifier, session__tenant=notebook.tenant_id
    )
    ids = [row["id"] for row in rows.exclude(cell="").annotate(place=newest).filter(place=1).values("id")]
    return {execution.cell: execution for execution in rows.filter(id__in=ids)}


def filled_document(notebook: Notebook) -> tuple[Document, list[dict[str, Any]]]:
    """The document with outputs, and what else is known of the execution behind each cell's outputs."""
    executions = latest_executions(notebook)
    brought = {each.cell: each for each in notebook.brought_outputs.all()}
    document = fill_outputs(notebook.document, executions, brought)
    sources = {cell["id"]: _text(cell["source"]) for cell in document["cells"]}
    return document, [describe(execution, sources.get(execution.cell)) for execution in executions.values()]


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def describe(execution: Execution, source: str | None) -> dict[str, Any]:
    """An execution without its outputs; times are seconds since 1970. `code` is what ran, where the cell now says
    something else: the page marks such cells."""
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
        "code": execution.code if source is not None and execution.code != source else None,
        **times,
    }


def newest_session(notebook: Notebook) -> Session | None:
    # Of the pool that it runs in now: a session in another one is of a language that it was in before.
    rows = Session.objects.filter(tenant=notebook.tenant_id, identifier=notebook.identifier, pool__name=notebook.pool)
    return rows.select_related("pool__image").order_by("-created_at").first()


def last_session(notebook: Notebook) -> dict[str, Any] | None:
    """The newest session of this notebook: live, or ended and why."""
    session = newest_session(notebook)
    if session is None:
        return None
    return {"id": str(session.pk), "state": session.state, "reason": session.reason, "detail": session.detail}
