"""What a notebook's cells printed last: joins the document with the executions of its sessions."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet, TextField, Window
from django.db.models.functions import Cast, Length, RowNumber

from frontend.documents import Document, brought_name, fill_outputs
from frontend.models import Notebook
from interpreters.models import Execution, Session

# Characters of outputs that a page is given with the document: of one cell, and of all. The rest it asks for when it is
# scrolled to.
OF_A_CELL, OF_ALL = 200_000, 2_000_000
# So little that it is never left out.
NOTHING = 2_000


def _latest(notebook: Notebook) -> QuerySet[Execution]:
    """The last execution of each cell, whoever asked for it and whichever session ran it."""
    newest = Window(RowNumber(), partition_by=F("cell"), order_by=(F("queued_at").desc(), F("id").desc()))
    rows = Execution.objects.filter(
        tenant=notebook.tenant_id, session__identifier=notebook.identifier, session__tenant=notebook.tenant_id
    )
    ids = [row["id"] for row in rows.exclude(cell="").annotate(place=newest).filter(place=1).values("id")]
    return rows.filter(id__in=ids)


@dataclass(frozen=True, slots=True)
class Filled:
    """A document with outputs, what else is known of the execution behind each cell's, and of which cells outputs
    were left out, with their sizes."""

    document: Document
    executions: list[dict[str, Any]]
    left_out: dict[str, int]


def filled_document(notebook: Notebook, *, near: bool = False) -> Filled:
    """The document with outputs: all of them, or what a page is given at once."""
    latest, files = _latest(notebook), notebook.brought_outputs.all()
    left = _left_out(notebook, latest, files) if near else {}
    executions = {row.cell: row for row in latest.exclude(cell__in=left)}
    brought = {row.cell: row for row in files.exclude(cell__in=left)}
    document = fill_outputs(notebook.document, executions, brought)
    # Those rows are read without what is large in them.
    executions |= {row.cell: row for row in latest.filter(cell__in=left).defer("outputs")}
    sources = {cell["id"]: _text(cell["source"]) for cell in document["cells"]}
    told = [describe(execution, sources.get(execution.cell)) for execution in executions.values()]
    return Filled(document, told, left)


def _left_out(notebook: Notebook, *rows: QuerySet[Any]) -> dict[str, int]:
    """What is too large to come with the document, by cell: each that is, and what is left when there is enough."""
    weight = Length(Cast("outputs", TextField()))
    weights: dict[str, int] = {}
    for of_cells in reversed(rows):  # runs come before what a file brought
        weights |= dict(of_cells.exclude(outputs=None).annotate(weight=weight).values_list("cell", "weight"))
    left, total = {}, 0
    for cell in notebook.document.get("cells", []):
        size = weights.get(cell["id"], 0)
        if size > OF_A_CELL or (size > NOTHING and total + size > OF_ALL):
            left[cell["id"]] = size
        else:
            total += size
    return left


def outputs_of(notebook: Notebook, cell: str) -> tuple[str, list[Any]] | None:
    """The name of a cell's last run, or of what its file brought, and what it printed; None if nothing is known."""
    row = _latest(notebook).filter(cell=cell).first()
    if row is not None:
        return str(row.pk), row.outputs or []
    brought = notebook.brought_outputs.filter(cell=cell).first()
    return (brought_name(cell), brought.outputs) if brought else None


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
