"""A notebook's file, of any tool and in any state, as a document of ours. What cannot be read is refused in words.

nbformat 1 to 4 is upgraded to 4.5. What is repaired on the way loses nothing that a file may hold: cells without an
id or with one that is taken get another; keys that the format does not know move into the metadata beside them.
"""

import json
import logging
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat.validator import normalize

from frontend import plain
from frontend.documents import MAX_CELLS, NBFORMAT, Document, InvalidDocument, check, forget_cleared, new_id

CELL_KEYS = {
    "code": ("id", "cell_type", "metadata", "source", "outputs", "execution_count"),
    "markdown": ("id", "cell_type", "metadata", "source", "attachments"),
    "raw": ("id", "cell_type", "metadata", "source", "attachments"),
}
NOTEBOOK_KEYS = ("nbformat", "nbformat_minor", "metadata", "cells")
ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# What the validator says of repairs that are ours to make.
logging.getLogger("traitlets").setLevel(logging.ERROR)


@dataclass
class Imported:
    document: Document  # with its outputs
    # What was changed so that it could be kept, for the person who brought it.
    notes: list[str] = field(default_factory=list)

    @property
    def kernel(self) -> str:
        return str(_at(self.document["metadata"], "kernelspec", "name"))

    @property
    def language(self) -> str:
        metadata = self.document["metadata"]
        return str(_at(metadata, "kernelspec", "language") or _at(metadata, "language_info", "name"))


def read_notebook(raw: bytes) -> Imported:
    """The notebook that the bytes of a file say. Raises InvalidDocument."""
    if not raw.strip():
        raise InvalidDocument("The file is empty.")
    try:
        content, replaced = plain.read(raw)
    except plain.NotPlain as error:
        raise InvalidDocument(f"This is no notebook. {error}") from error
    notes: list[str] = []
    if replaced:
        notes.append("Characters that no text can hold were replaced by \ufffd, and numbers that JSON lacks by null.")
    document = _upgraded(content, notes)
    _mend(document, notes)
    return Imported(_checked(document, notes), notes)


def _upgraded(content: Any, notes: list[str]) -> Document:
    """The content in nbformat 4, as far as its own version can be told."""
    if not isinstance(content, dict):
        raise InvalidDocument("This is no notebook: a notebook is a JSON object with `nbformat` and `cells`.")
    major = content.get("nbformat")
    if not isinstance(major, int) or isinstance(major, bool) or not ("cells" in content or "worksheets" in content):
        raise InvalidDocument("This is JSON, but no notebook: it has no `nbformat` and no cells.")
    if major > NBFORMAT[0] or major < 1:
        raise InvalidDocument(f"Its format is nbformat {major}; up to {NBFORMAT[0]} can be read. Export it as 4.5.")
    _count(content)
    if major == NBFORMAT[0]:
        return content
    notes.append(f"Upgraded from nbformat {major} to {NBFORMAT[0]}.{NBFORMAT[1]}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            upgraded = nbformat.reads(json.dumps(content), as_version=NBFORMAT[0])  # type: ignore[no-untyped-call]
        return dict(plain.hold(upgraded))
    except Exception as error:  # whatever a converter trips over in a file that only looks like its version
        raise InvalidDocument(f"It says nbformat {major}, but is not: {type(error).__name__}.") from error


def _count(content: Document) -> None:
    """Refuse too many cells before anything is done with them."""
    lists = [content.get("cells")]
    if isinstance(sheets := content.get("worksheets"), list):
        lists += [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    if (count := sum(len(cells) for cells in lists if isinstance(cells, list))) > MAX_CELLS:
        raise InvalidDocument(f"A notebook has at most {MAX_CELLS} cells; this one has {count}: split it.")


def _mend(document: Document, notes: list[str]) -> None:
    minor = document.get("nbformat_minor")
    if isinstance(minor, int) and minor > NBFORMAT[1]:
        notes.append(f"It is nbformat 4.{minor}, newer than what is known here: read as 4.{NBFORMAT[1]}.")
    document["nbformat"], document["nbformat_minor"] = NBFORMAT
    cells = document.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise InvalidDocument("`cells` must be a list of objects: the file is damaged.")
    _move_unknown(document, NOTEBOOK_KEYS)
    kernel = document["metadata"].get("kernelspec")
    if isinstance(kernel, dict) and isinstance(kernel.get("name"), str):
        kernel.setdefault("display_name", kernel["name"])
    taken: set[str] = set()
    repeated = 0
    for number, cell in enumerate(cells, 1):
        _mend_cell(cell, number)
        name = cell.get("id")
        if not isinstance(name, str) or not ID.fullmatch(name) or name in taken:
            repeated += name in taken if isinstance(name, str) else 0
            cell["id"] = new_id()
        taken.add(cell["id"])
    forget_cleared(cells)
    if repeated:
        notes.append(f"{repeated} {'cell' if repeated == 1 else 'cells'} had the id of another and got a new one.")


def _mend_cell(cell: dict[str, Any], number: int) -> None:
    kind = cell.get("cell_type")
    if not isinstance(kind, str) or kind not in CELL_KEYS:
        raise InvalidDocument(f"Cell {number} is of the unknown type {str(kind)[:40]!r}: code, markdown and raw exist.")
    _move_unknown(cell, CELL_KEYS[kind])
    cell.setdefault("source", "")
    if kind == "code":
        count = cell.get("execution_count")
        counted = isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**53
        cell["execution_count"] = count if counted else None
        outputs = cell.get("outputs")
        cell["outputs"] = [_mended_output(each) for each in outputs] if isinstance(outputs, list) else []


def _mended_output(output: Any) -> Any:
    """With what older tools left out; the validator says what else is wrong."""
    if not isinstance(output, dict):
        return output
    kind = output.get("output_type")
    if kind in ("execute_result", "display_data"):
        output.setdefault("metadata", {})
        output.setdefault("data", {})
        if kind == "execute_result":
            output.setdefault("execution_count", None)
    elif kind == "stream":
        output.setdefault("name", "stdout")
    elif kind == "error":
        for name, nothing in (("ename", ""), ("evalue", ""), ("traceback", [])):
            output.setdefault(name, nothing)
    return output


def _move_unknown(holder: dict[str, Any], known: tuple[str, ...]) -> None:
    """What the format does not know at this place goes into the metadata, where everything may stand."""
    metadata = holder.get("metadata")
    if not isinstance(metadata, dict):
        holder["metadata"] = metadata = {}
    for key in [key for key in holder if key not in known]:
        metadata.setdefault(key, holder.pop(key))


def _checked(document: Document, notes: list[str]) -> Document:
    """As `check()`; metadata that the format forbids is left out rather than the notebook refused."""
    try:
        return check(document)
    except InvalidDocument:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, stripped = normalize(document, strip_invalid_metadata=True)
        mended = check(dict(stripped))
        notes.append("Metadata that the format forbids was left out.")
        return mended


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
