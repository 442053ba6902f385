"""What of a tenant and a person is in this application: notebooks with their versions, and what is shared with them."""

from collections.abc import Iterator

from frontend.executions import filled_document
from frontend.exporting import as_ipynb, file_name
from frontend.models import Collaborator, Notebook, WaitingRun
from interpreters.lifecycle import LIVE
from interpreters.models import Session
from interpreters.owning import end, end_sessions
from tenants.owned import File, Kind, Subject, register


def files(subject: Subject) -> Iterator[File]:
    """Each with its outputs, and its versions, which have none."""
    for notebook in NOTEBOOKS.rows(subject).order_by("pk").iterator(1):
        folder = f"notebooks/{file_name(notebook.title, str(notebook.pk))}"
        document = filled_document(notebook).document
        yield f"{folder}/{file_name(notebook.title, 'ipynb')}", as_ipynb(document)
        for version in notebook.versions.order_by("pk").iterator(1):
            yield f"{folder}/versions/{version.number}-{version.pk}.ipynb", as_ipynb(version.document())


def end_their_sessions(subject: Subject) -> str:
    """Also those that others opened: what they save has no place any more."""
    names = [notebook.identifier for notebook in NOTEBOOKS.rows(subject).only("owner_id")]
    rest = end(Session.objects.filter(tenant=subject.tenant, identifier__in=names, state__in=LIVE))
    return end_sessions(subject) or rest


NOTEBOOKS = Kind(name="notebooks", model=Notebook, order=200, person="owner", files=files, hidden=("document",))
register(
    NOTEBOOKS,
    Kind(name="waiting_runs", model=WaitingRun, order=40, tenant="notebook__tenant", person="user"),
    # First: then nobody opens a session of theirs any more, and what was saved last is among the files that go.
    Kind(
        name="shared_with", model=Collaborator, order=50, tenant="notebook__tenant", person="user",
        prepare=end_their_sessions,
    ),
)  # fmt: skip
