"""What tenants keep here, for `tenants.storage`: registered when the application is loaded."""

from django.db.models import Sum

from interpreters.models import InterpreterImage, Workspace
from interpreters.models.uploads import size_of
from tenants.models import Tenant
from tenants.storage import counted


@counted("files")
def files(tenant: Tenant) -> int:
    """Kept files, packed."""
    return Workspace.objects.filter(tenant=tenant).aggregate(all=Sum("size"))["all"] or 0


@counted("images")
def images(tenant: Tenant) -> int:
    """The tenant's own images on the engine, each as a whole, and the uploads that they are made from."""
    rows = InterpreterImage.objects.filter(tenant=tenant).values_list("size", "upload")
    return sum((size or 0) + size_of(upload) for size, upload in rows)
