"""Notebooks to begin with: one for a language, each a file beside this one, `<language>.ipynb`."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from frontend.documents import Document, new_cell, new_document

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Starter:
    title: str
    document: Document


def has_starter(language: str) -> bool:
    return language.lower() in _languages()


def starter(kernel: str, language: str) -> Starter | None:
    """A notebook that shows what this language can do here, or None where there is none. Its cells have new ids."""
    if not has_starter(language):
        return None
    stored = json.loads((FOLDER / f"{language.lower()}.ipynb").read_text())
    document = new_document(kernel, language)
    document["cells"] = [
        {**cell, "id": new_cell()["id"], "source": "".join(cell["source"])} for cell in stored["cells"]
    ]
    return Starter(stored["metadata"]["title"], document)


@lru_cache(maxsize=1)
def _languages() -> frozenset[str]:
    return frozenset(path.stem for path in FOLDER.glob("*.ipynb"))
