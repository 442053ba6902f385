"""Notebooks made of documents: of a file, of what a link shows, or of edits that could not be saved in place."""

from typing import Any

from django.conf import settings
from django.db import transaction

from frontend.documents import Document, InvalidDocument, size, without_outputs
from frontend.models import BroughtOutput, Notebook, measure_kept
from interpreters.models import InterpreterImage, SessionPool
from tenants import storage
from tenants.models import Tenant

TITLE_LENGTH = 200


def make_notebook(document: Document, title: str, *, tenant: Tenant, owner: Any, pool: str) -> Notebook:
    """A new notebook of a document with its outputs. Raises InvalidDocument, StorageFull."""
    outputs = [{**cell} for cell in document["cells"]]
    stored = without_outputs({**document, "cells": [{**cell} for cell in document["cells"]]})
    if size(stored) > settings.MAX_NOTEBOOK_BYTES:
        limit = f"{settings.MAX_NOTEBOOK_BYTES / 1024**2:g}"
        raise InvalidDocument(f"Without its outputs a notebook may have {limit} MiB; this one has more.")
    with storage.room_for(tenant), transaction.atomic():
        notebook = Notebook.objects.create(
            tenant=tenant, owner=owner, title=title[:TITLE_LENGTH], pool=pool, document=stored
        )
        BroughtOutput.objects.take(notebook, outputs)
        measure_kept(notebook.pk)
    return notebook


def copy_of(document: Document, title: str, *, tenant: Tenant, owner: Any, pool: str) -> Notebook | None:
    """A notebook of one's own; None where the tenant has no pool that runs it."""
    found = usable_pool(tenant, pool, kernel_of(document))
    return make_notebook(document, title, tenant=tenant, owner=owner, pool=found.name) if found else None


def usable_pool(tenant: Tenant, name: str, kernel: str) -> SessionPool | None:
    """The pool of that name, or else one with the same kernel."""
    pools = SessionPool.objects.usable_by(tenant).filter(enabled=True, image__kind=InterpreterImage.Kind.CODE)
    return pools.filter(name=name).first() or pools.filter(image__kernel=kernel).order_by("name").first()


def kernel_of(document: Document) -> str:
    spec = document.get("metadata", {}).get("kernelspec")
    return str(spec.get("name", "")) if isinstance(spec, dict) else ""
