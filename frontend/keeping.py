"""Files of a notebook's session: kept from one session to the next, and deleted with the notebook."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from frontend.models import Notebook
from interpreters.models import Workspace


def keep_files(notebook: Notebook) -> None:
    """Files of this notebook's sessions are kept, unless somebody has switched that off."""
    Workspace.objects.keep(notebook.tenant, notebook.identifier)


@receiver(post_delete, sender=Notebook)
def forget_files(sender: type[Notebook], *, instance: Notebook, **_: Any) -> None:
    """Deleted for good. Their content is removed by the next sweep."""
    Workspace.objects.filter(tenant=instance.tenant_id, identifier__startswith=f"notebook-{instance.pk}-").delete()
