"""How much of a tenant's storage notebooks take."""

from uuid import UUID

from django.db.models import F, Sum
from django.db.models.functions import Length

from frontend.models.notebook import Notebook
from frontend.models.outputs import BroughtOutput
from frontend.models.sharing import ShareLink
from frontend.models.version import NotebookVersion, VersionPart
from tenants.models import Tenant
from tenants.storage import counted


def measure_kept(notebook: UUID) -> None:
    """Count anew what is kept with a notebook. Call it in the transaction that keeps more, or less."""
    kept = 0
    for model in (BroughtOutput, ShareLink, VersionPart):
        kept += model._default_manager.filter(notebook=notebook).aggregate(all=Sum("size"))["all"] or 0
    frames = NotebookVersion.objects.filter(notebook=notebook)
    kept += frames.aggregate(all=Sum(Length("frame")))["all"] or 0
    Notebook.objects.filter(pk=notebook).update(kept=kept)


@counted("notebooks")
def notebooks(tenant: Tenant) -> int:
    """Documents, their versions, the outputs they came with, and the copies behind links; those in the trash too."""
    rows = Notebook.objects.filter(tenant=tenant)
    return int(rows.aggregate(all=Sum(F("size") + F("kept")))["all"] or 0)
