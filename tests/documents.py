"""What tests of documents share: cells, notebooks, and one that is signed in."""

import json
from typing import Any

from django.test import Client
from django.urls import reverse

from frontend.documents import new_document
from frontend.models import Notebook


def code_cell(name: str, source: str = "", **more: Any) -> dict[str, Any]:
    return {
        "id": name, "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None,
        **more,
    }  # fmt: skip


def text_cell(name: str, source: str = "", **more: Any) -> dict[str, Any]:
    return {"id": name, "cell_type": "markdown", "source": source, "metadata": {}, **more}


def document_of(*cells: dict[str, Any]) -> dict[str, Any]:
    return {**new_document("python3", "Python"), "cells": list(cells)}


def make(owner: Any, *cells: dict[str, Any], title: str = "Study") -> Notebook:
    tenant = owner.memberships.get().tenant
    document = document_of(*cells) if cells else new_document("python3", "Python")
    return Notebook.objects.create(tenant=tenant, owner=owner, title=title, pool="python", document=document)


def sources(document: dict[str, Any]) -> list[str]:
    return [cell["source"] for cell in document["cells"]]


def send(client: Client, method: str, route: str, *arguments: Any, **body: Any) -> Any:
    """Ask as the page does."""
    return client.generic(
        method, reverse(route, args=arguments), json.dumps(body), content_type="application/json",
        headers={"Accept": "application/json"},
    )  # fmt: skip
