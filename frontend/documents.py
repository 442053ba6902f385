"""Notebook documents: nbformat 4.5 as JSON, checked before it is stored, joined with outputs when it is read."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import nbformat
from nbformat.validator import NotebookValidationError, ValidationError

from frontend.plain import NotPlain, hold

Document = dict[str, Any]

MAX_CELLS = 5000
NBFORMAT = (4, 5)
# Our own place in a cell's metadata. `cleared` marks a cell whose outputs the user has cleared.
NAMESPACE = "thermae"


class Outputs(Protocol):
    """What a cell printed: of a run, or of the file that the notebook came from."""

    outputs: Any
    execution_count: int | None


class InvalidDocument(Exception):
    """The document is not a notebook; the message says where and what to change."""


class CellsUnknown(InvalidDocument):
    """Some cells were left out that are not stored: send the whole document."""


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


def new_id() -> str:
    return uuid.uuid4().hex[:12]


def new_cell() -> dict[str, Any]:
    return {
        "id": new_id(),
        "cell_type": "code",
        "source": "",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }


def check(document: Any) -> Document:
    """The document if it is nbformat 4.5 within our bounds, as it can be held. Raises InvalidDocument."""
    if not isinstance(document, dict):
        raise InvalidDocument("A notebook is a JSON object with nbformat, metadata and cells.")
    if (document.get("nbformat"), document.get("nbformat_minor")) != NBFORMAT:
        raise InvalidDocument("Only nbformat 4.5 is saved: import the file instead, which upgrades it.")
    cells = document.get("cells")
    if not isinstance(cells, list) or not all(_has_id(cell) for cell in cells):
        raise InvalidDocument("`cells` must be a list of objects that each have an id.")
    if len(cells) > MAX_CELLS:
        raise InvalidDocument(f"A notebook has at most {MAX_CELLS} cells; this one has {len(cells)}: split it.")
    # First, because the validator would give one of them another id and go on.
    if len({cell["id"] for cell in cells}) != len(cells):
        raise InvalidDocument("Two cells have the same id: give each cell its own.")
    try:
        held: Document = hold(document)
        nbformat.validate(held)
    except (NotebookValidationError, ValidationError) as error:
        raise InvalidDocument(_explain(error)) from error
    except NotPlain as error:
        raise InvalidDocument(f"This notebook cannot be kept. {error}") from error
    return held


def _has_id(cell: Any) -> bool:
    return isinstance(cell, dict) and isinstance(cell.get("id"), str)


def _explain(error: Exception) -> str:
    """One sentence with the place. The validator's own message repeats the whole notebook."""
    path = [str(part) for part in getattr(error, "relative_path", ())]
    place = f"cell {int(path[1]) + 1}" if path[:1] == ["cells"] and len(path) > 1 else "the notebook"
    reason = str(getattr(error, "message", error)).splitlines()[0][:200]
    return f"This is not a valid notebook, in {place}: {reason}"


def patched(stored: Document, change: Mapping[str, Any]) -> Document:
    """The stored document with what changed: `cells` new or edited, `order` of all ids, `metadata`; each may be absent.

    Raises CellsUnknown, or InvalidDocument.
    """
    cells, order = change.get("cells", []), change.get("order")
    if not isinstance(cells, list) or not all(_has_id(cell) for cell in cells):
        raise InvalidDocument("`cells` must be a list of objects that each have an id.")
    known = {cell["id"]: cell for cell in stored["cells"]}
    if order is None:
        order = list(known)
    if not isinstance(order, list) or not all(isinstance(name, str) for name in order):
        raise InvalidDocument("`order` must be a list with the id of every cell.")
    known |= {cell["id"]: cell for cell in cells}
    if missing := [name for name in order if name not in known]:
        raise CellsUnknown(f"The cell {missing[0]!r} is not known here: save the whole document.")
    metadata = change.get("metadata", stored["metadata"])
    return {**stored, "metadata": metadata, "cells": [known[name] for name in order]}


def size(document: Document) -> int:
    """Bytes of the document as it is stored."""
    return bytes_of(document)


def bytes_of(value: Any) -> int:
    """Of a document, or of outputs, as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def without_outputs(document: Document) -> Document:
    """The document without what its cells printed: outputs belong to the server, not to a tab."""
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return document


def fill_outputs(
    document: Document, executions: Mapping[str, Any], brought: Mapping[str, Outputs] | None = None
) -> Document:
    """The document with each cell's latest outputs: of its last run, else what its file brought along.

    `executions` maps cell ids to Execution rows, `brought` to what an import or a copy kept.
    """
    for cell in document.get("cells", []):
        if cell["cell_type"] != "code":
            continue
        execution = executions.get(cell.get("id"))
        shown: Outputs | None
        if execution is not None:
            shown = execution if str(execution.id) != _cleared(cell) else None
        else:
            shown = (brought or {}).get(cell["id"])
            shown = shown if brought_name(cell["id"]) != _cleared(cell) else None
        if shown is not None:
            cell["outputs"] = shown.outputs or []
            cell["execution_count"] = shown.execution_count
    return document


def brought_name(cell: str) -> str:
    """What stands in `cleared` for outputs that no run of ours made; the page makes the same name."""
    return f"stored-{cell}"


def forget_cleared(cells: Iterable[Mapping[str, Any]]) -> None:
    """Take our mark out: it concerns this notebook's runs, not those of a copy or a file."""
    for cell in cells:
        metadata = cell.get("metadata")
        ours = metadata.get(NAMESPACE) if isinstance(metadata, dict) else None
        if isinstance(metadata, dict) and isinstance(ours, dict) and ours.pop("cleared", None) is not None and not ours:
            del metadata[NAMESPACE]


def _cleared(cell: Mapping[str, Any]) -> str:
    """The id of the execution whose outputs the user cleared, or ""."""
    ours = cell.get("metadata", {}).get(NAMESPACE)
    return str(ours.get("cleared", "")) if isinstance(ours, dict) else ""
