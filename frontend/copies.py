"""Notebooks made from others: a copy of what a link shows, or of edits that could not be saved in place."""

from typing import Any

from frontend.documents import Document
from frontend.models import Notebook
from interpreters.models import InterpreterImage, SessionPool
from tenants.models import Tenant

TITLE_LENGTH = 200


def copy_of(document: Document, title: str, *, tenant: Tenant, owner: Any, pool: str) -> Notebook | None:
    """A notebook of one's own; None where the tenant has no pool that runs it."""
    found = usable_pool(tenant, pool, kernel_of(document))
    if found is None:
        return None
    return Notebook.objects.create(
        tenant=tenant, owner=owner, title=title[:TITLE_LENGTH], pool=found.name, document=document
    )


def usable_pool(tenant: Tenant, name: str, kernel: str) -> SessionPool | None:
    """The pool of that name, or else one with the same kernel."""
    pools = SessionPool.objects.usable_by(tenant).filter(enabled=True, image__kind=InterpreterImage.Kind.CODE)
    return pools.filter(name=name).first() or pools.filter(image__kernel=kernel).order_by("name").first()


def kernel_of(document: Document) -> str:
    spec = document.get("metadata", {}).get("kernelspec")
    return str(spec.get("name", "")) if isinstance(spec, dict) else ""
