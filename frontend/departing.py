"""Notebooks of somebody who is no longer a member: another member has them from now on, with outputs and files.

The name of a notebook's session has its owner in it, so its sessions end here, and all that was known by the old name
gets the new one. What the last session has not saved yet is saved when it is torn down, under the new name.
"""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from frontend.models import Collaborator, EditorLease, Notebook
from frontend.notices import notebook_group
from interpreters import notices
from interpreters.lifecycle import Reason
from interpreters.models import Session, Workspace
from tenants.audit import Action, record
from tenants.departures import departed
from tenants.models import Tenant


@receiver(departed)
def hand_over(sender: Any, *, tenant: Tenant, user: Any, heir: Any, **_: Any) -> None:
    shared = Collaborator.objects.filter(notebook__tenant=tenant, user=user)
    seen = set(shared.values_list("notebook", flat=True))
    shared.delete()
    EditorLease.objects.filter(notebook__tenant=tenant, user=user).update(tab=None, user=None, until=None)
    notebooks = list(Notebook.objects.filter(tenant=tenant, owner=user).defer("document"))
    _end_sessions(tenant, user, notebooks)
    if heir is not None and notebooks:
        _give(tenant, notebooks, heir)
        told = {"from": user.get_username(), "to": heir.get_username(), "notebooks": [str(each) for each in notebooks]}
        record(Action.NOTEBOOKS_TRANSFERRED, tenant=tenant, about=heir, name=heir.get_username(), new=told)
    _tell({*seen, *(notebook.pk for notebook in notebooks)})


def _end_sessions(tenant: Tenant, user: Any, notebooks: list[Notebook]) -> None:
    """Also those that somebody else has begun."""
    names = [notebook.identifier for notebook in notebooks]
    for session in Session.objects.open().filter(tenant=tenant, identifier__in=names):
        session.end(Reason.CLOSED, f"{user} is no longer a member of {tenant}: somebody else has the notebook.")


def _give(tenant: Tenant, notebooks: list[Notebook], heir: Any) -> None:
    Collaborator.objects.filter(notebook__in=notebooks, user=heir).delete()
    for notebook in notebooks:
        old, notebook.owner = notebook.identifier, heir
        notebook.save(update_fields=["owner"])
        Session.objects.filter(tenant=tenant, identifier=old).update(identifier=notebook.identifier)
        kept = Workspace.objects.filter(tenant=tenant, identifier=old)
        if kept.exists():  # what may be there by the new name was made by somebody who guessed it
            Workspace.objects.filter(tenant=tenant, identifier=notebook.identifier).delete()
            kept.update(identifier=notebook.identifier)


def _tell(notebooks: set[UUID]) -> None:
    """Pages that are open look at once, and those of who has gone are closed."""
    groups = {notebook_group(each): {"type": "notebook.changed", "version": 0, "by": ""} for each in notebooks}
    if groups:
        transaction.on_commit(partial(notices.send, groups))
