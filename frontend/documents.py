"""Notebook documents: nbformat 4.5 as JSON, checked before it is stored, joined with outputs when it is read."""

import uuid
from collections.abc import Mapping
from typing import Any

import nbformat
from nbformat.validator import NotebookValidationError, ValidationError

Document = dict[str, Any]

MAX_CELLS = 5000
NBFORMAT = (4, 5)
# Our own place in a cell's metadata. `cleared` marks a cell whose outputs the user has cleared.
NAMESPACE = "thermae"


class InvalidDocument(Exception):
    """The document is not a notebook; the message says where and what to change."""


def new_document(kernel: str, language: str) -> Document:
    """An empty notebook: one code cell, and what other tools need to know to run it."""
    return {
        "nbformat": NBFORMAT[0],
        "nbformat_minor": NBFORMAT[1],
        "metadata": {
            "kernelspec": {"name": kernel, "display_name": language, "language": language.lower()},
            "language_info": {"name": language.lower()},
        },
        "cells": [new_cell()],
    }


def new_cell() -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex[:12],
        "cell_type": "code",
        "source": "",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }


def check(document: Any) -> Document:
    """The document itself if it is nbformat 4.5 within our bounds. Raises InvalidDocument."""
    if not isinstance(document, dict):
        raise InvalidDocument("A notebook is a JSON object with nbformat, metadata and cells.")
    if (document.get("nbformat"), document.get("nbformat_minor")) != NBFORMAT:
        raise InvalidDocument("Only nbformat 4.5 is stored: convert the notebook first, as with `jupyter nbconvert`.")
    cells = document.get("cells")
    if not isinstance(cells, list) or not all(_has_id(cell) for cell in cells):
        raise InvalidDocument("`cells` must be a list of objects that each have an id.")
    if len(cells) > MAX_CELLS:
        raise InvalidDocument(f"A notebook has at most {MAX_CELLS} cells; this one has {len(cells)}: split it.")
    # First, because the validator would give one of them another id and go on.
    if len({cell["id"] for cell in cells}) != len(cells):
        raise InvalidDocument("Two cells have the same id: give each cell its own.")
    try:
        nbformat.validate(document)
    except (NotebookValidationError, ValidationError) as error:
        raise InvalidDocument(_explain(error)) from error
    except RecursionError as error:
        raise InvalidDocument("The notebook is nested too deeply.") from error
    return document


def _has_id(cell: Any) -> bool:
    return isinstance(cell, dict) and isinstance(cell.get("id"), str)


def _explain(error: Exception) -> str:
    """One sentence with the place. The validator's own message repeats the whole notebook."""
    path = [str(part) for part in getattr(error, "relative_path", ())]
    place = f"cell {int(path[1]) + 1}" if path[:1] == ["cells"] and len(path) > 1 else "the notebook"
    reason = str(getattr(error, "message", error)).splitlines()[0][:200]
    return f"This is not a valid notebook, in {place}: {reason}"


def keep_outputs(edited: Document, stored: Document) -> Document:
    """The edited document with the outputs of the stored one: outputs belong to the server, not to a tab."""
    before = {cell.get("id"): cell for cell in stored.get("cells", [])}
    for cell in edited["cells"]:
        if cell["cell_type"] != "code":
            continue
        old = before.get(cell["id"], {})
        keep = old.get("cell_type") == "code" and not _cleared(cell)
        cell["outputs"] = old.get("outputs", []) if keep else []
        cell["execution_count"] = old.get("execution_count") if keep else None
    return edited


def fill_outputs(document: Document, executions: Mapping[str, Any]) -> Document:
    """The document with each cell's latest outputs. `executions` maps cell ids to Execution rows."""
    for cell in document.get("cells", []):
        execution = executions.get(cell.get("id"))
        if cell["cell_type"] == "code" and execution is not None and str(execution.id) != _cleared(cell):
            cell["outputs"] = execution.outputs or []
            cell["execution_count"] = execution.execution_count
    return document


def _cleared(cell: Mapping[str, Any]) -> str:
    """The id of the execution whose outputs the user cleared, or ""."""
    ours = cell.get("metadata", {}).get(NAMESPACE)
    return str(ours.get("cleared", "")) if isinstance(ours, dict) else ""
