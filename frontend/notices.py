"""Notices of a notebook through the channel layer: "it changed, look at it", and what is typed, as best effort.

Groups are `notebook.<id>`. Redis may be away: then nobody is told, what was saved is saved, and pages look by themselves.
"""

from functools import partial
from uuid import UUID

from django.db import transaction

from interpreters import notices


def notebook_group(notebook: UUID) -> str:
    return f"notebook.{notebook}"


def notebook_changed(notebook_id: UUID, version: int, by: str = "") -> None:
    """Its document, title, people or editor changed, or it was deleted. `by`: the tab that did it, if one did."""
    notice = {"type": "notebook.changed", "version": version, "by": by}
    transaction.on_commit(partial(notices.send, {notebook_group(notebook_id): notice}))
